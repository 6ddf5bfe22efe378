"""Arrow in, Arrow out: the same type and the same values, for every type that a Parquet file of a hospital holds."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core import codec
from tabsynth.core.arrow_read import arrow_type
from tabsynth.core.coding import Coding
from tabsynth.core.compact import Compact
from tabsynth.core.errors import ColumnNotFoundError, SchemaError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.schema_file import schema_from_json, schema_to_json
from tabsynth.core.table import INVALID, PRESENT, Table
from tabsynth.core.text import parse

UNITS = ("s", "ms", "us", "ns")


def whole(bits: int, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def moments(unit: str) -> st.SearchStrategy[dt.datetime]:
    tick = {"s": 1_000_000, "ms": 1_000}.get(unit, 1)
    return st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1)).map(
        lambda m: m.replace(microsecond=m.microsecond // tick * tick))


TYPES: dict[Any, st.SearchStrategy[Any]] = {
    **{getattr(pa, f"int{b}")(): whole(b, True) for b in (8, 16, 32, 64)},
    **{getattr(pa, f"uint{b}")(): whole(b, False) for b in (8, 16, 32, 64)},
    **{getattr(pa, f"float{b}")(): st.floats(width=b, allow_nan=False, allow_infinity=False) for b in (16, 32, 64)},
    pa.bool_(): st.booleans(), pa.null(): st.none(),
    **{t: st.text(max_size=4) for t in (pa.string(), pa.large_string(), pa.string_view())},
    **{t: st.binary(max_size=4) for t in (pa.binary(), pa.large_binary())},
    pa.binary(3): st.binary(min_size=3, max_size=3),
    **{t: st.dates(dt.date(1, 1, 1)) for t in (pa.date32(), pa.date64())},
    **{pa.timestamp(u, zone): moments(u) for u in UNITS for zone in (None, "UTC", "Europe/Berlin", "+05:30")},
    **{pa.duration(u): st.integers(-(10**9), 10**9).map(lambda s: dt.timedelta(seconds=s)) for u in UNITS},
    **{t: st.integers(0, 86_399).map(lambda s: (dt.datetime.min + dt.timedelta(seconds=s)).time())
       for t in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))},
    pa.decimal128(12, 2): st.decimals(-10**9, 10**9, places=2),
    pa.decimal256(40, 3): st.decimals(-10**9, 10**9, places=3),
    pa.decimal128(10, 0): st.integers(-10**9, 10**9).map(Decimal),
    **{pa.dictionary(pa.int8(), t, ordered): values for t, values in (
        (pa.string(), st.sampled_from(["a", "", "é"])), (pa.int64(), st.integers(-3, 3)),
        (pa.float64(), st.sampled_from([0.5, 2.0])), (pa.date32(), st.dates()), (pa.bool_(), st.booleans()),
    ) for ordered in (False, True)},
}


def array(kind: Any, values: list[Any]) -> Any:
    if not pa.types.is_dictionary(kind):
        return pa.array(values, kind)
    seen = list(dict.fromkeys(v for v in values if v is not None))
    codes = pa.array([None if v is None else seen.index(v) for v in values], kind.index_type)
    return pa.DictionaryArray.from_arrays(codes, pa.array(seen, kind.value_type), ordered=kind.ordered)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@settings(max_examples=15)
@given(data=st.data())
def test_every_type_comes_back(kind: Any, data: st.DataObject) -> None:
    values = data.draw(st.lists(TYPES[kind] | st.none(), max_size=6))
    before = pa.table({"Größe 患者": array(kind, values)})
    table = Table.from_arrow(before)
    after = table.to_arrow()
    assert after.schema == before.schema
    assert after.to_pylist() == before.to_pylist()
    assert schema_from_json(schema_to_json(table.schema)) == table.schema
    assert arrow_type(str(kind)) == kind


@pytest.mark.parametrize("kind", [t for t in TYPES if t != pa.null()], ids=str)
@settings(max_examples=4)
@given(data=st.data())
def test_synthetic_cells_have_the_type_of_the_real_ones(kind: Any, data: st.DataObject) -> None:
    values = data.draw(st.lists(TYPES[kind], min_size=3, max_size=3)) * 12
    table = Table.from_arrow(pa.table({"x": array(kind, values)}))
    column = table.schema["x"]
    if not column.modelled:
        return
    learned = codec.learn(column, codec.analyze(column, table["x"], table.unit_codes()))
    drawn = learned.decode(learned.encode(table["x"]), np.random.default_rng(0))
    out = Table(table.schema, {"x": drawn}).to_arrow()
    assert out.schema.field("x").type == kind
    assert out.column("x").to_pylist() == array(kind, values).to_pylist()


def test_kinds_follow_from_types() -> None:
    many = [f"code {i}" for i in range(400)]
    table = Table.from_arrow(pa.table({
        "i": pa.array(range(400), pa.int16()), "f": pa.array([0.5] * 400), "few": ["a", "b"] * 200, "many": many,
        "d": pa.array(many).dictionary_encode(), "big": pa.array([2**64 - 1] * 400, pa.uint64()),
        "none": pa.nulls(400),
        "money": pa.array([Decimal("1.50")] * 400, pa.decimal128(9, 2))}))
    kinds = {c.name: c.kind for c in table.schema.columns}
    assert kinds == {"i": "integer", "f": "number", "few": "category", "many": "text", "d": "category", "big": "id",
                     "none": "category", "money": "number"}
    assert table.schema["money"].decimals == 2


def test_a_short_float_is_its_shortest_decimal() -> None:
    table = Table.from_arrow(pa.table({"x": pa.array(np.array([0.1, 37.2], np.float32))}))
    assert table["x"].values.tolist() == [0.1, 37.2]


def test_nan_is_missing_and_infinity_is_invalid() -> None:
    table = Table.from_arrow(pa.table({"x": [1.0, float("nan"), float("inf")]}))
    assert table["x"].state.tolist() == [0, 1, 2]
    assert table["x"].values.tolist() == [1.0, 0.0, 0.0]
    assert table.to_arrow().column("x").to_pylist() == [1.0, None, None]


def test_a_schema_recasts_and_the_storage_stays() -> None:
    data = pa.table({"d": ["01.02.2020", "x", None], "c": pa.array([1, 2, None], pa.int8()), "i": [1.0, 2.5, None],
                     "n": [-1, 5, 7], "day": pa.array([20230623, 1, None]), "b": pa.array([0, 1, 1]), "z": [1, 2, 3]})
    schema = Schema((
        Column("c", "category", levels=("1", "2")), Column("d", "date", format="%d.%m.%Y"), Column("i", "integer"),
        Column("n", "integer", missing=("-1",)), Column("day", "date", format="%Y%m%d"), Column("b", "boolean")))
    table = Table.from_arrow(data, schema)
    assert {name: table[name].state.tolist() for name in schema.names} == {
        "c": [0, 0, 1], "d": [0, INVALID, 1], "i": [0, INVALID, 1], "n": [1, 0, 0], "day": [0, INVALID, 1],
        "b": [0, 0, 0]}
    assert table["c"].levels == ("1", "2")
    after = table.to_arrow()
    assert after.schema.names == list(schema.names)
    assert [after.schema.field(n).type == data.schema.field(n).type for n in schema.names] == [True] * 6
    assert after.to_pydict() == {"c": [1, 2, None], "d": ["01.02.2020", None, None], "i": [1.0, None, None],
                                 "n": [-1, 5, 7], "day": [20230623, None, None], "b": [0, 1, 1]}


def test_what_a_type_cannot_hold_is_clipped_or_comes_as_text() -> None:
    table = Table.from_arrow(pa.table({"x": pa.array([1], pa.int8()), "id": pa.array([2**64 - 1], pa.uint64())}))
    wide = replace(table["x"], values=np.array([1000]))
    named = replace(table["id"], values=np.array(["P-1"], dtype=object))
    after = Table(table.schema, {"x": wide, "id": named}).to_arrow()
    assert after.to_pylist() == [{"x": 127, "id": "P-1"}]


def test_chunks_extension_types_and_other_libraries() -> None:
    chunked = pa.table({"x": pa.chunked_array([["a"], [], ["b"]]), "e": pa.array([1, 2])})
    assert Table.from_arrow(chunked).to_arrow().to_pylist() == chunked.to_pylist()
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"], "c": pl.Series(["u", "v"], dtype=pl.Categorical)})
    assert Table.from_arrow(frame).to_arrow().to_pylist() == frame.to_dicts()


def test_what_is_not_there_or_not_plain_is_named() -> None:
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'age'"):
        Table.from_arrow(pa.table({"age": [1]}), Schema((Column("agee", "integer"),)))
    for bad in (pa.array([[1]]), pa.array([{"a": 1}])):
        with pytest.raises(SchemaError, match="'x'"):
            Table.from_arrow(pa.table({"x": bad}))


def test_nullability_is_kept() -> None:
    before = pa.table({"x": [1]}, schema=pa.schema([pa.field("x", pa.int64(), nullable=False)]))
    assert Table.from_arrow(before).to_arrow().schema == before.schema


def test_text_files_get_the_usual_types() -> None:
    columns = [Column("n", "number"), Column("c", "category"), Column("d", "date"),
               Column("t", "datetime", timezone="UTC")]
    texts = {"n": ["1.5", ""], "c": ["a", "b"], "d": ["2020-01-01", "x"],
             "t": ["2020-01-01 00:00", ""]}
    table = Table(Schema(tuple(columns)), {c.name: parse(c, texts[c.name]) for c in columns})
    types = [str(t) for t in table.to_arrow().schema.types]
    assert types == ["double", "string", "date32[day]", "timestamp[us, tz=UTC]"]
    assert table["n"].state.tolist() == [PRESENT, 1]


def test_how_cells_are_stored_stays_out_of_a_declared_column() -> None:
    """A whole number is stored as a float once one is missing: a schema that was declared must not learn it."""
    declared = Schema((Column("n", "integer", bounds=(0, 9)), Column("c", "category", levels=("a", "b")),
                       Column("typed", "integer", bounds=(0, 9), logical={"storage": "int16"})))
    rows = pa.table({"n": pa.array([1, None], pa.float64()), "typed": pa.array([1, 2], pa.uint8()),
                     "c": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", "held by one"]))})
    table = Table.from_arrow(rows, declared)
    assert table.schema == declared
    assert [table[name].logical.storage for name in table.schema.names] == [
        "double", "dictionary<values=string, indices=int8, ordered=0>", "uint8"]
    assert table.to_arrow().schema.field("n").type == pa.float64(), "without a guarantee, types still come back"
    public = Coding.public(table.schema)
    assert public.schema["n"].logical is None
    assert public.schema["typed"].logical == {"storage": "int16"}
    learned = Compact.of(table).schema
    assert [c.logical and c.logical["storage"] for c in learned.columns] == [
        "double", "dictionary<values=string, indices=int8, ordered=0>", "uint8"]
