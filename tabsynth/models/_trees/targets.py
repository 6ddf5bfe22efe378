"""The classes of a target that splits are judged by: fine codes on a line carry no signal in small nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def coarse_classes(counts: NDArray[Any], ordered: int, classes: int) -> NDArray[np.int32]:
    """Shape (codes,): the class of each code; classes of codes on a line rise along it.

    Args:
        counts: shape (codes,): rows that hold each code.
        ordered: how many of the first codes lie on a line; the others (levels, missing) are classes of their own.
        classes: steps of about equal mass into which a line with more codes is cut; a code with more than a step's
            share has a class of its own.
    """
    n = len(counts)
    if ordered <= classes + 8:
        return np.arange(n, dtype=np.int32)
    share = counts[:ordered] / max(counts[:ordered].sum(), 1)
    alone = share > 1 / classes
    rest = np.where(alone, 0.0, share)
    middle = (np.cumsum(rest) - rest / 2) / max(rest.sum(), 1e-300)
    step = np.minimum((middle * classes).astype(np.int64), classes - 1)
    new = np.zeros(ordered, bool)
    new[1:] = alone[1:] | alone[:-1] | (step[1:] != step[:-1])
    line = np.cumsum(new)
    return np.concatenate([line, line[-1] + 1 + np.arange(n - ordered)]).astype(np.int32)
