"""What large tables take: wall seconds, CPU seconds and peak MB of `tabsynth fit` and `tabsynth sample`, one thread.

- rows: fit of 1,000,000 rows x 50 columns, schema guessed. They are drawn from our copula fitted to diabetes130, where
  two made-up costs, numbers of two decimals that depend on the stay, have taken the place of the two identifiers.
- columns: fit of 20,000 rows x 500 columns, categories of 2 to 19 levels that depend on four hidden traits
  (``simulate`` of ``bench_dp.py``), with their schema.
- codes: fit of 200,000 rows of age, sex and three diagnosis codes of 10,000 levels each, frequencies falling as 1/rank,
  a second and third code from the chapter of the one before it in half of the rows; then as many rows drawn, which say
  how many codes were invented.
- sample: 1,000,000 rows of a model of adult to Parquet, with one and with two processes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from bench import SCHEMAS, TABSYNTH, run, split_rows, tell
from bench_dp import simulate

LEVELS, CHAPTERS = 10_000, 100
MILLION = 1_000_000


def scale(data: Path, models: Sequence[str], sizes: Sequence[str], keep: Path) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            SIZES[size](data, Path(name), models, keep)


def many_rows(data: Path, folder: Path, models: Sequence[str], keep: Path) -> None:
    """A million rows of 50 columns."""
    table, real, base = folder / "table.csv", folder / "real.csv", folder / "base.tabsynth"
    stays = pd.read_csv(data / "diabetes130.csv.gz", dtype=str, keep_default_na=False)
    labs, drugs, days = (stays[c].astype(float) for c in ("num_lab_procedures", "num_medications", "time_in_hospital"))
    rng = np.random.default_rng(0)
    costs = {"lab_cost": (labs * rng.gamma(4, 3, len(stays))).round(2),
             "stay_cost": (days * 400 + drugs * rng.lognormal(3, 0.5, len(stays))).round(2)}
    stays.drop(columns=["encounter_id", "patient_nbr"]).assign(**costs).to_csv(real, index=False)
    run([*TABSYNTH, "fit", real, "--model", "copula", "--seed", 0, "-o", base, "-q"])
    run([*TABSYNTH, "sample", base, "-n", MILLION, "--seed", 0, "-o", table, "-q"])
    fits("1,000,000 rows x 50 columns", table, [], models, keep)


def many_columns(data: Path, folder: Path, models: Sequence[str], keep: Path) -> None:
    """500 columns of 20,000 rows."""
    simulate(folder, 500, 20_000)
    fits("20,000 rows x 500 columns", folder / "table.csv", ["--schema", folder / "schema.yaml"], models, keep)


def many_codes(data: Path, folder: Path, models: Sequence[str], keep: Path) -> None:
    """Three columns of 10,000 diagnosis codes."""
    table, rows = folder / "table.csv", folder / "rows.csv"
    given = diagnoses(200_000, np.random.default_rng(0))
    given.to_csv(table, index=False)
    codes = [name for name in given if name.startswith("diag")]
    (folder / "schema.yaml").write_text(
        "columns:\n" + "".join(f"  - {{name: {name}, kind: category, nullable: false}}\n" for name in ["sex", *codes])
        + "  - {name: age, kind: integer, nullable: false}\n", "utf-8")
    for model in models:
        stored = fits("200,000 rows, three columns of 10,000 codes", table, ["--schema", folder / "schema.yaml"],
                      [model], keep)
        cost, _ = run([*TABSYNTH, "sample", stored, "-n", len(given), "--seed", 0, "-o", rows, "--force", "-q"])
        drawn = pd.read_csv(rows, dtype=str)
        invented = sum(len(set(drawn[c].dropna()) - set(given[c])) for c in codes)
        tell("scale", f"sample 200,000 of these, {model}",
             {**cost, "note": f"{invented} codes invented, {sum(drawn[c].nunique() for c in codes)} drawn of "
                              f"{sum(given[c].nunique() for c in codes)}"}, keep)


def diagnoses(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Age, sex, and three codes of a letter, two digits and a further number (chapter, then code within it)."""
    within = LEVELS // CHAPTERS
    chance = 1 / np.arange(1, LEVELS + 1)
    names = np.array([f"{chr(65 + c // 10 % 26)}{c:02d}.{i:02d}" for c in range(CHAPTERS) for i in range(within)])
    rank = rng.permutation(LEVELS)
    previous = rank[rng.choice(LEVELS, n_rows, p=chance / chance.sum())]
    table = {"age": rng.integers(0, 100, n_rows), "sex": rng.choice(["f", "m"], n_rows), "diag_1": names[previous]}
    for position in (2, 3):
        fresh = rank[rng.choice(LEVELS, n_rows, p=chance / chance.sum())]
        related = previous // within * within + fresh % within
        previous = np.where(rng.random(n_rows) < 0.5, related, fresh)
        table[f"diag_{position}"] = names[previous]
    return pd.DataFrame(table)


def many_samples(data: Path, folder: Path, models: Sequence[str], keep: Path) -> None:
    """A million rows of adult to Parquet, with one and two processes."""
    split_rows(data / "adult.csv", folder)
    for model in models:
        stored = fits("adult", folder / "train.csv", ["--schema", SCHEMAS / "adult.yaml"], [model], keep)
        for jobs in (1, 2):
            cost, _ = run([*TABSYNTH, "sample", stored, "-n", MILLION, "--jobs", jobs, "--seed", 0, "-o",
                           folder / "rows.parquet", "--force", "-q"])
            tell("scale", f"sample 1,000,000 rows of adult to Parquet, --jobs {jobs}, {model}", cost, keep)


def fits(label: str, table: Path, known: Sequence[object], models: Sequence[str], keep: Path) -> Path:
    """Measure the fit of each model; returns the file of the last."""
    stored = table.with_name("model.tabsynth")
    for model in models:
        cost, _ = run([*TABSYNTH, "fit", table, *known, "--model", model, "--seed", 0, "-o", stored, "--force", "-q"])
        tell("scale", f"fit {label}, {model}", cost, keep)
    return stored


SIZES: dict[str, Callable[[Path, Path, Sequence[str], Path], None]] = {
    "rows": many_rows, "columns": many_columns, "codes": many_codes, "sample": many_samples}
