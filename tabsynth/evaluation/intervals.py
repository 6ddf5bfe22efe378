"""How sure a number is: intervals for rates, differences of rates, areas under a curve, and anything else by person.

Every interval here contains the estimate it belongs to. Levels are two-sided; z = 1.96 is 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Interval = tuple[float, float]
Floats = NDArray[np.float64]

Z95: Final = 1.959963984540054


def wilson_centre(hits: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Centre and half-width of Wilson's score interval of hits / n (Wilson 1927).

    >>> [round(x, 3) for x in wilson_centre(850, 1000)], [round(x, 3) for x in wilson_centre(0, 1000)]
    ([0.849, 0.022], [0.002, 0.002])
    """
    if not 0 <= hits <= n or n == 0:
        raise ValueError("a rate needs 0 <= hits <= n and n > 0")
    rate, spread = hits / n, z * z / n
    centre = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / n + spread / (4 * n))
    return centre, half


def wilson(hits: int, n: int, z: float = Z95) -> Interval:
    """Wilson's score interval of a rate, in [0, 1]; contains hits / n."""
    centre, half = wilson_centre(hits, n, z)
    rate = hits / n
    return max(0.0, min(centre - half, rate)), min(1.0, max(centre + half, rate))


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> Interval:
    """The exact interval of a rate (Clopper and Pearson 1934): never too narrow, for small counts.

    >>> [round(x, 4) for x in clopper_pearson(0, 30)]
    [0.0, 0.1157]
    """
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if hits == n else float(stats.beta.ppf(1 - tail, hits + 1, n - hits))
    return low, high


def newcombe(hits_a: int, n_a: int, hits_b: int, n_b: int, z: float = Z95) -> Interval:
    """Interval of hits_a / n_a - hits_b / n_b from two Wilson intervals (Newcombe 1998, method 10).

    >>> [round(x, 4) for x in newcombe(56, 70, 48, 80)]
    [0.0524, 0.3339]
    """
    a, b = hits_a / n_a, hits_b / n_b
    (low_a, high_a), (low_b, high_b) = wilson(hits_a, n_a, z), wilson(hits_b, n_b, z)
    return (a - b - math.hypot(a - low_a, high_b - b), a - b + math.hypot(high_a - a, b - low_b))


def excess_p(hits_a: int, n_a: int, hits_b: int, n_b: int) -> float:
    """One-sided p of "rate a is not above rate b" (Fisher's exact test): given all hits, how many fell on a.

    Exact where the trials of both sides are exchangeable, whatever their numbers: the lower limit of a normal
    approximation is too wide where b is small and has no hit, too narrow where a is.

    >>> excess_p(5, 100, 5, 100) > 0.5, round(excess_p(56, 70, 48, 80), 4), round(excess_p(40, 4000, 0, 1000), 5)
    (True, 0.0063, 0.00013)
    """
    return float(stats.hypergeom.sf(hits_a - 1, n_a + n_b, hits_a + hits_b, n_a))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the given order (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(np.asarray(p), kind="stable")
    adjusted = [0.0] * len(p)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[int(i)]))
        adjusted[int(i)] = running
    return adjusted


def residual(attack: tuple[float, float], control: tuple[float, float]) -> tuple[float, float]:
    """What an attack gains beyond its success on people who were not used: (a - c) / (1 - c), and its error.

    No measure reports it: its interval is symmetric, and `residual_interval` is used instead. It stays for comparison
    with Anonymeter, whose published figures it is held to.

    Args:
        attack, control: (rate, half-width) each; errors propagate in quadrature (Giomi et al. 2023).

    >>> [round(x, 3) for x in residual((0.9, 0.02), (0.85, 0.02))]
    [0.333, 0.16]
    """
    (a, error_a), (c, error_c) = attack, control
    if c >= 1.0:
        return 0.0, 1.0
    error = math.hypot(error_a / (1 - c), (1 - a) * error_c / (1 - c) ** 2)
    return (a - c) / (1 - c), error


def residual_risk(hits_a: int, n_a: int, hits_c: int, n_c: int) -> float:
    """(a - c) / (1 - c) of two rates: what an attack gains beyond its success on people who were not used.

    Negative where it did better on those, -1 at the least; 0 where it always succeeds on them, as nothing is left to
    gain.
    """
    a, c = hits_a / n_a, hits_c / n_c
    return max(-1.0, (a - c) / (1 - c)) if c < 1 else 0.0


def residual_interval(hits_a: int, n_a: int, hits_c: int, n_c: int, z: float = Z95) -> Interval:
    """Interval of `residual_risk`, as 1 minus a ratio of failure rates (Donner and Zou 2012, MOVER-R on Wilson limits).

    Its lower limit is above 0 exactly where Newcombe's of a - c is. Cut to [-1, 1].

    >>> [round(x, 4) for x in residual_interval(90, 100, 85, 100)]
    [-0.3909, 0.6802]
    """
    fail, other = 1 - hits_a / n_a, 1 - hits_c / n_c
    if other == 0.0:
        return -1.0, 1.0
    (low, high), (low_c, high_c) = wilson(n_a - hits_a, n_a, z), wilson(n_c - hits_c, n_c, z)
    product = fail * other
    below, above = low * (2 * fail - low), high * (2 * fail - high)
    smallest = below / (product + math.sqrt(product**2 - high_c * (2 * other - high_c) * below)) if below else 0.0
    scale = low_c * (2 * other - low_c)
    largest = (product + math.sqrt(product**2 - scale * above)) / scale
    value = residual_risk(hits_a, n_a, hits_c, n_c)
    return max(-1.0, min(value, 1 - largest)), max(value, min(1.0, 1 - smallest))


def jackknife(value: float, replicates: ArrayLike, *, low: float = -math.inf,
              high: float = math.inf) -> Interval | None:
    """Delete-group jackknife interval, centred on the estimate; None with fewer than two groups.

    Args:
        value: the statistic on all groups.
        replicates: the statistic without group g, one per group. Groups hold whole people.
        low, high: the statistic's range, to which the interval is cut.

    The percentile bootstrap would not do: statistics with plug-in bias (L1 distances) grow when rows repeat, and its
    interval can miss the estimate. Here the bias is the same in every replicate and cancels.
    """
    error = jackknife_error(replicates)
    if error is None:
        return None
    half = float(stats.t.ppf(0.975, np.size(np.asarray(replicates)) - 1)) * error
    return max(low, value - half), min(high, value + half)


def jackknife_error(replicates: ArrayLike) -> float | None:
    """Standard error: sqrt((G - 1) / G * sum of squared deviations of the replicates from their mean)."""
    r = np.asarray(replicates, dtype=np.float64)
    if r.size < 2 or not np.isfinite(r).all():
        return None
    return float(np.sqrt((r.size - 1) / r.size * np.square(r - r.mean()).sum()))


def without_each(of_group: ArrayLike) -> Floats:
    """Sums over all groups, and over all but each: shape (..., G) to (..., G + 1).

    >>> without_each([1, 2, 3]).tolist()
    [6.0, 5.0, 4.0, 3.0]
    """
    sums = np.asarray(of_group, np.float64)
    total = sums.sum(axis=-1, keepdims=True)
    return np.concatenate([total, total - sums], axis=-1)


def finite(x: float) -> float | None:
    """None in place of NaN and infinity, which JSON does not know."""
    return float(x) if math.isfinite(x) else None


def auc(positive: Floats, negative: Floats) -> float:
    """Chance that a positive's score exceeds a negative's; ties count one half.

    >>> auc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    return float(components(positive, negative)[0].mean())


def delong(positive: Floats, negative: Floats, units_positive: NDArray[np.int64] | None = None,
           units_negative: NDArray[np.int64] | None = None) -> tuple[float, Interval]:
    """AUC and its 95 % interval (DeLong 1988), by person where rows share one (Obuchowski 1997).

    Args:
        positive, negative: scores, shape (m,) and (n,), m and n at least 2.
        units_positive, units_negative: whose rows they are; None = every row is another person.
    """
    up, down = components(positive, negative)
    value = float(up.mean())
    variance = sum(clustered_variance(part - part.mean(), units) / len(part) ** 2
                   for part, units in ((up, units_positive), (down, units_negative)))
    error = math.sqrt(variance)
    return value, (max(0.0, value - Z95 * error), min(1.0, value + Z95 * error))


def components(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """DeLong's structural components: per positive the share of negatives below it, per negative of positives above."""
    together = stats.rankdata(np.concatenate([positive, negative]))
    m, n = len(positive), len(negative)
    up = (together[:m] - stats.rankdata(positive)) / n
    down = 1 - (together[m:] - stats.rankdata(negative)) / m
    return np.asarray(up, np.float64), np.asarray(down, np.float64)


def clustered_variance(deviations: Floats, units: NDArray[np.int64] | None = None) -> float:
    """Variance of a sum of terms of mean 0 that are dependent within a person; infinite where one person holds all.

    Args:
        units: whose term it is; None = every term is another person's.
    """
    each = deviations
    if units is not None:
        _, person = np.unique(units, return_inverse=True)
        each = np.asarray(np.bincount(person, weights=deviations), np.float64)
    people = len(each)
    return float(people / (people - 1) * np.square(each).sum()) if people > 1 else math.inf
