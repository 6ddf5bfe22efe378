"""Labels: a table that a model made says so, whatever it is called, and a fit asks before it learns from it."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.files import sha256_file
from tabsynth.core.schema import Column, Population, Schema
from tabsynth.core.table import Table
from tabsynth.datasets import formats
from tabsynth.pipeline import face, labels, release
from tabsynth.pipeline.evaluate import evaluate
from tabsynth.pipeline.fit import Privacy, fit, load_model
from tabsynth.pipeline.labels import REAL, Parentage, label_of, parentage
from tabsynth.pipeline.sample import sample_to_file
from tabsynth.pipeline.split import split, write_split


@pytest.fixture
def folder(table: Table, tmp_path: Path) -> Path:
    """Rows of a model of real rows, in each format."""
    fitted = fit(table, model="independent", rng=np.random.default_rng(0))
    fitted.save(tmp_path / "m.tabsynth")
    for name in ("x.csv", "x.csv.gz", "x.jsonl", "x.parquet"):
        sample_to_file(fitted, tmp_path / name, 40, rng=np.random.default_rng(1))
        if labels.needs_label(str(tmp_path / name)):
            labels.write_label(tmp_path / name, parentage=fitted.parentage)
    return tmp_path


def test_which_files_need_a_label(folder: Path) -> None:
    assert sorted(p.name for p in folder.glob("*.synthetic.json")) == [
        f"{name}.synthetic.json" for name in ("x.csv.gz", "x.csv", "x.jsonl")]
    assert pq.read_schema(folder / "x.parquet").metadata == {b"tabsynth.synthetic": b"true",
                                                             b"tabsynth.generation_depth": b"1"}
    assert not labels.needs_label("-")


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.jsonl", "x.parquet"])
def test_a_fit_asks_first_and_then_counts_generations(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="synthetic table.*--allow-synthetic-parent.*generation 2"):
        parentage(str(folder / name))
    found = parentage(str(folder / name), allow=True)
    assert found.generation_depth == 2
    assert len(found.parents) == 1
    shutil.move(folder / name, folder / f"renamed-{name}")
    assert parentage(str(folder / f"renamed-{name}"), allow=True) == found
    table = formats.read(folder / f"renamed-{name}")
    fit(table, model="independent", rng=np.random.default_rng(0), parentage=found).save(folder / "second.tabsynth")
    second = load_model(folder / "second.tabsynth")
    assert second.parentage == found
    sample_to_file(second, folder / "y.parquet", 40, rng=np.random.default_rng(1))
    again = label_of(str(folder / "y.parquet"))
    assert again is not None
    assert (again.generation_depth, again.child.generation_depth) == (2, 3)


def test_real_tables_and_other_peoples_files(folder: Path, visits: pd.DataFrame) -> None:
    visits.to_csv(folder / "real.csv", index=False)
    visits.to_parquet(folder / "real.parquet")
    for text in ("{", "[]", '{"type": "tabsynth.manifest/1", "synthetic": true, "files": {"real.csv": 1}}',
                 '{"synthetic": true, "sha256": "x"}', "[" * 100_000):
        (folder / "manifest.json").write_text(text)
        (folder / "real.csv.synthetic.json").write_text(text)
        for name in ("real.csv", "real.parquet"):
            assert parentage(str(folder / name)) == REAL
    for name in ("-", "", "demo:rand_hie", str(folder / "none.csv")):
        assert label_of(name) is None
    with (folder / "x.csv").open("a") as handle:
        handle.write("\n")
    assert label_of(str(folder / "x.csv")) is None, "a label speaks of exactly one file"


def test_a_label_is_not_written_over(folder: Path) -> None:
    with pytest.raises(SourceError, match="exists already"):
        labels.refuse_label(folder / "x.csv", force=False)
    first = (folder / "x.csv.synthetic.json").read_bytes()
    labels.write_label(folder / "x.csv", parentage=REAL, force=True)
    assert (folder / "x.csv.synthetic.json").read_bytes() == first
    assert json.loads(first)["generation_depth"] == 1


@pytest.mark.parametrize("depth", ["0", "-3", "x", "", "1" * 5000, None])
def test_a_depth_that_cannot_be_read_is_the_least(folder: Path, depth: str | None) -> None:
    content = json.loads((folder / "x.csv.synthetic.json").read_text("utf-8"))
    (folder / "x.csv.synthetic.json").write_text(json.dumps({**content, "generation_depth": depth}))
    assert parentage(str(folder / "x.csv"), allow=True).generation_depth == 2


def test_under_a_guarantee_a_model_counts_generations_and_names_no_parent() -> None:
    schema = Schema((Column("sex", "category", levels=("f", "m"), source="form"),),
                    population=Population("ward", declared_units=100))
    table = Table.from_pandas(pd.DataFrame({"sex": ["f", "m"] * 50}), schema=schema)
    made = fit(table, model="marginal", privacy=Privacy("1"), rng=np.random.default_rng(0),
               parentage=Parentage(2, ("a" * 64,)))
    assert (made.parentage.generation_depth, made.parentage.parents) == (2, ()), "the hash follows from its rows"


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_both_parts_of_a_synthetic_table_say_so(folder: Path, name: str) -> None:
    label = label_of(str(folder / name))
    assert label is not None
    parts = split(formats.read(folder / name), key=bytes(16))
    for path in write_split(parts, folder / "parts", name="x", synthetic=label.part)[:2]:
        found = label_of(str(path))
        assert found is not None
        assert found.generation_depth == 1


def test_a_release_of_a_released_table(visits: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "evaluate", partial(evaluate, sections=("validity",)))
    wish: dict[str, Any] = {"no_dp": True, "unit": "patient", "model": "independent", "seed": 1, "n": 300,
                            "policy": "internal-test"}
    face.release(visits, tmp_path / "first", **wish)
    table = tmp_path / "first" / "share" / "synthetic.csv"
    with pytest.raises(UsageError, match=r"manifest\.json beside it"):
        face.release(table, tmp_path / "second", **wish)
    assert not (tmp_path / "second").exists()
    face.release(table, tmp_path / "second", allow_synthetic_parent=True, **wish)
    manifest = json.loads((tmp_path / "second" / "share" / "manifest.json").read_text("utf-8"))
    assert manifest["generation_depth"] == 2
    assert manifest["parents"] == [sha256_file(tmp_path / "first" / "share" / "manifest.json")]
    report = json.loads((tmp_path / "second" / "share" / "report.json").read_text("utf-8"))
    assert report["model"]["generation_depth"] == 2
    label = label_of(str(tmp_path / "second" / "share" / "synthetic.parquet"))
    assert label is not None
    assert label.child == Parentage(3, (sha256_file(tmp_path / "second" / "share" / "manifest.json"),))


