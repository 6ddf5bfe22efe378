"""How much of what splits separate is real: checked on rows that they were not found on.

A split that was searched for on a node's rows separates classes in these rows even if there is nothing to separate.
Let d be the difference of the two children's class shares on the rows that the tree was grown on, and c the same on
others. Then the expectation of d.c is the squared true difference, or 0 if there is none, while d.d is inflated by the
search. The ratio of the sums of both over many splits says which part of their separation is real: near 1 at the top of
a tree, and, for most columns, a few per cent in its smallest nodes. A few per cent in thousands of nodes is a
dependency that a detector finds; nothing in thousands of nodes is memory of the rows.

Source: cross-fitting as in honest trees (Athey and Imbens 2016, section 2.4), applied to the splits of a whole column.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees.splits import Splits

GROUPS: Final = 64
"""Classes are looked at in so many groups; it costs some power where there are more classes, and no bias."""
LEAST_SPLITS: Final = 8
"""Splits of a size that are looked at together at least."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]


def least_split(splits: Splits, grown: tuple[Bytes, Ints], others: tuple[Bytes, Ints], honesty: float) -> int:
    """Rows of a node below which splits are not worth making.

    Args:
        splits: a tree.
        grown, others: bytes of all columns, shape (columns, n), and classes, shape (n,), of the rows that it was grown
            on and of others.
        honesty: share of the separation that has to be real.

    Returns:
        The largest size such that the splits of all smaller nodes together are less real than that; 0 if none is.
    """
    inner = np.flatnonzero(splits.feature >= 0)
    if len(inner) < LEAST_SPLITS:
        return 0
    here, there = (_counts(splits, seen, classes % GROUPS) for seen, classes in (grown, others))
    left, right = splits.left[inner], splits.left[inner] + 1
    found, met = _difference(here, left, right), _difference(there, left, right)
    a, b = there[left].sum(axis=1), there[right].sum(axis=1)
    weight = a * b / np.maximum(a + b, 1)      # what the variance of `met` goes with; 0 where a child is not met
    real, apparent = weight * (found * met).sum(axis=1), weight * (found * found).sum(axis=1)
    size = here[inner].sum(axis=1)
    order = np.argsort(size, kind="stable")
    share = np.cumsum(real[order]) / np.maximum(np.cumsum(apparent[order]), 1e-300)
    sizes = 2.0 ** np.arange(2, 40)
    ends = np.searchsorted(size[order], sizes)
    dull = [int(s) for s, end in zip(sizes, ends, strict=True) if end >= LEAST_SPLITS and share[end - 1] < honesty]
    return max(dull, default=0)


def _counts(splits: Splits, seen: Bytes, classes: Ints) -> Floats:
    """Rows of each node by group of classes, shape (nodes, GROUPS)."""
    n = len(splits)
    cell = splits.leaves(seen).astype(np.int64) * GROUPS + classes
    counts = np.bincount(cell, minlength=n * GROUPS).reshape(n, GROUPS).astype(np.float64)
    for nodes in splits.levels[:0:-1]:
        np.add.at(counts, splits.above[nodes], counts[nodes])
    return counts


def _difference(counts: Floats, left: Ints, right: Ints) -> Floats:
    """Class shares of left children less those of right ones."""
    a, b = counts[left], counts[right]
    return np.asarray(a / np.maximum(a.sum(axis=1, keepdims=True), 1) - b / np.maximum(b.sum(axis=1, keepdims=True), 1))
