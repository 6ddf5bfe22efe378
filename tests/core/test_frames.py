"""pandas in, pandas out: the same dtypes, categories, missing values and headers; the index is not data."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core import codec
from tabsynth.core.errors import ColumnNotFoundError, SchemaError
from tabsynth.core.schema import Column, Dialect, Schema
from tabsynth.core.table import Table

UNITS = ("s", "ms", "us", "ns")
STAMPS = pd.Series(pd.to_datetime(["2020-01-01 03:04:05", None, "1950-06-01 00:00:00"]))
SPANS = pd.Series(pd.to_timedelta(["1 days", None, "-3 s"]))


def series() -> dict[str, Any]:
    """One column of each dtype, three rows."""
    out: dict[str, Any] = {}
    for bits in (8, 16, 32, 64):
        for name in (f"int{bits}", f"uint{bits}"):
            out[name] = pd.Series([1, 0, 100], dtype=name)
            out[name + "-nullable"] = pd.Series([1, None, 100], dtype=name.replace("int", "Int").replace("uI", "UI"))
    for name in ("float16", "float32", "float64"):
        out[name] = pd.Series([0.1, np.nan, 3], dtype=name)
    for name in ("Float32", "Float64"):
        out[name] = pd.Series([0.1, None, 3], dtype=name)
    out |= {
        "uint64 beyond int64": pd.Series([2**64 - 1, 2, 3], dtype="uint64"),
        "UInt64 beyond int64": pd.Series([2**64 - 1, None, 3], dtype="UInt64"),
        "huge": pd.Series([2**63 - 1, -(2**63), 2**53 + 1], dtype="int64"),
        "huge and missing": pd.Series([2**63 - 1, None, 2**53 + 1], dtype="Int64"),
        "bool": pd.Series([True, False, True]), "boolean": pd.Series([True, None, False], dtype="boolean"),
        "object None": pd.Series(["a", None, ""], dtype=object),
        "object nan": pd.Series(["a", np.nan, "b"], dtype=object),
        "object NA": pd.Series(["a", pd.NA, "b"], dtype=object),
        "default text": pd.Series(["a", None, "b"]), "string": pd.Series(["a", None, "b"], dtype="string"),
        "string python": pd.Series(["a", None, "b"], dtype="string[python]"),
        "string pyarrow": pd.Series(["a", None, "b"], dtype="string[pyarrow]"),
        "category": pd.Series(["b", None, "a"], dtype="category"),
        "ordered": pd.Series(pd.Categorical(["a", None, "b"], categories=["b", "a", "unused"], ordered=True)),
        "category of object": pd.Series(pd.Categorical(["x", None], categories=pd.Index(["y", "x"], dtype=object))),
        "category of int": pd.Series([3, 1, 3], dtype="category"),
        "category of float": pd.Series([3.5, None, 1], dtype="category"),
        "category of bool": pd.Series([True, None, False], dtype="category"),
        "category of datetime": STAMPS.astype("category"),
        "dates": pd.Series([dt.date(2020, 1, 1), None, dt.date(1850, 1, 1)], dtype=object),
        "times": pd.Series([dt.time(3, 4), None, dt.time(4, 5, 6, 7)], dtype=object),
        "decimals": pd.Series([Decimal("1.50"), None, Decimal("2.25")], dtype=object),
        "int objects": pd.Series([1, None, 2], dtype=object), "bytes": pd.Series([b"\xff", None, b""], dtype=object),
        "bool objects": pd.Series([True, None, False], dtype=object), "empty": pd.Series([None] * 3, dtype=object),
        "only nan": pd.Series([np.nan] * 3), "period": pd.Series(pd.period_range("2020-01", periods=3, freq="M")),
        "arrow int": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
        "arrow string": pd.Series(["a", None, "b"], dtype=pd.ArrowDtype(pa.string())),
        "arrow time": pd.Series([dt.datetime(2020, 1, 1), None, None], dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))),
        "arrow decimal": pd.Series([Decimal("1.50"), None, None], dtype=pd.ArrowDtype(pa.decimal128(10, 2))),
    }
    for unit in UNITS:
        stamps = STAMPS.astype(f"datetime64[{unit}]")
        out |= {f"datetime {unit}": stamps, f"span {unit}": SPANS.astype(f"timedelta64[{unit}]"),
                **{f"{zone} {unit}": stamps.dt.tz_localize(zone) for zone in ("UTC", "Europe/Berlin", "+05:30")}}
    return out


ALL = series()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rows", [slice(None), slice(0, 0), slice(1, 2)], ids=["all", "none", "one"])
def test_every_dtype_comes_back(name: str, rows: slice) -> None:
    before = ALL[name].to_frame("Größe (cm)")[rows]
    table = Table.from_pandas(before.set_index(np.arange(len(before)) + 7))
    pd.testing.assert_frame_equal(table.to_pandas(), before.reset_index(drop=True), check_column_type=False)
    assert Table.from_arrow(table.to_arrow()).n_rows == len(before)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("empty", "only nan")])
def test_synthetic_columns_have_the_dtype_of_the_real_ones(name: str) -> None:
    frame = pd.concat([ALL[name].dropna()] * 12, ignore_index=True).to_frame("x")
    table = Table.from_pandas(frame)
    column = table.schema["x"]
    if not column.modelled:
        return
    learned = codec.learn(column, codec.analyze(column, table["x"], table.unit_codes()))
    drawn = learned.decode(learned.encode(table["x"]), np.random.default_rng(0))
    after = Table(table.schema, {"x": drawn}).to_pandas()
    if "categor" in name or name == "ordered":  # an unused category is not learned
        frame["x"] = frame["x"].cat.remove_unused_categories()
    pd.testing.assert_frame_equal(after, frame)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["rare", "a", "b", None]), max_size=40), st.booleans())
def test_pooled_levels_leave_the_dtype_too(values: list[str | None], ordered: bool) -> None:
    filled = [*values, *["a", "b"] * 11]
    frame = pd.DataFrame({"x": pd.Categorical(filled, categories=["rare", "b", "a"], ordered=ordered)})
    table = Table.from_pandas(frame)
    column = table.schema["x"]
    learned = codec.learn(column, codec.analyze(column, table["x"], table.unit_codes()))
    after = Table(table.schema, {"x": learned.decode(learned.encode(table["x"]), np.random.default_rng(0))}).to_pandas()
    expected = ["rare", "b", "a"] if values.count("rare") >= 11 else ["b", "a"]
    assert list(after["x"].cat.categories) == expected
    assert after["x"].cat.ordered == ordered


def test_a_missing_cell_in_a_dtype_without_one_takes_the_nullable_twin() -> None:
    table = Table.from_pandas(pd.DataFrame({"i": [1, 2], "b": [True, False], "d": pd.to_datetime(["2020", "2021"])}))
    gone = {name: replace(table[name], state=np.array([0, 1], np.uint8)) for name in table.schema.names}
    after = Table(table.schema, gone).to_pandas()
    assert [str(t) for t in after.dtypes] == ["Int64", "boolean", str(table.to_pandas()["d"].dtype)]
    assert after.isna().iloc[1].all()


def test_other_objects_come_back_as_their_text() -> None:
    objects = {"mixed": ["a", 1, None], "huge": [10**30, None, 2], "list": [[1], [2], None]}
    frame = pd.DataFrame({**{name: pd.Series(values, dtype=object) for name, values in objects.items()},
                          "sparse": pd.Series([0, 0, 1], dtype="Sparse[int]"),
                          "cut": pd.cut(pd.Series([1, 5, 9]), [0, 3, 6, 10])})
    after = Table.from_pandas(frame).to_pandas()
    assert after["mixed"].tolist() == ["a", "1", None]
    assert after["huge"].tolist() == [str(10**30), None, "2"]
    assert after["list"].tolist() == ["[1]", "[2]", None]
    assert after["sparse"].tolist() == [0, 0, 1]
    assert after["cut"].cat.categories.tolist() == ["(0, 3]", "(3, 6]", "(6, 10]"]


def test_a_schema_selects_parses_and_recasts() -> None:
    frame = pd.DataFrame({"n": ["1,5", "?"], "d": ["01.02.2020", "x"], "c": [1, 2], "i": [-1, 5], "extra": [1, 2]})
    schema = Schema((Column("c", "category", levels=("1", "2")), Column("d", "date", format="%d.%m.%Y"),
                     Column("n", "number", missing=("?",)), Column("i", "integer", missing=("-1",))))
    table = Table.from_pandas(frame, replace(schema, dialect=Dialect(decimal=",")))
    assert {n: table[n].state.tolist() for n in schema.names} == {"c": [0, 0], "d": [0, 2], "n": [0, 1], "i": [1, 0]}
    assert table["n"].values.tolist() == [1.5, 0]
    after = table.to_pandas()
    assert list(after.columns) == ["c", "d", "n", "i"]
    assert (after.dtypes == frame.dtypes[list(after.columns)]).all()
    assert after["i"].tolist() == [-1, 5]


def test_names_and_types_that_do_not_fit_are_named() -> None:
    frame = pd.DataFrame({"age": [1]})
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'age'"):
        Table.from_pandas(frame, Schema((Column("agee", "integer"),)))
    with pytest.raises(SchemaError, match="'x'.*twice"):
        Table.from_pandas(pd.DataFrame([[1, 2]], columns=["x", "x"]))
    with pytest.raises(SchemaError, match="'z'.*complex"):
        Table.from_pandas(pd.DataFrame({"z": [1j]}))


def test_a_frame_without_columns() -> None:
    assert Table.from_pandas(pd.DataFrame()).to_pandas().shape == (0, 0)
