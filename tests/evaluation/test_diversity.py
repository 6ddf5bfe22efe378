"""Diversity: collapsed and crowded tables are flagged, real ones are not, and the numbers match counting by hand."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.evaluation.features import Embedding
from tabsynth.evaluation.fidelity.diversity import LEAST_BITS, median_distance, most_frequent, repeated
from tabsynth.evaluation.protocol import GROUPS, Side, prepare

from .people import cells, people, resampled, run, with_units

NAME = "diversity"


@pytest.fixture(scope="module")
def train() -> Table:
    return people(1000, 1)


@pytest.fixture(scope="module")
def holdout() -> Table:
    return people(1000, 2)


def flags(found: dict[str, Finding]) -> dict[str, bool]:
    return {id.partition(".")[2]: f.details["homogenised"] for id, f in found.items() if f.state != "not_run"}


def bits(values: Sequence[Any]) -> float:
    return -sum(c / len(values) * math.log2(c / len(values)) for c in Counter(values).values())


def pairs_of(side: Side) -> list[list[tuple[int, int]]]:
    return [list(zip(side.codes[:, a].tolist(), side.codes[:, b].tolist()))
            for a, b in itertools.combinations(range(side.codes.shape[1]), 2)]


def test_entropy_and_modes_match_counting_by_hand(train: Table, holdout: Table) -> None:
    synth = people(700, 3)
    found = run(synth, train, holdout, NAME)
    samples = prepare(synth, train, holdout, seed=1)
    for key, side in (("value", samples.S), ("floor", samples.F), ("ceiling", samples.T)):
        ratios, inside, real = [], 0, 0
        for mine, theirs in zip(pairs_of(side), pairs_of(samples.H)):
            assert bits(theirs) > LEAST_BITS
            ratios.append(bits(mine) / bits(theirs))
            counts = Counter(theirs)
            many = -(-len(counts) // 100)
            top = sorted(counts, key=lambda cell: (-counts[cell], cell))[:many]
            inside += sum(cell in top for cell in mine)
            real += sum(cell in top for cell in theirs)
        assert getattr(found["diversity.entropy"], key) == pytest.approx(np.mean(ratios))
        assert getattr(found["diversity.mode"], key) == pytest.approx(inside / real)
    rows = {row["key"]: row["value"] for row in found["diversity.entropy"].breakdown}
    for j, name in enumerate(samples.columns):
        assert rows[name] == pytest.approx(bits(samples.S.codes[:, j].tolist()) / bits(samples.H.codes[:, j].tolist()))


def test_the_most_frequent_hundredth() -> None:
    counts = np.zeros(400)
    counts[:250] = 1
    counts[[7, 3]] = 5, 9
    assert most_frequent(counts, 3).tolist() == [3, 7, 0]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=30))
@settings(max_examples=60)
def test_repeated_rows_match_a_set(rows: list[tuple[int, int]]) -> None:
    ids, groups = (np.array(x, np.int64) for x in zip(*rows))
    found = repeated(ids, groups)
    for g in (None, *range(GROUPS)):
        left = [i for i, group in rows if group != g]
        place = 0 if g is None else g + 1
        if left:
            assert found[place] == pytest.approx(1 - len(set(left)) / len(left))
        else:
            assert np.isnan(found[place])


def test_duplicates_are_counted_beside_real_ones(train: Table, holdout: Table) -> None:
    copied = people(250, 3).take(np.repeat(np.arange(250), 4))
    found = run(copied, train, holdout, NAME)["diversity.duplicates"]
    assert found.value == pytest.approx(0.75)
    assert found.ceiling == found.details["holdout_repeats"] == 0
    assert found.details["relative"] == pytest.approx(0.25)
    assert found.details["homogenised"]


def test_a_narrow_table_repeats_rows_and_is_not_blamed() -> None:
    schema = Schema((Column("a", "category"), Column("b", "boolean")))

    def narrow(seed: int) -> Table:
        rng = np.random.default_rng(seed)
        return Table(schema, {"a": cells("category", rng.choice(list("xyz"), 400)),
                              "b": cells("boolean", rng.random(400) < 0.5)})

    found = run(narrow(1), narrow(2), narrow(3), NAME)
    assert found["diversity.duplicates"].value == pytest.approx(394 / 400)
    assert not any(flags(found).values())


def test_no_repeated_row_still_has_an_interval_with_width(train: Table, holdout: Table) -> None:
    found = run(people(1000, 4), train, holdout, NAME)["diversity.duplicates"]
    assert found.value == 0
    assert found.interval is not None
    assert found.interval[1] == pytest.approx(0.0038, abs=0.0002)


def test_median_distance_matches_all_pairs(train: Table, holdout: Table) -> None:
    """Sampling 20,000 pairs adds a standard error of .2 % (over 40 seeds): the bound is five of them."""
    samples = prepare(train, train, holdout, seed=0)
    points = Embedding.learn(samples).points(samples.H.table).astype(float)
    slow = [np.sqrt(np.square(points[i + 1 :] - points[i]).sum(axis=1)) for i in range(len(points) - 1)]
    found = median_distance(points.astype(np.float32), samples.H, np.random.default_rng(1))
    assert found is not None
    assert found[0] == pytest.approx(np.median(np.concatenate(slow)), rel=0.01)
    assert 0 < found[1:].std() < 0.01


def test_distances_are_between_people() -> None:
    """Twenty rows a person, all equal: pairs within a person would move the median down to the quantile .474.

    The bound is four standard errors of a sampled median; the seed is fixed.
    """
    each = with_units(people(20, 1).take(np.repeat(np.arange(20), 20)), 20)
    samples = prepare(each, each, each, seed=0)
    points = Embedding.learn(samples).points(samples.S.table)
    found = median_distance(points, samples.S, np.random.default_rng(0))
    first = points[::20].astype(float)
    between = [np.linalg.norm(a - b) for a, b in itertools.combinations(first, 2)]
    assert found is not None
    assert (between < found[0]).mean() == pytest.approx(0.5, abs=0.015)


def test_a_constant_table_is_flagged_by_all(train: Table, holdout: Table) -> None:
    found = run(train.take(np.zeros(1000, np.intp)), train, holdout, NAME)
    assert found["diversity.entropy"].value == 0
    assert found["diversity.distance"].value == 0
    assert flags(found) == {"entropy": True, "duplicates": True, "mode": True, "distance": True}


def test_rows_drawn_towards_the_middle_are_flagged(train: Table, holdout: Table) -> None:
    """A sampler at low temperature: only people of middling age, all in one group, each with a row of their own."""
    many = people(20_000, 4)
    middle = np.abs(many["age"].values - 55) < 5
    middle &= many["group"].values == np.bincount(many["group"].values).argmax()
    found = run(many.take(np.flatnonzero(middle)[:1000]), train, holdout, NAME)
    assert flags(found) == {"entropy": True, "duplicates": False, "mode": True, "distance": True}
    assert {row["key"] for row in found["diversity.entropy"].breakdown[:2]} == {"age", "group"}


@pytest.mark.parametrize("seed", range(3, 8))
def test_another_sample_and_independent_columns_are_not_flagged(train: Table, holdout: Table, seed: int) -> None:
    """A flag needs an estimate four standard errors from 1 (modes) or more (others); 60 further seeds raised none."""
    for synth in (people(1000, seed), resampled(train, seed)):
        found = run(synth, train, holdout, NAME)
        assert not any(flags(found).values())
        assert found["diversity.entropy"].value == pytest.approx(1, abs=0.05)
        assert found["diversity.distance"].value == pytest.approx(1, abs=0.05)


def test_same_seed_same_findings(train: Table, holdout: Table) -> None:
    first, again = (run(people(300, 3), train, holdout, NAME) for _ in range(2))
    assert first == again


def test_rows_of_a_person_go_together_in_the_interval() -> None:
    """Five equal rows a person: five times as wide a variance as five times as many people would have."""
    tables = [people(120, seed).take(np.repeat(np.arange(120), 5)) for seed in (3, 1, 2)]
    widths = []
    for parts in ([with_units(part, 5) for part in tables], tables):
        found = run(*parts, NAME)
        low, high = found["diversity.entropy"].interval or (0.0, 0.0)
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 0
