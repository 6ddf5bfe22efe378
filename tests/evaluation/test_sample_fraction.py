"""Equivalent sample fraction: the fraction is found where it is planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.table import Table
from tabsynth.evaluation.fidelity.sample_fraction import fraction_at

from .people import people, resampled, run, with_units

NAME = "sample_fraction"


@pytest.fixture(scope="module")
def train() -> Table:
    return people(2000, 1)


@pytest.fixture(scope="module")
def holdout() -> Table:
    return people(2000, 2)


@pytest.mark.parametrize("planted", [0.02, 0.1, 0.3])
def test_a_repeated_small_sample_is_worth_that_sample(train: Table, holdout: Table, planted: float) -> None:
    """New people, each repeated 1 / f times, are an f-sample. Over 75 seeds the value was .77 to 1.31 times f."""
    synth = people(round(2000 * planted), 3)
    found = run(synth.take(np.resize(np.arange(len(synth)), 2000)), train, holdout, NAME)[NAME]
    assert planted / 1.6 < (found.value or 0) < planted * 1.6
    assert found.state == "ok"
    assert (found.floor or 1) < 0.3


def test_another_sample_of_the_population_is_worth_all_rows(train: Table, holdout: Table) -> None:
    """Over 25 seeds the value was .61 to 1 (median .90) and the interval reached 1 in 24."""
    found = run(people(2000, 3), train, holdout, NAME)[NAME]
    assert found.interval is not None
    assert found.interval[1] == found.ceiling == 1.0
    assert (found.value or 0) > 0.5


def test_independent_columns_lie_at_the_floor(train: Table, holdout: Table) -> None:
    found = run(resampled(train, 5), train, holdout, NAME)[NAME]
    assert found.value == pytest.approx(found.floor, rel=0.15)
    assert abs(found.normalised or 1) < 0.05


def test_nonsense_is_below_the_first_step_and_says_so(train: Table, holdout: Table) -> None:
    found = run(train.take(np.zeros(2000, np.intp)), train, holdout, NAME)[NAME]
    assert found.value == 0.01
    assert found.details["below_first_step"]
    assert "below 0.01" in (found.reason or "")


def test_the_ladder_rises_from_the_first_step_to_all_rows(train: Table, holdout: Table) -> None:
    steps = run(train, train, holdout, NAME)[NAME].details["ladder"]
    fractions, agreement = ([step[key] for step in steps] for key in ("fraction", "agreement"))
    assert fractions == [0.01, 0.02, 0.05, *(i / 10 for i in range(1, 11))]
    assert agreement == sorted(agreement)


def test_subsamples_are_of_people(train: Table) -> None:
    """Forty rows a person: fifty people are worth far less than two thousand rows, and a tenth of them is five."""
    each = people(50, 4).take(np.repeat(np.arange(50), 40))
    other = people(50, 5).take(np.repeat(np.arange(50), 40))
    tables = [with_units(part, 40) for part in (each, each, other)]
    by_person = run(*tables, NAME)[NAME].details["ladder"]
    by_row = run(each, each, other, NAME)[NAME].details["ladder"]
    assert by_person[3]["agreement"] < by_row[3]["agreement"] - 0.05
    assert by_person[-1]["agreement"] == pytest.approx(by_row[-1]["agreement"])


def test_same_seed_same_finding(train: Table, holdout: Table) -> None:
    first, again, other = (run(people(500, 3), train, holdout, NAME, seed=seed)[NAME] for seed in (1, 1, 2))
    assert first == again
    assert first.details["ladder"] != other.details["ladder"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(-0.1, 1.1))
@settings(max_examples=100)
def test_fraction_at_is_the_smallest_fraction_that_reaches(heights: list[float], agreement: float) -> None:
    ladder = np.sort(np.array(heights))
    fractions = np.arange(1, len(ladder) + 1) / len(ladder)
    found = fraction_at(agreement, fractions, ladder)
    reached = [f for f, a in zip(fractions, ladder) if a >= agreement]
    assert found <= (reached[0] if reached else 1.0)
    missed = [f for f, a in zip(fractions, ladder) if a < agreement]
    assert found >= (missed[-1] if missed else fractions[0]) * (1 - 1e-12)
    assert fraction_at(agreement + 0.01, fractions, ladder) >= found * (1 - 1e-12)
