"""The whole path from a file to a release folder, replayed on a neighbour.

The same command runs on a file and on the same file without one person, answered with the same noisy values. Whatever
then differs in a model file, in ``share/``, in progress lines or in the ledger got there past the curator. Only the
verdict may differ: it is formed on real records, and the report says so.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabsynth.core.schema_file import load_schema
from tabsynth.datasets import formats
from tabsynth.pipeline import split
from tabsynth.pipeline.fit import Privacy, fit, load_model
from tabsynth.pipeline.inputs import Reading, read_input
from tabsynth.pipeline.release import Request, release
from tabsynth.privacy import curator
from tabsynth.reports import commonmark, exports
from tests.privacy.kit import Recorder, Replayer

SCHEMA = """\
name: visits
population: {name: replay, declared_units: 60}
max_rows_per_unit: 4
columns:
  - {name: patient, kind: id, role: unit}
  - {name: sex, kind: category, levels: [f, m], source: form, constant_per_unit: true}
  - {name: visits, kind: integer, bounds: [0, 9], source: form}
  - {name: weight, kind: number, bounds: [0, 300], decimals: 1, source: scale}
  - {name: raw, kind: number, bounds: [0, 1], source: device}
  - {name: diagnosis, kind: category, open: true, source: register}
  - {name: cost, kind: number, open: true, decimals: 2, source: bill}
  - {name: seen, kind: datetime, bounds: ["2024-01-01", "2024-12-31"], source: study}
  - {name: smoker, kind: boolean, source: form}
  - {name: note, kind: text}
"""
HEADER = "patient,sex,visits,weight,raw,diagnosis,cost,seen,smoker,note"
CANARY = "Zwyxqv"
VICTIMS = {
    "ordinary": ["V,f,3,71.5,0.5,flu,80.25,2024-03-01T10:00:00,true,x"],
    "extreme": [f"V,{CANARY},-9223372036854775808,1e308,-1e-308,{CANARY},987654321.25,9999-12-31T23:59:59,maybe,"
                f"{CANARY}"],
    "unreadable": [f'V,"{CANARY},""\nf",{"9" * 400},nan,inf,,-inf,2024-02-30,2,{"y" * 5000}'],
    "all missing": ["V,,,,,,,,,"],
    "ten thousand rows": [f"V,m,{i % 10},{i % 300}.0,0.{i},flu,{i}.5,2024-01-01T00:00:00,false,z"
                          for i in range(10_000)],
    "first in the file, other notation": ["V,F,+3,\"71,5\",.5e0,FLU,1e2,01.03.2024,TRUE,x"],
}


def others() -> list[str]:
    rng = np.random.default_rng(3)
    return [f"P{p},{'fm'[p % 2]},{rng.integers(0, 10)},{rng.normal(70, 9):.1f},{rng.random():.3f},"
            f"{('flu', 'gout')[rng.integers(0, 2)]},{rng.lognormal(4.5, 0.3):.2f},"
            f"2024-03-{1 + p % 28:02d}T10:00:00,{('true', 'false')[p % 2]},seen"
            for p in range(60) for _ in range(1 + p % 3)]


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    return write_schema(tmp_path)


def write_schema(folder: Path) -> Path:
    path = folder / "schema.yaml"
    path.write_text(SCHEMA, "utf-8")
    return path


@pytest.fixture(autouse=True)
def fixed_split(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_split(monkeypatch)


def fix_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """One split key for both worlds, under which the person V is in the training table."""
    monkeypatch.setattr(split, "secrets", SimpleNamespace(token_bytes=bytes))


def write_csv(path: Path, rows: list[str]) -> None:
    path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")


def world(monkeypatch: pytest.MonkeyPatch, noise: Any, run: Callable[[], Any]) -> Any:
    monkeypatch.setattr(curator, "default_source", lambda: noise)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return run()


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def fitted(folder: Path, table: Path, schema: Path) -> tuple[dict[str, bytes], list[Any], str]:
    """Model file's members, progress calls, ledger."""
    calls: list[Any] = []
    source = read_input(str(table), Reading(schema), public_only=True)
    done = fit(source.table, privacy=Privacy("10", ledger=folder / "ledger", population="replay"),
               rng=np.random.default_rng(1), progress=lambda *a: calls.append(a))
    done.save(folder / "m.tabsynth")
    (book,) = (folder / "ledger").glob("*.jsonl")
    return members(folder / "m.tabsynth"), calls, book.read_text("utf-8")


@pytest.mark.parametrize("kind", VICTIMS)
def test_a_fit_tells_nothing_but_noisy_answers(tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch,
                                               kind: str) -> None:
    rows, recorder = others(), Recorder()
    first = kind.startswith("first")
    results = []
    for name, noise in (("with", recorder), ("without", None)):
        folder = tmp_path / name
        folder.mkdir()
        mine = VICTIMS[kind] if name == "with" else []
        write_csv(folder / "rows.csv", [*mine, *rows] if first else [*rows, *mine])
        noise = noise or Replayer(recorder.asked, name=recorder.name)
        results.append(world(monkeypatch, noise, lambda folder=folder: fitted(folder, folder / "rows.csv", schema)))
    assert results[0] == results[1]
    assert CANARY.encode() not in b"".join(results[0][0].values())
    low, high = load_model(tmp_path / "with" / "m.tabsynth").generator.coding_.codecs["cost"].bounds  # type: ignore
    assert 0 < low < high, "no bounds were bought, so that their replay shows nothing"


def parquet_rows(victim: bool) -> pa.Table:
    """The person V alone makes a column of floats out of integers, widens a decimal, adds a level, and the like."""
    n = 60
    extra = [None] if victim else []
    seen = pa.array([1_709_280_000_000 + i for i in range(n)] + extra, pa.timestamp("ms"))
    levels = [f"secret {i}" for i in range(300)] if victim else ["flu", "gout"]
    index = pa.int16() if victim else pa.int8()
    return pa.table({
        "patient": [f"P{i}" for i in range(n)] + ["V"] * len(extra),
        "sex": pa.DictionaryArray.from_arrays(pa.array([i % 2 for i in range(n)] + [len("f")] * len(extra), pa.int8()),
                                              pa.array(["f", "m"])),
        "visits": pa.array([i % 10 for i in range(n)] + extra, pa.float64() if victim else pa.int64()),
        "weight": pa.array([70] * n + extra, pa.uint64() if victim else pa.uint8()),
        "raw": pa.array([0.5] * n + extra, pa.float32() if victim else pa.float64()),
        "diagnosis": pa.DictionaryArray.from_arrays(pa.array([0] * n + ([299] if victim else []), index), levels),
        "cost": pa.array([80.25 + i for i in range(n)] + ([987654321.25] if victim else [])),
        "seen": seen if victim else seen.cast(pa.timestamp("us")),
        "smoker": pa.array([True] * n + extra) if not victim else pa.array(["true"] * n + [CANARY]),
        "note": pa.nulls(n) if not victim else pa.array([None] * n + [CANARY])})


def test_types_of_a_parquet_file_stay_behind_the_curator(tmp_path: Path, schema: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    plain = pa.table({**{c: parquet_rows(False).column(c) for c in parquet_rows(False).column_names},
                      "diagnosis": ["secret 0"] * 60})
    results = []
    for name, rows in (("with", parquet_rows(True)), ("without", plain)):
        folder = tmp_path / name
        folder.mkdir()
        pq.write_table(rows, folder / "rows.parquet")
        noise = recorder if name == "with" else Replayer(recorder.asked, name=recorder.name)
        results.append(world(monkeypatch, noise,
                             lambda folder=folder: fitted(folder, folder / "rows.parquet", schema)))
    assert results[0] == results[1]
    parts = b"".join(results[0][0].values())
    assert b"secret 2" not in parts
    assert b"storage" not in results[0][0]["schema.json"]


def share(folder: Path, table: Path, schema: Path) -> tuple[dict[str, Any], list[Any]]:
    """Contents of ``share/`` and progress calls; what tells of the verdict is cut out and nothing else."""
    calls: list[Any] = []
    done = release(Request(str(table), folder / "out", Privacy("1", ledger=folder / "ledger"), Reading(schema),
                           seed=7, policy="internal-test", command="tabsynth release"),
                   progress=lambda *a: calls.append(a))
    assert done.outcome != "REFUSED"
    content: dict[str, Any] = {p.name: p.read_bytes() for p in sorted((folder / "out" / "share").iterdir())}
    report, manifest = json.loads(content["report.json"]), json.loads(content.pop("manifest.json"))
    del content["report.html"], content["report.pdf"]  # views of report.json
    verdict = report.pop("verdict")
    assert verdict["judgements"] == [], "share/ holds judgements on real rows"
    assert verdict["because"] == []
    for part in (report, manifest):
        del part["outcome"]
    for name in ("manifest_sha256", "report_sha256"):
        del manifest[name]
    for name in ("report.json", "report.html", "report.pdf", "MODEL_CARD.md"):
        del manifest["files"][name]
    content["MODEL_CARD.md"] = content["MODEL_CARD.md"].replace(commonmark.text(verdict["privacy"]).encode(), b"")
    return {**content, "report.json": report, "manifest.json": manifest}, [c for c in calls if c[0] != "sample"]


def check_what_is_shared(tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Release with and without the person V, answered alike, and require the same bytes. V must be trained on."""
    rows, recorder = others(), Recorder()
    results = []
    for name in ("with", "without"):
        folder = tmp_path / name
        folder.mkdir()
        write_csv(folder / "rows.csv", [*rows, *(VICTIMS[kind] if name == "with" else [])])
        noise = recorder if name == "with" else Replayer(recorder.asked, name=recorder.name)
        results.append(world(monkeypatch, noise, lambda folder=folder: share(folder, folder / "rows.csv", schema)))
    assert noise.spent > 0, "the person V was not in the training table"
    (one, calls), (two, calls_too) = results
    assert one.keys() == two.keys() == {"synthetic.csv", "synthetic.parquet", "statement.json", "report.json",
                                        *exports.ABOUT}
    for name in one:
        assert one[name] == two[name], name
    assert calls == calls_too
    assert CANARY not in str(one)


@pytest.mark.parametrize("kind", ["extreme", "all missing", "ten thousand rows"])
def test_what_is_shared_follows_from_noisy_answers_and_the_verdict(
        tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    check_what_is_shared(tmp_path, schema, monkeypatch, kind)


def test_the_replay_can_see(tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the schema taken from the file, as it is without a guarantee, the two model files would differ."""
    stored = []
    for name in (True, False):
        pq.write_table(parquet_rows(name), tmp_path / "rows.parquet")
        table = formats.read(tmp_path / "rows.parquet", schema=load_schema(schema))
        stored.append([table[c].logical.storage for c in table.schema.names])
    assert stored[0] != stored[1]
