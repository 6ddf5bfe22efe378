"""The schema at the file boundary: exact inverse, sane text, and one clear sentence for each mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import SchemaError, SourceError
from tabsynth.core.schema import Column, Dialect, Evaluation, Population, Schema
from tabsynth.core.schema_file import dump_schema, load_schema, schema_from_json, schema_to_json

FULL = Schema(
    name="ward", description="A ward.", population=Population("nhs", 1000), max_rows_per_unit=7,
    rules=({"compare": "admitted <= discharged"}, {"mapped": {"from": ["a"], "to": "b", "table": {"x": "1"}}}),
    evaluation=Evaluation("died", ("sex",), ("age", "sex"), ({"formula": "died ~ age", "family": "binomial"},)),
    dialect=Dialect(delimiter=";", decimal=",", thousands=".", bom=True),
    columns=(
        Column("患者ID", "id", role="unit", pattern="P-######"),
        Column("age", "integer", bounds=(0, 110), role="quasi-identifier", constant_per_unit=True, nullable=False,
               source="code book"),
        Column("cost", "number", bounds=(0, 1e6), special=(0.0,), decimals=2, scale="log", unit_of_measure="USD"),
        Column("born", "date", bounds=("1900-01-01", "2024-12-31"), format="%d.%m.%Y"),
        Column("admitted", "datetime", bounds=("2020-01-01", "2021-01-01T00:00"), timezone="Europe/Berlin"),
        Column("at", "time", bounds=("00:00", "23:59"), step=60.0),
        Column("stay", "timedelta", bounds=(0, "99:00:00"), format="HH:MM"),
        Column("sex", "category", levels=("NO", "yes", "1", "007", "1e5", "~", "null", " x"), missing=("?", "-1")),
        Column("diag", "category", code_list="icd9cm-3digit"), Column("died", "boolean", levels=("n", "y")),
        Column("note", "text", role="direct-identifier", logical={"storage": "large_string", "ordered": False}),
    ),
)


def write(folder: Path, text: str, name: str = "schema.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def columns(folder: Path, *lines: str) -> Schema:
    return load_schema(write(folder, "columns:\n" + "\n".join(f"  - {{{line}}}" for line in lines)))


def test_yaml_and_json_are_exact_inverses(tmp_path: Path) -> None:
    assert load_schema(write(tmp_path, dump_schema(FULL))) == FULL
    assert load_schema(str(write(tmp_path, dump_schema(FULL)))) == FULL
    assert schema_from_json(schema_to_json(FULL)) == FULL
    assert dump_schema(load_schema(write(tmp_path, dump_schema(FULL)))) == dump_schema(FULL)


AWKWARD = ["yes", "0o7", "12:30:00", "1_000", "0x1f", ".inf", "1.", "<<", "=", "2020-01-01"]
PRINTABLE = st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)


@settings(max_examples=60)
@given(st.lists(PRINTABLE, min_size=1, max_size=5), st.sampled_from(AWKWARD))
def test_any_level_survives_the_file(levels: list[str], awkward: str) -> None:
    from tabsynth.core import yaml_text

    schema = Schema((Column(awkward, "category", levels=tuple(dict.fromkeys([*levels, awkward])), missing=()),))
    assert schema_from_json(yaml_text.load(dump_schema(schema), "text")) == schema


def test_only_set_fields_are_written_in_file_order() -> None:
    text = dump_schema(Schema((Column("b", "integer"), Column("a", "text"))))
    assert text.splitlines() == [
        "columns:", "  - name: b", "    kind: integer", "  - name: a", "    kind: text"]


def test_bare_numbers_become_the_text_that_was_written(tmp_path: Path) -> None:
    levels, missing = "[1, 007, 1.50, 1e5, 2020-01-01]", "[-1, 9.0]"
    schema = columns(tmp_path, f"name: 2020, kind: category, levels: {levels}, missing: {missing}")
    assert schema.columns[0].name == "2020"
    assert schema.columns[0].levels == ("1", "007", "1.50", "1e5", "2020-01-01")
    assert schema.columns[0].missing == ("-1", "9.0")


def test_times_are_not_numbers_to_base_sixty(tmp_path: Path) -> None:
    schema = columns(tmp_path, "name: t, kind: time, bounds: [08:00:00, 12:30:00]")
    assert schema["t"].bounds == ("08:00:00", "12:30:00")


@pytest.mark.parametrize(("line", "words"), [
    ("name: a, kind: category, levels: [yes, no]", ["'a'", "levels[0]", "quotes"]),
    ("name: a, kind: category, levels: [x, ~]", ["levels[1]", "quotes"]),
    ("name: no, kind: category", ["name", "quotes"]),
    ("name: a, knd: category", ["'a'", "no field 'knd'", "Did you mean 'kind'?"]),
    ("name: a, kind: categoryy", ["'a' → kind", "'number'"]),
    ("name: a", ["'a'", "'kind' is missing"]),
    ("kind: text", ["columns[0]", "'name' is missing"]),
    ("name: a, kind: number, bounds: [3, 1]", ["'a' → bounds", "above"]),
    ("name: a, kind: number, bounds: 3", ["'a' → bounds"]),
    ("name: a, kind: number, bounds: [0, 1], open: true", ["'a' → open", "either bounds or open: true"]),
    ("name: a, kind: time, open: true", ["'a' → open", "a time cannot be open"]),
    ("name: a, kind: boolean, open: true", ["'a' → open", "category, date"]),
    ("name: a, kind: number, bounds: [0, .nan]", ["'a' → bounds", "number"]),
    ("name: a, kind: date, bounds: [1999, 2000]", ["'a' → bounds", "1999-01-31"]),
    ("name: a, kind: date, bounds: [1999-01-32, 2000-01-01]", ["'a' → bounds"]),
    ("name: a, kind: category, bounds: [0, 1]", ["'a' → bounds", "category"]),
    ("name: a, kind: number, decimals: '2'", ["'a' → decimals"]),
    ("name: a, kind: number, step: 0", ["'a' → step"]),
    ("name: a, kind: number, bounds: [-1, 5], scale: log", ["'a' → bounds", "log"]),
    ("name: a, kind: category, levels: [x, x]", ["'a' → levels", "'x'", "twice"]),
    ("name: a, kind: boolean, levels: [x, y, z]", ["'a' → levels", "exactly two"]),
    ("name: a, kind: category, levels: [x, '?'], missing: ['?']", ["'a' → missing", "only one of the two"]),
    ("name: a, kind: category, code_list: icd", ["'a' → code_list", "icd10-3char"]),
    ("name: a, kind: text, pattern: '#'", ["'a' → pattern", "only an id"]),
    ("name: a, kind: datetime, timezone: Mars/Base", ["'a' → timezone", "Mars/Base"]),
    ("name: a, kind: date, format: '%Q'", ["'a' → format", "%Q"]),
    ("name: a, kind: timedelta, format: h", ["'a' → format", "HH:MM:SS"]),
    ("name: a, kind: text, role: unti", ["'a' → role", "'unit'"]),
    ("name: a, name: b, kind: text", ["line 2", "'name' is written twice"]),
    ("name: a, kind: text, yes: 1", ["line 2", "yes", "quotes"]),
])
def test_a_mistake_in_a_column_is_named(tmp_path: Path, line: str, words: list[str]) -> None:
    with pytest.raises(SchemaError) as caught:
        columns(tmp_path, line)
    assert [word for word in ["schema.yaml", *words] if word not in str(caught.value)] == []


@pytest.mark.parametrize(("text", "words"), [
    ("", "columns"), ("columns: 3", "columns"), ("columns: [3]", r"columns\[0\]"), ("a: [", "line 1"),
    ("columns: [&x {name: a, kind: text}]", "anchors"), ("columns: [{name: a, kind: text}, *x]", "aliases"),
    ("columns: []\nfoo: 1", "no field 'foo'"), ("columns: []\npopulation: {nam: x}", "Did you mean 'name'"),
    ("columns: []\npopulation: {name: x, declared_units: many}", "population → declared_units"),
    ("columns: []\nmax_rows_per_unit: 0", "at least 1"), ("columns: !!python/object:os.system []", "tags"),
    ("columns: [{name: a, kind: text}, {name: a, kind: text}]", "'a' is in the schema twice"),
    ("columns: [{name: a, kind: id, role: unit}, {name: b, kind: id, role: unit}]", "one column is the unit"),
    ("[" * 5000, "nested deeper than 40"),
])
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        load_schema(write(tmp_path, text))


@pytest.mark.parametrize("text", ["{", '{"columns": [], "columns": []}', "[" * 100_000])
def test_a_broken_json_file_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(SchemaError, match="schema.json"):
        load_schema(write(tmp_path, text, "schema.json"))


def test_a_missing_or_binary_file_is_a_source_error(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("none.yaml", "binary.yaml"):
        with pytest.raises(SourceError, match=name):
            load_schema(tmp_path / name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8)


@settings(max_examples=60)
@given(JSON)
def test_any_broken_json_gives_a_schema_error(data: Any) -> None:
    broken = {"name": "a", "kind": "integer", "bounds": data, "special": data, "step": -1}
    for value in (data, {"columns": [data]}, {"columns": [broken]}, {"columns": [], "dialect": [data]}):
        with pytest.raises(SchemaError):
            schema_from_json(value)


def test_importing_is_light() -> None:
    code = ("import sys, tabsynth.core.schema_file;"
            "sys.exit(bool({'numpy', 'pydantic', 'yaml', 'pandas', 'pyarrow'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
