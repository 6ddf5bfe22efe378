"""What a person gets to edit: a schema with reasons and no value, and the values in a file of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tabsynth.core import yaml_text
from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.schema_file import load_schema
from tabsynth.pipeline.inputs import Reading
from tabsynth.pipeline.inspect import inspect_table, write_schema


def test_the_schema_is_editable_and_holds_no_value(csv_file: Path, tmp_path: Path) -> None:
    found = inspect_table(str(csv_file), Reading(unit="patient"))
    schema, values = write_schema(found, tmp_path / "s.yaml", with_values=True, force=False)
    text = schema.read_text("utf-8")
    assert load_schema(schema) == found.schema
    for value in ("surgery", "medicine", "P001", "75."):
        assert value not in text
    for name in found.schema.names:
        above = text[:text.index(f"- name: {name}\n")].rstrip().splitlines()[-2:]
        assert "confidence: " in above[0]
        assert above[1].lstrip().startswith("# -> ")
    assert "    kind: category\n" in text, "one key a line"
    assert values.name == "s.derived.yaml"
    assert values.read_text("utf-8").startswith("# PERSONAL DATA")
    assert yaml_text.load(values.read_text("utf-8"), "values")["columns"]["ward"] == {
        "levels": ["icu", "medicine", "surgery"]}


def test_what_epsilon_still_needs(csv_file: Path) -> None:
    found = inspect_table(str(csv_file), Reading(unit="patient"))
    assert found.missing_facts() == {"levels, code_list or open": ["sex", "ward"], "bounds or open": ["age", "weight"]}
    assert found.dialect_text() == "delimiter ',', decimal mark '.', encoding utf-8"
    assert found.to_json()["dialect"]["delimiter"] == ","


def test_nothing_is_overwritten_not_even_the_second_file(csv_file: Path, tmp_path: Path) -> None:
    (tmp_path / "s.derived.yaml").write_text("mine")
    found = inspect_table(str(csv_file), Reading())
    with pytest.raises(SourceError, match=r"s\.derived\.yaml exists already"):
        write_schema(found, tmp_path / "s.yaml", with_values=True, force=False)
    assert not (tmp_path / "s.yaml").exists()


def test_a_bundled_table_is_not_guessed() -> None:
    with pytest.raises(UsageError, match="reviewed schema"):
        inspect_table("demo:rand_hie", Reading())
