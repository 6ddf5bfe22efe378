"""What the comparison shows to whom: no judge and no peer sees an identifier."""

from __future__ import annotations

import sys
from pathlib import Path

import bench_tabular
import pandas as pd
import pytest
from bench_tabular import TASKS, Judge, Task, attempt, registered

from tabsynth.core.schema_file import load_schema


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    people = [f"{row},{row // 2},{'f' if row % 3 else 'm'},{row % 5}" for row in range(100)]
    (tmp_path / "stays.csv").write_text("\n".join(["stay,patient,sex,ward", *people]) + "\n", "utf-8")
    task = Task("stays.csv", "ward", ids=("stay", "patient"), unit="patient", looks={"QI": ("sex",)},
                without={"no ward": ("ward",)})
    (tmp_path / "work").mkdir()
    return Judge(task, tmp_path, tmp_path / "work", tmp_path / "harness.py", sys.executable)


def test_identifiers_are_dropped_before_judging(judge: Judge) -> None:
    assert [list(side) for side in judge.sides] == [["sex", "ward"]] * 2
    assert "patient" in pd.read_csv(judge.folder / "train.csv")
    assert judge.looks == {"all": ["sex", "ward"], "no ward": ["sex"], "QI": ("sex",)}
    assert judge.n == 80


def test_real_rows_in_the_place_of_synthetic_ones(judge: Judge) -> None:
    judge.harness.write_text("import sys; print('{\"marg2\": 1}' if '--ceiling' in sys.argv else '{}')", "utf-8")
    found = judge.ceiling(0)
    assert found["marg2"] == 1
    assert found["copies"]["QI"] == {"nature": 1.0}


def test_a_generator_that_fails_says_why_and_the_bench_goes_on(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_tabular, "TABSYNTH", [sys.executable, "-c", "raise SystemExit('no such model')"])
    assert attempt(judge, "magic", 0, None) == {"failed": "exit code 1: no such model"}


def test_tasks_agree_with_the_shipped_schemas() -> None:
    for task in TASKS.values():
        if task.schema is not None:
            schema = load_schema(bench_tabular.SCHEMAS / task.schema)
            named = {task.target, *task.ids, *(c for look in task.looks.values() for c in look),
                     *(c for some in task.without.values() for c in some)}
            assert named <= {column.name for column in schema.columns}
            assert schema.evaluation is not None
            assert schema.evaluation.target == task.target
            assert task.unit is None or schema.unit == task.unit


def test_models_of_ours_that_exist_are_the_default() -> None:
    assert {"independent", "copula"} <= set(registered())
