"""Codecs: total, exact on atoms and levels, stable under re-encoding, and nothing stands for fewer than 11 people."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tabsynth.core import notation
from tabsynth.core.codec import Codec, analyze, from_state, learn, public, same_state
from tabsynth.core.codec.axis import Axis
from tabsynth.core.errors import PrivacyError, SchemaError
from tabsynth.core.schema import Column
from tabsynth.core.table import CANONICAL, INVALID, MISSING, PRESENT, Cells
from tabsynth.core.text import parse

LINES = [
    Column("x", "integer", bounds=(17, 90)), Column("x", "integer", bounds=(0, 5000), special=(0.0, -1.0)),
    Column("x", "integer", bounds=(-(2**63), 2**63 - 1)),
    Column("x", "number", bounds=(0, 1e6), scale="log", special=(0.0,)), Column("x", "number", bounds=(3, 3)),
    Column("x", "number", bounds=(0, 1000), decimals=2), Column("x", "number", bounds=(-1, 1)),
    Column("x", "number", bounds=(0, 400), step=5.0), Column("x", "date", bounds=("1999-01-01", "2008-12-31")),
    Column("x", "datetime", bounds=("2020-01-01", "2021-01-01"), timezone="Europe/Berlin"),
    Column("x", "time", bounds=("00:00", "23:59"), format="%H:%M"),
    Column("x", "timedelta", bounds=(0, "99:00:00"), scale="log"),
]
PUBLIC = [*LINES, Column("x", "category", levels=("b", "a")), Column("x", "category", code_list="icd10-3char"),
          Column("x", "boolean")]


def cells(column: Column, values: Sequence[Any], levels: tuple[str, ...] = ()) -> Cells:
    return Cells(np.array(values, CANONICAL[column.kind]), np.zeros(len(values), np.uint8), levels)


def fit(column: Column, part: Cells, units: NDArray[np.int64] | None = None, **options: int) -> Codec:
    return learn(column, analyze(column, part, np.arange(len(part)) if units is None else units), **options)


def every_code(codec: Codec, times: int = 20) -> NDArray[np.int32]:
    return np.repeat(np.arange(codec.size, dtype=np.int32), times)


def ids(column: Column) -> str:
    return f"{column.kind}-{column.bounds or column.levels or column.code_list}"


# --- every codec ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", PUBLIC, ids=ids)
def test_a_public_codec_keeps_what_every_codec_promises(column: Column) -> None:
    promises(public(column), column)


def promises(codec: Codec, column: Column) -> None:
    codes = every_code(codec)
    out = codec.decode(codes, np.random.default_rng(1))
    again = codec.encode(out)
    kept = codes < codec.size - 3
    assert np.array_equal(again[kept], codes[kept])
    assert out.values.dtype == CANONICAL[column.kind]
    assert len(codec.labels()) == codec.size == len(codec.representative())
    middle = codec.representative()[: codec.ordered]
    assert not np.isnan(middle).any()
    assert (np.diff(middle) >= 0).all()
    assert np.isnan(codec.representative()[max(codec.ordered, codec.size - 3):]).all()
    assert (out.state[codes == codec.missing] == MISSING).all()
    assert set(out.state.tolist()) <= {PRESENT, MISSING}
    copy = from_state(column, json.loads(json.dumps(codec.state(), allow_nan=False)))
    assert same_state(copy.state(), codec.state())
    assert copy.decode(codes, np.random.default_rng(1)).same_as(out)
    assert np.array_equal(copy.encode(out), again)


@pytest.mark.parametrize("column", LINES, ids=ids)
@pytest.mark.parametrize("nullable", [True, False])
def test_public_lines_stay_inside_their_bounds(column: Column, nullable: bool) -> None:
    column = replace(column, nullable=nullable)
    low, high = notation.bounds(column) or (0, 0)
    codec = public(column)
    out = codec.decode(every_code(codec), np.random.default_rng(2))
    values = out.values[out.present]
    special = np.isin(values, column.special)
    assert ((values >= low) & (values <= high) | special).all()
    assert out.present[every_code(codec) == codec.other].all()
    assert nullable or out.present.all()


@pytest.mark.parametrize("column", PUBLIC, ids=ids)
@settings(max_examples=30)
@given(data=st.data())
def test_encoding_is_total(column: Column, data: st.DataObject) -> None:
    kind = column.kind
    value: st.SearchStrategy[Any] = st.integers(-(2**63), 2**63 - 1)
    if kind in ("number", "boolean", "category"):
        value = {"number": st.floats(allow_nan=False, allow_infinity=False), "boolean": st.booleans(),
                 "category": st.integers(0, 2)}[kind]
    values = data.draw(st.lists(value, max_size=8))
    states = [data.draw(st.sampled_from([PRESENT, MISSING, INVALID])) for _ in values]
    levels = ("a", "z", "A00") if kind == "category" else ()
    part = Cells(np.array(values, CANONICAL[kind]), np.array(states, np.uint8), levels)
    codec = public(column)
    codes = codec.encode(part)
    assert codes.dtype == np.int32
    assert ((codes >= 0) & (codes < codec.size)).all()
    assert np.array_equal(codes == codec.missing, part.state == MISSING)
    assert np.array_equal(codes == codec.invalid, part.state == INVALID)


# --- public lines --------------------------------------------------------------------------------------------


def test_a_short_grid_gets_one_code_per_point() -> None:
    codec = public(Column("hours", "integer", bounds=(1, 99)))
    assert codec.labels() == [*map(str, range(1, 100)), "MISSING", "INVALID", "OTHER"]
    steps = public(Column("d", "number", bounds=(0.05, 0.31), step=0.05))
    assert steps.labels()[:-3] == ["0.05", "0.1", "0.15", "0.2", "0.25", "0.3"]


def test_wide_bounds_get_at_most_64_cells_of_equal_width_or_ratio() -> None:
    even = public(Column("x", "number", bounds=(0, 640)))
    assert even.size == 64 + 3
    assert np.allclose(np.diff(even.representative()[:64]), 10)
    log = public(Column("x", "number", bounds=(1, 1e6), scale="log"))
    ratio = log.representative()[1:64] / log.representative()[:63]
    assert np.allclose(ratio, ratio[0])


def test_out_of_bounds_is_other_and_special_values_are_not() -> None:
    column = Column("x", "integer", bounds=(0, 5000), special=(-1.0,))
    codec = public(column)
    codes = codec.encode(cells(column, [-1, -2, 0, 5000, 5001]))
    assert [codec.labels()[c] for c in codes] == ["-1", "OTHER", "0 to 78", "4923 to 5000", "OTHER"]


def test_what_is_not_public_is_refused() -> None:
    for column in (Column("x", "number"), Column("x", "category", open=True)):
        with pytest.raises(PrivacyError, match="'x'"):
            public(column)
    assert public(Column("x", "category", open=True), levels=("a",)).size == 4
    with pytest.raises(SchemaError, match="regenerated"):
        public(Column("x", "id"))


def test_public_other_of_a_category_is_never_printed() -> None:
    out = public(Column("x", "category", levels=("a", "b"))).decode(np.array([4, 3, 2]), np.random.default_rng(0))
    assert out.state.tolist() == [MISSING] * 3
    sure = Column("x", "category", levels=("a", "b"), nullable=False)
    out = public(sure).decode(np.array([4, 3, 2] * 50), np.random.default_rng(0))
    assert out.present.all()
    assert set(out.values.tolist()) == {0, 1}


# --- learned lines -------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.data())
def test_any_split_and_order_of_parts_learns_the_same(data: st.DataObject) -> None:
    kind, value = data.draw(st.sampled_from([
        ("integer", st.integers(-3, 30) | st.integers(-(2**62), 2**62)), ("category", st.integers(0, 6)),
        ("number", st.floats(-5, 5).map(lambda v: round(v, 1)) | st.floats(-1e9, 1e9)), ("date", st.integers(0, 400))]))
    column = Column("x", kind)  # type: ignore[arg-type]
    rows = data.draw(st.lists(st.tuples(value, st.integers(-1, 9), st.integers(0, 2)), max_size=60))
    whole = Cells(np.array([r[0] for r in rows], CANONICAL[kind]), np.array([r[2] for r in rows], np.uint8),
                  tuple("gfedcba") if kind == "category" else ())
    units = np.array([r[1] for r in rows], np.int64)
    order = np.array(data.draw(st.permutations(range(len(rows)))), np.intp)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    parts = [analyze(column, whole.take(p), units[p]) for p in np.split(order, cuts)]
    left = right = parts[0]
    for part in parts[1:]:
        left = left.merge(part)
    for part in parts[:0:-1]:
        right = part.merge(right) if right is not parts[0] else part
    right = parts[0].merge(right) if len(parts) > 1 else right
    expected = learn(column, analyze(column, whole, units), min_units=2, max_bins=4).state()
    assert learn(column, left, min_units=2, max_bins=4).state() == expected
    assert learn(column, right, min_units=2, max_bins=4).state() == expected


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 120), units=st.integers(1, 120), shape=st.integers(0, 4))
@example(seed=0, n=71, units=9, shape=2)  # atoms, and few people between them: the centre is nearest to hardly anyone
def test_learned_lines_keep_rare_people_out(seed: int, n: int, units: int, shape: int) -> None:
    rng = np.random.default_rng(seed)
    kind = "number" if shape in (0, 1) else "integer"
    raw = [rng.normal(size=n), np.round(rng.lognormal(3, 2, n), 2), rng.integers(0, 12, n), rng.geometric(0.1, n) * 5,
           rng.integers(-(2**60), 2**60, n)][shape]
    owner = rng.integers(0, units, n)
    column = Column("x", kind)  # type: ignore[arg-type]
    part = cells(column, raw.tolist())
    codec = fit(column, part, owner, min_units=5, max_bins=16)
    promises(codec, column)
    people = defaultdict(set)
    for code, who in zip(codec.encode(part).tolist(), owner.tolist()):
        people[code].add(who)
    if codec.ordered > 1:  # every code stands for at least five people
        assert all(len(people[code]) >= 5 for code in range(codec.ordered))
    out = codec.decode(every_code(codec)[: codec.ordered * 20], np.random.default_rng(0)).values
    holders = Counter(v for v, _ in {*zip(raw.tolist(), owner.tolist())})
    shared = [v for v, k in holders.items() if k >= 5]
    rest = sorted({*zip(raw.tolist(), owner.tolist())} - {(v, w) for v in shared for w in owner.tolist()})
    firsts, lasts = list(dict.fromkeys(w for _, w in rest)), list(dict.fromkeys(w for _, w in rest[::-1]))
    if len(firsts) >= 10:  # beyond the fifth person's value from either end only shared values come back
        low = next(v for v, w in rest if w == firsts[4])
        high = next(v for v, w in rest[::-1] if w == lasts[4])
        assert (((out >= low) & (out <= high)) | np.isin(out, shared)).all()
    elif len(firsts) < 5:
        assert np.isin(out, shared).all()


@pytest.mark.parametrize("n", [0, 1, 5, 10])
def test_a_column_of_few_people_gives_nothing_away(n: int) -> None:
    column = Column("x", "number")
    codec = fit(column, cells(column, [float(i) for i in range(n)]))
    assert codec.size == 3
    assert not codec.decode(every_code(codec), np.random.default_rng(0)).present.any()
    inside = Column("x", "number", bounds=(0, 100))
    assert fit(inside, cells(inside, [float(i) for i in range(n)])).ordered == (1 if n else 0)


def test_between_11_and_22_people_one_middle_value_remains() -> None:
    column = Column("x", "integer")
    codec = fit(column, cells(column, [*range(14), 10**9]))
    assert codec.ordered == 1
    assert 4 <= codec.representative()[0] <= 10


def test_one_person_with_many_rows_is_one_person() -> None:
    column = Column("x", "integer")
    part = cells(column, [7] * 500 + list(range(100, 140)))
    units = np.array([0] * 500 + list(range(1, 41)))
    assert 7.0 not in fit(column, part, units).representative()[:-3]


def test_bins_weigh_people_not_rows() -> None:
    rng = np.random.default_rng(5)
    column = Column("x", "number")
    low, high = rng.uniform(0, 1, 200), rng.uniform(10, 11, 20_000)  # 200 people, 100 rows each above 10
    part = cells(column, [*low, *high])
    units = np.concatenate([np.arange(200), 200 + np.arange(20_000) // 100])
    codec = fit(column, part, units, max_bins=10)
    assert 4 <= np.sum(codec.representative()[:-3] < 5) <= 6


def test_shared_values_are_atoms_and_extremes_are_not() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([np.zeros(500), np.round(rng.lognormal(5, 1, 495), 2), [99999.0] * 20, [1e7, 2e7]])
    column = Column("cost", "number")
    codec = fit(column, cells(column, values.tolist()))
    out = codec.decode(codec.encode(cells(column, values.tolist())), rng).values
    assert np.sum(out == 0) == 500
    assert np.sum(out == 99999.0) >= 20
    assert out.max() == 99999.0
    assert np.array_equal(out, np.round(out, 2))
    assert abs(np.median(out) - np.median(values)) < 5


@pytest.mark.parametrize(("kind", "values", "step"), [
    ("integer", [5 * i for i in range(200)], 5), ("integer", [3 + 7 * i for i in range(200)], 7),
    ("number", [i / 4 for i in range(200)], 0.25), ("number", [i / 100 for i in range(1, 201)], 0.01),
    ("date", [4 + 7 * i for i in range(200)], 7), ("datetime", [60_000_000 * i for i in range(200)], 60_000_000),
    ("number", [np.pi * i for i in range(200)], None),
])
def test_the_grid_is_found_and_kept(kind: str, values: list[Any], step: float | None) -> None:
    column = Column("x", kind)  # type: ignore[arg-type]
    codec = fit(column, cells(column, values))
    assert codec.axis.step == step  # type: ignore[attr-defined]
    out = codec.decode(every_code(codec)[: codec.ordered * 20], np.random.default_rng(0)).values
    assert len(np.unique(out)) > 100
    assert step is None or np.isin(out, values).all()


def test_integers_beyond_2_to_53_stay_exact() -> None:
    values = [2**53 + 2 * i + 1 for i in range(400)]
    column = Column("x", "integer")
    codec = fit(column, cells(column, values))
    assert (codec.decode(every_code(codec)[: codec.ordered * 20], np.random.default_rng(0)).values % 2 == 1).all()


def test_declared_bounds_win() -> None:
    column = Column("x", "integer", bounds=(0, 120), special=(-1.0,))
    values = [*range(100), *[999] * 50, *[-1] * 50]
    codec = fit(column, cells(column, values))
    assert (codec.encode(cells(column, [999, -1, 121, -2])) == codec.other).tolist() == [True, False, True, True]
    out = codec.decode(np.full(500, codec.other), np.random.default_rng(0))
    assert out.present.all()
    assert out.values.max() <= 120


@settings(max_examples=60)
@given(st.lists(st.integers(-(2**40), 2**40), min_size=1), st.sampled_from([0.01, 0.05, 0.25, 1.0, 5.0]))
def test_a_lattice_does_not_drift(points: list[int], step: float) -> None:
    axis = Axis("number", step)
    there = axis.values(np.array(points))
    assert np.array_equal(axis.points(there), points)
    assert np.array_equal(there, [round(p * step, 2) for p in points])


# --- learned categories and booleans -------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 12)), max_size=80), st.booleans())
def test_levels_of_few_people_are_pooled(rows: list[tuple[str, int]], declared: bool) -> None:
    column = Column("x", "category", levels=tuple("abcdefgh") if declared else None)
    part = parse(column, [r[0] for r in rows])
    codec = fit(column, part, np.array([r[1] for r in rows], np.int64), min_units=3)
    people = defaultdict(set)
    for level, who in rows:
        people[level].add(who)
    kept = {level for level, who in people.items() if len(who) >= 3}
    assert set(codec.labels()[:-3]) == kept
    promises(codec, column)
    out = codec.decode(np.full(200, codec.other, np.int32), np.random.default_rng(0))
    printed = {out.levels[v] for v in out.values[out.present].tolist()}
    pooled = codec.pooled["levels"]  # type: ignore[attr-defined]
    spare = set("abcdefgh") - kept if declared else set()
    most_were_pooled = len(spare) <= 2 * pooled      # else most of the list never occurred
    allowed = spare if spare and (most_were_pooled or not kept) else kept
    assert printed <= allowed
    assert bool(printed) == bool(allowed)
    assert pooled == len(people) - len(kept)


def test_tables_with_other_level_orders_encode_alike() -> None:
    column = Column("x", "category")
    codec = fit(column, parse(column, ["b", "a"] * 20))
    assert codec.labels()[:2] == ["a", "b"]
    codes = codec.encode(cells(column, [0, 1, 2], ("b", "new", "a")))
    assert codes.tolist() == [1, codec.other, 0]
    assert codec.encode(cells(column, [], ())).tolist() == []


def test_numbers_as_levels_are_in_the_order_of_numbers() -> None:
    column = Column("x", "category")
    assert fit(column, parse(column, ["10", "9", "1.5"] * 20)).labels()[:3] == ["1.5", "9", "10"]


def test_booleans_are_never_pooled() -> None:
    column = Column("x", "boolean")
    promises(fit(column, cells(column, [True] + [False] * 50)), column)
    sure = Column("x", "boolean", nullable=False)
    assert public(sure).decode(np.array([2, 3, 4] * 30), np.random.default_rng(0)).present.all()


@pytest.mark.parametrize("kind", ["number", "category", "boolean", "date"])
def test_an_empty_column_learns_nothing_and_stays_missing(kind: str) -> None:
    column = Column("x", kind)  # type: ignore[arg-type]
    part = parse(column, [""] * 30)
    codec = fit(column, part)
    promises(codec, column)
    assert codec.decode(codec.encode(part), np.random.default_rng(0)).same_as(part)


def test_a_constant_column_comes_back() -> None:
    for kind, text in (("number", "5"), ("category", "X"), ("date", "2020-01-01")):
        column = Column("x", kind)  # type: ignore[arg-type]
        part = parse(column, [text] * 30)
        codec = fit(column, part)
        assert codec.decode(codec.encode(part), np.random.default_rng(0)).same_as(part)
