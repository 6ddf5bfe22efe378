"""Statistics on everybody and without each jackknife group, side by side in one array.

The last axis of every array here has GROUPS + 1 places: place 0 is everybody, place g + 1 is everybody but group g.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tabsynth.evaluation.agreement import Subset, counts_of
from tabsynth.evaluation.intervals import Floats, Interval, jackknife, without_each
from tabsynth.evaluation.protocol import GROUPS, Side


def cell_counts(side: Side, subset: Subset, sizes: tuple[int, ...]) -> Floats:
    """Rows per cell of the bins of these columns, shape (cells, GROUPS + 1), last column of the subset fastest."""
    return without_each(counts_of(side, subset, sizes))


def id_counts(ids: NDArray[np.int64], groups: NDArray[np.int64], size: int) -> Floats:
    """Occurrences of the ids 0 .. size-1, shape (size, GROUPS + 1)."""
    counts = np.bincount(ids * GROUPS + groups, minlength=size * GROUPS)
    return without_each(counts.reshape(size, GROUPS))


def entropy(parts: Floats) -> Floats:
    """Shannon entropy in bits along the first axis: plug-in, so compare equal sizes only.

    >>> entropy(np.array([[0.5], [0.5], [0.0]])).tolist()
    [1.0]
    """
    logs = np.log2(parts, out=np.zeros_like(parts), where=parts > 0)
    return np.asarray(-(parts * logs).sum(axis=0) + 0.0, np.float64)


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, NaN where below is zero."""
    out: Floats = np.full(np.shape(below), math.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out


def spread(values: Floats, *, low: float = -math.inf, high: float = math.inf) -> Interval | None:
    """Jackknife interval of values[0], cut to the statistic's range; None where a group holds everybody."""
    return jackknife(float(values[0]), values[1:], low=low, high=high)
