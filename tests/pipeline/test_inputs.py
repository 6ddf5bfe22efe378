"""From a name on the command line to a table under a schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabsynth.cli.commands.release import shown_command
from tabsynth.core.errors import SchemaError, SourceError, UsageError
from tabsynth.core.schema import Column, Dialect, Schema
from tabsynth.core.table import Table
from tabsynth.datasets import formats
from tabsynth.datasets.formats import csv, jsonl, parquet
from tabsynth.pipeline.fit import fit
from tabsynth.pipeline.inputs import Reading, adjusted, overridden, read_compact, read_given, read_input, stem

SCHEMA = """\
columns:
  - {name: patient, kind: id, role: unit}
  - {name: age, kind: integer, bounds: [0, 120], source: form}
"""


@pytest.mark.parametrize(("spec", "name"), [
    ("a/b/patients.csv", "patients"), ("x.csv.gz", "x"), ("x.parquet", "x"), ("2024.q1.csv.zst", "2024.q1"),
    ("-", "stdin"), ("folder.csv/rows.jsonl", "rows")])
def test_stem(spec: str, name: str) -> None:
    assert stem(spec) == name


def test_a_schema_is_guessed_only_without_epsilon(csv_file: Path) -> None:
    source = read_input(str(csv_file), Reading(unit="patient"))
    assert source.guessed
    assert source.table.schema.unit == "patient"
    assert (source.name, source.folder, len(source.table)) == ("visits", csv_file.parent, 300)
    with pytest.raises(UsageError, match="--epsilon needs --schema"):
        read_input(str(csv_file), Reading(unit="patient"), public_only=True)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".jsonl"])
@pytest.mark.parametrize("model", ["independent", "copula"])
def test_a_file_read_batch_by_batch_gives_the_same_model(visits: pd.DataFrame, tmp_path: Path, suffix: str, model: str,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes: people of several batches, levels that come up late, gaps, types of Arrow."""
    visits = visits.assign(
        ward=visits["ward"].astype("category") if suffix == ".parquet" else visits["ward"],
        moment=pd.date_range("2020-01-01", periods=300, freq="37min", tz="Europe/Berlin"),
        late=["early"] * 250 + ["late"] * 50, weight=visits["weight"].where(visits["weight"] < 90))
    path = tmp_path / f"visits{suffix}"
    formats.write(Table.from_pandas(visits), path)
    reading = Reading(unit="patient")
    whole = fit(read_input(str(path), reading).table, model=model, rng=np.random.default_rng(0))
    monkeypatch.setattr(csv, "BLOCK", 1_000)
    monkeypatch.setattr(parquet, "BATCH_ROWS", 40)
    monkeypatch.setattr(jsonl, "BATCH_ROWS", 40)
    assert len(list(formats.scan(path).batches())) > 4
    rows = read_compact(str(path), reading)
    assert (rows.schema_source, rows.name, len(rows.table)) == ("guessed", "visits", 300)
    fit(rows.table, model=model, rng=np.random.default_rng(0)).save(tmp_path / "parts.tabsynth")
    whole.save(tmp_path / "whole.tabsynth")
    assert (tmp_path / "parts.tabsynth").read_bytes() == (tmp_path / "whole.tabsynth").read_bytes()


def test_a_demonstration_table_is_held_small_too() -> None:
    rows = read_compact("demo:rand_hie").table
    assert (len(rows), rows.schema.unit, "person" in rows.columns) == (20_190, "person", False)


def test_a_schema_file_selects_the_columns(csv_file: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SCHEMA, "utf-8")
    source = read_input(str(csv_file), Reading(tmp_path / "s.yaml"), public_only=True)
    assert source.schema_source == "s.yaml"
    assert source.table.schema.names == ("patient", "age")


def test_a_bundled_table_has_its_code_book() -> None:
    source = read_input("demo:rand_hie")
    assert (source.schema_source, source.name, source.table.schema.unit) == ("bundled code book", "rand_hie", "person")
    with pytest.raises(UsageError, match="rand_hie"):
        read_input("demo:nothing")


def test_missing_file() -> None:
    with pytest.raises(SourceError, match=r"nowhere\.csv"):
        read_input("nowhere.csv")


def test_unit_and_missing_tokens_of_the_command_line() -> None:
    schema = Schema((Column("a", "id", role="unit"), Column("b", "integer", missing=("-",))))
    other = adjusted(schema, Reading(unit="b", na=("-", "?")))
    assert other.unit == "b"
    assert (other["a"].role, other["b"].missing) == ("feature", ("-", "?"))
    assert adjusted(schema, Reading(unit="row")).unit is None
    with pytest.raises(SchemaError, match="Did you mean"):
        adjusted(schema, Reading(unit="bb"))


def test_dialect_options_go_over_the_guess() -> None:
    assert overridden(None, Reading()) is None
    assert overridden(None, Reading(delimiter=";")) == Dialect(delimiter=";")
    known = Dialect(delimiter=";", encoding="cp1252")
    assert overridden(known, Reading(decimal=",")) == Dialect(delimiter=";", encoding="cp1252", decimal=",")


def test_given_cells_are_read_as_the_schema_says(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("age\n7\n", "utf-8")
    schema = Schema((Column("patient", "id", role="unit"), Column("age", "number", decimals=1)))
    given = read_given(tmp_path / "g.csv", schema)
    assert given.schema.names == ("age",)
    assert given["age"].values.dtype == float
    (tmp_path / "g.csv").write_text("agee\n7\n", "utf-8")
    with pytest.raises(SchemaError, match="Did you mean 'age'"):
        read_given(tmp_path / "g.csv", schema)


def test_a_file_name_that_is_no_text_can_be_written_down() -> None:
    told = "caf\N{REPLACEMENT CHARACTER}"
    assert stem("wards/caf\udce9.csv") == told
    assert shown_command(["tabsynth", "release", "wards/caf\udce9.csv", "-o", ".", "--seed=1"]) == (
        f"tabsynth release {told}.csv -o . --seed=1")
