"""Rows to a file by one process or several: the same bytes, errors told, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tabsynth.core.errors import ModelError, UsageError
from tabsynth.core.progress import silent
from tabsynth.core.rules.mapped import cells_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.pipeline.fit import Fitted, fit
from tabsynth.pipeline.sample import sample_to_file
from tabsynth.pipeline.workers import Workers, useful_jobs

VISITS = Schema((
    Column("patient", "id", role="unit", pattern="P-######"),
    Column("visit", "id"),
    Column("sex", "category", levels=("f", "m"), constant_per_unit=True),
    Column("age", "integer", bounds=(0, 99), constant_per_unit=True),
    Column("systolic", "integer", bounds=(60, 260)),
    Column("diastolic", "integer", bounds=(30, 200)),
    Column("stage", "category"),
), rules=(
    {"compare": "diastolic <= systolic"},
    {"mapped": {"from": ["sex"], "to": "stage", "table": {"f": "one", "m": "two"}}},
))


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """A copula of 900 people with one to three visits."""
    rng = np.random.default_rng(1)
    unit = np.repeat(np.arange(900), 1 + np.arange(900) % 3)
    n, sex, age = len(unit), np.arange(900) % 2, rng.integers(20, 90, 900)
    systolic = 100 + age[unit] // 2 + rng.integers(0, 30, n)
    values = {"patient": [f"p{u}" for u in unit], "visit": [f"v{i}" for i in range(n)],
              "sex": [("f", "m")[s] for s in sex[unit]], "age": age[unit].tolist(), "systolic": systolic.tolist(),
              "diastolic": (systolic - rng.integers(0, 60, n)).tolist(),
              "stage": [("one", "two")[s] for s in sex[unit]]}
    table = Table(VISITS, {c.name: cells_of(c, values[c.name]) for c in VISITS.columns})
    return fit(table, model="copula", rng=rng)


def written(fitted: Fitted, path: Path, jobs: int, n: int = 40_000, **kwargs: object) -> bytes:
    rows = sample_to_file(fitted, path, n, rng=np.random.default_rng(2), jobs=jobs, **kwargs)  # type: ignore[arg-type]
    assert rows == n
    return path.read_bytes()


def test_any_number_of_processes_writes_the_same_bytes(fitted: Fitted, tmp_path: Path) -> None:
    """Three blocks, the last one cut short."""
    one, two, three = (written(fitted, tmp_path / f"{jobs}.csv", jobs) for jobs in (1, 2, 3))
    assert one == two == three
    assert one.count(b"\n") == 40_001


def test_given_rows_and_conditions_are_shared_out_too(fitted: Fitted, tmp_path: Path) -> None:
    batch = fitted.generator.sample(20_000, rng=np.random.default_rng(3)).select(["sex", "age"])
    one, four = (written(fitted, tmp_path / f"g{jobs}.csv", jobs, 20_000, given=batch) for jobs in (1, 4))
    assert one == four
    one, two = (written(fitted, tmp_path / f"w{jobs}.csv", jobs, 9_000, where="age > 70") for jobs in (1, 2))
    assert one == two


def test_what_a_worker_raises_is_raised_here(fitted: Fitted, tmp_path: Path) -> None:
    """The last two given rows, of the second block, break a rule themselves."""
    batch = fitted.generator.sample(9_000, rng=np.random.default_rng(3)).select(["systolic", "diastolic"])
    values = batch["diastolic"].values.copy()
    values[-2:] = 200
    broken = Table(batch.schema, {**batch.columns, "diastolic": replace(batch["diastolic"], values=values)})
    with pytest.raises(ModelError, match="for 2 of 808 given rows no draw kept"):
        written(fitted, tmp_path / "bad.csv", 2, 9_000, given=broken)
    assert not list(tmp_path.iterdir())


def test_a_worker_that_dies_is_told(fitted: Fitted) -> None:
    def killing(stage: str, done: int, total: int | None = None) -> None:
        for process in workers.processes if done else ():
            process.kill()

    with Workers(fitted.generator, 2) as workers:
        rows = fitted.generator.sample_batches(200_000, rng=np.random.default_rng(4), parts=workers, progress=killing)
        with pytest.raises(ModelError, match="ended before its time"):
            list(rows)
    assert all(process.exitcode is not None for process in workers.processes)


def test_leaving_early_ends_the_workers(fitted: Fitted) -> None:
    with Workers(fitted.generator, 2) as workers:
        rows = fitted.generator.sample_batches(10**9, rng=np.random.default_rng(4), parts=workers, progress=silent)
        assert len(next(rows)) > 0
    assert len(workers.processes) == 2
    assert all(process.exitcode is not None for process in workers.processes)


def test_no_more_processes_than_blocks() -> None:
    assert [useful_jobs(4, n, where=False) for n in (0, 1, 8_192, 8_193, 10**6)] == [1, 1, 1, 2, 4]
    assert useful_jobs(4, 1, where=True) == 4


def test_no_process_at_all_is_refused(fitted: Fitted, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--jobs"):
        written(fitted, tmp_path / "x.csv", 0)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ctrl_c_ends_all_processes_and_leaves_no_file(fitted: Fitted, tmp_path: Path) -> None:
    """The terminal sends the interrupt to the whole group. All of it holds stderr, so it has ended when that has."""
    fitted.save(tmp_path / "m.tabsynth")
    process = subprocess.Popen(
        [sys.executable, "-m", "tabsynth", "sample", "m.tabsynth", "-n", "100000000", "--jobs", "2", "-o", "x.csv"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, text=True, start_new_session=True,
        stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.iterdir() if path.name != "m.tabsynth"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["m.tabsynth"]
