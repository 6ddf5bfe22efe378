"""A table held small is the same table: cell by cell, person by person, and in what is learned from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.compact import Batch, Compact, Packed, pack
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import CANONICAL, INVALID, MISSING, PRESENT, Cells, Table

KINDS = ("number", "integer", "boolean", "category", "date")


@st.composite
def cells(draw: st.DrawFn, n: int) -> Cells:
    kind = draw(st.sampled_from(KINDS))
    values = np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)), CANONICAL[kind])
    state = np.array(draw(st.lists(st.sampled_from([PRESENT, PRESENT, MISSING, INVALID]), min_size=n, max_size=n)))
    values[state != PRESENT] = 0
    return Cells(values, state.astype(np.uint8), tuple("edcba") if kind == "category" else ())


@settings(max_examples=60)
@given(st.data())
def test_packing_keeps_every_cell(data: st.DataObject) -> None:
    whole = data.draw(st.integers(0, 40).flatmap(cells))
    packed = pack(whole)
    assert packed.spread().same_as(whole)
    assert len(packed) == len(whole)
    assert len(packed.cells) <= 5 + 2


@pytest.mark.parametrize(("distinct", "size"), [(254, 1), (255, 2), (65_534, 2), (65_535, 4)])
def test_an_index_is_as_narrow_as_the_distinct_values_allow(distinct: int, size: int) -> None:
    packed = pack(Cells(np.arange(distinct), np.zeros(distinct, np.uint8)))
    assert isinstance(packed.index, np.ndarray)
    assert packed.index.dtype.itemsize == size


def visits() -> Table:
    """2,000 rows of about 300 people, in no order; some rows have no unit."""
    rng = np.random.default_rng(3)
    n = 2_000
    patient = rng.integers(0, 300, n)
    age = 10 * (patient % 3 + 1)
    present = np.zeros(n, np.uint8)
    gaps = np.where(rng.random(n) < 0.1, MISSING, PRESENT).astype(np.uint8)
    schema = Schema((
        Column("patient", "id", role="unit"), Column("note", "text"), Column("age", "integer", constant_per_unit=True),
        Column("decade", "integer"), Column("weight", "number"), Column("ward", "category"),
        Column("smoker", "boolean")), rules=({"mapped": {"from": ["age"], "to": "decade"}},), max_rows_per_unit=8)
    names = np.array([f"P{p}" for p in patient], dtype=object)
    return Table(schema, {
        "patient": Cells(names, np.where(rng.random(n) < 0.02, MISSING, PRESENT).astype(np.uint8)),
        "note": Cells(np.array(["x"] * n, dtype=object), present), "age": Cells(age, present),
        "decade": Cells(age // 10, present),
        "weight": Cells(np.round(rng.normal(70, 12, n), 1), gaps),
        "ward": Cells(rng.integers(0, 9, n).astype(np.int32), present, tuple("ihgfedcba")),
        "smoker": Cells(rng.random(n) < 0.3, present)})


def gathered(table: Table, rows: int) -> Compact:
    """The table as a file's batches would bring it."""
    parts = list(table.batches(rows))
    return Compact.gather(
        Batch(part.schema, {c.name: pack(part[c.name]) if c.modelled else Packed(part[c.name], slice(None))
                            for c in part.schema.columns}) for part in parts)


@pytest.mark.parametrize("rows", [1, 7, 1_999, 2_000])
def test_batches_give_the_same_people_coding_and_codes_as_the_whole_table(rows: int) -> None:
    table = visits()
    if rows == 1:
        table = table.take(slice(0, 400))
    whole, parts = Compact.of(table), gathered(table, rows)
    assert len(parts) == len(table)
    assert parts.unit_codes().tolist() == table.unit_codes().tolist() == whole.unit_codes().tolist()
    assert (parts.units < 0).any()
    for name in ("age", "weight", "ward", "smoker"):
        assert parts[name].same_as(table[name])
    expected, coding = Coding.learn(table), Coding.learn(parts)
    assert coding.state() == expected.state()
    assert coding.rules.derived == ("decade",)
    a, b = expected.encode(table), coding.encode(parts)
    assert (a.names, a.sizes) == (b.names, b.sizes)
    assert np.array_equal(a.values, b.values)
    assert np.array_equal(a.weights, b.weights)


def test_a_unit_whose_rows_lie_in_several_batches_weighs_one_and_has_all_its_rows() -> None:
    table = visits()
    coding = Coding.learn(table)
    codes = coding.encode(gathered(table, 50))
    units = table.unit_codes()
    units = units[units >= 0]
    held = np.bincount(units)
    assert np.allclose(np.bincount(units, codes.weights), 1)
    counts = coding.codecs[ROWS].encode(Cells(np.minimum(held, 8), np.zeros(len(held), np.uint8)))
    assert np.array_equal(codes.column(ROWS), counts[units])


def test_a_table_in_memory_is_not_copied() -> None:
    table = visits()
    assert Compact.of(table).columns["weight"].cells is table["weight"]
