"""What the error rates of a test for one person's presence prove about epsilon.

Limits on the rates are one-sided Clopper-Pearson limits at half of alpha each, so that they hold together with
probability 1 - alpha. From them follow

- a bound through mu: no test on a mu-GDP mechanism has false alarms and misses below its trade-off curve, so that
  mu >= Phi^-1(1 - FPR) - Phi^-1(FNR), and epsilon at delta follows (Nasr et al. 2023, arXiv 2302.07956). It
  refutes the claim of this program, which is one of mu-GDP;
- a direct bound from (epsilon, delta) alone, weaker, without that assumption (Kairouz, Oh and Viswanath 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.privacy.accountant import gdp_epsilon, gdp_mu

Floats = NDArray[np.float64]
REPORTED: Final = 0.05
"""One minus the confidence of what is printed."""
GATE: Final = 1e-4
"""One minus the confidence at which the audit fails."""
CANDIDATES: Final = 200
"""Thresholds that are tried in each world's scores."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rates of one test. `n`: runs in each world that the rates were measured on."""

    n: int
    false_alarms: int
    misses: int

    def limits(self, alpha: float) -> tuple[float, float]:
        """Upper limits of the false-alarm and the miss rate."""
        return upper_limit(self.false_alarms, self.n, alpha / 2), upper_limit(self.misses, self.n, alpha / 2)

    def mu(self, alpha: float) -> float:
        """Lower limit of mu; 0 if the test proves nothing."""
        fpr, fnr = self.limits(alpha)
        return max(0.0, -_quantile(fpr) - _quantile(fnr))

    def epsilon(self, alpha: float, delta: float) -> float:
        """Lower limit of epsilon at delta, through mu."""
        return gdp_epsilon(self.mu(alpha), delta)

    def direct_epsilon(self, alpha: float, delta: float) -> float:
        """Lower limit of epsilon at delta, from the definition of differential privacy."""
        fpr, fnr = self.limits(alpha)
        return max([0.0, *(log((1 - miss - delta) / alarm) for alarm, miss in ((fpr, fnr), (fnr, fpr))
                           if 1 - miss > delta)])


def upper_limit(events: int, n: int, alpha: float) -> float:
    """One-sided upper Clopper-Pearson limit of a rate, which is above it with probability alpha at most.

    >>> round(upper_limit(0, 100, 0.05), 4)
    0.0295
    """
    from scipy.special import betaincinv

    return 1.0 if events >= n else float(betaincinv(events + 1, n - events, 1 - alpha))


def at_threshold(absent: Floats, present: Floats, threshold: float) -> Evidence:
    """A threshold that was fixed before the scores were seen; one alarm per score above it."""
    return Evidence(len(absent), int((absent > threshold).sum()), int((present <= threshold).sum()))


def held_out(absent: Floats, present: Floats, delta: float) -> Evidence:
    """The threshold and its direction that prove most on the first half of the runs, measured on the second half."""
    half = len(absent) // 2
    tried = [(at_threshold(sign * absent[:half], sign * present[:half], threshold), sign, threshold)
             for sign in (1.0, -1.0) for threshold in np.unique(sign * _candidates(absent[:half], present[:half]))]
    by_mu = max(tried, key=lambda t: t[0].mu(REPORTED))
    directly = max(tried, key=lambda t: t[0].direct_epsilon(REPORTED, delta))
    stronger = by_mu[0].epsilon(REPORTED, delta) >= directly[0].direct_epsilon(REPORTED, delta)
    _, sign, threshold = by_mu if stronger else directly
    return at_threshold(sign * absent[half:], sign * present[half:], threshold)


def _candidates(*scores: Floats) -> Floats:
    """Scores between which thresholds are tried: extremes and quantiles."""
    shares = np.linspace(0, 1, CANDIDATES)
    return np.concatenate([np.quantile(s, shares, method="lower") for s in scores])


def expected_epsilon(mu: float, n: int, delta: float, alpha: float = REPORTED) -> float:
    """What a test at the middle between two unit normals mu apart proves with n runs a world, on average.

    >>> round(expected_epsilon(gdp_mu(4, 1e-5), 1_000, 1e-5), 1)
    3.2
    """
    errors = round(n * _NORMAL.cdf(-mu / 2))
    return Evidence(n, errors, errors).epsilon(alpha, delta)


def can_go_blind(mu: float, n: int, delta: float, share: float, alpha: float) -> bool:
    """Whether a tight mechanism falls below `share` of the expected epsilon with probability alpha at most.

    The lower limit of mu has about the standard deviation of Phi^-1 of two binomial rates.
    """
    expected = expected_epsilon(mu, n, delta)
    if expected == 0:
        return False
    rate = _NORMAL.cdf(-mu / 2)
    spread = sqrt(2 * rate * (1 - rate) / n) / _NORMAL.pdf(mu / 2)
    return gdp_mu(expected, delta) - gdp_mu(share * expected, delta) > -_quantile(alpha) * spread


def _quantile(rate: float) -> float:
    return _NORMAL.inv_cdf(min(max(rate, 1e-300), 1 - 1e-16))
