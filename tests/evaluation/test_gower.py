"""Nearest synthetic rows: the fast search beside the slow, obvious one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, MISSING, Table
from tabsynth.evaluation.attacks._gower import Coordinates, has_value, nearest, tie_breaks

from .people import cells

MIXED = Schema((Column("x", "number"), Column("c", "category")))


def mixed(x: list[float], c: list[str], state: list[int] | None = None) -> Table:
    return Table(MIXED, {"x": cells("number", x, missing=None if state is None else [bool(s) for s in state]),
                         "c": cells("category", c)})


def slow_distance(a: np.ndarray, b: np.ndarray, subset: tuple[int, ...]) -> float:
    return sum(min(abs(float(a[j]) - float(b[j])), 1.0) for j in subset)


@given(st.integers(1, 12), st.integers(1, 25), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**16))
@settings(max_examples=60)
def test_the_nearest_rows_are_those_that_sorting_by_hand_finds(m: int, n: int, d: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets, pool = rng.integers(0, 4, (m, d)) / 2.0, rng.integers(0, 4, (n, d)) / 2.0
    subsets = [tuple(range(d)), (0,), tuple(range(d // 2, d))]
    order = tie_breaks(n, rng, np.float64)
    out = rng.random((3, n)) < 0.2
    out[:, 0] = False
    found = nearest(targets, pool, subsets, np.where(out, np.inf, order), k)
    assert found.shape == (3, m, min(k, n))
    for s, subset in enumerate(subsets):
        allowed = [i for i in range(n) if not out[s, i]]
        for t in range(m):
            by_hand = sorted(allowed, key=lambda i: (slow_distance(targets[t], pool[i], subset), order[i]))[:k]
            assert found[s, t, : len(by_hand)].tolist() == by_hand


def test_many_targets_are_searched_in_blocks_with_one_result() -> None:
    rng = np.random.default_rng(0)
    targets, pool = rng.random((300, 3), np.float32), rng.random((4000, 3), np.float32)
    start = np.repeat(tie_breaks(4000, rng)[None], 2, axis=0)
    whole = nearest(targets, pool, [(0, 1), (2,)], start, 3)
    parts = [nearest(targets[i : i + 1], pool, [(0, 1), (2,)], start, 3) for i in range(0, 300, 50)]
    assert np.array_equal(whole[:, ::50], np.concatenate(parts, axis=1))


def test_equal_rows_are_taken_in_one_random_order_whatever_the_columns() -> None:
    order = tie_breaks(50, np.random.default_rng(1))
    found = nearest(np.zeros((4, 2), np.float32), np.zeros((50, 2), np.float32), [(0,), (1,), (0, 1)],
                    np.repeat(order[None], 3, axis=0), 5)
    assert (found == np.argsort(order)[:5]).all()


def test_a_tie_break_never_outweighs_a_difference() -> None:
    assert tie_breaks(50_000, np.random.default_rng(0)).max() < 1e-5
    assert tie_breaks(50_000, np.random.default_rng(0), np.float64).max() < 1e-13


def test_no_value_is_like_no_value_and_unlike_every_value() -> None:
    known = mixed([0.0, 100.0, 0.0], ["a", "b", "a"], [0, 0, 1])
    learned = Coordinates.learn(known, ("x", "c"))
    points = learned.points(known)
    unreadable = replace(known, columns={**known.columns, "x": replace(known["x"],
                                                                       state=np.full(3, INVALID, np.uint8))})
    missing = replace(known, columns={**known.columns, "x": replace(known["x"], state=np.full(3, MISSING, np.uint8))})
    assert has_value(points).tolist() == [[True, True], [True, True], [False, True]]
    states = [slow_distance(learned.points(t)[0], points[2], (0,)) for t in (missing, unreadable, known)]
    assert states == [0.0, 1.0, 1.0]
    assert slow_distance(points[0], points[1], (0, 1)) == 2.0


def test_categories_go_by_name_and_new_ones_are_like_none_that_was_learned() -> None:
    learned = Coordinates.learn(mixed([0.0, 1.0], ["a", "b"]), ("x", "c"))
    points = learned.points(mixed([0.0, 1.0, 0.5], ["b", "a", "new"]))
    assert points[:, 1].tolist() == [1.0, 0.0, 2.0]


def test_one_absurd_number_does_not_set_the_scale() -> None:
    x = [float(i) for i in range(200)]
    plain, odd = mixed(x, ["a"] * 200), mixed([*x[:-1], 1e300], ["a"] * 200)
    steps = [np.diff(Coordinates.learn(t, ("x", "c")).points(plain)[:2, 0])[0] for t in (plain, odd)]
    assert steps[1] == pytest.approx(steps[0], rel=0.05)


@pytest.mark.parametrize("x", [[np.inf, -np.inf, 1e308, -1e308], [1.0, 1.0 + 1e-15, 1e300, -1e300], [5.0] * 4,
                               [5e-324] * 4])
def test_numbers_without_end_have_coordinates(x: list[float]) -> None:
    points = Coordinates.learn(mixed(x, ["a"] * 4), ("x", "c")).points(mixed([*x[:3], np.inf], ["a"] * 4))
    assert np.isfinite(points).all()
    assert has_value(points).all()
