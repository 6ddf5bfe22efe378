"""Precision, recall, density, coverage against their definitions, and nearest rows against all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.evaluation.fidelity._neighbours import Cloud, balls, nearest
from tabsynth.evaluation.fidelity.prdc import Prdc, compare
from tabsynth.evaluation.protocol import GROUPS, evaluate, prepare

from .people import cells, people, resampled, with_units

Points = NDArray[np.float64]
IDS = ["prdc.precision", "prdc.recall", "prdc.density", "prdc.coverage"]


def cloud(points: Points, seed: int = 0) -> Cloud:
    """Points in an order that groups come in, groups at random."""
    groups = np.sort(np.random.default_rng(seed).permutation(len(points)) % GROUPS)
    return Cloud(points.astype(np.float32), groups, np.arange(len(points)))


def without(part: Cloud, group: int) -> Cloud:
    kept = part.groups != group
    return Cloud(part.points[kept], part.groups[kept], part.units[kept])


def all_pairs(a: Cloud, b: Cloud) -> Points:
    """Distances, one by one; tiny ones are rounding."""
    squared = np.square(a.points.astype(np.float64)[:, None] - b.points.astype(np.float64)[None]).sum(axis=2)
    return np.sqrt(np.where(squared < 1e-10, 0, squared))


def published(real: Cloud, fake: Cloud, k: int = 5) -> list[float]:
    """The definitions of Kynkäänniemi et al. 2019 and Naeem et al. 2020, by all pairs."""
    of_real, of_fake = (np.sort(all_pairs(c, c), axis=1)[:, k] for c in (real, fake))
    between = all_pairs(real, fake)
    return [float((between < of_real[:, None]).any(axis=0).mean()), float((between < of_fake).any(axis=1).mean()),
            float((between < of_real[:, None]).sum() / k / len(fake)), float((between.min(axis=1) < of_real).mean())]


def first(result: Prdc) -> list[float]:
    return [float(x[0]) for x in result]


@pytest.mark.parametrize("dims, shift", [(1, 0.0), (2, 0.3), (12, 0.1)])
def test_the_four_shares_are_the_published_ones_where_no_distances_tie(dims: int, shift: float) -> None:
    rng = np.random.default_rng(dims)
    real, fake = cloud(rng.random((90, dims))), cloud(rng.random((70, dims)) + shift)
    assert first(compare(real, balls(real), fake)) == pytest.approx(published(real, fake), abs=1e-12)


@given(st.integers(1, 4), st.integers(2, 6), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_identical_clouds_give_one_four_times_with_ties_and_without(dims: int, values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for points in (rng.random((40, dims)), rng.integers(0, values, (40, dims)) / 2, np.zeros((40, dims))):
        part = cloud(points, seed)
        assert first(compare(part, balls(part), part)) == pytest.approx([1, 1, 1, 1], abs=1e-12)


@pytest.mark.parametrize("tied", [False, True])
def test_a_replicate_is_the_statistic_of_what_is_left(tied: bool) -> None:
    rng = np.random.default_rng(4)
    draw = (lambda n: rng.integers(0, 3, (n, 3)) / 2) if tied else (lambda n: rng.random((n, 3)))
    real, fake = cloud(draw(150), 1), cloud(draw(130), 2)
    fast = compare(real, balls(real), fake)
    for g in (0, 7, GROUPS - 1):
        rest = without(real, g)
        slow = compare(rest, balls(rest), without(fake, g))
        assert [float(x[g + 1]) for x in fast] == pytest.approx(first(slow), abs=1e-12)


def test_neighbours_of_one_person_can_all_be_left_out() -> None:
    """Twelve near copies of one row in one group: without them the fifth neighbour is somebody else, far away."""
    rng = np.random.default_rng(0)
    points = rng.random((60, 2)) + 10
    points[:12] = points[12] + rng.random((12, 2)) / 1000
    groups = np.sort(np.r_[np.zeros(12), 1 + np.arange(48) % (GROUPS - 1)]).astype(np.int64)
    part = Cloud(points.astype(np.float32), groups, np.arange(60))
    lone = without(part, 0)
    assert balls(part).reach[12:, 1] == pytest.approx(balls(lone).reach[:, 0], abs=1e-9)


def test_a_ball_reaches_to_other_people() -> None:
    """Three rows a person: the fifth nearest row of others, by loops."""
    rng = np.random.default_rng(6)
    units = np.repeat(np.arange(40), 3)
    part = Cloud(rng.random((120, 2)).astype(np.float32), units // 2, units)
    slow = [np.sort(row[units != unit])[4] ** 2 for row, unit in zip(all_pairs(part, part), units)]
    assert balls(part).reach[:, 0] == pytest.approx(slow, abs=1e-9)
    own, _ = nearest(part, part, of_others=True)
    assert own[:, 0] == pytest.approx([row[units != u].min() ** 2 for row, u in zip(all_pairs(part, part), units)])


def test_nearest_matches_all_pairs_and_skips_itself() -> None:
    rng = np.random.default_rng(1)
    a, b = cloud(rng.random((50, 4)), 1), cloud(rng.random((60, 4)), 2)
    slow = all_pairs(a, b) ** 2
    distance, index = nearest(a, b)
    assert distance[:, 0] == pytest.approx(slow.min(axis=1))
    assert (index[:, 0] == slow.argmin(axis=1)).all()
    for g in (0, 11):
        rest = np.where(b.groups == g, np.inf, slow)
        assert distance[:, g + 1] == pytest.approx(rest.min(axis=1))
        assert (index[:, g + 1] == rest.argmin(axis=1)).all()
    own, who = nearest(a, a, of_others=True)
    assert own[:, 0] == pytest.approx(np.sort(all_pairs(a, a), axis=1)[:, 1] ** 2)
    assert (who[:, 0] != np.arange(len(a))).all()


def test_two_samples_of_one_population_have_the_known_coverage() -> None:
    """E coverage = 1 - C(n - 1, k) / C(2 n - 1, k) (Naeem et al. 2020): .969 for k = 5. Five standard errors."""
    rng = np.random.default_rng(3)
    real, fake = (cloud(rng.normal(size=(1500, 6))) for _ in range(2))
    result = compare(real, balls(real), fake)
    error = np.sqrt(0.969 * 0.031 / 1500) * 2
    assert abs(float(result.coverage[0]) - 0.969) < 5 * error
    assert float(result.density[0]) == pytest.approx(1, abs=0.1)


def test_a_fresh_sample_reaches_the_ceiling_and_independent_columns_the_floor() -> None:
    """Tolerances are five standard errors and more."""
    schema = Schema(tuple(Column(name, "number") for name in "abcdef"))

    def tied(seed: int) -> Table:
        rng = np.random.default_rng(seed)
        common = rng.normal(size=600)
        return Table(schema, {name: cells("number", common + 0.3 * rng.normal(size=600)) for name in "abcdef"})

    train, holdout = tied(1), tied(2)
    fresh, floor = ({f.id: f for f in evaluate(prepare(s, train, holdout, seed=1), only=["prdc"])}
                    for s in (tied(3), resampled(train, 5)))
    assert list(fresh) == IDS
    for i in ("prdc.precision", "prdc.density", "prdc.coverage"):
        assert fresh[i].normalised == pytest.approx(1, abs=0.2)
        assert floor[i].normalised == pytest.approx(0, abs=0.2)
        assert fresh[i].state == "ok"
        low, high = fresh[i].interval or (1, 0)
        assert low < (fresh[i].ceiling or 0) < high


def test_a_generator_with_one_mode_is_precise_and_covers_nothing() -> None:
    train, holdout = people(500, 1), people(500, 2)
    same = holdout.take(np.zeros(500, np.intp))
    found = {f.id: f.value or 0 for f in evaluate(prepare(same, train, holdout, seed=1), only=["prdc"])}
    assert found["prdc.precision"] == 1.0
    assert found["prdc.recall"] < 0.01
    assert found["prdc.coverage"] < 0.05


def test_a_holdout_given_out_again_scores_one() -> None:
    holdout = people(400, 2)
    found = evaluate(prepare(holdout, people(400, 1), holdout, seed=1), only=["prdc"])
    assert [f.value for f in found] == pytest.approx([1, 1, 1, 1], abs=1e-12)


def test_rows_of_one_person_make_the_interval_wider() -> None:
    """Ten copies of each row are 60 people, not 600."""
    def copies(seed: int, first: int) -> Table:
        return with_units(people(60, seed).take(np.repeat(np.arange(60), 10)), 10, first)

    grouped = evaluate(prepare(copies(3, 0), copies(1, 100), copies(2, 200), seed=1), only=["prdc"])[2]
    single = evaluate(prepare(people(600, 3), people(600, 1), people(600, 2), seed=1), only=["prdc"])[2]
    wide, narrow = ((f.interval or (0, 0))[1] - (f.interval or (0, 0))[0] for f in (grouped, single))
    assert wide > 1.5 * narrow
    assert 0.2 < (grouped.value or 0) < 5


def test_tables_of_categories_alone_are_measured() -> None:
    """Most rows have five equals; open balls of radius 0 would hold nothing."""
    schema = Schema((Column("a", "category"), Column("b", "category")))

    def part(seed: int) -> Table:
        rng = np.random.default_rng(seed)
        a = rng.integers(0, 3, 300)
        b = a + rng.integers(0, 2, 300)
        return Table(schema, {"a": cells("category", list(a)), "b": cells("category", list(b))})

    found = evaluate(prepare(part(3), part(1), part(2), seed=1), only=["prdc"])
    assert [f.value for f in found] == pytest.approx([1, 1, 1, 1], abs=0.15)
    assert (found[3].floor or 1) <= 1
