"""Fitting the tree of one column to codes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees import engine
from tabsynth.models._trees.features import rank_of_byte
from tabsynth.models._trees.honesty import least_split
from tabsynth.models._trees.rows import Rows
from tabsynth.models._trees.screening import Screen
from tabsynth.models._trees.splits import Splits
from tabsynth.models._trees.targets import coarse_classes
from tabsynth.models._trees.tree import Tree

PER_CLASS: Final = 20
"""Rows for each class on a line below which neighbouring classes are put together."""
FIRST_LOOK_LEAF: Final = 100
"""Least leaf of the tree that chooses which parents the final one may read."""

LIST_CLASSES: Final = 128
"""Levels up to which each one is a class of its own; of a longer list, neighbours that are rare are put together."""
SPECIAL: Final = 3
"""Codes of every codec that are no value: the last three."""
LIKELY: Final = 3
"""Columns for each parent that the first tree looks at."""

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees grow; see ``SeqForest``."""

    leaf: int
    evidence: float
    honesty: float
    backoff: float
    parents: int
    classes: int


@dataclass(frozen=True, slots=True)
class Target:
    """What splits of one column are judged by.

    Args:
        class_of: class of each code.
        classes: class of each row that trees are grown on.
        n_classes: number of classes; on_line: how many of the first lie on a line.
    """

    class_of: Ints
    classes: Ints
    n_classes: int
    on_line: int


class Fitter:
    """Fits trees to one coded table.

    Args:
        rows: every row, all columns known.
        sizes, lines: per column, how many codes it has, and how many of the first lie on a line.
        structure: rows that trees are grown on; all rows then go through them to the leaves.
        growth: settings, which count units.
        units: shape (n,): whose row it is.

    Attributes:
        each: mean rows of a unit. Rows of one unit are as good as copies of each other at worst: leaves hold as many
            more of them, and count for as many less.
    """

    def __init__(self, rows: Rows, sizes: tuple[int, ...], lines: list[int], structure: NDArray[np.intp],
                 growth: Growth, units: NDArray[np.int64]) -> None:
        self.rows, self.sizes, self.lines, self.growth = rows, sizes, lines, growth
        self.units = units[structure]
        self.each = len(self.units) / len(np.unique(self.units))
        self.screen = Screen(rows, lines)
        self.grown_on = rows if len(structure) == len(rows) else rows.take(structure)
        counts = np.arange(len(self.grown_on) + 1, dtype=np.float64)
        self.xlogx = counts * np.log(np.maximum(counts, 1)) / self.each

    def tree(self, column: int, earlier: Ints) -> Tree:
        """The tree of a column that may read the `earlier` ones."""
        target = self._target(column)
        likely = self.screen.best(column, earlier, LIKELY * self.growth.parents)
        parents, ranks, ranked = self._features(likely, target)
        if len(parents) > self.growth.parents:
            grown = self._grow(ranked, target, max(FIRST_LOOK_LEAF, self.growth.leaf), 0)
            best = most_gain(grown[0], grown[3], len(parents))[:self.growth.parents]
            parents, ranks, ranked = parents[best], ranks[best], ranked[best]
        least = self._least_split(parents, ranks, ranked, target) if self.growth.honesty > 0 else 0
        splits = Splits(parents, ranks, *self._grow(ranked, target, self.growth.leaf, least)[:3])
        return self._filled(column, target, splits.only_used())

    def _target(self, column: int) -> Target:
        size, line, classes = self.sizes[column], self.lines[column], self.growth.classes
        if line == 0 and size > LIST_CLASSES:      # a long list: its order, of codes or texts, is better than none
            line, classes = size - SPECIAL, LIST_CLASSES
        codes = self.grown_on.codes[column]
        class_of = coarse_classes(np.bincount(codes, minlength=size), line, classes)
        n_classes = int(class_of.max()) + 1
        return Target(class_of, class_of[codes], n_classes, int(class_of[line - 1]) + 1 if n_classes < size else 0)

    def _least_split(self, parents: Ints, ranks: NDArray[np.uint8], ranked: NDArray[np.uint8], target: Target) -> int:
        """Found by a tree grown on the rows of two thirds of the units and checked on the others."""
        check = self.units % 3 == 2      # numbers without a meaning
        part = replace(target, classes=target.classes[~check])
        grown = self._grow(np.ascontiguousarray(ranked[:, ~check]), part, self.growth.leaf, 0)
        splits = Splits(parents, ranks, *grown[:3])
        seen = self.grown_on.seen
        return least_split(splits, (seen[:, ~check], part.classes), (seen[:, check], target.classes[check]),
                           self.growth.honesty)

    def shares(self, column: int, weights: NDArray[np.float64]) -> Tree:
        """A column without parents, each code as often as the weights of its rows add up to (rounded, at least 1)."""
        held = np.bincount(self.rows.codes[column], weights, self.sizes[column])
        codes = np.unique(self.rows.codes[column])
        count = np.maximum(np.rint(held[codes]), 1).astype(np.int32)
        return Tree(Splits.none(), np.array([0, len(codes)]), codes, count, np.array([len(codes)], np.int32), 0.0)

    def _features(self, earlier: Ints,
                  target: Target) -> tuple[Ints, NDArray[np.uint8], NDArray[np.uint8]]:
        """Parents that vary, their ranks (p, 256), and their bytes as ranks (p, n)."""
        parents = np.array([p for p in earlier if np.ptp(self.grown_on.seen[p])], np.int32)
        ranks, ranked = np.zeros((len(parents), 256), np.uint8), np.zeros((len(parents), len(target.classes)), np.uint8)
        for i, p in enumerate(parents):
            ranks[i] = rank_of_byte(self.grown_on.seen[p], target.classes, target.n_classes, on_line=self.lines[p] > 0)
            ranked[i] = ranks[i][self.grown_on.seen[p]]
        return parents, ranks, ranked

    def _grow(self, ranked: NDArray[np.uint8], target: Target, leaf: int,
              least: int) -> tuple[Ints, NDArray[np.uint8], Ints, NDArray[np.float64]]:
        widths = ranked.max(axis=1, initial=0).astype(np.int64) + 1
        grown: tuple[Ints, NDArray[np.uint8], Ints, NDArray[np.float64]] = engine.grow(
            ranked, widths, target.classes, target.n_classes, target.on_line, self.xlogx, math.ceil(leaf * self.each),
            least, math.ceil(PER_CLASS * self.each), self.growth.evidence)
        return grown

    def _filled(self, column: int, target: Target, splits: Splits) -> Tree:
        """The tree with all rows in its leaves."""
        size = self.sizes[column]
        leaf = splits.leaves(self.rows.seen)
        cell, count = np.unique(leaf.astype(np.int64) * size + self.rows.codes[column], return_counts=True)
        node, held = np.divmod(cell, size)
        first = np.searchsorted(node, np.arange(len(splits) + 1))
        codes: Ints = held.astype(np.int32)
        distinct = engine.distinct_classes(first, target.class_of[codes], target.n_classes, splits.feature, splits.left)
        return Tree(splits, first, codes, count.astype(np.int32), distinct, self.growth.backoff * self.each)


def most_gain(feature: Ints, gain: NDArray[np.float64], n_features: int) -> NDArray[np.intp]:
    """Features that a tree's splits gained from, the most useful first."""
    split = feature >= 0
    gained = np.bincount(feature[split], gain[split], n_features)
    order = np.argsort(-gained, kind="stable")
    return order[gained[order] > 0]
