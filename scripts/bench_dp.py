"""Accuracy, time and memory under differential privacy, in one run each, one thread.

    python scripts/bench_dp.py tables --data FOLDER                      # AIM's adult: marginal, aim, mst side by side
    python scripts/bench_dp.py adult  --data FOLDER --harness quality.py # raw adult end to end, several fits
    python scripts/bench_dp.py scale                                     # wide and long simulated tables
    python scripts/bench_dp.py noise                                     # sigma by Gaussian DP and by zCDP

`tables`: oracles/adult_discretised.csv.gz (14 columns, 48,842 rows; ordered columns as integers), delta 1e-9: mean
total variation distance of all 1-, 2- and 3-way marginals between the table and as many synthetic rows. `adult`: fit
and 48,842 rows through the command line with the shipped schema, delta 1e-6, scored by the harness as in ``bench.py``.
`scale`: simulated tables of 2 to 19 levels per column, related through four hidden traits, fitted through the command
line at epsilon 1. Noise is never seeded, so figures vary from fit to fit: every fit is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from bench import SCHEMAS, TABSYNTH, score, split_rows, tell, timed

ORDERED = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CONTENDERS = (("marginal", "marginal", None), ("aim", "aim", None), ("mst", "mst", None),
              ("aim, tree as large as marginal's", "aim", {"max_cells": 1_000_000}))
SIZES = ((50, 50_000), (200, 200_000))


def tables(data: Path, fits: int) -> None:
    """AIM's adult: mean distance of 1-, 2- and 3-way marginals, CPU seconds."""
    import pandas as pd

    from tabsynth import TabularSynthesizer
    from tabsynth.core.schema import Column, Population, Schema

    sizes = json.loads((data / "oracles" / "adult_discretised-domain.json").read_text("utf-8"))
    frame = pd.read_csv(data / "oracles" / "adult_discretised.csv.gz")
    columns = tuple(
        Column(name, "integer", bounds=(0, size - 1), nullable=False, source="domain file") if name in ORDERED else
        Column(name, "category", levels=tuple(map(str, range(size))), nullable=False, source="domain file")
        for name, size in sizes.items())
    schema = Schema(columns, population=Population("adult", declared_units=len(frame)))
    typed = frame.astype({name: str for name in sizes if name not in ORDERED})
    for epsilon in ("0.1", "1", "10"):
        for label, model, settings in CONTENDERS:
            for _ in range(fits):
                start = time.process_time()
                synth = TabularSynthesizer(model, epsilon=epsilon, delta="1e-9", settings=settings)
                synth.fit(typed, schema, unit="row")
                seconds = time.process_time() - start
                rows = synth.sample(len(frame), rng=0).astype("int64")
                tell("tables", f"{label}, epsilon {epsilon}",
                     {f"{k}_way": round(distance(frame, rows, sizes, k), 4) for k in (1, 2, 3)}
                     | {"fit_cpu_s": round(seconds, 1)})


def distance(real: object, synthetic: object, sizes: dict[str, int], k: int) -> float:
    """Mean total variation distance of all k-way marginals."""
    found = []
    for names in combinations(sizes, k):
        shape = tuple(sizes[name] for name in names)
        cells = [np.bincount(np.ravel_multi_index([table[name].to_numpy() for name in names], shape),  # type: ignore[index]
                             minlength=int(np.prod(shape))) / len(table) for table in (real, synthetic)]  # type: ignore[arg-type]
        found.append(np.abs(cells[0] - cells[1]).sum() / 2)
    return float(np.mean(found))


def adult(data: Path, harness: Path, fits: int) -> None:
    """Raw adult end to end: marginal at three budgets, aim and mst beside it at epsilon 1."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n = sum(split_rows(data / "adult.csv", folder))
        train = folder / "train.csv"
        for model, epsilon in (("marginal", "0.3"), ("marginal", "1"), ("marginal", "3"), ("aim", "1"), ("mst", "1")):
            for number in range(fits):
                stored, rows = folder / "m.tabsynth", folder / "rows.csv"
                cost = timed([*TABSYNTH, "fit", train, "--schema", SCHEMAS / "adult.yaml", "--model", model,
                              "--unit", "row", "--epsilon", epsilon, "--delta", "1e-6", "--ledger", folder / "ledger",
                              "-o", stored, "--force", "-q"])
                timed([*TABSYNTH, "sample", stored, "-n", n, "--seed", number, "-o", rows, "--force", "-q"])
                tell("adult", f"{model}, epsilon {epsilon}",
                     {"fit": cost, **score([sys.executable, harness, train, folder / "holdout.csv", rows,
                                            "--target", "income"])})


def scale() -> None:
    """Wall, CPU and memory of fits of large simulated tables, reading included."""
    for columns, rows in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            simulate(folder, columns, rows)
            for epsilon in ("1", "3"):
                cost = timed([*TABSYNTH, "fit", folder / "table.csv", "--schema", folder / "schema.yaml", "--unit",
                              "row", "--epsilon", epsilon, "--ledger", folder / "ledger", "-o", folder / "m.tabsynth",
                              "--force", "-q"])
                tell("scale", f"{columns} columns, {rows} rows, epsilon {epsilon}", cost)


def simulate(folder: Path, columns: int, rows: int) -> None:
    """A table of categories that depend on four hidden traits, and its schema."""
    import pandas as pd

    rng = np.random.default_rng(0)
    traits = rng.normal(size=(rows, 4))
    table, lines = {}, [f"population: {{name: simulated, declared_units: {rows}}}", "columns:"]
    for j in range(columns):
        levels = int(rng.integers(2, 20))
        score_ = traits @ rng.normal(size=4) + rng.normal(size=rows)
        cuts = np.quantile(score_, np.sort(rng.random(levels - 1)))
        table[f"c{j}"] = np.searchsorted(cuts, score_).astype("U2")
        listed = ", ".join(f"'{level}'" for level in range(levels))
        lines.append(f"  - {{name: c{j}, kind: category, levels: [{listed}], nullable: false, source: simulated}}")
    pd.DataFrame(table).to_csv(folder / "table.csv", index=False)
    (folder / "schema.yaml").write_text("\n".join(lines) + "\n", "utf-8")


def noise() -> None:
    """How much smaller sigma is by Gaussian DP than by the tight conversion of zCDP, at equal epsilon and delta."""
    from tabsynth.privacy.accountant import gdp_mu, zcdp_epsilon

    for delta in (1e-5, 1e-6, 1e-9):
        saved = {}
        for epsilon in (0.1, 1.0, 4.0, 10.0):
            low, high = 0.0, 100.0
            for _ in range(100):
                middle = (low + high) / 2
                low, high = (middle, high) if zcdp_epsilon(middle, delta) <= epsilon else (low, middle)
            saved[str(epsilon)] = round(100 * (1 - (2 * low) ** 0.5 / gdp_mu(epsilon, delta)), 1)
        tell("noise", f"percent smaller at delta {delta:g}", saved)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tables", "adult", "scale", "noise"))
    parser.add_argument("--data", type=Path, default=os.environ.get("TABSYNTH_DATA"))
    parser.add_argument("--harness", type=Path)
    parser.add_argument("--fits", type=int, default=3)
    given = parser.parse_args()
    if given.what in ("tables", "adult") and given.data is None:
        parser.error("--data (or TABSYNTH_DATA) names the folder of the real tables")
    if given.what == "adult" and given.harness is None:
        parser.error("--harness names the scoring program")
    if given.what == "tables":
        tables(Path(given.data), given.fits)
    elif given.what == "adult":
        adult(Path(given.data), given.harness, given.fits)
    elif given.what == "scale":
        scale()
    else:
        noise()


if __name__ == "__main__":
    main()
