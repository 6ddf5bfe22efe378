"""Release folders: all or nothing, privacy by name, from files and from frames."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tabsynth.core.errors import SourceError, UsageError
from tabsynth.evaluation.gates import Gate
from tabsynth.evaluation.verdict import Verdict
from tabsynth.pipeline import face, release, summary
from tabsynth.pipeline.evaluate import Evaluation
from tabsynth.pipeline.release import Request, staging
from tabsynth.reports import exports


@pytest.fixture(scope="module")
def released(visits: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> release.Released:
    return face.release(visits, tmp_path_factory.mktemp("r") / "out", no_dp=True, unit="patient", model="independent",
                        seed=1, policy="internal-test", name="visits")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_release_from_a_frame(released: release.Released) -> None:
    files = set(tree(released.folder))
    assert {"share/synthetic.csv", "share/synthetic.parquet", "share/report.html", "share/report.json",
            "share/report.pdf", "share/manifest.json", "internal/report.json", "internal/report.pdf",
            "internal/model.tabsynth", "internal/split.json"} <= files
    assert not [f for f in files if "staging" in f]
    assert {f"share/{name}" for name in exports.ABOUT} <= files
    assert json.loads((released.folder / "share" / "report.json").read_text("utf-8"))["dataset"]["name"] == "visits"


def test_what_stays_in_the_house_is_closed_to_others(released: release.Released) -> None:
    assert stat.S_IMODE((released.folder / "internal").stat().st_mode) == 0o700
    assert (released.folder / "share").stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("step", ["fit", "evaluate", "write_tables", "write_report", "log_release"])
def test_an_error_in_the_middle_leaves_an_earlier_release_as_it_was(
        released: release.Released, visits: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, step: str,
        tmp_path: Path) -> None:
    before = tree(released.folder)

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("power cut")

    monkeypatch.setattr(release, step, fail)
    with pytest.raises(RuntimeError, match="power cut"):
        face.release(visits, released.folder, no_dp=True, unit="patient", model="independent", seed=2, force=True,
                     policy="internal-test", log=tmp_path / "log")
    assert tree(released.folder) == before
    assert sorted(p.name for p in released.folder.iterdir()) == ["internal", "share"]


def test_an_earlier_release_stays_without_force(released: release.Released, visits: pd.DataFrame) -> None:
    with pytest.raises(SourceError, match="holds a release already"):
        face.release(visits, released.folder, no_dp=True, unit="patient")


def test_staging_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), staging(tmp_path / "new"):
        raise RuntimeError
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "ledger").write_text("kept")
    with staging(tmp_path / "old") as folder:
        (folder / "x").write_text("x")
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["ledger"]


def test_privacy_is_chosen_by_name(visits: pd.DataFrame, tmp_path: Path) -> None:
    for wrong in ({}, {"epsilon": 1, "no_dp": True}):
        with pytest.raises(UsageError, match="epsilon=E"):
            face.release(visits, tmp_path / "x", **wrong)
    with pytest.raises(UsageError, match="needs schema="):
        face.release(visits, tmp_path / "x", epsilon=1)
    with pytest.raises(UsageError, match="at least one row"):
        release.refuse_early(Request("x.csv", tmp_path / "x", None, rows=0))
    assert not (tmp_path / "x").exists()


def test_split_and_evaluate_take_frames(visits: pd.DataFrame) -> None:
    train, holdout = face.split(visits, unit="patient", seed=1)
    assert not set(train.patient) & set(holdout.patient)
    pd.testing.assert_series_equal(train.dtypes, visits.dtypes)
    assert list(face.split(visits, unit="patient", seed=1)[1].index) == list(holdout.index)
    result = face.evaluate(train.sample(100, random_state=1), train, holdout, unit="patient", policy="internal-test")
    shown = pd.DataFrame(result.rows()).set_index("id")
    assert {"kway.2", "P0a", "validity"} <= set(shown.index)
    assert shown.loc["P0a", "value"] > 0.1, "copies of training rows are found"
    assert isinstance(result, Evaluation)


def test_evaluate_refuses_other_columns(visits: pd.DataFrame) -> None:
    with pytest.raises(Exception, match="ward"):
        face.evaluate(visits.drop(columns="ward"), visits, visits)


def test_the_summary_fits_a_terminal_and_says_where_to_look(released: release.Released) -> None:
    lines = list(summary.summary(released))
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "no formal guarantee was used" in text
    assert "share/report.html" in text
    assert "Agreement of column pairs" in text


def test_without_typst_there_is_no_pdf_and_the_summary_says_how_to_get_one(
        released: release.Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none was written" not in " ".join(summary.summary(released))
    monkeypatch.setattr(release.pdf, "available", lambda: False)
    release.write_report(tmp_path, json.loads((released.folder / "share" / "report.json").read_text("utf-8")),
                         name="report")
    assert {p.name for p in tmp_path.iterdir()} == {"report.json", "report.html"}
    lines = list(summary.summary(released))
    assert max(map(len, lines)) <= 80
    assert "pip install 'tabsynth-dp[report]'" in " ".join(lines)


def test_the_summary_of_a_refusal_points_to_the_reasons(released: release.Released) -> None:
    verdict = released.evaluation.verdict
    gates = (Gate("guarantee", None, "A guarantee", None, "required", None, None, "board", "Not known."),
             Gate("epsilon", None, "Epsilon", 2.0, "at most", 1.0, False, "board", "Ask for less."),
             Gate("unit", None, "A unit", None, "required", None, True, "board", ""))
    refused = Verdict(**{**{f: getattr(verdict, f) for f in verdict.__dataclass_fields__}, "refused": True,
                         "gates": gates})
    evaluation = Evaluation(released.evaluation.findings, refused, released.evaluation.policy)
    assert evaluation.outcome == "REFUSED"
    done = release.Released(released.folder, "REFUSED", evaluation, released.fitted, 10, released.context)
    text = " ".join(" ".join(summary.summary(done)).split())
    assert "nothing was put into share/" in text
    assert "To check: A guarantee (guarantee): required (source: board). Not known." in text
    assert "Not met: Epsilon (epsilon): 2, at most 1 is asked for (source: board). Ask for less." in text
    assert "A unit" not in text
