"""The Safe Harbor list: a planted entry is told by its letter, made-up tables have none, real rows do not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tabsynth.core.errors import SchemaError
from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.schema_file import schema_from_json, schema_to_json
from tabsynth.core.table import Cells, Table
from tabsynth.datasets.load import demo_schema, load_demo
from tabsynth.evaluation.attacks._classes import sparse_zip3
from tabsynth.evaluation.attacks.safe_harbor import CLASSES, seen

from .people import cells, people, run

N = 60
ZIPS = sparse_zip3()


def texts(values: Sequence[str]) -> Cells:
    return Cells(np.array(values, dtype=object), np.zeros(len(values), np.uint8))


def one(name: str, kind: Any, values: Sequence[Any], **facts: Any) -> Table:
    made = texts(values) if kind in ("id", "text") else cells(kind, values)
    return Table(Schema((Column(name, kind, **facts),)), {name: made})


def letters(table: Table, sparse: frozenset[str] = ZIPS) -> str:
    return "".join(letter for letter, found in seen(table, sparse).items() if found)


@pytest.mark.parametrize("letter, name, kind, values", [
    ("A", "patient_name", "category", ["Jo Moss"]), ("B", "zip", "category", ["02139"]),
    ("B", "zip", "integer", [2139]), ("B", "zip3", "category", ["036"]), ("B", "zip3", "integer", [36, 941]),
    ("B", "zip3", "category", ["753"]), ("B", "note", "text", ["from 02139-4307"]),
    ("B", "site", "category", ["Kings County"]),
    ("B", "county", "category", ["Kings"]), ("B", "county", "integer", [47]), ("B", "lat", "number", [42.36]),
    ("C", "age", "integer", [40, 93]), ("C", "age", "category", ["40", "93"]),
    ("C", "age_group", "category", ["80-89", "95-99"]), ("C", "admitted", "date", [18_000]),
    ("C", "note", "text", ["seen 2021-03-04"]), ("C", "discharge_month", "integer", [7]), ("C", "dob", "text", ["x"]),
    ("D", "note", "text", ["call 617-555-0123"]), ("E", "fax", "category", ["617 555 0123"]),
    ("F", "note", "text", ["Jo.Doe@mail.example.org"]), ("G", "note", "text", ["SSN 219-09-9999"]),
    ("G", "ssn", "integer", [219_09_9999]),
    ("G", "SSN", "category", ["999-12-3456"]), ("A", "MAIDEN", "category", ["Moss"]),
    ("K", "DRIVERS", "id", ["S1", "S9"]),
    ("H", "mrn", "integer", [70_012_345]), ("H", "mrn", "id", ["A7001", "B7"]),
    ("H", "note", "text", ["MRN: 0012345"]), ("I", "member_id", "category", ["Z4"]),
    ("J", "note", "text", ["IBAN DE89 3704 0044 0532 0130 00"]), ("K", "note", "text", ["NPI 1234567893"]),
    ("L", "licence_plate", "category", ["ABC 123"]), ("L", "note", "text", ["VIN 1M8GDM9AXKP042788"]),
    ("M", "note", "text", ["00:1B:44:11:3A:B7"]), ("N", "note", "text", ["see https://example.org/a"]),
    ("O", "note", "text", ["from 192.0.2.17"]), ("P", "fingerprint", "text", ["f3a9"]),
    ("Q", "photo", "text", ["a.png"]),
])
def test_each_planted_entry_is_told_by_its_letter(letter: str, name: str, kind: Any, values: list[Any]) -> None:
    told = "DE" if letter == "E" else letter  # a fax number has a telephone's form
    assert letters(one(name, kind, values)) == told


@pytest.mark.parametrize("name, kind, values", [
    ("age", "integer", [17, 89, 90]), ("age_months", "integer", [93, 120]),
    ("age", "category", ["[80-90)", "[90-100)"]),
    ("average", "integer", [93, 95]), ("zip3", "category", ["941", "000"]), ("code", "category", ["02139"]),
    ("born", "date", np.array(["1950-01-01", "1961-01-01"], "datetime64[D]").astype(np.int64)),
    ("mrn", "id", ["2", "1", "3"]), ("state", "category", ["MA"]), ("visit_days", "integer", [3]),
    ("ward", "category", ["ICU", "County General Hospital"]),
    ("systolic", "integer", [120, 160]), ("note", "text", ["on 2.5 mg, 3 x daily"]),
])
def test_what_is_no_entry_is_left_alone(name: str, kind: Any, values: list[Any]) -> None:
    assert letters(one(name, kind, values)) == ""


def test_an_age_told_in_months_by_its_unit_of_measure_is_no_age_above_89() -> None:
    assert letters(one("age", "integer", [93, 95], unit_of_measure="months")) == ""
    assert letters(one("age", "integer", [93, 95], unit_of_measure="completed years")) == "C"


def test_a_direct_identifier_of_no_told_class_is_listed_under_other_codes() -> None:
    assert letters(one("key", "category", ["a", "q"], role="direct-identifier")) == "R"
    assert letters(one("mrn", "category", ["a", "q"], role="direct-identifier")) == "H"


def test_a_newer_list_of_zip_areas_stands_in_the_schema() -> None:
    table, small_before = (one("zip3", "category", [area]) for area in ("941", "036"))
    assert [letters(table, sparse) for sparse in (ZIPS, frozenset({"941"}))] == ["", "B"]
    assert letters(small_before, frozenset({"941"})) == ""
    newer = replace(table.schema, evaluation=Evaluation(sparse_zip3=("941",)))
    assert schema_from_json(schema_to_json(newer)) == newer
    with pytest.raises(SchemaError, match="three digits"):
        Evaluation(sparse_zip3=("94",))


def test_the_bundled_lists_are_those_of_the_two_censuses() -> None:
    assert len(ZIPS) == 23
    assert {"036", "059", "102", "203", "556", "692", "821", "823", "878", "879", "884", "893"} <= ZIPS


def planted(n: int, seed: int) -> Table:
    base = people(n, seed)
    mails = texts([f"Moss{seed}{i}@example.org" if i < 3 else "well" for i in range(n)])
    return Table(Schema((Column("note", "text"), *base.schema.columns)), {"note": mails, **base.columns})


def harbor(synth: Table, train: Table, holdout: Table) -> Finding:
    return run(synth, train, holdout, "safe_harbor")["safe_harbor"]


def test_the_finding_counts_classes_and_tells_cells_and_columns() -> None:
    found = harbor(planted(N, 1), planted(N, 2), planted(N, 3))
    rows = {row["class"]: row for row in found.breakdown}
    assert "".join(rows) == "".join(CLASSES)
    assert (rows["F"]["hits"], rows["F"]["columns"], rows["F"]["looks_like"]) == (3, "note", "e-mail address")
    assert (rows["G"]["hits"], rows["G"]["columns"]) == (0, "")
    assert (rows["C"]["hits"], rows["C"]["columns"]) == (N, "visit")
    assert found.value == 2.0
    assert found.n == N
    assert found.shareable


def test_no_real_row_has_a_part_in_it() -> None:
    synth = planted(N, 1)
    assert harbor(synth, planted(N, 2), planted(N, 3)) == harbor(synth, people_with_note(N, 4), people_with_note(90, 5))


def people_with_note(n: int, seed: int) -> Table:
    made = planted(n, seed)
    return replace(made, columns={**made.columns, "note": texts(["SSN 219-09-9999"] * n)})


def test_no_value_stands_in_the_finding() -> None:
    assert "Moss" not in repr(harbor(planted(N, 1), planted(N, 2), planted(N, 3)))


def test_the_bundled_table_tells_two_counties_and_nothing_else() -> None:
    found = seen(Table(demo_schema("rand_hie"), load_demo("rand_hie").columns), ZIPS)
    assert {letter for letter, columns in found.items() if columns} == {"B"}
    assert set(found["B"]) == {"site"}
