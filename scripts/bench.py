"""Time, memory and fidelity of the main job, measured from outside through the command line.

    python scripts/bench.py adult    --data FOLDER --harness quality.py   # models beside the ceiling
    python scripts/bench.py release  --data FOLDER                        # diabetes130: wall, CPU and peak memory
    python scripts/bench.py evaluate --data FOLDER                        # the whole evaluation, and each measure
    python scripts/bench.py answers                                       # how long tabsynth --help and models take

FOLDER holds adult.csv and diabetes130.csv.gz. The harness is any program that takes TRAIN HOLDOUT SYNTH --target COLUMN
(or --ceiling instead of SYNTH) and prints one JSON object. Adult is split by numpy.random.default_rng(0).permutation,
the first 80 % to train; every model gets one thread. Figures are one JSON line each, so that runs can be compared.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SCHEMAS = Path(__file__).resolve().parent.parent / "tabsynth" / "datasets" / "schemas"
TABSYNTH = [sys.executable, "-m", "tabsynth"]
MEASURED = str(Path(__file__).resolve().parent / "measured.py")
KEPT = ("marg1_10", "marg2", "marg2_worst", "marg3", "det_hgb_auc", "tstr_auc", "trtr_auc", "tstr_f1", "dcr_share",
        "identical_train_n", "identical_holdout_n", "fd_violation", "invalid")


def timed(command: Sequence[object]) -> dict[str, float]:
    """Run a command on one thread; its wall seconds, CPU seconds and peak MB (see ``measured.py``)."""
    return run(command, accepted=(0, 1))[0]


def run(command: Sequence[object], accepted: Sequence[int] = (0,)) -> tuple[dict[str, float], str]:
    """Run a command on one thread; what it took, and what it printed. Exit codes that are not `accepted` are raised."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "cost.json"
        done = subprocess.run([sys.executable, MEASURED, str(report), *map(str, command)], capture_output=True,
                              text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode not in accepted:
            raise SystemExit(f"exit code {done.returncode}: {done.stderr.strip()}")
        return json.loads(report.read_text("utf-8")), done.stdout


def adult(data: Path, harness: Path, seed: int) -> None:
    """Fidelity of every model on adult, beside the ceiling (real rows) and independent columns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n = sum(split_rows(data / "adult.csv", folder))
        judge = [sys.executable, harness, folder / "train.csv", folder / "holdout.csv"]
        tell("adult", "ceiling", score([*judge, "--ceiling", "--target", "income"]))
        guarantee = ["--epsilon", "1", "--delta", "1e-6", "--unit", "row"]
        for model, privacy in (("independent", []), ("copula", []), ("marginal", guarantee)):
            stored, rows = folder / f"{model}.tabsynth", folder / f"{model}.csv"
            fit = timed([*TABSYNTH, "fit", folder / "train.csv", "--schema", SCHEMAS / "adult.yaml", "--model", model,
                         *privacy, "--seed", seed, "-o", stored, "-q"])
            draw = timed([*TABSYNTH, "sample", stored, "-n", n, "--seed", seed, "-o", rows, "-q"])
            tell("adult", model, {"fit": fit, "sample": draw, **score([*judge, rows, "--target", "income"])})


def split_rows(table: Path, folder: Path, unit: str | None = None) -> tuple[int, int]:
    """Write train.csv and holdout.csv: 80 % of the rows, or of the people that column `unit` names, by generator 0.

    People are permuted in sorted order of their (whole) numbers. Returns the rows of both files.
    """
    opened = gzip.open if table.suffix == ".gz" else open
    with opened(table, "rt", encoding="utf-8") as file:
        header, *lines = file.read().splitlines()
    owner = np.arange(len(lines))
    if unit is not None:
        position = header.split(",").index(unit)
        owner = np.array([int(line.split(",", position + 1)[position]) for line in lines])
    train, holdout = by_person(owner)
    for side, rows in (("train", train), ("holdout", holdout)):
        (folder / f"{side}.csv").write_text("\n".join([header, *(lines[i] for i in rows)]) + "\n", "utf-8")
    return len(train), len(holdout)


def by_person(owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of 80 % of the people and of the others, in the order in which the people were drawn."""
    people, number = np.unique(owner, return_inverse=True)
    place = np.argsort(np.random.default_rng(0).permutation(len(people)))[number]
    order = np.argsort(place, kind="stable")
    return np.split(order, [int((place < int(0.8 * len(people))).sum())])


def release(data: Path, seed: int) -> None:
    """Wall, CPU and memory of a whole release of diabetes130, without and with differential privacy."""
    choices = {"copula, no DP": ["--no-dp", "--model", "copula"], "marginal, epsilon 1": ["--epsilon", "1"]}
    for label, choice in choices.items():
        with tempfile.TemporaryDirectory() as folder:
            cost = timed([*TABSYNTH, "release", data / "diabetes130.csv.gz", "--schema", SCHEMAS / "diabetes130.yaml",
                          *choice, "--ledger", f"{folder}/ledger", "--seed", seed, "-o", f"{folder}/out", "-q"])
            tell("release diabetes130", label, cost)


def evaluate(data: Path, seed: int) -> None:
    """Wall, CPU and memory of `tabsynth evaluate` by size, the honest row of each model, and seconds per measure.

    10,000 x 30 and 50,000 x 50 are cuts of diabetes130 (training rows x columns, a quarter as many holdout rows, as
    many synthetic ones); adult and diabetes130 are evaluated whole.
    """
    adult, diabetes = data / "adult.csv", data / "diabetes130.csv.gz"
    sizes = {"10,000 x 30": (diabetes, 12_500, 30, None), "50,000 x 50": (diabetes, 62_500, 50, None),
             "adult": (adult, None, None, SCHEMAS / "adult.yaml"),
             "diabetes130": (diabetes, None, None, SCHEMAS / "diabetes130.yaml")}
    for label, (source, n_rows, n_columns, schema) in sizes.items():
        with tempfile.TemporaryDirectory() as name:
            table = Path(name) / "table.csv"
            cut(source, table, n_rows, n_columns)
            evaluate_one(label, table, schema, seed)


def evaluate_one(label: str, table: Path, schema: Path | None, seed: int) -> None:
    """Split, fit and sample each model, evaluate; without a public schema the copula alone."""
    folder = table.parent
    known = ["--schema", schema] if schema else []
    timed([*TABSYNTH, "split", table, *known, "--seed", seed, "-o", folder, "-q"])
    train, holdout = folder / "train.csv", folder / "holdout.csv"
    n = sum(1 for _ in train.open("rb")) - 1
    for model in ("independent", "copula", "seqforest", "marginal") if schema else ("copula",):
        stored, synth, report = (folder / f"{model}.{suffix}" for suffix in ("tabsynth", "csv", "json"))
        privacy = ["--epsilon", "1", "--ledger", folder / "ledger"] if model == "marginal" else []
        timed([*TABSYNTH, "fit", train, *known, "--model", model, *privacy, "--seed", seed, "-o", stored, "-q"])
        timed([*TABSYNTH, "sample", stored, "-n", n, "--seed", seed, "-o", synth, "-q"])
        cost = timed([*TABSYNTH, "evaluate", synth, "--train", train, "--holdout", holdout, "--fitted", stored, *known,
                      "--seed", seed, "-o", report, "-q"])
        tell("evaluate", f"{label}, {model}", {**cost, **honest_row(report)})
        if model == "seqforest":
            tell("report", f"{label}, {model}, for the recipient", rendered(report))
        if model == "copula":
            tell("evaluate", f"{label}, by measure", seconds_per_measure(synth, train, holdout, schema))


def rendered(report: Path) -> dict[str, Any]:
    """Seconds and kilobytes of each rendering, start of the command included."""
    costs = {}
    for form, file in (("json", "report.json"), ("md", "report.md"), ("html", "report.html"), ("pdf", "report.pdf")):
        folder = report.parent / f"as-{form}"
        cost = timed([*TABSYNTH, "report", report, "--class", "recipient", "--format", form, "-o", folder])
        costs |= {f"{form}_s": cost["wall_s"], f"{form}_kb": round((folder / file).stat().st_size / 1000)}
    return costs


def cut(source: Path, target: Path, n_rows: int | None, n_columns: int | None) -> None:
    """The first rows and columns of a table, as CSV."""
    import pandas as pd

    frame = pd.read_csv(source, dtype=str, keep_default_na=False, nrows=n_rows)
    frame.iloc[:, :n_columns].to_csv(target, index=False)


def honest_row(report: Path) -> dict[str, Any]:
    """The figures that stand for an evaluation in one line, and what the policy found."""
    document = json.loads(report.read_text("utf-8"))
    judged = {j["finding_id"]: j["verdict"] for j in document["verdict"]["judgements"]}
    values = {f["id"]: None if f["value"] is None else round(f["value"], 4) for f in document["findings"]}
    return {"outcome": document["verdict"]["outcome"], "because": document["verdict"]["because"], "values": values,
            "judged": judged}


def seconds_per_measure(synth: Path, train: Path, holdout: Path, schema: Path | None) -> dict[str, float]:
    """Seconds of each measure on its own, slowest first; shared preparations count for the first that needs them."""
    import tabsynth
    from tabsynth.core import registry
    from tabsynth.evaluation import protocol

    known = tabsynth.read(train).schema if schema is None else tabsynth.load_schema(schema)
    tables = [tabsynth.read(path, schema=known) for path in (synth, train, holdout)]
    samples = protocol.prepare(*tables, seed=0)
    seconds = {}
    for name in protocol.measures():
        registry.load("measures", name)
        start = time.perf_counter()
        protocol.evaluate(samples, only=[name])
        seconds[name] = round(time.perf_counter() - start, 2)
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def answers() -> None:
    """Seconds until the command line answers; the middle of nine runs."""
    for arguments in (["--help"], ["models"], ["version"]):
        walls = sorted(timed([*TABSYNTH, *arguments])["wall_s"] for _ in range(9))
        tell("answers", " ".join(arguments), {"wall_s": walls[4], "fastest_s": walls[0]})


def score(command: Sequence[object]) -> dict[str, Any]:
    """The harness's figures that the notes compare."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return {k: v for k, v in json.loads(done.stdout).items() if k in KEPT}


def tell(what: str, which: str, figures: dict[str, Any], keep: Path | None = None) -> None:
    """Print a line of figures, and add it to a file."""
    line = json.dumps({"bench": what, "which": which, **figures})
    print(line, flush=True)
    if keep is not None:
        with keep.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("adult", "release", "evaluate", "answers"))
    parser.add_argument("--data", type=Path, default=os.environ.get("TABSYNTH_DATA"))
    parser.add_argument("--harness", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.what != "answers" and given.data is None:
        parser.error("--data (or TABSYNTH_DATA) names the folder of the real tables")
    if given.what == "adult" and given.harness is None:
        parser.error("--harness names the scoring program")
    if given.what == "adult":
        adult(Path(given.data), given.harness, given.seed)
    elif given.what == "release":
        release(Path(given.data), given.seed)
    elif given.what == "evaluate":
        evaluate(Path(given.data), given.seed)
    else:
        answers()


if __name__ == "__main__":
    main()
