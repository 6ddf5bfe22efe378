"""Fitting the tree of one column to codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees import engine
from tabsynth.models._trees.features import rank_of_byte
from tabsynth.models._trees.rows import Rows
from tabsynth.models._trees.splits import Splits
from tabsynth.models._trees.targets import coarse_classes
from tabsynth.models._trees.tree import Tree

PER_CLASS: Final = 20
"""Rows for each class on a line below which neighbouring classes are put together."""
FIRST_LOOK_LEAF: Final = 100
"""Least leaf of the tree that chooses which parents the final one may read."""

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees grow; see ``SeqForest``."""

    leaf: int
    evidence: float
    backoff: float
    parents: int
    classes: int


class Fitter:
    """Fits trees to one coded table.

    Args:
        rows: every row, all columns known.
        sizes, lines: per column, how many codes it has, and how many of the first lie on a line.
        structure: rows that trees are grown on; all rows then go through them to the leaves.
        growth: settings.
    """

    def __init__(self, rows: Rows, sizes: tuple[int, ...], lines: list[int], structure: NDArray[np.intp],
                 growth: Growth) -> None:
        self.rows, self.sizes, self.lines, self.growth = rows, sizes, lines, growth
        self.grown_on = rows if len(structure) == len(rows) else rows.take(structure)
        counts = np.arange(len(self.grown_on) + 1, dtype=np.float64)
        self.xlogx = counts * np.log(np.maximum(counts, 1))

    def tree(self, column: int, earlier: Ints) -> Tree:
        """The tree of a column that may read the `earlier` ones."""
        size, line = self.sizes[column], self.lines[column]
        class_of = coarse_classes(np.bincount(self.grown_on.codes[column], minlength=size), line, self.growth.classes)
        classes = class_of[self.grown_on.codes[column]]
        n_classes = int(class_of.max()) + 1
        on_line = int(class_of[line - 1]) + 1 if n_classes < size else 0
        parents, ranks, ranked = self._features(earlier, classes, n_classes)
        if len(parents) > self.growth.parents:
            grown = self._grow(ranked, classes, n_classes, on_line, max(FIRST_LOOK_LEAF, self.growth.leaf))
            best = most_gain(grown[0], grown[3], len(parents))[:self.growth.parents]
            parents, ranks, ranked = parents[best], ranks[best], ranked[best]
        feature, threshold, left, _ = self._grow(ranked, classes, n_classes, on_line, self.growth.leaf)
        return self._filled(column, class_of, Splits(parents, ranks, feature, threshold, left).only_used())

    def shares(self, column: int, weights: NDArray[np.float64]) -> Tree:
        """A column without parents, each code as often as the weights of its rows add up to (rounded, at least 1)."""
        held = np.bincount(self.rows.codes[column], weights, self.sizes[column])
        codes = np.unique(self.rows.codes[column])
        count = np.maximum(np.rint(held[codes]), 1).astype(np.int32)
        return Tree(Splits.none(), np.array([0, len(codes)]), codes, count, np.array([len(codes)], np.int32), 0.0)

    def _features(self, earlier: Ints, classes: Ints,
                  n_classes: int) -> tuple[Ints, NDArray[np.uint8], NDArray[np.uint8]]:
        """Parents that vary, their ranks (p, 256), and their bytes as ranks (p, n)."""
        parents = np.array([p for p in earlier if np.ptp(self.grown_on.seen[p])], np.int32)
        ranks, ranked = np.zeros((len(parents), 256), np.uint8), np.zeros((len(parents), len(classes)), np.uint8)
        for i, p in enumerate(parents):
            ranks[i] = rank_of_byte(self.grown_on.seen[p], classes, n_classes, on_line=self.lines[p] > 0)
            ranked[i] = ranks[i][self.grown_on.seen[p]]
        return parents, ranks, ranked

    def _grow(self, ranked: NDArray[np.uint8], classes: Ints, n_classes: int, on_line: int,
              leaf: int) -> tuple[Ints, NDArray[np.uint8], Ints, NDArray[np.float64]]:
        widths = ranked.max(axis=1, initial=0).astype(np.int64) + 1
        grown: tuple[Ints, NDArray[np.uint8], Ints, NDArray[np.float64]] = engine.grow(
            ranked, widths, classes, n_classes, on_line, self.xlogx, leaf, PER_CLASS, self.growth.evidence)
        return grown

    def _filled(self, column: int, class_of: Ints, splits: Splits) -> Tree:
        """The tree with all rows in its leaves."""
        size = self.sizes[column]
        leaf = splits.leaves(self.rows.seen)
        cell, count = np.unique(leaf.astype(np.int64) * size + self.rows.codes[column], return_counts=True)
        node, held = np.divmod(cell, size)
        first = np.searchsorted(node, np.arange(len(splits) + 1))
        codes: Ints = held.astype(np.int32)
        distinct = engine.distinct_classes(first, class_of[codes], int(class_of.max()) + 1, splits.feature, splits.left)
        return Tree(splits, first, codes, count.astype(np.int32), distinct, self.growth.backoff)


def most_gain(feature: Ints, gain: NDArray[np.float64], n_features: int) -> NDArray[np.intp]:
    """Features that a tree's splits gained from, the most useful first."""
    split = feature >= 0
    gained = np.bincount(feature[split], gain[split], n_features)
    order = np.argsort(-gained, kind="stable")
    return order[gained[order] > 0]
