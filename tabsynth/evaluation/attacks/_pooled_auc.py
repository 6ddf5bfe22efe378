"""Ranks of members against non-members, pooled over the two halves of the holdout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tabsynth.evaluation.intervals import Floats, clustered_variance, components

ONE_SIDED: Final = 0.05
POWER: Final = 0.8


@dataclass(frozen=True, eq=False)
class Ranking:
    """One score with one half of the holdout as reference and the other as non-members; higher says "was used".

    Args:
        members, controls: scores, shape (m,) and (n,).
        people: who the members are, shape (m,); the same person may be ranked again when the halves change places.
    """

    members: Floats
    controls: Floats
    people: NDArray[np.int64]


def pooled_auc(rankings: Sequence[Ranking]) -> tuple[float, float]:
    """AUC over the rankings, each weighted by its non-members, and its standard error.

    DeLong's structural components (DeLong 1988). Those of a member are summed over the rankings before they are
    squared, as Obuchowski (1997) does over the records of one person. Those of non-members are dependent across
    rankings in a way that no component shows: two neighbours, one in each half, lower each other's scores when the
    halves change places (correlation of .1 to .5 in simulation). The error therefore takes their means to be perfectly
    correlated, the most that is possible: pooling averages, and claims no precision for it.

    The error is at least one person in the smaller group: no component varies where a ranking is perfect, and a
    hundred people do not prove perfection.
    """
    weights = np.array([len(r.controls) for r in rankings], np.float64)
    weights /= weights.sum()
    parts = [components(r.members, r.controls) for r in rankings]
    value = float(sum(w * up.mean() for w, (up, _) in zip(weights, parts)))
    people = np.concatenate([r.people for r in rankings])
    of_members = clustered_variance(np.concatenate(
        [w * (up - up.mean()) / len(up) for w, (up, _) in zip(weights, parts)]), people)
    of_controls = sum(w * math.sqrt(clustered_variance((down - down.mean()) / len(down)))
                      for w, (_, down) in zip(weights, parts)) ** 2
    smaller = min(len(np.unique(people)), sum(len(r.controls) for r in rankings))
    return value, max(math.sqrt(of_members + of_controls), 1 / smaller)


def null_error(n_members: int, n_controls: int) -> float:
    """Standard error of the AUC of scores that carry nothing (Mann and Whitney 1947).

    >>> [round(null_error(n, n), 3) for n in (250, 500, 1000, 2000, 5000)]
    [0.026, 0.018, 0.013, 0.009, 0.006]
    """
    return math.sqrt((n_members + n_controls + 1) / (12 * n_members * n_controls))


def detectable_auc(n_members: int, n_controls: int, *, alpha: float = ONE_SIDED) -> float:
    """The AUC that a one-sided test at level `alpha` finds in four of five runs.

    >>> [round(detectable_auc(n, n), 3) for n in (250, 500, 1000, 2000, 5000)]
    [0.564, 0.545, 0.532, 0.523, 0.514]
    """
    quantiles = float(stats.norm.isf(alpha) + stats.norm.ppf(POWER))
    return min(1.0, 0.5 + quantiles * null_error(n_members, n_controls))
