"""Nearest synthetic rows in mixed columns (Gower 1971), by several sets of columns at once.

A table becomes coordinates such that the distance of two rows is the sum over columns of min(|a - b|, 1): numbers in
units of the range that holds 98 % of them, so that no single extreme value sets the scale; categories as whole numbers,
so that another category is at distance 1. A cell without a value equals another without one and is at distance 1 from
every value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.schema import NUMERIC
from tabsynth.core.table import Cells, Table
from tabsynth.evaluation.bins import level_codes, levels_of

MIDDLE: Final = (1, 99)
"""Percentiles between which the range of a number is taken."""
FAR: Final = 1e4
"""Largest coordinate of a number."""
NO_VALUE: Final = -2e4
"""Coordinate of a missing cell; an unreadable one has twice that."""
CACHE_CELLS: Final = 2**19
"""Distances held at a time, so that they stay in the processor's cache."""
TIE: Final = 64.0
"""Ties are broken by less than this many units in the last place of 1."""

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Coordinates:
    """How each column becomes a coordinate: (middle, span) of a number, level -> whole number of a category.

    Learned from the rows that the attacker holds, so that nothing treats one target unlike another.
    """

    columns: tuple[str, ...]
    parts: tuple[tuple[float, float] | dict[str, int], ...]

    @classmethod
    def learn(cls, table: Table, columns: Sequence[str]) -> Coordinates:
        return cls(tuple(columns), tuple(
            _extent(table[name]) if table.schema[name].kind in NUMERIC
            else {level: i for i, level in enumerate(levels_of(table[name]))} for name in columns))

    def points(self, table: Table) -> NDArray[np.float32]:
        """Shape (n, columns). Categories that were not learned are one further category."""
        out = np.empty((len(table), len(self.columns)), np.float32)
        for j, (name, part) in enumerate(zip(self.columns, self.parts)):
            cells = table[name]
            values = _coded(cells, part) if isinstance(part, dict) else _scaled(cells, *part)
            out[:, j] = np.where(cells.present, values, NO_VALUE * cells.state.astype(np.float32))
        return out


def nearest(targets: Points, pool: Points, subsets: Sequence[Sequence[int]], start: Points,
            k: int) -> NDArray[np.int64]:
    """The k nearest rows of `pool` for each target by each subset of the columns, nearest first.

    Args:
        targets: coordinates, shape (m, d). pool: coordinates, shape (n, d), n >= 1.
        subsets: the columns that a search looks at.
        start: what the distance to a row begins with, shape (subsets, n): see `tie_breaks`; inf leaves the row out.
        k: rows per target; all of the pool where it has fewer.

    Returns:
        Row numbers of `pool`, shape (subsets, m, min(k, n)).
    """
    k = min(k, len(pool))
    uses = [[s for s, subset in enumerate(subsets) if j in subset] for j in range(pool.shape[1])]
    columns, start = np.ascontiguousarray(pool.T), start.astype(pool.dtype)
    found = np.empty((len(subsets), len(targets), k), np.int64)
    rows = max(1, CACHE_CELLS // max(1, start.size))
    for first in range(0, len(targets), rows):
        block = targets[first : first + rows]
        sums = np.repeat(start[:, None, :], len(block), axis=1)
        for j, subsets_of_column in enumerate(uses):
            if subsets_of_column:
                apart = np.abs(block[:, j, None] - columns[j])
                np.minimum(apart, 1, out=apart)
                for s in subsets_of_column:
                    sums[s] += apart
        found[:, first : first + rows] = _smallest(sums, k)
    return found


def tie_breaks(n: int, rng: np.random.Generator, dtype: Any = np.float32) -> Points:
    """Amounts in random order, too small to matter between unequal distances, shape (n,).

    Rows at one distance are then taken in one random order, the same for every target and every set of columns.
    """
    return np.asarray(rng.permutation(n) * (TIE * float(np.finfo(dtype).eps) / max(1, n)), dtype)


def has_value(points: Points) -> NDArray[np.bool_]:
    """Which coordinates stand for a value, shape of `points`."""
    return np.asarray(points >= -FAR)


def _smallest(sums: Points, k: int) -> NDArray[np.int64]:
    """Positions of the k smallest along the last axis, rising."""
    if k == 1:
        return np.asarray(sums.argmin(axis=-1)[..., None], np.int64)
    some = np.argpartition(sums, k - 1, axis=-1)[..., :k]
    order = np.argsort(np.take_along_axis(sums, some, axis=-1), axis=-1)
    return np.asarray(np.take_along_axis(some, order, axis=-1), np.int64)


def _extent(cells: Cells) -> tuple[float, float]:
    """Middle and range of the values: of the middle 98 %, or of all where those are equal; (0, 1) where none varies."""
    values = _finite(cells)[cells.present]
    if not len(values):
        return 0.0, 1.0
    low, middle, high = (float(x) for x in np.percentile(values, (MIDDLE[0], 50, MIDDLE[1]), method="nearest"))
    return middle, (high - low) or float(values.max() - values.min()) or 1.0


def _scaled(cells: Cells, middle: float, span: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # what is infinitely many ranges away is cut below
        return np.clip((_finite(cells) - middle) / span, -FAR, FAR)


def _coded(cells: Cells, codes: dict[str, int]) -> NDArray[np.float64]:
    of_level = np.array([codes.get(level, len(codes)) for level in levels_of(cells)] or [0], np.float64)
    return np.asarray(of_level[level_codes(cells)], np.float64)


def _finite(cells: Cells) -> NDArray[np.float64]:
    """The values as floats; infinities become numbers whose differences are finite."""
    return np.clip(cells.values.astype(np.float64), -1e300, 1e300)
