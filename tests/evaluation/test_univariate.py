"""Distances of single columns against scipy and against loops."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tabsynth.core.table import Table
from tabsynth.evaluation.fidelity.univariate import FARTHEST, Line, jensen_shannon, on_a_line, scale_of
from tabsynth.evaluation.protocol import GROUPS, Side, prepare

from .people import people, run, with_units

NAME = "univariate"
NUMBERS = ("age", "cost", "income", "visit")


@pytest.fixture(scope="module")
def train() -> Table:
    return people(800, 1)


@pytest.fixture(scope="module")
def holdout() -> Table:
    return people(800, 2)


def given_cells(side: Side, name: str, without: int | None = None) -> np.ndarray:
    keep = side.table[name].present & (side.groups != (-1 if without is None else without))
    return side.table[name].values[keep].astype(float)


def js_by_hand(a: list[int], b: list[int]) -> float:
    p, q = Counter(a), Counter(b)
    total = 0.0
    for cell in set(p) | set(q):
        x, y = p[cell] / len(a), q[cell] / len(b)
        m = (x + y) / 2
        total += sum(0.5 * z * math.log2(z / m) for z in (x, y) if z > 0)
    return math.sqrt(max(0.0, total))


def test_every_column_matches_scipy_with_everybody(train: Table, holdout: Table) -> None:
    synth = people(600, 3)
    found = run(synth, train, holdout, NAME)
    samples = prepare(synth, train, holdout, seed=1)
    rows = {id: {row["key"]: row for row in f.breakdown} for id, f in found.items()}
    assert set(rows["univariate.ks"]) == set(NUMBERS)
    for name in NUMBERS:
        h = given_cells(samples.H, name)
        scale = np.subtract(*np.quantile(h, [0.75, 0.25]))
        for key, side in (("value", samples.S), ("floor", samples.F), ("ceiling", samples.T)):
            x = given_cells(side, name)
            assert rows["univariate.ks"][name][key] == pytest.approx(stats.ks_2samp(x, h).statistic)
            assert rows["univariate.wasserstein"][name][key] == pytest.approx(
                stats.wasserstein_distance(x, h) / scale)
    for j, name in enumerate(samples.columns):
        assert rows["univariate.js"][name]["value"] == pytest.approx(
            js_by_hand(samples.S.codes[:, j].tolist(), samples.H.codes[:, j].tolist()))
    for id, finding in found.items():
        assert finding.value == pytest.approx(np.mean([row["value"] for row in rows[id].values()]))
        values = [row["value"] for row in finding.breakdown]
        assert values == sorted(values, reverse=True)


@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0, 1e9]), st.integers(0, 4)), min_size=2, max_size=25),
       st.lists(st.tuples(st.sampled_from([0.0, 0.5, 3.0]), st.integers(0, 4)), min_size=2, max_size=25))
@settings(max_examples=60)
def test_leaving_a_group_out_equals_doing_without_it(one: list[tuple[float, int]],
                                                     two: list[tuple[float, int]]) -> None:
    sides = [Line(np.array([v for v, _ in part]), np.array([g for _, g in part], np.int64)) for part in (one, two)]
    if not all(side.can_lose_a_group for side in sides):
        return
    synth, holdout = sides
    ks, w1 = on_a_line(synth, holdout, holdout, holdout)
    grid = np.unique(np.concatenate([synth.values, holdout.values]))
    unit = scale_of(holdout.values, grid)
    middle = np.median(holdout.values)
    for g in (None, *range(GROUPS)):
        a, b = (side.values if g is None else side.values[side.groups != g] for side in sides)
        place = 0 if g is None else g + 1
        assert ks.value[place] == pytest.approx(max(abs((a <= x).mean() - (b <= x).mean()) for x in grid))
        moved = [np.clip((x - middle) / unit, -FARTHEST, FARTHEST) for x in (a, b)]
        assert w1.value[place] == pytest.approx(stats.wasserstein_distance(*moved), rel=1e-6, abs=1e-9)
    assert ks.floor == ks.ceiling == w1.floor == w1.ceiling == 0


def test_a_shift_is_measured_in_interquartile_ranges(train: Table) -> None:
    q = np.subtract(*np.quantile(train["age"].values, [0.75, 0.25]))
    moved = replace(train, columns={**train.columns, "age": replace(train["age"], values=train["age"].values + int(q))})
    rows = {row["key"]: row["value"] for row in run(moved, train, train, NAME)["univariate.wasserstein"].breakdown}
    assert rows["age"] == pytest.approx(1.0)
    assert rows["cost"] == 0


def test_units_of_a_column_do_not_matter(train: Table, holdout: Table) -> None:
    def scaled(part: Table) -> Table:
        return replace(part, columns={**part.columns, "income": replace(part["income"],
                                                                        values=part["income"].values * 1024 - 3)})

    synth = people(800, 3)
    plain, other = (run(*map(f, (synth, train, holdout)), NAME) for f in (lambda t: t, scaled))
    for id in ("univariate.ks", "univariate.wasserstein"):
        assert plain[id].value == pytest.approx(other[id].value)


def test_a_shifted_column_comes_first_and_lies_above_the_ceiling(train: Table, holdout: Table) -> None:
    synth = people(800, 3)
    later = replace(synth["visit"], values=synth["visit"].values + 90)
    synth = replace(synth, columns={**synth.columns, "visit": later})
    for finding in run(synth, train, holdout, NAME).values():
        assert finding.breakdown[0]["key"] == "visit"
        assert finding.interval is not None
        assert finding.interval[0] > (finding.ceiling or 1)


def test_another_sample_lies_at_the_ceiling(train: Table, holdout: Table) -> None:
    """Fixed seed; over 60 seeds 60 (KS), 57 (Wasserstein) and 59 (JS) intervals held the ceiling."""
    for finding in run(people(800, 6), train, holdout, NAME).values():
        assert finding.interval is not None
        assert finding.interval[0] < (finding.ceiling or 0) < finding.interval[1]


def test_columns_without_values_are_named_and_seen_by_their_bins(train: Table, holdout: Table) -> None:
    gone = replace(train, columns={**train.columns, "cost": replace(train["cost"], state=np.ones(800, np.uint8))})
    found = run(gone, train, holdout, NAME)
    assert found["univariate.ks"].details["not_compared"] == ["cost"]
    assert found["univariate.js"].breakdown[0]["key"] == "cost"
    assert found["univariate.js"].breakdown[0]["value"] > 0.9


def test_jensen_shannon_is_zero_for_equal_and_one_for_disjoint() -> None:
    p, q = np.array([[0.5], [0.5], [0.0]]), np.array([[0.0], [0.0], [1.0]])
    assert jensen_shannon(p, p)[0] == 0
    assert jensen_shannon(p, q)[0] == 1


def test_rows_of_a_person_go_together_in_the_interval() -> None:
    """Five equal rows a person: five times as wide a variance as five times as many people would have."""
    tables = [people(120, seed).take(np.repeat(np.arange(120), 5)) for seed in (3, 1, 2)]
    widths = []
    for parts in ([with_units(part, 5) for part in tables], tables):
        found = run(*parts, NAME)
        low, high = found["univariate.ks"].interval or (0.0, 0.0)
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 0
