"""The public scale of open columns: every value has a bin inside whose ends it lies, whatever else the table holds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core import codec
from tabsynth.core.codec.scale import Scale
from tabsynth.core.rules.mapped import cells_of
from tabsynth.core.schema import Column
from tabsynth.core.table import PRESENT, Cells

COLUMNS = [Column("x", "number", open=True), Column("x", "number", open=True, decimals=2),
           Column("x", "number", open=True, step=0.5), Column("x", "number", open=True, scale="log"),
           Column("x", "integer", open=True), Column("x", "integer", open=True, step=5, scale="log"),
           Column("x", "date", open=True), Column("x", "datetime", open=True), Column("x", "timedelta", open=True)]
each_column = pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.kind} {c.scale} {c.step} {c.decimals}")


def cells(column: Column, values: list) -> Cells:
    dtype = np.float64 if column.kind == "number" else np.int64
    return Cells(np.array(values, dtype), np.full(len(values), PRESENT, np.uint8))


def values_of(column: Column) -> st.SearchStrategy:
    if column.kind == "number":
        return st.floats(allow_nan=True, allow_infinity=True)
    whole = {"date": st.integers(-719_162, 2_932_896)}.get(column.kind, st.integers(-(2**63), 2**63 - 1))
    return st.one_of(whole, st.integers(-300, 300))


@each_column
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_value_lies_in_its_bin(column: Column, data: st.DataObject) -> None:
    values = data.draw(st.lists(values_of(column), max_size=20))
    scale = Scale.of(column)
    found = cells(column, values)
    with np.errstate(all="ignore"):  # as in the curator
        bins = scale.bins(found)
        points = scale.axis.points(found.values)
    assert bins.shape == (len(values),)
    assert ((bins >= -1) & (bins < scale.size)).all()
    for point, place in zip(points.tolist(), bins.tolist(), strict=True):
        if place >= 0:
            low, high = scale.ends(place, place)
            exact = abs(point) < 2**53  # larger integers are rounded on their way to a bin
            assert low <= point <= high or not exact or not scale.limits[0] <= point <= scale.limits[1]


@pytest.mark.parametrize(("column", "values", "bounds"), [
    (COLUMNS[0], [3.0, 100.0], (2.0, 128.0)), (COLUMNS[0], [-0.75, 0.0], (-1.0, 0.0)),
    (COLUMNS[1], [0.01, 1.28], (1, 128)), (COLUMNS[4], [0, 9], (0, 16)), (COLUMNS[4], [1, 1], (1, 1)),
    (COLUMNS[4], [-7, 64], (-8, 64)), (COLUMNS[6], [19_723, 20_000], (16_384, 32_768)),
])
def test_ends_are_the_next_powers_of_two(column: Column, values: list, bounds: tuple) -> None:
    scale = Scale.of(column)
    low, high = scale.bins(cells(column, values))
    assert scale.ends(low, high) == bounds
    assert scale.fits(bounds)
    assert not scale.fits((bounds[0], 100))


@each_column
def test_a_scale_is_public_and_its_size_moderate(column: Column) -> None:
    assert 30 < Scale.of(column).size < 200


@each_column
@pytest.mark.parametrize("place", ["all", "negative", "zero", "last"])
def test_any_bounds_make_a_codec_that_keeps_them(column: Column, place: str) -> None:
    """Noise may let any bin pass: each must give codes, come back from its state, and decode inside the bounds."""
    scale = Scale.of(column)
    low, high = {"all": (0, scale.size - 1), "negative": (0, max(0, scale.zero - 1)), "zero": (scale.zero, scale.zero),
                 "last": (scale.size - 1, scale.size - 1)}[place]
    ends = scale.ends(low, high)
    made = codec.public(column, ends=ends)
    again = codec.from_state(column, json.loads(json.dumps(made.state())))
    assert again.state() == made.state()
    drawn = made.decode(np.repeat(np.arange(made.size, dtype=np.int32), 3), np.random.default_rng(0))
    points = scale.axis.points(drawn.values[drawn.present])
    assert ((points >= ends[0]) & (points <= ends[1])).all()
    assert (made.encode(drawn)[drawn.present] < made.ordered).all()
    assert len(made.labels()) == made.size


def test_missing_and_unreadable_cells_have_no_bin() -> None:
    assert Scale.of(COLUMNS[4]).bins(cells_of(COLUMNS[4], [None, None])).tolist() == [-1, -1]


def test_values_beyond_the_scale_do_not_set_bounds() -> None:
    assert Scale.of(COLUMNS[0]).bins(cells(COLUMNS[0], [1e308, np.inf, np.nan])).tolist() == [-1, -1, -1]
    assert Scale.of(COLUMNS[3]).bins(cells(COLUMNS[3], [-1.0])).tolist() == [-1]
