"""The splits of a tree: which leaf a row goes to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees import engine

ROWS_AT_ONCE: Final = 65_536

Ints = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Splits:
    """A binary tree on bytes of other columns.

    Args:
        parents: int32, shape (p,): the columns that splits read.
        rank: uint8, shape (p, 256): the place of each byte of a parent along the axis that a threshold cuts.
        feature, threshold, left: shape (nodes,): split of each node (feature, a position in `parents`, is -1 at
            leaves); ranks up to the threshold go left; the right child is left + 1, and comes after its parent.
    """

    parents: Ints
    rank: NDArray[np.uint8]
    feature: Ints
    threshold: NDArray[np.uint8]
    left: Ints

    @classmethod
    def none(cls) -> Self:
        """A tree of one leaf."""
        return cls(np.zeros(0, np.int32), np.zeros((0, 256), np.uint8), np.full(1, -1, np.int32),
                   np.zeros(1, np.uint8), np.zeros(1, np.int32))

    def __len__(self) -> int:
        return len(self.feature)

    @cached_property
    def above(self) -> Ints:
        """Shape (nodes,): parent node, -1 at the root."""
        above = np.full(len(self), -1, np.int32)
        inner = np.flatnonzero(self.feature >= 0)
        above[self.left[inner]] = above[self.left[inner] + 1] = inner
        return above

    @cached_property
    def levels(self) -> list[NDArray[np.intp]]:
        """Nodes by depth, the root first."""
        levels, nodes = [], np.zeros(1, np.intp)
        while len(nodes):
            levels.append(nodes)
            a = self.left[nodes[self.feature[nodes] >= 0]].astype(np.intp)
            nodes = np.concatenate([a, a + 1])
        return levels

    def leaves(self, seen: NDArray[np.uint8]) -> Ints:
        """Leaf of every row, shape (n,). seen: uint8, shape (columns, n), the bytes of all columns."""
        out = np.zeros(seen.shape[1], np.int32)
        for i in range(0, len(out) if len(self) > 1 else 0, ROWS_AT_ONCE):
            part = np.ascontiguousarray(seen[self.parents, i:i + ROWS_AT_ONCE].T)
            out[i:i + ROWS_AT_ONCE] = engine.walk(part, self.rank, self.feature, self.threshold, self.left)
        return out

    def only_used(self) -> Splits:
        """The same tree without the parents that no split reads."""
        inner = self.feature >= 0
        used = np.unique(self.feature[inner])
        feature = np.where(inner, np.searchsorted(used, self.feature), -1).astype(np.int32)
        return Splits(self.parents[used], self.rank[used], feature, self.threshold, self.left)
