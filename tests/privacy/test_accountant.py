"""The curve against independent implementations, numeric integration and brute force on small grids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from math import ceil, exp, inf, log, pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy.accountant import (
    Cost,
    Filter,
    allowance,
    cost_of,
    delta_of,
    detection_power,
    epsilon_of,
    gdp_delta,
    gdp_epsilon,
    gdp_mu,
    zcdp_epsilon,
    zcdp_epsilon_of,
)
from tabsynth.privacy.events import GRID, Event, sigma_steps


def counts(sigma: float) -> Event:
    return Event("counts", ("a",), 4, 1, sigma_steps(sigma))


@pytest.mark.parametrize(("mu", "epsilon"), [(0.1, 0.05), (0.237, 1.0), (1.0, 0.5), (2.0, 6.0), (1.0, 0.0)])
def test_gdp_delta_is_the_hockey_stick_divergence(mu: float, epsilon: float) -> None:
    def excess(x: float) -> float:
        return max(0.0, stats.norm.pdf(x, mu) - exp(epsilon) * stats.norm.pdf(x))

    start = epsilon / mu + mu / 2
    numeric, _ = integrate.quad(excess, start, start + 12, epsabs=0, epsrel=1e-10)
    assert gdp_delta(mu, epsilon) == pytest.approx(numeric, rel=1e-7)


@pytest.mark.parametrize("sigma", [0.7, 4.2, 50.0])
def test_gdp_delta_agrees_with_dp_accounting(sigma: float) -> None:
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_mechanism")
    loss = pld.GaussianPrivacyLoss(sigma, sensitivity=1)
    for epsilon in (0.01, 0.5, 1.0):
        assert gdp_delta(1 / sigma, epsilon) == pytest.approx(loss.get_delta_for_epsilon(epsilon), rel=1e-6)


INTERVAL = 1e-4
"""Step of dp-accounting's privacy loss, which it rounds up; with "connect the dots" epsilon is off by far less."""

LEDGERS = {
    "one": [4.23], "ten": [13.4] * 10, "hundred": [42.3] * 100, "one at epsilon 5": [1.0],
    "ten at epsilon 5": [3.2] * 10, "hundred at epsilon 0.1": [300.0] * 100,
    "mixed": [17.0, 40.0, 9.0, *[55.0] * 37, *[120.0] * 60],
}


def composed(sigmas: list[float], single: Callable[[float], Any]) -> Any:
    """Privacy loss distribution of all of them together; equal ones are composed with themselves."""
    parts = [single(s) if n == 1 else single(s).self_compose(n) for s, n in Counter(sigmas).items()]
    return reduce(lambda a, b: a.compose(b), parts)


@pytest.mark.parametrize("sigmas", LEDGERS.values(), ids=LEDGERS)
@pytest.mark.parametrize("delta", [1e-6, 1e-9])
def test_ledgers_cost_what_dp_accounting_says(sigmas: list[float], delta: float) -> None:
    """Events on our grid, where discrete and continuous noise cannot be told apart, composed by convolution."""
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    theirs = composed(sigmas, lambda s: pld.from_gaussian_mechanism(
        sigma_steps(s) / GRID, value_discretization_interval=INTERVAL)).get_epsilon_for_delta(delta)
    ours = epsilon_of(sum((cost_of(counts(s), 1) for s in sigmas), Cost()), delta)
    assert theirs - INTERVAL <= ours <= theirs + INTERVAL


@pytest.mark.parametrize("sigmas", LEDGERS.values(), ids=LEDGERS)
def test_ledgers_on_a_grid_of_64_steps_cost_what_dp_accounting_says(sigmas: list[float]) -> None:
    """True discrete Gaussians, term by term: at 64 steps a unit they already cost what the formula says."""
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    steps = [ceil(64 * s) for s in sigmas]
    theirs = composed(steps, lambda s: pld.from_discrete_gaussian_mechanism(
        s, sensitivity=64, value_discretization_interval=INTERVAL, use_connect_dots=True)).get_epsilon_for_delta(1e-6)
    assert gdp_epsilon(sqrt(sum((64 / s) ** 2 for s in steps)), 1e-6) == pytest.approx(theirs, abs=INTERVAL)


@pytest.mark.parametrize("sigmas", LEDGERS.values(), ids=LEDGERS)
@pytest.mark.parametrize("grid", [1, 4])
def test_the_claim_covers_ledgers_on_coarse_grids(sigmas: list[float], grid: int) -> None:
    """The theorem with grids of 1 and 4 steps a unit: never below the true loss of the composed discrete noise."""
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    steps = [ceil(grid * s) for s in sigmas]
    theirs = composed(steps, lambda s: pld.from_discrete_gaussian_mechanism(
        s, sensitivity=grid, value_discretization_interval=INTERVAL, use_connect_dots=True)).get_epsilon_for_delta(1e-6)
    mu, eta = sqrt(sum((grid / s) ** 2 for s in steps)), sum(17 / s**2 for s in steps)
    assert 2 * eta + gdp_epsilon(mu, 1e-6 * exp(-eta)) >= theirs - INTERVAL
    if (grid, len(sigmas)) == (1, 1):  # without eta the claim would be too small here, by more than PLD's rounding
        assert gdp_epsilon(mu, 1e-6) < theirs - 5 * INTERVAL or mu == 1.0


@given(epsilon=st.floats(0.01, 50), exponent=st.floats(2, 12))
@settings(max_examples=40, deadline=None)
def test_mu_inverts_the_curve_and_rounds_down(epsilon: float, exponent: float) -> None:
    delta = 10.0**-exponent
    mu = gdp_mu(epsilon, delta)
    assert gdp_delta(mu, epsilon) <= delta
    assert gdp_delta(mu * (1 + 1e-6), epsilon) > delta
    assert gdp_epsilon(mu, delta) == pytest.approx(epsilon, rel=1e-5)


def test_curve_is_monotone() -> None:
    epsilons = [gdp_epsilon(0.3, 10.0**-k) for k in range(2, 12)]
    assert epsilons == sorted(epsilons)
    assert gdp_epsilon(0.0, 1e-9) == 0.0
    assert gdp_epsilon(1.0, 0.0) == inf


@pytest.mark.parametrize(("rho", "delta"), [(0.001, 1e-6), (0.028, 1e-6), (0.5, 1e-9), (5.0, 1e-5)])
def test_zcdp_conversion_is_the_minimum_and_beats_the_loose_formula(rho: float, delta: float) -> None:
    alphas = 1 + np.exp(np.linspace(-8, 8, 20_001))
    grid = alphas * rho + (log(1 / delta) + alphas * np.log1p(-1 / alphas) - np.log(alphas - 1)) / (alphas - 1)
    assert zcdp_epsilon(rho, delta) == pytest.approx(float(grid.min()), rel=1e-5)
    assert zcdp_epsilon(rho, delta) < rho + 2 * sqrt(rho * log(1 / delta))
    # exact Gaussian accounting is tighter still
    assert gdp_epsilon(sqrt(2 * rho), delta) < zcdp_epsilon(rho, delta)


@pytest.mark.parametrize("sigma", [1, 2, 5, 30])
def test_lemma_log_ratio_of_discrete_and_rounded_gaussian(sigma: int) -> None:
    """|ln p/q| <= 17 / sigma^2 within 20 sigma; compared in logarithms where both can be represented."""
    x = np.arange(0, min(20, 8) * sigma + 1)
    rounded = stats.norm.sf((x - 0.5) / sigma) - stats.norm.sf((x + 0.5) / sigma)
    support = np.arange(-40 * sigma, 40 * sigma + 1)
    discrete = np.exp(-(x**2) / (2 * sigma**2)) / np.exp(-(support**2) / (2 * sigma**2)).sum()
    assert np.abs(np.log(rounded / discrete)).max() <= 17 / sigma**2
    # far out, by the exact integral of exp(-x t / s^2 - t^2 / 2 s^2) over half a step on either side
    far = 20 * sigma
    ratio, _ = integrate.quad(lambda t: exp(-far * t / sigma**2 - t**2 / (2 * sigma**2)), -0.5, 0.5)
    normaliser = np.exp(-(support**2) / (2 * sigma**2)).sum() / (sigma * sqrt(2 * pi))
    assert abs(log(ratio * normaliser)) <= 17 / sigma**2


@pytest.mark.parametrize(("steps", "sigma"), [(4, 12), (8, 8), (16, 20)])
def test_claim_covers_the_true_discrete_mechanism_on_a_coarse_grid(steps: int, sigma: int) -> None:
    """The theorem with another grid: delta of the discrete Gaussian, summed term by term, is at most the claim."""
    x = np.arange(-40 * sigma, 40 * sigma + steps + 1)
    p = np.exp(-(x.astype(float) ** 2) / (2 * sigma**2))
    q = np.exp(-((x - steps).astype(float) ** 2) / (2 * sigma**2))
    p, q = p / p.sum(), q / q.sum()
    mu, eta = steps / sigma, 17 / sigma**2
    for epsilon in (0.1, 0.5, 1.0, 2.0):
        true = np.maximum(0, q - exp(epsilon) * p).sum()
        assert true <= exp(eta) * gdp_delta(mu, epsilon - 2 * eta) + 1e-12


@given(epsilon=st.sampled_from(["0.01", "0.1", "1", "4", "10", "30"]), exponent=st.integers(4, 12),
       k=st.sampled_from([1, 5, 100, 10_000]))
@settings(max_examples=30, deadline=None)
def test_allowance_never_exceeds_the_claim(epsilon: str, exponent: int, k: int) -> None:
    delta = Fraction(1, 10**exponent)
    cost = allowance(Fraction(epsilon), delta, k)
    assert delta_of(cost, float(Fraction(epsilon))) <= delta
    assert epsilon_of(cost, delta) == pytest.approx(float(Fraction(epsilon)), rel=1e-6)
    # the set-aside parts of delta cost little: within 1.5 % of plain Gaussian accounting
    assert cost.mu >= 0.985 * gdp_mu(float(Fraction(epsilon)), float(delta))
    assert zcdp_epsilon_of(cost, delta) > float(Fraction(epsilon))


def test_cost_is_exact_and_rounded_up() -> None:
    event = Event("errors", (), 7, 7, 3 * GRID)
    cost = cost_of(event, 10)
    assert 0 <= cost.mu_squared - Fraction(7, 9) < Fraction(1, 2**80)
    assert cost.reach == 10 * cost.mu_squared


@given(st.lists(st.floats(0.5, 200), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_filter_never_overspends_and_a_refusal_changes_nothing(sigmas: list[float]) -> None:
    books = Filter(Cost(Fraction(1, 20), Fraction(1), Fraction(0)), 5)
    for sigma in sigmas:
        before = books.spent, books.events
        try:
            books.charge(counts(sigma))
        except PrivacyError:
            assert (books.spent, books.events) == before
            assert not (books.spent + cost_of(counts(sigma), 5)).within(books.total)
        assert books.spent.within(books.total)
        assert books.spent == sum((cost_of(e, 5) for e in books.events), Cost())


def test_filter_refuses_unbooked_discovery() -> None:
    books = Filter(Cost(Fraction(1), Fraction(5), Fraction(1, 10**8)), 5)
    with pytest.raises(PrivacyError, match="discovery"):
        books.charge(Event("discovery", ("a",), None, 1, 40 * GRID, Fraction(2, 10**8)))


def test_plain_reading() -> None:
    assert detection_power(0.237, 0.05) == pytest.approx(0.08, abs=0.001)
    assert detection_power(0.0, 0.05) == pytest.approx(0.05)


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf"), 1e-9, 1e9])
def test_sigma_out_of_range_is_refused(sigma: float) -> None:
    with pytest.raises(PrivacyError, match="sigma"):
        sigma_steps(sigma)


def test_sigma_is_rounded_up() -> None:
    assert sigma_steps(1 + 2.0**-30) == GRID + 1
