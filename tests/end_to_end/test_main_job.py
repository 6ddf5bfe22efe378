"""The main job through the real command line: every step, with and without differential privacy."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from tabsynth.reports import exports
from tests.end_to_end.conftest import SECRET, Command


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def documents(folder: Path) -> dict[str, Any]:
    return {p.name: json.loads(p.read_text("utf-8")) for p in folder.glob("*.json")}


def test_inspect_writes_a_schema_without_values(tabsynth: Command, patients: Path, tmp_path: Path) -> None:
    run = tabsynth("inspect", patients, "--unit", "patient", "-o", "schema.yaml", "--with-values")
    assert run.code == 0, run.err
    schema, derived = (tmp_path / name for name in ("schema.yaml", "schema.derived.yaml"))
    text = schema.read_text("utf-8")
    assert "role: unit" in text
    assert "confidence" in text
    assert SECRET not in text
    assert "surgery" not in text, "a level of the rows is in the public schema"
    assert "PERSONAL DATA" in derived.read_text("utf-8").splitlines()[0]
    assert "surgery" in derived.read_text("utf-8")
    assert tabsynth("fit", patients, "--schema", schema, "-o", "m.tabsynth").code == 0


def test_json_is_one_document(tabsynth: Command, patients: Path) -> None:
    run = tabsynth("inspect", patients, "--unit", "patient", "--json")
    assert {c["name"] for c in run.document["columns"]} >= {"sex", "age", "weight"}
    assert SECRET not in run.out
    assert tabsynth("models", "--json").document["models"]
    assert tabsynth("version", "--json").document["tabsynth"]
    assert tabsynth("doctor", "--json").document["ok"] is True


def test_split_keeps_people_together(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    run = tabsynth("split", patients, "--schema", schema, "-o", "parts", "--json")
    assert run.code == 0, run.err
    assert "key" not in run.document
    train, holdout = (rows(tmp_path / "parts" / f"{side}.csv") for side in ("train", "holdout"))
    assert len(train) + len(holdout) == len(rows(patients))
    assert not {r["patient"] for r in train} & {r["patient"] for r in holdout}
    header = patients.read_text("utf-8").splitlines()[0]
    assert (tmp_path / "parts" / "train.csv").read_text("utf-8").splitlines()[0] == header
    original = set(patients.read_text("utf-8").splitlines())
    assert set((tmp_path / "parts" / "train.csv").read_text("utf-8").splitlines()) <= original, "bytes changed"


@pytest.mark.parametrize("model", ["independent", "copula"])
def test_step_by_step_without_guarantee(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path,
                                        model: str) -> None:
    assert tabsynth("split", patients, "--schema", schema, "-o", "parts", "--seed", 3).code == 0
    fit = tabsynth("fit", "parts/train.csv", "--schema", schema, "--model", model, "--seed", 3, "-o", "m.tabsynth",
                   "--json")
    assert fit.document["personal_data"] is True
    for name in ("a.csv", "b.csv"):
        assert tabsynth("sample", "m.tabsynth", "-n", 400, "--seed", 7, "-o", name).code == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert tabsynth("sample", "m.tabsynth", "-n", 400, "--seed", 7, "-o", "a.parquet").code == 0
    assert parquet.read_table(tmp_path / "a.parquet").num_rows == 400
    synthetic = rows(tmp_path / "a.csv")
    assert len(synthetic) == 400
    assert SECRET not in (tmp_path / "a.csv").read_text("utf-8")
    assert all(r["admitted"] <= r["discharged"] for r in synthetic), "a declared rule is broken"
    assert all(len(r["weight"].partition(".")[2]) == 1 for r in synthetic if r["weight"])
    for person in {r["patient"] for r in synthetic}:
        assert len({(r["sex"], r["age"]) for r in synthetic if r["patient"] == person}) == 1
    run = tabsynth("evaluate", "a.csv", "--train", "parts/train.csv", "--holdout", "parts/holdout.csv", "--fitted",
                   "m.tabsynth", "-o", "evaluation.json")
    assert run.code in (0, 1), run.err
    assert max(map(len, run.out.splitlines())) <= 80
    assert tabsynth("report", "evaluation.json", "--class", "recipient", "-o", "report").code == 0
    html = (tmp_path / "report" / "report.html").read_text("utf-8")
    (tmp_path / "context.yaml").write_text("recipient: one course\n", "utf-8")
    again = tabsynth("report", "evaluation.json", "--class", "public", "--format", "json", "--guidance", "uk-2026-11",
                     "--context", "context.yaml", "-o", "uk")
    assert again.code == 0, again.err
    told = json.loads((tmp_path / "uk" / "report.json").read_text("utf-8"))
    assert told["dataset"]["recipient"] == "one course"
    assert {annex["pack"] for annex in told["annexes"]} == {"uk-2026-11"}
    assert list(told["provenance"]["files"]) == ["a.csv"]
    assert "default-src 'none'" in html
    assert tabsynth("inspect", "m.tabsynth", "--json").document["model"] == model
    assert tabsynth("verify", "m.tabsynth").code == 0


def test_given_and_where(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    assert tabsynth("fit", patients, "--schema", schema, "--seed", 3, "-o", "m.tabsynth").code == 0
    (tmp_path / "given.csv").write_text("sex,age\n" + "f,33\nm,71\n" * 10, "utf-8")
    assert tabsynth("sample", "m.tabsynth", "--given", "given.csv", "--seed", 1, "-o", "g.csv").code == 0
    assert [(r["sex"], r["age"]) for r in rows(tmp_path / "g.csv")] == [("f", "33"), ("m", "71")] * 10
    run = tabsynth("sample", "m.tabsynth", "-n", 50, "--where", "sex == 'f' and age >= 40", "-o", "w.csv")
    assert run.code == 0, run.err
    assert all(r["sex"] == "f" and int(r["age"]) >= 40 for r in rows(tmp_path / "w.csv"))
    tabsynth("sample", "m.tabsynth", "-n", 5, "--where", "sax == 'f'", "-o", "x.csv").refused(2, "sax", "sex")


def test_output_to_stdout(tabsynth: Command, patients: Path, schema: Path) -> None:
    assert tabsynth("fit", patients, "--schema", schema, "-o", "m.tabsynth", "-q").code == 0
    run = tabsynth("sample", "m.tabsynth", "-n", 3, "-o", "-", "-q")
    assert len(run.out.splitlines()) == 4


def test_release_with_differential_privacy(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    release = ["release", patients, "--schema", schema, "--epsilon", "1", "--seed", 5, "--policy", "internal-test",
               "-o", "out"]
    run = tabsynth(*release, "--json")
    assert run.code in (0, 1), run.err
    assert run.document["outcome"] in ("RELEASED", "REVIEW", "REFUSED")
    assert run.document["outcome"] != "REFUSED", "120 people under epsilon 1 cannot be copied"
    share, internal = tmp_path / "out" / "share", tmp_path / "out" / "internal"
    assert {p.name for p in share.iterdir()} == {"synthetic.csv", "synthetic.parquet", "report.html", "report.json",
                                                 "report.pdf", "statement.json", *exports.ABOUT}
    statement = documents(share)["statement.json"]
    assert statement["claim"]["epsilon"] <= 1
    assert statement["stamps"] == []
    report = documents(share)["report.json"]
    assert "outside the privacy budget" in json.dumps(report)
    assert not [f for f in report["findings"] if not f["shareable"]]
    assert "train_rows" not in json.dumps(report) or report["dataset"]["counts"]["train_rows"] is None
    assert SECRET not in "".join(p.read_text("utf-8") for p in share.glob("*.json"))
    assert (internal / "split.json").is_file()
    assert tabsynth("verify", "out").code == 0
    shown = tabsynth("ledger", "show", "--ledger", tmp_path / "tabsynth-ledger", "--json").document
    assert shown["populations"][0]["population"] == "test-ward"
    first = shown["populations"][0]["epsilon"]

    run = tabsynth(*release)
    run.refused(3, "--force")
    assert tabsynth(*release, "--force").code in (0, 1)
    shown = tabsynth("ledger", "show", "--ledger", tmp_path / "tabsynth-ledger", "--json").document
    assert shown["populations"][0]["epsilon"] > first, "a second release about the same people adds up"

    (share / "synthetic.csv").write_text((share / "synthetic.csv").read_text("utf-8") + "\n", "utf-8")
    tabsynth("verify", "out").refused(6, "synthetic.csv")


def test_two_private_fits_with_one_seed_differ(tabsynth: Command, patients: Path, schema: Path,
                                               tmp_path: Path) -> None:
    for name in ("a", "b"):
        run = tabsynth("fit", patients, "--schema", schema, "--epsilon", "1", "--seed", 5, "-o", f"{name}.tabsynth")
        assert run.code == 0, run.err
        assert tabsynth("sample", f"{name}.tabsynth", "-n", 100, "--seed", 1, "-o", f"{name}.csv").code == 0
    assert (tmp_path / "a.csv").read_bytes() != (tmp_path / "b.csv").read_bytes()


def test_cap_of_the_ledger_refuses(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    reserve = tabsynth("ledger", "reserve", "test-ward", "--epsilon", "1.2", "--delta", "1e-6", "--unit", "patient",
                       "--ledger", "book")
    assert reserve.code == 0, reserve.err
    fit = ["fit", patients, "--schema", schema, "--epsilon", "1", "--ledger", "book", "--unit", "patient", "--force",
           "-o", "m.tabsynth"]
    first = tabsynth(*fit)
    assert first.code == 0, first.err
    tabsynth(*fit).refused(5, "cap")
    assert tabsynth("ledger", "close", "test-ward", "--ledger", "book").code == 0
    tabsynth(*fit).refused(5, "closed")


def test_release_without_differential_privacy(tabsynth: Command, patients: Path, schema: Path,
                                              tmp_path: Path) -> None:
    assert tabsynth("release", patients, "--schema", schema, "-o", "out").code == 2, "privacy is chosen by name"
    run = tabsynth("release", patients, "--schema", schema, "--no-dp", "--seed", 5, "--policy", "internal-test", "-o",
                   "out")
    assert run.code in (0, 1), run.err
    assert max(map(len, run.out.splitlines())) <= 80
    internal = tmp_path / "out" / "internal"
    assert (internal / "report.html").is_file()
    if run.code == 0:
        share = tmp_path / "out" / "share"
        assert documents(share)["report.json"]["report_class"] == "recipient"
        assert documents(share)["report.json"]["privacy"]["guarantee"] is False
        assert tabsynth("verify", "out").code == 0


def test_refused_release_has_no_share(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    policy = tmp_path / "strict.yaml"
    policy.write_text("""\
name: strict
summary: refuses everything
on_review: refuse
min_cell: 11
min_cell_source: test
limits: []
""", "utf-8")
    run = tabsynth("release", patients, "--schema", schema, "--no-dp", "--seed", 5, "--policy", policy, "-o", "out",
                   "--json")
    if run.document["outcome"] == "REFUSED":
        assert run.code == 1
        assert not (tmp_path / "out" / "share").exists()
        assert list((tmp_path / "out" / "internal").glob("*REFUSED*"))
        tabsynth("verify", "out").refused(6, "refused")


def test_fail_under(tabsynth: Command, patients: Path, schema: Path) -> None:
    run = tabsynth("release", patients, "--schema", schema, "--no-dp", "--model", "independent", "--seed", 5,
                   "--policy", "internal-test", "--fail-under", "kway.2=1.5", "-o", "out")
    run.refused(1, "kway.2")


def test_offline(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    """A socket that is opened raises: nothing in the main job may try."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\ndef refuse(*a, **k):\n    raise RuntimeError('network')\nsocket.socket.connect = refuse\n")
    run = tabsynth("fit", patients, "--schema", schema, "-o", "m.tabsynth")
    assert run.code == 0, run.err
