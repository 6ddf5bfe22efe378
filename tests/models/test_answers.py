"""Answers from the noisy measurements: as often right as they say, for the noise that a real fit draws."""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom, chi2

from tabsynth.core.coding import Coding
from tabsynth.core.errors import UsageError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.schema import Column, Schema
from tabsynth.core.synthesizer import State
from tabsynth.core.table import Table
from tabsynth.models._marginal import intervals
from tabsynth.models._marginal.least_squares import Sums, combined
from tabsynth.models.marginal import Marginal
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger

FALSE_ALARM = 1e-6
FITS = 100
SCHEMA = Schema((
    Column("sex", "category", levels=("f", "m"), nullable=False),
    Column("age", "integer", bounds=(0, 99)),
    Column("ward", "category", levels=("icu", "er", "surgery", "none")),
    Column("dead", "boolean", nullable=False),
))
ONE = ("sex == 'f'", "age >= 60", "age == 40", "age is missing", "ward == 'icu' or ward == 'er'", "dead == true")
TWO = ("dead == true and ward == 'icu'", "dead == true or ward == 'none'", "sex == 'f' and ward == 'surgery'",
       "dead == true and ward is missing")
CUT = ("dead == true and age >= 60", "dead == false and age < 33")
parse = partial(Expression.parse, schema=SCHEMA)


def people(n, seed=0):
    """A table in which sex, age and death go with the ward."""
    rng = np.random.default_rng(seed)
    codecs = Coding.public(SCHEMA).codecs
    ward = rng.choice(4, n, p=[0.3, 0.2, 0.3, 0.2])
    sex = (rng.random(n) < np.array([0.2, 0.5, 0.8, 0.5])[ward]).astype(int)
    dead = (rng.random(n) < np.array([0.7, 0.3, 0.1, 0.05])[ward]).astype(int)
    age = np.clip((rng.beta(2 + 3 * dead, 3, n) * 100).astype(int), 0, 99)
    age[rng.random(n) < 0.1] = codecs["age"].missing
    ward[rng.random(n) < 0.02] = codecs["ward"].missing
    codes = {"sex": sex, "age": age, "ward": ward, "dead": dead}
    return Table(SCHEMA, {name: codecs[name].decode(c.astype(np.int32), rng) for name, c in codes.items()})


def fitted(table, epsilon=3):
    budget = Budget.of(epsilon, unit="row")
    reservation = Ledger.scratch("test").reserve(budget, purpose="test")
    curator = Curator(table, table.schema, budget, reservation=reservation)
    return Marginal().fit(curator, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def crowd():
    return people(4_000)


@pytest.fixture(scope="module")
def fits(crowd):
    return [fitted(crowd) for _ in range(FITS)]


def answers(fits, text):
    """What the fits answer; a pair that a fit did not measure is left out."""
    found = []
    for model in fits:
        try:
            found.append(model.answer(parse(text), population=True))
        except UsageError:
            continue
    assert len(found) > 0.9 * len(fits), "this pair is not measured every time: choose one that is"
    return found


# --- coverage ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ONE + TWO)
def test_errors_are_as_large_as_they_are_said_to_be(fits, crowd, text):
    truth = parse(text).holds(crowd.columns).sum()
    found = [a for a in answers(fits, text) if a.exact]
    assert len(found) > FITS / 2
    deviates = np.array([(a.count.value - truth) / a.count.sigma for a in found])
    least, most = chi2.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], len(found))
    assert least < (deviates**2).sum() < most
    assert abs(deviates.mean()) < 5 / sqrt(len(found))


@pytest.mark.parametrize("text", ONE + TWO + CUT)
def test_intervals_of_count_share_and_total_miss_no_more_often_than_they_say(fits, crowd, text):
    truth, n = parse(text).holds(crowd.columns).sum(), len(crowd)
    found = answers(fits, text)
    most = binom.isf(FALSE_ALARM, len(found), intervals.OUTSIDE)
    assert sum(not a.count.low <= truth <= a.count.high for a in found) <= most
    assert sum(not a.share.low <= truth / n <= a.share.high for a in found) <= most
    assert sum(not a.n.low <= n <= a.n.high for a in found) <= most


def test_an_interval_that_is_too_narrow_would_be_found(fits, crowd):
    truth = parse("age >= 60").holds(crowd.columns).sum()
    deviates = np.array([(a.count.value - truth) / (a.count.sigma * 0.6) for a in answers(fits, "age >= 60")])
    assert (deviates**2).sum() > chi2.ppf(1 - FALSE_ALARM / 2, FITS)


def test_cut_conditions_reach_over_what_they_cut(fits):
    for text in CUT:
        cut = [a for a in answers(fits, text) if not a.exact]
        assert cut
        for a in cut:
            assert a.cut
            assert a.count.low <= a.count.value <= a.count.high
            assert a.count.high - a.count.low > 2 * a.count.sigma


def test_the_population_interval_is_wider(fits):
    for text in ONE:
        a = fits[0].answer(parse(text), population=True)
        assert a.population.low < a.share.low < a.share.high < a.population.high


def test_sampling_is_covered_for_the_population():
    """Fresh tables of 300 people: privacy noise is small against sampling, and the interval holds the chance."""
    chance, misses = 0.3, 0
    rng = np.random.default_rng(0)
    for count in rng.binomial(300, chance, 2_000):
        noise = rng.normal(0, 3, 2)
        found = intervals.share(np.array([count, 300]) + noise, np.eye(2) * 9, intervals.z(), sampled=True)
        misses += not found.low <= chance <= found.high
    assert binom.ppf(FALSE_ALARM, 2_000, 0.05) <= misses <= binom.isf(FALSE_ALARM, 2_000, 0.05)


def test_without_noise_the_population_interval_is_wilsons():
    found = intervals.share(np.array([3.0, 20.0]), np.zeros((2, 2)), intervals.z(), sampled=True)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3604), abs=1e-4)  # Wilson 1927; Newcombe 1998, table 1


def test_a_total_that_may_be_nothing_leaves_the_share_open():
    found = intervals.share(np.array([5.0, 10.0]), np.eye(2) * 100, intervals.z())
    assert (found.low, found.high) == (0.0, 1.0)


# --- combination -------------------------------------------------------------------------------------------------


def test_least_squares_agrees_with_solving_the_normal_equations():
    rng = np.random.default_rng(0)
    truth, variance = rng.uniform(0, 100, 6), rng.uniform(1, 9, 6)
    sums = [Sums(rng.integers(0, 2, (3, 6)).astype(float), rng.normal(100, 5, 3), rng.uniform(1, 4, 3)),
            Sums(np.ones((1, 6)), np.array([300.0]), np.array([2.0]))]
    values, asked = truth + rng.normal(0, 2, 6), rng.normal(0, 1, (2, 6))
    design = np.concatenate([np.eye(6), *(s.of for s in sums)])
    measured = np.concatenate([values, *(s.values for s in sums)])
    weight = np.diag(1 / np.concatenate([variance, *(s.variance for s in sums)]))
    covariance = np.linalg.inv(design.T @ weight @ design)
    expected = asked @ covariance @ design.T @ weight @ measured
    found, spread = combined(values, variance, sums, asked)
    assert found == pytest.approx(expected)
    assert spread == pytest.approx(asked @ covariance @ asked.T)


def test_more_measurements_make_an_answer_more_precise(fits):
    model = fits[0]
    for text in ("sex == 'f'", "dead == true"):
        alone = model.one_ways_[parse(text).columns[0]].fine.sigmas[0]
        found = model.answer(parse(text))
        assert found.count.sigma < alone
        assert len(found.sources) > 2


def test_the_answer_survives_the_file(fits):
    model = fits[0]
    state = model.state()
    again = Marginal.from_state(State(state.values, state.arrays), model.coding_)
    for text in ONE + CUT[:1]:
        one, other = model.answer(parse(text)), again.answer(parse(text))
        assert one.count.value == pytest.approx(other.count.value, rel=1e-6)
        assert one.sources == other.sources


# --- refusals ----------------------------------------------------------------------------------------------------


def test_what_was_not_measured_is_refused_with_what_was(fits):
    with pytest.raises(UsageError, match="sex and ward and dead together: tables of more than two") as refused:
        fits[0].answer(parse("sex == 'f' and ward == 'icu' and dead == true"))
    assert "Measured together: sex with" in str(refused.value)


def test_columns_that_are_not_measured_are_named():
    schema = Schema((*SCHEMA.columns, Column("note", "text")))
    table = people(500)
    model = fitted(table)
    with pytest.raises(UsageError, match="'note' is not measured"):
        model.answer(Expression.parse("note == 'x'", schema))
