"""An encrypted model file on the command line: wherever a model is read, and with clear words where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command

WORDS, OTHER = "correct horse battery staple", "another horse altogether"
WITH = ("--passphrase-env", "MODEL_PASSPHRASE")


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MODEL_PASSPHRASE": WORDS, "OTHER": OTHER, "EMPTY": "", "SHORT": "eleven char"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("UNSET", raising=False)


def test_the_same_rows_from_the_encrypted_file_as_from_the_plain_one(
        tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    fit = ("fit", patients, "--schema", schema, "--seed", 4, "-q", "-o")
    assert tabsynth_here(*fit, "plain.tabsynth").code == 0
    assert tabsynth_here(*fit, "closed.tabsynth", *WITH).code == 0
    assert tabsynth_here("sample", "plain.tabsynth", "-n", 300, "--seed", 2, "-o", "a.csv").code == 0
    run = tabsynth_here("sample", "closed.tabsynth", "-n", 300, "--seed", 2, "-o", "b.csv", *WITH)
    assert run.code == 0, run.err
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    run = tabsynth_here("verify", "closed.tabsynth", *WITH)
    assert run.code == 0, run.err
    assert "personal_data = True" in run.out


def test_inspect_with_and_without(tabsynth_here: Command, patients: Path, schema: Path) -> None:
    run = tabsynth_here("fit", patients, "--schema", schema, "-o", "m.tabsynth", *WITH, "--json")
    assert run.document["encrypted"] is True
    closed, opened = tabsynth_here("inspect", "m.tabsynth"), tabsynth_here("inspect", "m.tabsynth", *WITH)
    assert (closed.code, opened.code) == (0, 0)
    assert "--passphrase-env NAME" in closed.out
    assert "PERSONAL DATA" in closed.out
    assert "ward" not in closed.out
    assert "3 levels" in opened.out
    assert max(len(line) for run in (closed, opened) for line in run.out.splitlines()) <= 80


def test_evaluate_opens_the_fitted_model(tabsynth_here: Command, patients: Path, schema: Path) -> None:
    assert tabsynth_here("split", patients, "--schema", schema, "--seed", 1, "-o", "parts").code == 0
    assert tabsynth_here("fit", "parts/train.csv", "--schema", schema, "-o", "m.tabsynth", *WITH).code == 0
    assert tabsynth_here("sample", "m.tabsynth", "-n", 200, "-o", "s.csv", *WITH).code == 0
    for command in ("evaluate", "attack"):
        tables = (command, "s.csv", "--train", "parts/train.csv", "--holdout", "parts/holdout.csv", "--schema", schema)
        tabsynth_here(*tables, "--fitted", "m.tabsynth").refused(3, "is encrypted", "--passphrase-env")
        tabsynth_here(*tables, *WITH).refused(2, "--fitted")
    run = tabsynth_here(*tables, "--fitted", "m.tabsynth", *WITH, "--tier", 0, "--no-log")
    assert run.code in (0, 1), run.err


def test_a_release_with_a_guarantee(tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    run = tabsynth_here("release", patients, "--schema", schema, "--epsilon", "1", "--policy", "internal-test", *WITH,
                        "-o", "out", "-q")
    assert run.code in (0, 1), run.err
    model = tmp_path / "out" / "internal" / "model.tabsynth"
    tabsynth_here("sample", model, "-n", 5, "-o", "s.csv").refused(3, "is encrypted")
    assert tabsynth_here("sample", model, "-n", 5, "-o", "s.csv", *WITH).code == 0
    assert tabsynth_here("answer", model, "--where", "sex == 'f'", *WITH).code == 0
    run = tabsynth_here("verify", "out")
    assert "the model file carries the same statement" in run.out, run.err
    tabsynth_here("verify", "out", *WITH).refused(2, "not a model file")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in files if WORDS.encode() in path.read_bytes()]


def test_refusals(tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    fit = ("fit", patients, "--schema", schema, "-q", "-o")
    tabsynth_here(*fit, "x.tabsynth", "--passphrase-env", "UNSET").refused(2, "UNSET", "not set")
    tabsynth_here(*fit, "x.tabsynth", "--passphrase-env", "EMPTY").refused(2, "empty")
    tabsynth_here(*fit, "x.tabsynth", "--passphrase-env", "SHORT").refused(2, "at least 12 characters")
    run = tabsynth_here(*fit, "x.tabsynth", "--passphrase-env", WORDS)
    run.refused(2, "not the passphrase itself")
    assert WORDS not in run.err
    tabsynth_here("release", patients, "--no-dp", "-o", "out", "--passphrase-env", "SHORT").refused(2, "at least 12")
    assert not (tmp_path / "x.tabsynth").exists()
    assert not (tmp_path / "out").exists()

    assert tabsynth_here(*fit, "m.tabsynth", *WITH).code == 0
    assert tabsynth_here(*fit, "plain.tabsynth").code == 0
    sample = ("sample", "m.tabsynth", "-n", 5, "-o", "s.csv")
    tabsynth_here(*sample).refused(3, "m.tabsynth is encrypted", "--passphrase-env")
    tabsynth_here(*sample, "--passphrase-env", "OTHER").refused(3, "passphrase is wrong, or the file was changed")
    tabsynth_here("sample", "plain.tabsynth", "-n", 5, "-o", "s.csv", *WITH).refused(2, "is not encrypted")
    tabsynth_here("inspect", patients, *WITH).refused(2, "model file")
    tabsynth_here("inspect", "m.tabsynth", "-o", "s.yaml").refused(2, "model file")
    assert not (tmp_path / "s.csv").exists()
