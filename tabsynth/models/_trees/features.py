"""Columns of codes as bytes, and the order in which a tree for one target sees a column's bytes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

LEVELS: Final = 256
"""Values of a byte: a column with more codes has its rarest levels, or neighbouring bins, put together."""
ITERATIONS: Final = 12
DENSE_CELLS: Final = 4_000_000


def byte_of_code(counts: NDArray[Any], ordered: int) -> Bytes:
    """Shape (codes,): the byte of each code.

    Args:
        counts: shape (codes,): rows that hold each code.
        ordered: how many of the first codes lie on a line (``Codec.ordered``).

    With more than 256 codes, neighbours on the line are put together into bytes of about equal mass, and of
    categories the 255 most frequent keep a byte of their own.
    """
    n = len(counts)
    if n <= LEVELS:
        return np.arange(n, dtype=np.uint8)
    out = np.full(n, LEVELS - 1, np.uint8)
    if ordered:
        others = n - ordered
        out[ordered:] = np.arange(LEVELS - others, LEVELS)
        out[:ordered] = _equal_mass(counts[:ordered], LEVELS - others)
    else:
        out[np.argsort(-counts, kind="stable")[:LEVELS - 1]] = np.arange(LEVELS - 1)
    return out


def _equal_mass(counts: NDArray[Any], groups: int) -> NDArray[np.int64]:
    """Groups of neighbours: a code with more than one group's share has a group of its own."""
    share = counts / max(counts.sum(), 1)
    big = share > 1 / groups
    rest = np.where(big, 0.0, share)
    left = max(groups - 2 * int(big.sum()) - 1, 1)
    middle = (np.cumsum(rest) - rest / 2) / max(rest.sum(), 1e-300)
    group = np.minimum((middle * left).astype(np.int64), left - 1)
    new = np.ones(len(counts), bool)
    new[1:] = big[1:] | big[:-1] | (group[1:] != group[:-1])
    return np.asarray(np.minimum(np.cumsum(new) - 1, groups - 1))


def rank_of_byte(feature: Bytes, classes: NDArray[np.int32], n_classes: int, on_line: bool) -> Bytes:
    """Shape (256,): the place of each byte along the axis that a threshold cuts.

    A line keeps its order. Categories are ordered along the first axis of correspondence analysis with the target's
    classes, found by reciprocal averaging (Hill 1973), so that one threshold is a split into two sets of levels.
    """
    if on_line:
        return np.arange(LEVELS, dtype=np.uint8)
    used = np.bincount(feature, minlength=LEVELS)
    if (used > 0).sum() <= 2:
        return np.arange(LEVELS, dtype=np.uint8)
    axis = first_axis(feature, classes, n_classes)
    axis[used == 0] = 0.0   # a level that was never seen goes with the average one
    rank = np.empty(LEVELS, np.uint8)
    rank[np.argsort(axis, kind="stable")] = np.arange(LEVELS, dtype=np.uint8)
    return rank


def first_axis(feature: Bytes, classes: NDArray[np.int32], n_classes: int) -> NDArray[np.float64]:
    """Shape (256,): scores of the levels on the first axis of correspondence analysis."""
    table = contingency(feature, classes, n_classes)
    rows, columns = table.sum(axis=1) + 1e-9, table.sum(axis=0) + 1e-9
    # classes' scores; the trivial axis (all equal) is taken out at every step
    scores = np.cos(np.arange(n_classes, dtype=np.float64) * 2.399963)
    for _ in range(ITERATIONS):
        scores -= scores @ columns / columns.sum()
        scores /= np.sqrt((scores**2) @ columns / columns.sum()) + 1e-300
        scores = (table.T @ ((table @ scores) / rows)) / columns
    return np.asarray((table @ scores) / rows)


def contingency(feature: Bytes, classes: NDArray[np.int32], n_classes: int) -> Any:
    """Counts, shape (256, n_classes); sparse if there are very many classes."""
    if LEVELS * n_classes > DENSE_CELLS:
        from scipy.sparse import coo_array

        ones = np.ones(len(feature))
        return coo_array((ones, (feature, classes)), shape=(LEVELS, n_classes)).tocsr()
    cell = feature.astype(np.int64) * n_classes + classes
    return np.bincount(cell, minlength=LEVELS * n_classes).reshape(LEVELS, n_classes).astype(np.float64)
