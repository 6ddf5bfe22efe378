"""The shipped schemas are complete, public and true of the published files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tabsynth.core import code_lists
from tabsynth.core.coding import Coding
from tabsynth.core.errors import UsageError
from tabsynth.core.rules import Rules
from tabsynth.core.schema import NUMERIC, Column, Schema
from tabsynth.core.schema_file import dump_schema, load_schema
from tabsynth.core.table import INVALID, Table
from tabsynth.datasets import formats, schemas
from tabsynth.datasets.ward_schema import ward_schemas

FILES = {"adult": "adult.csv", "diabetes130": "diabetes130.csv.gz"}
OUTSIDE = {"diabetes130": {"diag_3": 1}}
"""Cells outside the public domain: 365.44 is the one diagnosis with five digits that is not diabetes."""


def shipped() -> dict[str, Schema]:
    return {name: load_schema(schemas.path(name)) for name in schemas.names()}


@pytest.mark.parametrize("name", schemas.names())
def test_every_modelled_column_has_a_public_domain_and_its_source(name: str) -> None:
    for column in shipped()[name].columns:
        assert column.source, column.name
        if column.modelled:
            domain = column.bounds if column.kind in NUMERIC else column.levels or column.code_list
            assert domain, column.name
            assert not column.open, column.name


@pytest.mark.parametrize("schema", [*shipped().values(), *ward_schemas().values()], ids=lambda s: s.name)
def test_schema_is_enough_for_a_fit_with_epsilon(schema: Schema) -> None:
    coding = Coding.public(schema)
    modelled = {c.name for c in schema.columns if c.modelled}
    assert modelled - set(Rules.compile(schema).derived) <= set(coding.names)


def test_units_and_declared_numbers() -> None:
    facts = {name: (s.unit, s.population and s.population.declared_units) for name, s in shipped().items()}
    assert facts == {"adult": (None, 48_842), "diabetes130": ("patient_nbr", 71_518), "rand_hie": ("person", 5_912)}


@pytest.mark.parametrize("name", schemas.names())
def test_evaluation_names_columns_that_are_there(name: str) -> None:
    schema = shipped()[name]
    ask = schema.evaluation
    assert ask.target
    assert schema[ask.target].role == "outcome"
    for column in (*ask.subgroups, *ask.quasi_identifiers):
        assert schema[column].modelled


@pytest.mark.parametrize("name", schemas.names())
def test_schema_survives_writing(name: str, tmp_path: Path) -> None:
    schema = shipped()[name]
    (tmp_path / "again.yaml").write_text(dump_schema(schema), "utf-8")
    assert load_schema(tmp_path / "again.yaml") == schema


def test_unknown_schema_lists_the_names() -> None:
    with pytest.raises(UsageError, match="adult, diabetes130, rand_hie"):
        schemas.path("adults")


@pytest.fixture(scope="module", params=sorted(FILES))
def published(request: pytest.FixtureRequest, data_folder: Path) -> tuple[str, Table]:
    schema = load_schema(schemas.path(request.param))
    return request.param, formats.read(data_folder / FILES[request.param], schema=schema)


def outside(column: Column, table: Table) -> int:
    """Cells that cannot be read, lie beyond the bounds, are no public level, or are missing though promised."""
    cells = table[column.name]
    values, wrong = cells.values[cells.present], int((cells.state == INVALID).sum())
    if not column.nullable:
        wrong += int((~cells.present).sum())
    if column.kind == "category":
        public = column.levels or code_lists.codes(column.code_list or "")
        wrong += int((~np.isin(np.array(cells.levels, dtype=object)[values], np.array(public, dtype=object))).sum())
    if column.bounds is not None:
        wrong += int(((values < column.bounds[0]) | (values > column.bounds[1])).sum())
    return wrong


def test_schema_covers_the_published_file(published: tuple[str, Table]) -> None:
    name, table = published
    units = len(np.unique(table.unit_codes()))
    assert table.schema.population is not None
    assert units == table.schema.population.declared_units
    wrong = {c.name: outside(c, table) for c in table.schema.columns}
    assert {column: count for column, count in wrong.items() if count} == OUTSIDE.get(name, {})


def test_rules_hold_in_the_published_file(published: tuple[str, Table]) -> None:
    _, table = published
    assert set(Rules.compile(table.schema).violations(table).values()) == {0}


def test_levels_called_none_are_levels(data_folder: Path) -> None:
    table = formats.read(data_folder / FILES["diabetes130"], schema=load_schema(schemas.path("diabetes130")))
    for name, count in (("max_glu_serum", 96_420), ("A1Cresult", 84_748)):
        cells = table[name]
        assert (np.array(cells.levels, dtype=object)[cells.values] == "None").sum() == count
