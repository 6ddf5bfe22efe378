"""95 % intervals of a count and of its share of a total, when both carry Gaussian noise of known covariance."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Final

from tabsynth.core.answer import Estimate
from tabsynth.models._marginal.factor import Array

OUTSIDE: Final = 0.05
"""Probability that an interval misses the truth."""


def z(tried: int = 1) -> float:
    """Standard deviations on either side that hold 95 %, also if the best of `tried` ends is taken on each side."""
    return NormalDist().inv_cdf(1 - OUTSIDE / 2 / tried)


def count(value: float, variance: float, z: float) -> Estimate:
    """A count and its interval, kept at 0 or more: a count that is not negative is covered as before."""
    sigma = sqrt(max(0.0, variance))
    low, high = value - z * sigma, value + z * sigma
    return Estimate(max(0.0, float(value)), max(0.0, float(low)), max(0.0, float(high)), sigma)


def share(pair: Array, covariance: Array, z: float, *, sampled: bool = False) -> Estimate:
    """The ratio of a count to a total.

    The interval holds every r at which count - r * total is within z standard deviations of 0 (Fieller 1954).
    With `sampled` the binomial variance total * r * (1 - r) is added; without noise that is Wilson's interval (1927).
    It is on the safe side where a unit counts in parts, whose variance is at most that.

    Args:
        pair: count and total; shape (2,).
        covariance: of their noise; shape (2, 2).
        sampled: the total is a random sample, and the share of those it was drawn from is asked for.
    """
    part, whole = float(pair[0]), max(1.0, float(pair[1]))
    extra = z**2 * whole if sampled else 0.0
    a = whole**2 - z**2 * covariance[1, 1] + extra
    b = -2 * (part * whole - z**2 * covariance[0, 1]) - extra
    c = part**2 - z**2 * covariance[0, 0]
    ratio = part / whole
    variance = covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]
    inside = min(1.0, max(0.0, ratio))
    sigma = sqrt(max(0.0, variance) + (whole * inside * (1 - inside) if sampled else 0.0)) / whole
    if a <= 0:  # the total itself may be 0
        return Estimate(inside, 0.0, 1.0, sigma)
    half = sqrt(max(0.0, b * b - 4 * a * c))
    low, high = (-b - half) / (2 * a), (-b + half) / (2 * a)
    return Estimate(inside, min(1.0, max(0.0, low)), min(1.0, max(0.0, high)), sigma)
