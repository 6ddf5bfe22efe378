"""Contribution bounding and sensitivity in exact integers, on tables made to break them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.coding import ROWS
from tabsynth.core.schema import Schema
from tabsynth.core.table import PRESENT, Table
from tabsynth.privacy.bounding import bound
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.events import GRID
from tabsynth.privacy.mechanisms import grid_counts, l1_distance, model_steps
from tests.privacy.kit import BUDGET, CLOSED, OPEN, Recorder, Row, build, curate, random_rows, without

KEY = b"k" * 32

cells = st.tuples(
    st.one_of(st.none(), st.sampled_from(["female", "male", "unseen", "x" * 300, "é|\x00"])),
    st.none(), st.one_of(st.none(), st.integers(-1, 10**15)),
    st.one_of(st.none(), st.sampled_from([0.0, -0.0, 300.0, -1e308, 987654321.0, 55.55])))
others = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), cells), max_size=12)
victims = st.lists(cells, min_size=1, max_size=50)


def table_of(rows: list[tuple[str | None, tuple]], schema: Schema = CLOSED) -> Table:
    return build([(who, *rest) for who, rest in rows], schema)


@given(others=others, victim=victims, k=st.integers(1, 50), order=st.randoms())
@settings(max_examples=60, deadline=None)
def test_one_unit_changes_a_marginal_by_at_most_one_unit(others, victim, k, order) -> None:  # type: ignore[no-untyped-def]
    rows = [*others, *(("victim", v) for v in victim)]
    order.shuffle(rows)
    budget = Budget.of(1, unit="patient", max_rows_per_unit=k)
    table = table_of(rows)
    with_, without_ = Recorder(noisy=False), Recorder(noisy=False)
    for source, version in ((with_, table), (without_, without(table, "victim"))):
        curator = curate(version, budget, source)
        for marginal in [(), *((n,) for n in curator.coding.names), *combinations(curator.coding.names, 2)]:
            curator.measure(marginal, sigma=1000.0)
        curator.errors({m: np.full([curator.coding.codecs[n].size for n in m], 0.3)
                        for m in combinations(curator.coding.names, 2)}, sigma=1000.0)
    for a, b in zip(with_.asked, without_.asked, strict=True):
        change = a.true - b.true
        if a is with_.asked[-1]:
            assert np.abs(change).max() <= GRID
        else:
            assert change.min() >= 0
            assert change.sum() == min(len(victim), k) * (GRID // min(len(victim), k))
            assert change.sum() <= GRID


@given(others=others, victim=victims, k=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_one_unit_moves_the_counts_that_buy_bounds_by_at_most_one_unit(others, victim, k) -> None:  # type: ignore[no-untyped-def]
    """By less where values are missing, unreadable or beyond the scale; the vector's length never changes."""
    table = table_of([*others, *(("victim", v) for v in victim)],
                     OPEN.with_columns(c for c in OPEN.columns if c.name != "diagnosis"))
    asked = []
    for version in (table, without(table, "victim")):
        recorder = Recorder(noisy=False)
        curate(version, Budget.of(1, unit="patient", max_rows_per_unit=k), recorder)
        asked.append(recorder.asked)
    assert len(asked[0]) == len(asked[1]) == 2
    for a, b in zip(*asked, strict=True):
        assert (a.true - b.true).min() >= 0
        assert (a.true - b.true).sum() <= GRID


@given(others=others, victim=victims, k=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_kept_rows_of_others_do_not_depend_on_a_unit(others, victim, k) -> None:  # type: ignore[no-untyped-def]
    table = table_of([*(("victim", v) for v in victim), *others])
    all_, rest = (bound(t, max_rows_per_unit=k, key=KEY) for t in (table, without(table, "victim")))
    assert without(all_.table, "victim") == rest.table
    assert np.array_equal(all_.weights[all_.table["patient"].values != "victim"], rest.weights)


@given(victim=victims, k=st.integers(1, 20), order=st.randoms())
@settings(max_examples=60, deadline=None)
def test_file_order_has_no_say_in_which_rows_are_kept(victim, k, order) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(victim)
    order.shuffle(shuffled)

    def kept(rows: list) -> Counter:
        table = bound(table_of([("victim", v) for v in rows]), max_rows_per_unit=k, key=KEY).table
        columns = [[(c.levels[v] if c.levels else v) if state == PRESENT else state.item()
                    for v, state in zip(c.values.tolist(), c.state, strict=True)] for c in table.columns.values()]
        return Counter(zip(*columns, strict=True))

    first = kept(victim)
    assert first == kept(shuffled)
    assert first.total() == min(k, len(victim))


def test_bounding_by_hand() -> None:
    rows = random_rows(3)
    table = build([*rows, (None, "female", "flu", 3, 3.0)])
    bounded = bound(table, max_rows_per_unit=3, key=KEY)
    had, kept = Counter(r[0] for r in rows), Counter(bounded.table["patient"].values.tolist())
    assert kept == {p: min(n, 3) for p, n in had.items()}
    for patient, weight in zip(bounded.table["patient"].values, bounded.weights, strict=True):
        assert weight == GRID // kept[patient]


def test_keys_choose_different_rows() -> None:
    table = build([("p", "female", None, age, 1.0) for age in range(40)])
    chosen = {tuple(bound(table, max_rows_per_unit=5, key=bytes([i]) * 32).table["age"].values) for i in range(8)}
    assert len(chosen) > 1


def test_every_row_is_a_unit_without_a_unit_column() -> None:
    schema = CLOSED.with_unit("row")
    table = build(random_rows(1), CLOSED)
    table = Table(schema, table.columns)
    bounded = bound(table, max_rows_per_unit=1, key=KEY)
    assert bounded.table == table
    assert set(bounded.weights.tolist()) == {GRID}


def test_rows_pseudo_column_counts_kept_rows() -> None:
    recorder = Recorder()
    curator = curate(build(random_rows(0), CLOSED), BUDGET, recorder)
    curator.measure((ROWS,), sigma=10.0)
    by_patient = Counter(min(n, 5) for n in Counter(r[0] for r in random_rows(0)).values())
    codec = curator.coding.codecs[ROWS]
    middle = codec.representative()
    found = {int(middle[i]): round(v / GRID) for i, v in enumerate(recorder.asked[-1].true) if v}
    assert found == dict(by_patient)


@given(n=st.integers(0, 30), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_grid_counts_match_counting_by_hand(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = (3, 4)
    codes = [rng.integers(0, s, n).astype(np.int32) for s in sizes]
    weights = rng.integers(0, GRID + 1, n)
    slow: Counter = Counter()
    for a, b, w in zip(*codes, weights, strict=True):
        slow[int(a), int(b)] += int(w)
    fast = grid_counts(codes, sizes, weights.astype(np.float64)).reshape(sizes)
    assert {i: int(v) for i, v in np.ndenumerate(fast) if v} == {i: v for i, v in slow.items() if v}


def test_sums_beyond_32_bits_stay_exact() -> None:
    weights = np.full(200_000, GRID - 1, dtype=np.float64)
    assert grid_counts([np.zeros(200_000, np.int32)], (1,), weights).tolist() == [200_000 * (GRID - 1)]


def test_l1_distance_by_hand() -> None:
    assert l1_distance(np.array([3 * GRID, 0]), model_steps(np.array([1.0, 0.5]), (2,))) == 5 * GRID // 2


@pytest.mark.parametrize("model", [np.zeros(3), np.array([np.nan, 0.0]), np.array([np.inf, 0.0]),
                                   np.array([2.0**40, -(2.0**40)])])
def test_bad_model_tables_are_refused(model: np.ndarray) -> None:
    from tabsynth.core.errors import PrivacyError

    with pytest.raises(PrivacyError, match="model table"):
        model_steps(model, (2,))


def test_coarse_codes_aggregate_the_fine_counts() -> None:
    fine, coarse = Recorder(noisy=False), Recorder(noisy=False)
    table = build(random_rows(5), CLOSED)
    a, b = curate(table, BUDGET, fine), curate(table, BUDGET, coarse)
    sizes = [a.coding.codecs[n].size for n in ("sex", "age")]
    image = np.arange(sizes[1]) // 4
    a.measure(("sex", "age"), sigma=10.0)
    noisy = b.measure(("sex", "age"), sigma=10.0, coarse={"age": image})
    expected = np.zeros((sizes[0], image[-1] + 1), dtype=np.int64)
    np.add.at(expected, (slice(None), image), fine.asked[-1].true.reshape(sizes))
    assert np.array_equal(coarse.asked[-1].true.reshape(expected.shape), expected)
    assert noisy.shape == expected.shape


def rows_of(n: int) -> list[Row]:
    return [("victim", "female", None, 50, 70.0)] * n


def test_the_same_person_with_more_rows_weighs_the_same() -> None:
    one, many = Recorder(), Recorder()
    for source, n in ((one, 1), (many, 10_000)):
        curate(build(rows_of(n), CLOSED), Budget.of(1, unit="patient", max_rows_per_unit=64), source).measure(
            ("sex",), sigma=10.0)
    assert np.array_equal(one.asked[-1].true, many.asked[-1].true)
