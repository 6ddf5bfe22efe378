"""Generators of tables without a guarantee: fidelity, copying and cost of ours and of other people's, side by side.

    python scripts/bench_tabular.py compare --data FOLDER --harness quality.py --keep tabular.jsonl [--peers PYTHON]
    python scripts/bench_tabular.py scale   --data FOLDER --keep tabular.jsonl        # see bench_scale.py
    python scripts/bench_tabular.py table   --keep tabular.jsonl > evaluation/TABULAR.md

Four public tables, each split once, 80 / 20 by generator 0; diabetes130 by patient. Every generator is fitted to the
training rows with seeds 0 to 2, draws as many rows as it was given, and is judged against the holdout by the harness of
``bench.py`` with the same seed. Identifiers are dropped before anything is judged; of our models the one fitted to
diabetes130 sees them, as unit and id of its schema. Where no schema is shipped our models guess one, as a user's would.

Beside the harness stand two measures of our own: the copy ratio (``copies.py``) on all columns and on named
quasi-identifiers, and the classifier test of the literature (``c2st.py``), which rewards copying.

PYTHON is an interpreter that can import peers (``peers.py``) and xgboost; what it cannot import is left out. Costs are
CPU seconds of one thread: for our models of the whole command that fits, start and reading included, and of drawing and
writing 250,000 further rows; for peers of the calls that fit and sample, imports and files left out.

Each run is one JSON line in --keep FILE, so that an interrupted bench goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import bench_scale
import bench_table
import pandas as pd
from bench import SCHEMAS, TABSYNTH, run, score, split_rows, tell
from copies import copies

HERE = Path(__file__).resolve().parent
OURS = ("independent", "copula", "seqforest")
FURTHER_ROWS = 250_000
"""Rows by which the rate of our models is measured: more than one block of randomness."""
QI = ("race", "gender", "age", "diag_1", "diag_2", "diag_3")


@dataclass(frozen=True)
class Task:
    """A real table and what is asked of it.

    Attributes:
        file: name in the folder of the real tables.
        target: column that the downstream task predicts.
        schema: shipped schema file; None: our models guess.
        ids: columns that no judge and no peer sees.
        unit: the one of them that names the person; the split goes by it.
        looks: columns on which copies are counted, beside all.
        without: columns left out of a further look at all others, by the name of the look.
    """

    file: str
    target: str
    schema: str | None = None
    ids: tuple[str, ...] = ()
    unit: str | None = None
    looks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    without: dict[str, tuple[str, ...]] = field(default_factory=dict)


TASKS = {
    "adult": Task("adult.csv", "income", "adult.yaml", without={"no fnlwgt": ("fnlwgt",)}),
    "credit_default": Task("credit_default.csv.gz", "default_payment_next_month", ids=("ID",)),
    "shoppers": Task("shoppers.csv.gz", "Revenue"),
    "diabetes130": Task("diabetes130.csv.gz", "readmitted", "diabetes130.yaml", ("encounter_id", "patient_nbr"),
                        "patient_nbr", {"QI6": QI, "QI9": (*QI, "time_in_hospital", "medical_specialty",
                                                           "discharge_disposition_id")}),
}


class Judge:
    """One split table and everything that is measured against it. Files lie in a folder that the caller removes."""

    def __init__(self, task: Task, data: Path, folder: Path, harness: Path, peers: str) -> None:
        self.task, self.folder, self.harness, self.peers = task, folder, harness, peers
        self.has_xgboost = can_import(peers, "xgboost")
        split_rows(data / task.file, folder, task.unit)
        self.train, self.holdout = (self.without_ids(folder / f"{side}.csv") for side in ("train", "holdout"))
        self.sides = [text_cells(path) for path in (self.train, self.holdout)]
        self.n = len(self.sides[0])
        names = list(self.sides[0])
        left_out = {look: [c for c in names if c not in some] for look, some in task.without.items()}
        self.looks = {"all": names, **left_out, **task.looks}

    def without_ids(self, path: Path) -> Path:
        """The same table, as text, less its identifiers, in a file beside it."""
        kept = path.with_name(f"{path.stem}.judged.csv")
        text_cells(path).drop(columns=list(self.task.ids), errors="ignore").to_csv(kept, index=False)
        return kept

    def figures(self, synth: Path, seed: int) -> dict[str, Any]:
        """Harness, copies and classifier test of one synthetic table."""
        asked = ["--target", self.task.target, "--seed", seed]
        judged = self.without_ids(synth)
        return {**score([sys.executable, self.harness, self.train, self.holdout, judged, *asked]),
                "copies": copies(text_cells(judged), *self.sides, self.looks), "c2st_train": self.c2st(judged, seed)}

    def ceiling(self, seed: int) -> dict[str, Any]:
        """The same of real rows: the harness's ceiling; the holdout in the place of synthetic rows for the others.

        Its copies are those of training rows against the holdout, so that the ratio is 1 by definition.
        """
        asked = ["--ceiling", "--target", self.task.target, "--seed", seed]
        found = copies(self.sides[1], *self.sides, self.looks)
        return {**score([sys.executable, self.harness, self.train, self.holdout, *asked]),
                "copies": {look: {"nature": rates["nature"]} for look, rates in found.items()},
                "c2st_train": self.c2st(self.holdout, seed)}

    def c2st(self, synth: Path, seed: int) -> dict[str, Any] | None:
        """None where the interpreter of the peers has no xgboost."""
        if not self.has_xgboost:
            return None
        return json.loads(run([self.peers, HERE / "c2st.py", self.train, synth, "--seed", seed])[1])

    def ours(self, model: str, seed: int) -> tuple[Path, dict[str, Any]]:
        """Rows of one of our models, and what they took."""
        stored, rows, more = (self.folder / name for name in ("model.tabsynth", "rows.csv", "more.csv"))
        known = ["--schema", SCHEMAS / self.task.schema] if self.task.schema else []
        table = self.folder / "train.csv" if self.task.unit else self.train
        common = ["--seed", seed, "--force", "-q"]
        fit = run([*TABSYNTH, "fit", table, *known, "--model", model, *common, "-o", stored])[0]
        sample = run([*TABSYNTH, "sample", stored, "-n", self.n, *common, "-o", rows])[0]
        longer = run([*TABSYNTH, "sample", stored, "-n", self.n + FURTHER_ROWS, *common, "-o", more])[0]
        return rows, {"version": version("tabsynth-dp"), "fit_cpu_s": fit["cpu_s"], "fit_wall_s": fit["wall_s"],
                      "sample_rows": FURTHER_ROWS, "sample_cpu_s": round(longer["cpu_s"] - sample["cpu_s"], 2),
                      "peak_mb": max(fit["peak_mb"], sample["peak_mb"])}

    def other(self, peer: str, seed: int, epochs: int | None, limit_s: int) -> tuple[Path, dict[str, Any]]:
        """Rows of one peer, and what they took."""
        rows = self.folder / "rows.csv"
        shortened = [] if epochs is None else ["--epochs", epochs]
        cost, printed = run(["timeout", limit_s, self.peers, HERE / "peers.py", peer, self.train, self.n, seed, rows,
                             *shortened])
        return rows, {**json.loads(printed.splitlines()[-1]), "sample_rows": self.n, "peak_mb": cost["together_mb"]}


def compare(given: argparse.Namespace) -> None:
    """Every generator on every table with every seed, less what the file holds already."""
    done = {(r["data"], r["model"], r["seed"]) for r in bench_table.read(given.keep)
            if r["bench"] == "tabular" and "failed" not in r}
    importable = json.loads(run([given.peers, HERE / "peers.py", "list"])[1])
    others = [peer for peer in importable if given.only_peers is None or peer in given.only_peers]
    tell("environment", "compare", environment(), given.keep)
    for data in given.datasets:
        with tempfile.TemporaryDirectory() as name:
            judge = Judge(TASKS[data], given.data, Path(name), given.harness, given.peers)
            for seed, model in product(range(given.seeds), ("ceiling", *given.models, *others)):
                if (data, model, seed) not in done:
                    found = attempt(judge, model, seed, {"epochs": given.epochs, "limit_s": given.limit_s}
                                    if model in others else None)
                    tell("tabular", f"{data}, {model}, seed {seed}",
                         {"data": data, "model": model, "seed": seed, "n": judge.n, **found}, given.keep)


def attempt(judge: Judge, model: str, seed: int, peer: dict[str, Any] | None) -> dict[str, Any]:
    """Costs and figures of one generator, or why it failed: that must not end the bench.

    `peer`: how to run other people's; None for ours and the ceiling.
    """
    try:
        if model == "ceiling":
            return judge.ceiling(seed)
        rows, costs = judge.ours(model, seed) if peer is None else judge.other(model, seed, **peer)
        return {**costs, **judge.figures(rows, seed)}
    except (SystemExit, subprocess.CalledProcessError) as failure:
        lines = str(getattr(failure, "stderr", None) or failure).strip().splitlines()
        return {"failed": f"{lines[0][:60]} ... {lines[-1][:200]}" if len(lines) > 1 else lines[0][:200]}


def text_cells(path: Path) -> pd.DataFrame:
    """A CSV file cell by cell, nothing taken for missing."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def can_import(python: str, module: str) -> bool:
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def environment() -> dict[str, Any]:
    """Hardware and versions that the figures depend on."""
    return {"cpu": cpu_model(), "cores": os.cpu_count(), "python": platform.python_version(),
            **{package: version(package) for package in ("tabsynth-dp", "numpy", "pandas", "scikit-learn")}}


def cpu_model() -> str:
    """The processor's name as Linux gives it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compare", "scale", "table"))
    parser.add_argument("--keep", type=Path, default=Path("tabular.jsonl"), help="file of results, one JSON line each")
    parser.add_argument("--data", type=Path, default=os.environ.get("TABSYNTH_DATA"))
    parser.add_argument("--harness", type=Path)
    parser.add_argument("--datasets", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--models", nargs="*", help="of tabsynth models; default: those of " + ", ".join(OURS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable, help="interpreter that can import peers and xgboost")
    parser.add_argument("--only-peers", nargs="*", help="only these peers; default: all that can be imported")
    parser.add_argument("--epochs", type=int, help="fewer epochs for peers that train a network")
    parser.add_argument("--limit-s", type=int, default=7200, help="seconds until a peer's run is ended (exit code 124)")
    parser.add_argument("--sizes", nargs="+", choices=bench_scale.SIZES, default=list(bench_scale.SIZES))
    given = parser.parse_args(arguments)
    if given.what == "table":
        print(bench_table.document(bench_table.read(given.keep)), end="")
        return
    if given.data is None:
        parser.error("--data (or TABSYNTH_DATA) names the folder of the real tables")
    if given.what == "compare" and given.harness is None:
        parser.error("--harness names the scoring program")
    given.data = Path(given.data)
    if given.what == "compare":
        given.models = registered() if given.models is None else given.models
        compare(given)
    else:
        tell("environment", "scale", environment(), given.keep)
        bench_scale.scale(given.data, given.models or registered()[-1:], given.sizes, given.keep)


def registered() -> list[str]:
    """Those of OURS that this version has."""
    from tabsynth.core import registry

    return [model for model in OURS if model in registry.names("models")]


if __name__ == "__main__":
    main()
