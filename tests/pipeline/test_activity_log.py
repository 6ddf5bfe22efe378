"""The book of activities: it counts looks, notices changes, takes several writers, says early where it cannot."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabsynth.core.errors import SourceError
from tabsynth.core.files import sha256_file
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.pipeline import face, release
from tabsynth.pipeline.activity_log import ActivityLog, Keeping, digest_of
from tabsynth.pipeline.evaluate import evaluate
from tabsynth.reports.context import Selection


def record(log: ActivityLog, train: Table, synth: Table, model: str | None = None) -> Selection:
    return log.evaluated(train, synth, model=model, policy="controlled", tier=1, outcome="REVIEW")


@pytest.fixture
def log(tmp_path: Path) -> ActivityLog:
    return ActivityLog(tmp_path / "book" / "t.jsonl")


def test_looks_and_models_are_counted_by_training_table(log: ActivityLog, table: Table) -> None:
    synth, other = table.take(slice(0, 50)), table.take(slice(50, 90))
    assert record(log, table, synth) == Selection(1, 1)
    assert record(log, table, synth) == Selection(2, 1)
    assert record(log, table, other) == Selection(3, 2)
    assert record(log, table, synth, model="ab") == Selection(4, 3)
    assert record(log, table, other, model="ab") == Selection(5, 3)
    assert record(log, other, synth) == Selection(1, 1)
    entries = log.entries()
    assert [e.index for e in entries] == list(range(6))
    assert (entries[0].policy, entries[0].tier, entries[0].outcome) == ("controlled", 1, "REVIEW")


def test_the_book_holds_no_cell(log: ActivityLog, table: Table) -> None:
    record(log, table, table)
    entry = json.loads(log._path.read_text("utf-8"))
    assert set(entry) == {"index", "date", "act", "input", "rows", "synthetic", "model", "output", "policy", "tier",
                          "outcome", "versions", "previous", "hash"}
    assert len(entry["date"]) == 10
    assert set(entry["versions"]) == {"tabsynth", "python"}


def test_only_evaluations_are_looks(log: ActivityLog, table: Table) -> None:
    log.add("fit", input="ab" * 32, model="cd" * 32)
    log.add("sample", model="cd" * 32, output="ef" * 32)
    assert record(log, table, table) == Selection(1, 1)
    log.add("release", input="ab" * 32, rows=log.entries()[-1].rows, outcome="RELEASED")
    assert record(log, table, table) == Selection(2, 1)
    assert [e.act for e in log.entries()] == ["fit", "sample", "evaluation", "release", "evaluation"]


@pytest.mark.parametrize("damage", ["edit", "drop", "swap", "junk", "forge"])
def test_changes_are_noticed(log: ActivityLog, table: Table, damage: str) -> None:
    for _ in range(3):
        record(log, table, table)
    lines = log._path.read_text("utf-8").splitlines()
    if damage == "edit":
        lines[1] = lines[1].replace("REVIEW", "RELEASED")
    elif damage == "drop":
        del lines[1]
    elif damage == "swap":
        lines[0], lines[1] = lines[1], lines[0]
    elif damage == "junk":
        lines[1] = "[1, 2]"
    else:  # an entry with a hash of its own, in the place of another
        forged = json.loads(lines[1])
        forged["outcome"] = "RELEASED"
        entry = type(log.entries()[0])(**forged)
        lines[1] = json.dumps({**forged, "hash": entry.expected_hash()})
    log._path.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(SourceError, match=r"line [123] does not follow.*--log"):
        log.check()
    with pytest.raises(SourceError, match="does not follow"):
        record(log, table, table)


def test_several_writers(tmp_path: Path, table: Table) -> None:
    path, part = tmp_path / "book" / "t.jsonl", table.take(slice(0, 40))
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: record(ActivityLog(path), part, part).evaluations, range(16)))
    assert sorted(counts) == list(range(1, 17))
    ActivityLog(path).check()


def test_a_line_that_a_crash_cut_short_does_not_count(log: ActivityLog, table: Table) -> None:
    record(log, table, table)
    with log._path.open("ab") as handle:
        handle.write(b'{"index":1,"da')
    assert record(log, table, table).evaluations == 2
    assert len(log.entries()) == 2


def test_what_cannot_be_written_is_told_before_the_work_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for keeping in (Keeping(folder=tmp_path / "file"), Keeping(folder=tmp_path / "file" / "such")):
        with pytest.raises(SourceError, match=r"--log FOLDER.*--no-log"):
            keeping.open(tmp_path)
    assert Keeping(wanted=False, folder=tmp_path / "file").open(tmp_path) is None
    assert Keeping().open(tmp_path) is not None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_folders_above_the_book_are_made_with_it(tmp_path: Path, table: Table) -> None:
    """A release may keep its ledger, and with it this book, in an output folder that is not there yet."""
    book = Keeping(folder=tmp_path / "out" / "book").open(tmp_path)
    assert book is not None
    assert not (tmp_path / "out").exists()
    assert record(book, table, table) == Selection(1, 1)


def test_where_the_book_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    places = {spec: Keeping().open_for(spec) for spec in ("parts/train.csv.gz", "demo:rand_hie", "-")}
    assert {spec: str(log._path) for spec, log in places.items() if log} == {
        "parts/train.csv.gz": "parts/tabsynth-log/log.jsonl",
        "demo:rand_hie": "tabsynth-log/log.jsonl", "-": "tabsynth-log/log.jsonl"}
    (tmp_path / "out" / "share").mkdir(parents=True)
    (tmp_path / "out" / "share" / "manifest.json").write_text("{}")
    inside = Keeping().open_for("out/share/synthetic.csv")
    assert inside is not None
    assert inside._path == tmp_path / "tabsynth-log" / "log.jsonl", "a log inside a release would be a file added to it"
    monkeypatch.chdir(tmp_path / "out" / "share")
    inside = Keeping().open_for("synthetic.csv")
    assert inside is not None
    assert inside._path == tmp_path / "tabsynth-log" / "log.jsonl"


def test_the_digest_looks_at_cells_and_not_at_order_or_kind(table: Table) -> None:
    order = np.random.default_rng(1).permutation(len(table))
    assert digest_of(table.take(order)) == digest_of(table)
    assert digest_of(table.take(order[1:])) != digest_of(table)
    assert digest_of(Table(table.schema.with_unit(None), table.columns)) == digest_of(table)
    frame = pd.DataFrame({"x": [1, 2, 2], "y": ["a", None, "b"]})
    kinds = [Table.from_pandas(frame), Table.from_pandas(frame.astype({"x": float})),
             Table.from_pandas(frame.astype({"x": str}), Schema((Column("x", "category"), Column("y", "category"))))]
    assert len({digest_of(t) for t in kinds}) == 1
    assert digest_of(Table.from_pandas(frame.assign(x=[1, 2, 3]))) != digest_of(kinds[0])
    assert digest_of(Table.from_pandas(frame.rename(columns={"x": "z"}))) != digest_of(kinds[0])


def test_a_release_counts_too(visits: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "evaluate", partial(evaluate, sections=("validity",)))
    visits.to_csv(tmp_path / "visits.csv", index=False)
    found = []
    for seed in (1, 2):
        done = face.release(tmp_path / "visits.csv", tmp_path / f"out{seed}", no_dp=True, unit="patient",
                            model="independent", seed=seed, policy="internal-test")
        found.append(done.evaluation.selection)
        report = json.loads((tmp_path / f"out{seed}" / "share" / "report.json").read_text("utf-8"))
        assert report["provenance"]["selection"] == {"evaluations": seed, "models_compared": seed}
    assert found == [Selection(1, 1), Selection(2, 2)]
    entries = ActivityLog(tmp_path / "tabsynth-log" / "log.jsonl").entries()
    assert [e.act for e in entries] == ["evaluation", "release"] * 2
    assert entries[1].output == sha256_file(tmp_path / "out1" / "share" / "manifest.json")
    assert {e.input for e in entries} == {sha256_file(tmp_path / "visits.csv")}
    for digest in (entries[0].rows, entries[0].input):
        assert not [p for p in tmp_path.glob("out*/**/*.json") if str(digest) in p.read_text("utf-8")]
