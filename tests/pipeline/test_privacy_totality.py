"""Whatever the cells hold, a fit under epsilon ends the same way: no error, no warning, a model that samples.

An exception or a warning that only some values cause tells of them, outside the budget.
"""

from __future__ import annotations

import csv
import datetime
import io
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tabsynth.core.schema import Column, Schema
from tabsynth.core.schema_file import dump_schema
from tabsynth.core.table import Table
from tabsynth.pipeline.fit import Privacy, fit
from tabsynth.pipeline.inputs import Reading, read_input

SCHEMA = Schema((
    Column("patient", "id", role="unit"),
    Column("sex", "category", levels=("f", "m"), source="form"),
    Column("town", "category", open=True),
    Column("visits", "integer", bounds=(0, 9), source="form"),
    Column("cost", "number", open=True, decimals=2),
    Column("raw", "number", open=True),
    Column("dose", "number", bounds=(0, 1), source="form", nullable=False),
    Column("born", "date", open=True),
    Column("seen", "datetime", bounds=("2024-01-01", "2024-12-31"), timezone="Europe/Berlin", source="study"),
    Column("at", "time", bounds=("00:00", "23:59"), source="study"),
    Column("stay", "timedelta", open=True),
    Column("smoker", "boolean"),
    Column("note", "text"),
), max_rows_per_unit=3)
NAMES = SCHEMA.names

ODD_TEXT = ["", " ", "f", "F", "3", "-3", "+3", "3.0", "1e400", "-1e308", "5e-324", "nan", "inf", "-Infinity", "0x1f",
            "9" * 400, "9223372036854775808", "-9223372036854775809", "1_000", "1,5", "٣", "½", "true", "Yes",
            "2024-02-30", "2024-02-29", "0000-00-00", "9999-12-31", "0001-01-01", "2024-03-31T02:30:00", "24:00",
            "23:59:60", "-1 days", "99999999:00:00", "x" * 3000, "a\nb", 'say "x"', "a\rb", "é", "\u2028", "NULL", "0"]
texts = st.one_of(st.sampled_from(ODD_TEXT), st.integers(-300, 300).map(str), st.floats().map(str),
                  st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8))
units = st.one_of(st.sampled_from(["a", "b", "c", "", " "]), st.integers(0, 30).map(str))
lines = st.lists(st.tuples(units, *[texts] * (len(NAMES) - 1)), min_size=1, max_size=12)


def model_of(table: Table) -> None:
    """The whole path; fails on any error or warning."""
    done = fit(table, privacy=Privacy("1"), rng=np.random.default_rng(0), settings={"rounds": 1, "max_cells": 500})
    drawn = done.generator.sample(7, rng=np.random.default_rng(1))
    assert len(drawn) == 7
    assert drawn.schema.names == NAMES
    assert drawn["dose"].present.all()


TOTAL = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@given(rows=lines)
@example(rows=[("",) * len(NAMES)])
@example(rows=[("a", *["9" * 400] * (len(NAMES) - 1))])
@TOTAL
def test_any_text_file(rows: list[tuple[str, ...]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([NAMES, *rows])
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        (Path(folder) / "rows.csv").write_text(stream.getvalue(), "utf-8", newline="")
        (Path(folder) / "schema.yaml").write_text(dump_schema(SCHEMA), "utf-8")
        source = read_input(f"{folder}/rows.csv", Reading(Path(folder) / "schema.yaml"), public_only=True)
        model_of(source.table)


class Unprintable:
    """An object that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("Zwyxqv")


ODD_OBJECTS: list[Any] = [
    None, float("nan"), float("inf"), pd.NaT, pd.NA, True, 0, -1, 2**63, -(2**70), 10**400, 1.5, 1e308, "f", "3",
    "x" * 3000, b"\xff", "half \ud800", 10**5000, Unprintable(), [1, 2], {"a": 1}, (), object,
    datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.datetime(2024, 3, 31, 2, 30),
    datetime.time(23, 59), datetime.timedelta(days=-999_999), np.float32(0.1), np.int8(-5), np.datetime64("NaT"),
    np.timedelta64(3, "D"), pd.Timestamp("2024-01-01", tz="UTC"), 1j]
objects = st.one_of(st.sampled_from(ODD_OBJECTS), texts)
whole_dtypes: dict[str, st.SearchStrategy] = {
    "int64": st.integers(-(2**63), 2**63 - 1), "uint64": st.integers(0, 2**64 - 1), "int8": st.integers(-128, 127),
    "float64": st.floats(), "float32": st.floats(width=32), "bool": st.booleans(), "Int64": st.integers(-9, 9),
    "datetime64[ns]": st.integers(-(2**62), 2**62), "datetime64[s]": st.integers(-(2**40), 2**40),
    "timedelta64[us]": st.integers(-(2**62), 2**62), "object": objects,
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Columns of any dtype under any name: most do not fit the schema's kind."""
    n = draw(st.integers(0, 8))
    columns: dict[str, Any] = {}
    for name in NAMES:
        dtype = draw(st.sampled_from(sorted(whole_dtypes)))
        values = [draw(units if name == "patient" else whole_dtypes[dtype]) for _ in range(n)]
        if dtype[:4] in ("date", "time"):
            values = np.array(values, "int64").view(dtype) if name != "patient" else values
        columns[name] = pd.Series(values, dtype=object if name == "patient" else dtype)
    return pd.DataFrame(columns)


@given(frame=frames())
@TOTAL
def test_any_frame(frame: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model_of(Table.from_pandas(frame, SCHEMA))


@pytest.mark.parametrize("value", ODD_OBJECTS, ids=lambda v: type(v).__name__)
def test_one_odd_object_in_every_column_is_a_cell_like_another(value: Any) -> None:
    """Kept as text where it is nothing else; what it says is in no error."""
    frame = pd.DataFrame({name: pd.Series(["a", value, None], dtype=object) for name in NAMES})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = Table.from_pandas(frame, SCHEMA)
    assert len(table) == 3
