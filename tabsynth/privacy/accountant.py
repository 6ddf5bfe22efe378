"""What events cost and what a budget allows: exact Gaussian differential privacy, with zCDP printed beside it.

A cost has three parts that add over everything ever released about one population:

- ``mu_squared``: the sum of (sensitivity / sigma)^2, the Gaussian-DP currency (Dong, Roth and Su 2019; filter for
  adaptive choices: Smith and Thakurta, arXiv 2210.17520);
- ``reach``: the same sum times the rows that one unit may have, which bounds how far the discrete noise can be
  from a rounded Gaussian where it matters;
- ``delta_keys``: the chance that discovery shows a value that only one unit has.

Anything that costs at most ``c`` is (epsilon, delta_of(c, epsilon))-DP for every epsilon; ``privacy/gaussian-noise.md``
proves it. Sums are rationals and compared exactly; every rounding goes towards privacy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import erf, erfc, exp, inf, log, log1p, sqrt
from statistics import NormalDist
from threading import Lock
from typing import Any, Final, Self

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy.events import GRID, MAX_EPSILON, MAX_SIGMA_STEPS, Event, rational

KEYS_SHARE: Final = Fraction(1, 20)
"""Public share of delta that is set aside for the discovery of open columns."""

MU_UNIT: Final = 1 << 80
"""Charges are rounded up to multiples of 1 / MU_UNIT, which keeps the rationals short."""

_MARGIN: Final = 1e-9
"""Relative distance that is kept from every limit on delta."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Three exact numbers that add over releases."""

    mu_squared: Fraction = Fraction(0)
    reach: Fraction = Fraction(0)
    delta_keys: Fraction = Fraction(0)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.mu_squared + other.mu_squared, self.reach + other.reach, self.delta_keys + other.delta_keys)

    def within(self, limit: Cost) -> bool:
        """True if no part exceeds that of `limit`."""
        return (self.mu_squared <= limit.mu_squared and self.reach <= limit.reach
                and self.delta_keys <= limit.delta_keys)

    @property
    def mu(self) -> float:
        return sqrt(self.mu_squared)

    @property
    def rho(self) -> Fraction:
        """zCDP parameter; exact for the discrete Gaussian (arXiv 2004.00010, theorem 14)."""
        return self.mu_squared / 2

    def to_json(self) -> dict[str, str]:
        return {"mu_squared": str(self.mu_squared), "reach": str(self.reach), "delta_keys": str(self.delta_keys)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(rational(data["mu_squared"]), rational(data["reach"]), rational(data["delta_keys"]))


def cost_of(event: Event, max_rows_per_unit: int) -> Cost:
    """The charge of one event, rounded up.

    >>> float(cost_of(Event("counts", ("sex",), 4, 1, 2 * GRID), 1).mu_squared)
    0.25
    """
    if event.mechanism == "selection":
        exact = Fraction(selection_mu(event.epsilon)) ** 2
    else:
        exact = Fraction(event.squared_sensitivity * GRID**2, event.sigma_steps**2)
    mu_squared = Fraction(math.ceil(exact * MU_UNIT), MU_UNIT)
    return Cost(mu_squared, mu_squared * max_rows_per_unit, event.delta_key)


# --- Gaussian differential privacy -------------------------------------------------------------------------------


def gdp_delta(mu: float, epsilon: float) -> float:
    """Smallest delta at which mu-GDP gives (epsilon, delta)-DP: Phi(-e/mu + mu/2) - exp(e) Phi(-e/mu - mu/2).

    Dong, Roth and Su, "Gaussian Differential Privacy", corollary 2.13. In [0, 1], rounded up by 1e-13 of its first
    term to cover the rounding of erfc and exp and the cancellation of the two terms.

    >>> round(gdp_delta(1.0, 1.0), 6)
    0.126937
    """
    if mu <= 0:
        return 0.0
    root = sqrt(2.0)
    first = erfc((epsilon / mu - mu / 2) / root) / 2
    tail = erfc((epsilon / mu + mu / 2) / root) / 2
    # where the second term cannot be represented it is left out, which only raises delta
    second = exp(epsilon + log(tail)) if tail > 0 else 0.0
    return min(1.0, max(0.0, first - second) + 1e-13 * first)


def gdp_epsilon(mu: float, delta: float) -> float:
    """Smallest epsilon >= 0 with gdp_delta(mu, epsilon) <= delta, rounded up; inf for delta <= 0."""
    if mu <= 0:
        return 0.0
    return _least(lambda epsilon: gdp_delta(mu, epsilon) * (1 + _MARGIN) <= delta and delta > 0)


def gdp_mu(epsilon: float, delta: float) -> float:
    """Largest mu with gdp_delta(mu, epsilon) <= delta, rounded down. epsilon > 0, 0 < delta < 1.

    >>> round(gdp_mu(1.0, 1e-6), 4)
    0.2367
    """
    return _largest(lambda mu: gdp_delta(mu, epsilon) * (1 + _MARGIN) <= delta)


def selection_mu(epsilon: Fraction) -> float:
    """The mu at which an exponential mechanism is mu-GDP: 2 Phi^-1(1 / (1 + exp(-epsilon / 2))), rounded up.

    Proof in ``privacy/selection.md``. exp and inv_cdf are right to a few units in the last place; near 1/2 that is an
    absolute error below 1e-15 of mu.

    >>> round(selection_mu(Fraction(1)), 6)
    0.623893
    """
    return -2 * NormalDist().inv_cdf(1 / (1 + exp(epsilon / 2))) * (1 + _MARGIN) + 1e-14


def selection_epsilon(mu_squared: float) -> float:
    """Largest epsilon of an exponential mechanism that costs at most `mu_squared`: 2 logit(Phi(mu / 2)), rounded down,
    and at most MAX_EPSILON.

    >>> round(selection_epsilon(selection_mu(Fraction(1)) ** 2), 6)
    1.0
    """
    half = min(6.0, sqrt(mu_squared / 8))  # mu / 2, in units of sqrt(2) standard deviations
    exact = 2 * log1p(2 * erf(half) / erfc(half))
    return min(float(MAX_EPSILON), max(0.0, exact * (1 - 4 * _MARGIN) - 1e-13))


def detection_power(mu: float, false_alarms: float) -> float:
    """Best probability that a test with this false-alarm rate detects a unit's presence, under mu-GDP."""
    normal = NormalDist()
    return normal.cdf(normal.inv_cdf(false_alarms) + mu)


# --- zero-concentrated differential privacy ----------------------------------------------------------------------


def zcdp_epsilon(rho: float, delta: float) -> float:
    """Tight conversion of rho-zCDP (Canonne, Kamath and Steinke 2020, proposition 12), minimised over alpha.

    Every alpha gives a valid bound, so an imperfect minimum is still a guarantee.
    """
    if rho <= 0:
        return 0.0
    if delta <= 0:
        return inf

    def bound(log_excess: float) -> float:
        excess = exp(log_excess)  # alpha - 1
        alpha = 1 + excess
        return alpha * rho + (-log(delta) + alpha * (log_excess - log1p(excess)) - log_excess) / excess

    low, high = -20.0, 20.0
    for _ in range(200):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if bound(left) <= bound(right) else (left, high)
    return max(0.0, bound((low + high) / 2))


# --- the whole claim ---------------------------------------------------------------------------------------------


def delta_of(cost: Cost, epsilon: float) -> float:
    """The delta that can be claimed at `epsilon` for anything that costs `cost` (theorem of gaussian-noise.md).

    e^eta gdp_delta(mu, epsilon - 2 eta) + (1 + e^epsilon) tail + keys / (1 - keys), where eta = 17 reach / GRID^2
    bounds the log ratio of discrete and rounded noise within 20 sigma, and tail <= entries 2^-280 what lies beyond.
    """
    eta = float(17 * cost.reach / GRID**2)
    entries = float(cost.reach * Fraction(MAX_SIGMA_STEPS, GRID) ** 2)
    tail = 0.0 if entries == 0 else exp(min(700.0, log(entries) - 280 * log(2) + log1p(exp(min(epsilon, 700.0)))))
    keys = float(cost.delta_keys / (1 - cost.delta_keys))
    return exp(eta) * gdp_delta(cost.mu, epsilon - 2 * eta) + tail + keys


def epsilon_of(cost: Cost, delta: float | Fraction) -> float:
    """Smallest epsilon that can be claimed at `delta` for anything that costs `cost`; inf if there is none."""
    return _least(lambda epsilon: delta_of(cost, epsilon) * (1 + _MARGIN) <= delta and delta > 0)


def zcdp_epsilon_of(cost: Cost, delta: float | Fraction) -> float:
    """The same claim by zCDP alone, which needs no rounded noise; discovery's delta is taken off first."""
    rest = Fraction(delta) - cost.delta_keys / (1 - cost.delta_keys)
    return zcdp_epsilon(float(cost.rho) * (1 + _MARGIN), float(rest) * (1 - _MARGIN))


@lru_cache
def allowance(epsilon: Fraction, delta: Fraction, max_rows_per_unit: int, *, discovery: bool = True) -> Cost:
    """The cost that (epsilon, delta) pays for: a fixed part of delta for discovery, the rest turned into mu^2.

    `discovery` False drops the part for open columns when there are none; it is never given to mu, so that the
    reservation in a ledger can be made before the schema is looked at.
    """
    keys = delta * KEYS_SHARE

    def allowed(mu: float) -> bool:
        return delta_of(_with_mu(mu, max_rows_per_unit, keys), float(epsilon)) * (1 + 2 * _MARGIN) <= delta

    return _with_mu(_largest(allowed), max_rows_per_unit, keys if discovery else Fraction(0))


def _with_mu(mu: float, max_rows_per_unit: int, keys: Fraction) -> Cost:
    mu_squared = Fraction(math.floor(Fraction(mu) ** 2 * MU_UNIT), MU_UNIT)
    return Cost(mu_squared, mu_squared * max_rows_per_unit, keys)


def _least(holds: Callable[[float], bool]) -> float:
    """Smallest epsilon in [0, 600] from which `holds` is true, from above; inf if there is none."""
    if holds(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while not holds(high):
        low, high = high, 2 * high
        if high > 600:
            return inf
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _largest(holds: Callable[[float], bool]) -> float:
    """Largest mu for which `holds` is true, from below; 0 if there is none."""
    low, high = 0.0, 1.0
    while holds(high) and high < 1e6:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


class Filter:
    """Check, then charge; refuse, never overspend. Adaptive choices of queries and sigmas are allowed."""

    def __init__(self, total: Cost, max_rows_per_unit: int) -> None:
        self.total = total
        self.max_rows_per_unit = max_rows_per_unit
        self.spent = Cost()
        self.events: tuple[Event, ...] = ()
        self._lock = Lock()

    def charge(self, event: Event) -> None:
        """Book `event`, or raise and change nothing.

        Raises:
            PrivacyError: the budget does not allow it.
        """
        price = cost_of(event, self.max_rows_per_unit)
        with self._lock:
            if not (self.spent + price).within(self.total):
                left = float(self.total.mu_squared - self.spent.mu_squared)
                raise PrivacyError(
                    f"the privacy budget refuses a query on {event.mechanism}: it costs mu^2 = "
                    f"{float(price.mu_squared):.6g}, and {left:.6g} of {float(self.total.mu_squared):.6g} is left.",
                    fix="Raise sigma or ask for less.")
            self.spent = self.spent + price
            self.events = (*self.events, event)
