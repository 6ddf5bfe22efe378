"""Time, memory and fidelity of the main job, measured from outside through the command line.

    python scripts/bench.py adult    --data FOLDER --harness quality.py   # models beside the ceiling
    python scripts/bench.py release  --data FOLDER                        # diabetes130: wall, CPU and peak memory
    python scripts/bench.py answers                                       # how long tabsynth --help and models take

FOLDER holds adult.csv and diabetes130.csv.gz. The harness is any program that takes TRAIN HOLDOUT SYNTH --target COLUMN
(or --ceiling instead of SYNTH) and prints one JSON object. Adult is split by numpy.random.default_rng(0).permutation,
the first 80 % to train; every model gets one thread. Figures are one JSON line each, so that runs can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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
KEPT = ("marg1_10", "marg2", "marg2_worst", "marg3", "det_hgb_auc", "tstr_auc", "tstr_f1", "dcr_share",
        "identical_train_n", "identical_holdout_n", "fd_violation", "invalid")


def timed(command: Sequence[object]) -> dict[str, float]:
    """Run a command; its wall seconds, CPU seconds and peak MB (resident, largest process so far)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mb": round(after.ru_maxrss / 1024)}


def adult(data: Path, harness: Path, seed: int) -> None:
    """Fidelity of every model on adult, beside the ceiling (real rows) and independent columns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = (data / "adult.csv").read_text("utf-8").splitlines()
        order = np.random.default_rng(0).permutation(len(lines) - 1)
        cut = int(0.8 * len(order))
        for side, rows in (("train", order[:cut]), ("holdout", order[cut:])):
            (folder / f"{side}.csv").write_text("\n".join([lines[0], *(lines[i + 1] for i in rows)]) + "\n", "utf-8")
        judge = [sys.executable, harness, folder / "train.csv", folder / "holdout.csv"]
        tell("adult", "ceiling", score([*judge, "--ceiling", "--target", "income"]))
        guarantee = ["--epsilon", "1", "--delta", "1e-6"]
        for model, privacy in (("independent", []), ("copula", []), ("marginal", guarantee)):
            stored, rows = folder / f"{model}.tabsynth", folder / f"{model}.csv"
            fit = timed([*TABSYNTH, "fit", folder / "train.csv", "--schema", SCHEMAS / "adult.yaml", "--model", model,
                         *privacy, "--seed", seed, "-o", stored, "-q"])
            draw = timed([*TABSYNTH, "sample", stored, "-n", len(order), "--seed", seed, "-o", rows, "-q"])
            tell("adult", model, {"fit": fit, "sample": draw, **score([*judge, rows, "--target", "income"])})


def release(data: Path, seed: int) -> None:
    """Wall, CPU and memory of a whole release of diabetes130, without and with differential privacy."""
    choices = {"copula, no DP": ["--no-dp", "--model", "copula"], "marginal, epsilon 1": ["--epsilon", "1"]}
    for label, choice in choices.items():
        with tempfile.TemporaryDirectory() as folder:
            cost = timed([*TABSYNTH, "release", data / "diabetes130.csv.gz", "--schema", SCHEMAS / "diabetes130.yaml",
                          *choice, "--ledger", f"{folder}/ledger", "--seed", seed, "-o", f"{folder}/out", "-q"])
            tell("release diabetes130", label, cost)


def answers() -> None:
    """Seconds until the command line answers; the middle of nine runs."""
    for arguments in (["--help"], ["models"], ["version"]):
        walls = sorted(timed([*TABSYNTH, *arguments])["wall_s"] for _ in range(9))
        tell("answers", " ".join(arguments), {"wall_s": walls[4], "fastest_s": walls[0]})


def score(command: Sequence[object]) -> dict[str, Any]:
    """The harness's figures that the notes compare."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return {k: v for k, v in json.loads(done.stdout).items() if k in KEPT}


def tell(what: str, which: str, figures: dict[str, Any]) -> None:
    print(json.dumps({"bench": what, "which": which, **figures}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("adult", "release", "answers"))
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
    else:
        answers()


if __name__ == "__main__":
    main()
