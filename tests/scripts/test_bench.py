"""Splits and costs of the benches."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from bench import by_person, run, split_rows


def test_a_row_split_is_the_permutation_of_generator_0() -> None:
    order = np.random.default_rng(0).permutation(10)
    train, holdout = by_person(np.arange(10))
    assert train.tolist() == order[:8].tolist()
    assert holdout.tolist() == order[8:].tolist()


def test_a_person_is_on_one_side_with_all_rows(tmp_path: Path) -> None:
    owners = np.random.default_rng(1).integers(100, 130, 200)
    lines = [f"{row},{owner},x" for row, owner in enumerate(owners)]
    with gzip.open(tmp_path / "stays.csv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(["id,patient,sex", *lines]) + "\n")
    assert sum(split_rows(tmp_path / "stays.csv.gz", tmp_path, "patient")) == 200
    sides = [(tmp_path / f"{side}.csv").read_text("utf-8").splitlines() for side in ("train", "holdout")]
    assert all(side[0] == "id,patient,sex" for side in sides)
    assert sorted(sides[0][1:] + sides[1][1:]) == sorted(lines)
    people = [{line.split(",")[1] for line in side[1:]} for side in sides]
    assert not people[0] & people[1]
    assert len(people[0]) == int(0.8 * len(people[0] | people[1]))


def test_the_peak_is_that_of_the_command_and_not_of_the_bench() -> None:
    ballast = np.ones(40_000_000)
    lean = run([sys.executable, "-c", "print('said')"])
    fat = run([sys.executable, "-c", "x = bytearray(b'x') * 200_000_000"])
    again = run([sys.executable, "-c", "pass"])
    assert ballast.nbytes > 300_000_000
    assert lean[1] == "said\n"
    assert lean[0]["peak_mb"] < 100 > again[0]["peak_mb"]
    assert fat[0]["peak_mb"] > 180


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_that_run_together_are_added_up() -> None:
    child = "import time; x = bytearray(b'x') * 50_000_000; time.sleep(1.5)"
    parent = f"""import subprocess, sys
both = [subprocess.Popen([sys.executable, "-c", {child!r}]) for _ in range(2)]
[one.wait() for one in both]"""
    cost, _ = run([sys.executable, "-c", parent])
    assert cost["peak_mb"] < 90
    assert cost["together_mb"] > 100


def test_a_command_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(SystemExit, match="exit code 3: no luck"):
        run([sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"])
