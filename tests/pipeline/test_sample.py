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

from tabsynth.core.assemble import Cursor
from tabsynth.core.errors import ModelError, SourceError, UsageError
from tabsynth.core.partial import Partial, partial_of
from tabsynth.core.progress import silent
from tabsynth.core.rules.mapped import cells_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.pipeline.fit import Fitted, fit
from tabsynth.pipeline.sample import sample_to_file
from tabsynth.pipeline.workers import Workers, usable_cores, useful_jobs

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


ORIGIN = {"model": "m", "seed": 2, "given": None}


def stopped(fitted: Fitted, path: Path, rows: int, n: int = 40_000, jobs: int = 1, **kwargs: object) -> None:
    """Write until about so many rows are drawn, then lose the process."""
    def stop(stage: str, done: float, total: float | None = None) -> None:
        if done >= rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_to_file(fitted, path, n, rng=np.random.default_rng(2), jobs=jobs, origin=ORIGIN, progress=stop,
                       **kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize(("suffix", "n"), [("csv", 40_000), ("csv.gz", 40_000), ("jsonl.zst", 20_000),
                                           ("parquet", 160_000)])
def test_what_was_interrupted_goes_on_to_the_same_bytes(fitted: Fitted, tmp_path: Path, suffix: str, n: int) -> None:
    whole = written(fitted, tmp_path / f"whole.{suffix}", 1, n)
    target = tmp_path / f"out.{suffix}"
    stopped(fitted, target, n // 2, n)
    left, journal = partial_of(target)
    assert not target.exists()
    assert 0 < left.stat().st_size < len(whole)
    assert whole.startswith(left.read_bytes())
    drawn: list[float] = []
    rows = sample_to_file(fitted, target, n, rng=np.random.default_rng(2), jobs=2, origin=ORIGIN, resume=True,
                          progress=lambda stage, done, total=None: drawn.append(done))
    assert rows == n
    assert drawn[0] > 0
    assert target.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"out.{suffix}", f"whole.{suffix}"]
    assert not journal.exists()


def test_a_piece_that_is_cut_off_or_damaged_is_made_again(fitted: Fitted, tmp_path: Path) -> None:
    whole = written(fitted, tmp_path / "whole.csv", 1)
    for number, damage in enumerate((
            lambda data, journal: (data[:-7], journal), lambda data, journal: (data, journal[:-7]),
            lambda data, journal: (data[:-7] + b"?" + data[-6:], journal),
            lambda data, journal: (data + b"half a pie", journal), lambda data, journal: (data, b""))):
        target = tmp_path / f"{number}.csv"
        stopped(fitted, target, 30_000)
        for path, content in zip(partial_of(target), damage(*(path.read_bytes() for path in partial_of(target))),
                                 strict=True):
            path.write_bytes(content)
        assert written(fitted, target, 1, origin=ORIGIN, resume=True) == whole


def test_only_the_same_command_goes_on(fitted: Fitted, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    stopped(fitted, target, 30_000)
    with pytest.raises(SourceError, match=r"out\.csv\.partial exists already.*--resume"):
        written(fitted, target, 1, origin=ORIGIN)
    with pytest.raises(UsageError, match="seed was 2, not 3") as other:
        written(fitted, target, 1, origin={**ORIGIN, "seed": 3}, resume=True)
    assert other.value.exit_code == 2
    with pytest.raises(UsageError, match="n was 40000, not 50000"):
        written(fitted, target, 1, 50_000, origin=ORIGIN, resume=True)
    with pytest.raises(UsageError, match="--resume needs a seed"):
        written(fitted, target, 1, resume=True)
    assert written(fitted, target, 1, origin={**ORIGIN, "seed": 3}, force=True)
    assert not any(path.exists() for path in partial_of(target))


def test_without_a_finished_piece_nothing_stays(fitted: Fitted, tmp_path: Path) -> None:
    stopped(fitted, tmp_path / "out.parquet", 10_000)
    assert not list(tmp_path.iterdir())
    assert written(fitted, tmp_path / "new.csv", 1, origin=ORIGIN, resume=True)


def test_a_full_disk_says_what_is_kept(fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add = Partial.add

    def full(self: Partial, piece: bytes, cursor: Cursor) -> None:
        if self.cursor.rows > 20_000:
            raise OSError(28, "No space left on device")
        add(self, piece, cursor)

    with monkeypatch.context() as patched:
        patched.setattr(Partial, "add", full)
        with pytest.raises(SourceError, match=r"No space left on device.*out\.csv\.partial holds [\d,]+ rows"):
            written(fitted, tmp_path / "out.csv", 1, origin=ORIGIN)
    assert written(fitted, tmp_path / "out.csv", 1, origin=ORIGIN, resume=True) == written(
        fitted, tmp_path / "whole.csv", 1)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_a_command_with_a_seed_goes_on_where_ctrl_c_ended_it(fitted: Fitted, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.tabsynth")
    command = [sys.executable, "-m", "tabsynth", "sample", "m.tabsynth", "-n", "200000", "--seed", "3", "-q"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([*command, "--jobs", "2", "-o", "x.parquet"], cwd=tmp_path, env=env, text=True,
                               start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    told = tmp_path / "x.parquet.partial.json"
    while not told.exists() or told.read_bytes().count(b"\n") < 2:      # what it is, and a finished piece
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "x.parquet.partial; the same command with --resume goes on" in err
    subprocess.run([*command, "--jobs", "2", "-o", "x.parquet", "--resume"], cwd=tmp_path, env=env, check=True)
    subprocess.run([*command, "--jobs", "1", "-o", "y.parquet"], cwd=tmp_path, env=env, check=True)
    assert (tmp_path / "x.parquet").read_bytes() == (tmp_path / "y.parquet").read_bytes()


def test_as_many_processes_as_pay() -> None:
    assert useful_jobs(None, 10_000, where=False) == 1
    assert useful_jobs(None, 10**6, where=False) == min(4, usable_cores())
