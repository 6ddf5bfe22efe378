"""Intervals contain their estimate, match published figures, and agree with slow, obvious code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.evaluation import intervals

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize("hits, centre, half", [(850, 0.849, 0.022), (0, 0.002, 0.002)])
def test_wilson_matches_published_figures(hits: int, centre: float, half: float) -> None:
    got = intervals.wilson_centre(hits, 1000)
    assert got == (pytest.approx(centre, abs=5e-4), pytest.approx(half, abs=5e-4))


@pytest.mark.parametrize("attack, control, risk", [
    ((0.9, 0.02), (0.85, 0.02), (0.333, 0.16)), ((0.9, 0.0), (0.8, 0.0), (0.5, 0.0))])
def test_residual_matches_published_figures(
        attack: tuple[float, float], control: tuple[float, float], risk: tuple[float, float]) -> None:
    assert intervals.residual(attack, control) == (pytest.approx(risk[0], abs=1e-3), pytest.approx(risk[1], abs=1e-3))


def test_residual_has_no_answer_when_the_control_always_succeeds() -> None:
    assert intervals.residual((1.0, 0.0), (1.0, 0.0)) == (0.0, 1.0)


@given(counts)
@settings(max_examples=60)
def test_a_rate_lies_in_its_intervals(rate: tuple[int, int]) -> None:
    for low, high in (intervals.wilson(*rate), intervals.clopper_pearson(*rate)):
        assert 0 <= low <= rate[0] / rate[1] <= high <= 1


@given(counts, counts)
@settings(max_examples=60)
def test_a_difference_lies_in_its_interval_and_swaps_with_its_sides(a: tuple[int, int], b: tuple[int, int]) -> None:
    low, high = intervals.newcombe(*a, *b)
    value = a[0] / a[1] - b[0] / b[1]
    assert low <= value <= high
    assert intervals.newcombe(*b, *a) == (pytest.approx(-high), pytest.approx(-low))


@given(counts, counts)
@settings(max_examples=40)
def test_evidence_matches_counting_the_ways(a: tuple[int, int], b: tuple[int, int]) -> None:
    (hits, n), (others, m) = a, b
    ways = sum(math.comb(n, k) * math.comb(m, hits + others - k) for k in range(hits, min(n, hits + others) + 1))
    assert intervals.excess_p(*a, *b) == pytest.approx(ways / math.comb(n + m, hits + others), abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(max_examples=40)
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p: list[float]) -> None:
    adjusted = intervals.holm(p)
    assert all(x <= y <= 1 for x, y in zip(p, adjusted))
    assert all(adjusted[i] <= adjusted[j] for i in range(len(p)) for j in range(len(p)) if p[i] < p[j])


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30), st.lists(st.floats(-5, 5), min_size=2, max_size=30))
@settings(max_examples=60)
def test_auc_matches_counting_pairs_and_lies_in_its_interval(positive: list[float], negative: list[float]) -> None:
    slow = np.mean([(p > q) + (p == q) / 2 for p in positive for q in negative])
    value, (low, high) = intervals.delong(np.array(positive), np.array(negative))
    assert value == pytest.approx(slow)
    assert low <= value <= high


def test_delong_error_matches_the_spread_over_many_samples() -> None:
    """False alarm below 1e-6: the seed is fixed."""
    rng = np.random.default_rng(3)
    draws = [intervals.delong(rng.normal(0.5, 1, 80), rng.normal(0, 1, 120)) for _ in range(400)]
    spread = np.std([value for value, _ in draws])
    stated = np.mean([(high - low) / 2 / intervals.Z95 for _, (low, high) in draws])
    assert stated == pytest.approx(spread, rel=0.12)


def test_repeating_every_row_of_a_person_leaves_the_interval_as_it_is() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 1, 100), rng.normal(0, 1, 100)
    once = intervals.delong(a, b, np.arange(100), np.arange(100))
    twice = intervals.delong(np.repeat(a, 5), np.repeat(b, 5), np.repeat(np.arange(100), 5),
                             np.repeat(np.arange(100), 5))
    assert twice[1] == pytest.approx(once[1])


@given(st.floats(-1, 1), st.lists(st.floats(-1, 1), min_size=0, max_size=20))
@settings(max_examples=40)
def test_a_value_lies_in_its_jackknife_interval(value: float, replicates: list[float]) -> None:
    interval = intervals.jackknife(value, replicates, low=-1, high=1)
    assert (interval is None) == (len(replicates) < 2)
    assert interval is None or interval[0] <= value <= interval[1]


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    x = np.random.default_rng(1).normal(size=20)
    without = [np.delete(x, i).mean() for i in range(20)]
    assert intervals.jackknife_error(without) == pytest.approx(x.std(ddof=1) / np.sqrt(20))
