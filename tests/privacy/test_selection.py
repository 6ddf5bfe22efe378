"""The exponential mechanism: exact odds, sensitivity in integers, its Gaussian-DP cost. Statistics: alpha 1e-6."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import exp, log, log1p, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tabsynth.core.errors import ColumnNotFoundError, PrivacyError, VerificationError
from tabsynth.pipeline.audit.transcript import Divergence
from tabsynth.privacy.accountant import Cost, cost_of, selection_epsilon, selection_mu
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.events import EPSILON_UNIT, GRID, MAX_EPSILON, MIN_EPSILON, epsilon_steps
from tabsynth.privacy.mechanisms import SCORE_SENSITIVITY, WEIGHT_UNIT, public_weights, score, selection_event
from tabsynth.privacy.noise import Noise
from tabsynth.privacy.statement import Statement, _hash
from tests.privacy.kit import BUDGET, CLOSED, Chosen, Recorder, Replayer, build, curate, random_rows, without

ALPHA = 1e-6
GRID_OF_EPSILONS = [Fraction(1, 1 << 30), *(Fraction(n, 1000) for n in (1, 10, 100, 500, 1000, 2000, 5000, 20000)),
                    MAX_EPSILON]


def questions(curator: Curator, names=("sex", "age", "weight")):  # type: ignore[no-untyped-def]
    """Arguments of `select`: all pairs of columns against uneven tables."""
    models = {pair: np.full([curator.coding.codecs[n].size for n in pair], 0.01) for pair in combinations(names, 2)}
    return {"models": models, "weights": {pair: 1.0 + i for i, pair in enumerate(models)},
            "penalties": {pair: 3.0 * i for i, pair in enumerate(models)}}


# --- the sampler -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scores", "num", "den"), [
    ([0, 1, 2, 3], 1, 1), ([5, -5, 0], 1, 7), ([10**30, 10**30 - 10**29, 0], 1, 10**29), ([4], 3, 1),
    ([0] * 7, 1, 1), ([3, 100, 90, -40, 99], 1, 16)])
def test_choices_have_exactly_the_stated_odds(scores: list[int], num: int, den: int) -> None:
    n, noise = 20_000, Noise()
    drawn = np.bincount([noise.choose(scores, num=num, den=den) for _ in range(n)], minlength=len(scores))
    weights = np.array([exp((s - max(scores)) * num / den) for s in scores])
    expected = n * weights / weights.sum()
    often = expected >= 10
    o, e = np.append(drawn[often], drawn[~often].sum()), np.append(expected[often], expected[~often].sum())
    o, e = o[e > 0], e[e > 0]
    assert len(e) == 1 or stats.chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1) > ALPHA


def test_the_odds_follow_from_scores_on_the_grid() -> None:
    """Through the curator, on a table of which the true distances are known."""
    rows = [(f"p{i}", "female", None, 30, 60.0) for i in range(40)]
    budget = Budget.of(100, "1e-2", unit="patient", max_rows_per_unit=5, allow_large_epsilon=True)
    n, recorder = 4_000, Recorder()
    curator = curate(build(rows, CLOSED), budget, recorder)
    models = {(name,): np.zeros(curator.coding.codecs[name].size) for name in ("sex", "age")}
    hits = 0
    for _ in range(n):
        hits += curator.select(models, epsilon=0.05, weights={("sex",): 2.0, ("age",): 1.0},
                               penalties={("sex",): 10.0, ("age",): -12.0}) == ("sex",)
    # scores in units of the sensitivity: (40 - 10) * 1 against (40 + 12) / 2
    asked = recorder.asked[0]
    assert isinstance(asked, Chosen)
    assert [s / SCORE_SENSITIVITY for s in asked.true] == [30.0, 26.0]
    assert stats.binomtest(hits, n, 1 / (1 + exp(-0.05 * 4 / 2))).pvalue > ALPHA


# --- sensitivity -------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), who=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_one_unit_moves_no_score_by_more_than_the_sensitivity(seed: int, who: int) -> None:
    table = build(random_rows(seed, 10), CLOSED)
    asked = []
    for version in (table, without(table, f"p{who}")):
        recorder = Recorder()
        curator = curate(version, BUDGET, recorder)
        curator.select(**questions(curator), epsilon=0.01)
        asked.append(recorder.asked[0].true)
    weights = public_weights([1.0, 2.0, 3.0])
    assert weights == [WEIGHT_UNIT // 3, 2 * WEIGHT_UNIT // 3, WEIGHT_UNIT]
    for one, other, weight in zip(*asked, weights, strict=True):
        assert isinstance(one, int)
        assert abs(one - other) <= weight * GRID <= SCORE_SENSITIVITY


def test_scores_are_whole_numbers_that_do_not_overflow() -> None:
    far = score(np.array([1 << 60]), np.array([-(1 << 60)]), WEIGHT_UNIT, -(1 << 60))
    assert far == WEIGHT_UNIT * 3 * (1 << 60)


# --- cost --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", GRID_OF_EPSILONS)
def test_cost_is_the_formula_rounded_up(epsilon: Fraction) -> None:
    half = float(epsilon) / 2
    exact = 2 * stats.norm.isf(1 / (1 + exp(half))) if epsilon > 1e-4 else half * sqrt(2 * pi) / 2
    event = replace(selection_event(9, 0.5), epsilon=epsilon)
    assert exact <= selection_mu(epsilon) <= exact * (1 + 1e-4)
    mu_squared = cost_of(event, 7).mu_squared
    assert 0 <= mu_squared - Fraction(selection_mu(epsilon)) ** 2 < Fraction(1, 2**80)
    assert cost_of(event, 7) == Cost(mu_squared, 7 * mu_squared)


def test_what_a_budget_buys_costs_no_more_than_it() -> None:
    for mu_squared in np.r_[np.geomspace(1e-16, 300, 400), 1e5]:
        epsilon = selection_epsilon(mu_squared)
        cost = cost_of(selection_event(2, epsilon), 1).mu_squared
        assert cost <= Fraction(float(mu_squared))
        assert epsilon == float(MAX_EPSILON) or float(cost) >= mu_squared * (1 - 1e-4)
    assert selection_epsilon(0.0) == 0.0


def two_point(t, epsilon):  # type: ignore[no-untyped-def]
    """Chances p, q of the first of two outcomes whose log ratios are t and t - epsilon."""
    q = np.exp(-t) * np.expm1(t - epsilon) / np.expm1(-epsilon)
    return q * np.exp(t), q


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 1.0, 4.0, 12.0])
def test_no_pair_of_bounded_range_beats_the_gaussian(epsilon: float) -> None:
    """Two-point pairs with log ratios t and t - epsilon: every t stays below, t = epsilon / 2 is tight."""
    mu = selection_mu(Fraction(epsilon))
    shift = np.linspace(1e-6, 1 - 1e-6, 2001) * epsilon
    p, q = two_point(shift, epsilon)
    assert np.allclose(p + (1 - q) * np.exp(shift - epsilon), 1)
    gap = stats.norm.ppf(p) - stats.norm.ppf(q)
    assert gap.max() <= mu
    assert gap.max() >= mu * (1 - 1e-5)
    assert abs(shift[gap.argmax()] - epsilon / 2) < 0.01 * epsilon + 1e-9


@given(changes=st.lists(st.floats(-1, 1), min_size=2, max_size=8), seed=st.integers(0, 10**6),
       epsilon=st.floats(0.01, 8))
@settings(max_examples=200, deadline=None)
def test_every_test_against_a_random_exponential_mechanism_is_no_stronger_than_gaussian(
        changes: list[float], seed: int, epsilon: float) -> None:
    """The whole trade-off curve (Neyman and Pearson: reject by likelihood ratio), with scores that move by <= 1."""
    scores = np.random.default_rng(seed).normal(0, 3 / epsilon, len(changes))
    p, q = (np.exp(epsilon / 2 * (s - s.max())) for s in (scores + changes, scores))
    p, q = p / p.sum(), q / q.sum()
    order = np.argsort(-p / q)
    power, alarms = np.cumsum(p[order])[:-1], np.cumsum(q[order])[:-1]
    inside = (power < 1 - 1e-12) & (alarms < 1 - 1e-12)
    gap = stats.norm.ppf(power[inside]) - stats.norm.ppf(alarms[inside])
    assert (gap <= selection_mu(Fraction(epsilon)) + 1e-7).all()


def test_zcdp_of_the_gaussian_covers_the_choice() -> None:
    """Renyi divergences of the worst pairs stay below alpha mu^2 / 2; so does eps^2 / 8 up to eps 9."""
    for epsilon in (0.1, 1.0, 5.0, 20.0, 60.0):
        rho = selection_mu(Fraction(epsilon)) ** 2 / 2
        for t in np.linspace(0.02, 0.98, 25) * epsilon:
            _, q = two_point(t, epsilon)
            for alpha in (1.01, 2.0, 10.0, 100.0):
                terms = [alpha * t + log(q), alpha * (t - epsilon) + log1p(-q)]
                assert np.logaddexp.reduce(terms) / (alpha - 1) <= alpha * rho * (1 + 1e-9) + 1e-12
    assert all(selection_mu(Fraction(e)) ** 2 / 2 >= e**2 / 8 for e in np.geomspace(1e-6, 9, 200))


# --- the gate ----------------------------------------------------------------------------------------------------


def test_a_choice_is_booked_and_a_refused_one_is_not() -> None:
    curator = curate(build(random_rows(0), CLOSED))
    ask = questions(curator)
    with pytest.raises(PrivacyError, match="budget refuses a query on selection"):
        curator.select(**ask, epsilon=1.0)
    zero, nan = dict.fromkeys(ask["weights"], 0.0), dict.fromkeys(ask["weights"], float("nan"))
    for bad, match in (({"weights": zero}, "weights"), ({"weights": nan}, "weights"), ({"penalties": nan}, "penalty"),
                       ({"weights": {}}, "candidate"), ({"models": {}}, "candidate"), ({"epsilon": 0.0}, "epsilon"),
                       ({"epsilon": float("nan")}, "epsilon"), ({"epsilon": 1e3}, "epsilon"),
                       ({"models": dict.fromkeys(ask["models"], np.zeros(1))}, "shape")):
        with pytest.raises(PrivacyError, match=match):
            curator.select(**{"epsilon": 0.01, **ask, **bad})
    pair = ("sex", "sexx")
    with pytest.raises(ColumnNotFoundError):
        curator.select({pair: np.zeros(1)}, epsilon=0.01, weights={pair: 1.0}, penalties={pair: 0.0})
    assert curator.spent == 0
    assert curator.events == ()
    assert curator.select(**ask, epsilon=0.01) in ask["models"]
    (event,) = curator.events
    assert (event.mechanism, event.columns, event.cells) == ("selection", (), 3)
    assert event.epsilon <= Fraction(0.01) < event.epsilon + Fraction(1, EPSILON_UNIT)
    assert curator.spent == pytest.approx(pi / 8 * 1e-4, rel=1e-5)


def test_epsilon_is_rounded_down() -> None:
    assert epsilon_steps(0.1) <= Fraction(0.1)
    assert epsilon_steps(float(MIN_EPSILON)) == MIN_EPSILON


def chosen_then_measured(curator: Curator):  # type: ignore[no-untyped-def]
    chosen = [curator.select(**questions(curator), epsilon=0.05) for _ in range(4)]
    return chosen, [curator.measure(c, sigma=40.0).tolist() for c in chosen]


@pytest.mark.parametrize("seed", range(6))
def test_a_replay_asks_the_same_and_moves_no_more_than_booked(seed: int) -> None:
    table, recorder = build(random_rows(seed, 12), CLOSED), Recorder()
    first = curate(table, BUDGET, recorder)
    learned = chosen_then_measured(first)
    replayer = Replayer(recorder.asked)
    second = curate(without(table, f"p{seed}"), BUDGET, replayer)
    assert chosen_then_measured(second) == learned
    assert second.events == first.events
    assert 0 < replayer.spent <= sum(cost_of(e, 5).mu_squared for e in first.events)


def test_the_replay_catches_scores_that_move_too_far() -> None:
    class Doubled(Recorder):
        def choose(self, scores, *, num, den):  # type: ignore[no-untyped-def]
            return super().choose([3 * s for s in scores], num=num, den=den)

    class DoubledReplayer(Replayer):
        def choose(self, scores, *, num, den):  # type: ignore[no-untyped-def]
            return super().choose([3 * s for s in scores], num=num, den=den)

    table, recorder = build([*random_rows(2), ("v", "male", "flu", 40, 50.0)], CLOSED), Doubled()
    ask = questions(curate(table))
    curate(table, BUDGET, recorder).select(**ask, epsilon=0.05)
    with pytest.raises(Divergence, match="more than its sensitivity"):
        curate(without(table, "v"), BUDGET, DoubledReplayer(recorder.asked)).select(**ask, epsilon=0.05)


def test_the_statement_lists_choices_and_cannot_be_bent() -> None:
    curator = curate(build(random_rows(0), CLOSED))
    chosen_then_measured(curator)
    document = {**curator.statement().to_json(), "stamps": []}
    document["ledger"] = {**document["ledger"], "scratch": False}
    document["sha256"] = _hash(document)

    def check(**parts) -> Statement:  # type: ignore[no-untyped-def]
        changed = {**document, **parts}
        statement = Statement.from_json({**changed, "sha256": _hash(changed)})
        with pytest.raises(VerificationError) as caught:
            statement.recompute()
        said.append(str(caught.value))
        return statement

    said: list[str] = []
    first, *rest = document["events"]
    assert first["mechanism"] == "selection"
    for change in ({"epsilon": "0"}, {"epsilon": "65"}, {"sigma_steps": 2 * GRID}, {"columns": ["sex"]},
                   {"cells": None}, {"delta_key": "1/9"}, {"mechanism": "counts"}):
        check(events=[{**first, **change}, *rest])
    assert all("no mechanism makes" in text for text in said)
    check(events=[{**first, "epsilon": "8"}, *rest])
    assert "more than its budget" in said[-1]
    check(events=[{**first, "squared_sensitivity": 0}, *rest])
    assert "wrong sensitivity" in said[-1]
    check(events=[first, *({**e, "epsilon": "1"} for e in rest)])
    assert "no mechanism makes" in said[-1]
    text = curator.statement().to_text()
    assert "4 x selection  sensitivity 1, epsilon 0.05 to 0.05" in text
