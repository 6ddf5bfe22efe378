"""Statistics on everybody and without each jackknife group, side by side in one array.

The last axis of every array here has GROUPS + 1 places: place 0 is everybody, place g + 1 is everybody but group g.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabsynth.evaluation.agreement import Agreement, Subset, counts_of, position
from tabsynth.evaluation.intervals import Floats, Interval, jackknife, jackknife_error
from tabsynth.evaluation.protocol import GROUPS, Side, power


def cell_counts(side: Side, subset: Subset, sizes: tuple[int, ...]) -> Floats:
    """Rows per cell of the bins of these columns, shape (cells, GROUPS + 1), last column of the subset fastest."""
    return _kept(counts_of(side, subset, sizes))


def id_counts(ids: NDArray[np.int64], groups: NDArray[np.int64], size: int) -> Floats:
    """Occurrences of the ids 0 .. size-1, shape (size, GROUPS + 1)."""
    counts = np.bincount(ids * GROUPS + groups, minlength=size * GROUPS)
    return _kept(counts.reshape(size, GROUPS).astype(np.float64))


def shares(counts: Floats) -> Floats:
    """Counts over their sum along the first axis; zero where nobody is left."""
    return np.asarray(counts / np.maximum(counts.sum(axis=0), 1.0), np.float64)


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


def place(n: int, value: Floats, floor: Floats, ceiling: Floats) -> dict[str, Any]:
    """normalised, state and reason of a distance (0 = alike) between floor and ceiling, as fields of a `Finding`.

    Floor and ceiling lie together where real columns are nearly independent. The number is then uninformative, unless
    it lies clearly beyond the ceiling: what is invented shows against nothing.
    """
    found = position(*(Agreement(-v[:1], -v[None, 1:]) for v in (value, floor, ceiling)))
    standing = power(n)
    error = jackknife_error(value[1:] - ceiling[1:])
    beyond = error is not None and value[0] - ceiling[0] > 2 * error
    if standing["state"] == "ok" and found.normalised is None and not beyond:
        standing = {"state": "uninformative", "reason": found.reason}
    return {"normalised": found.normalised, **standing}


def _kept(counts: Floats) -> Floats:
    total = counts.sum(axis=1, keepdims=True)
    return np.concatenate([total, total - counts], axis=1)
