"""A column as a handful of integer bins, learned from the real rows and applied to every table.

Numbers: a value that holds more than one bin's share is a bin of its own (an atom), the rest is cut at deciles.
Categories: the ten most frequent, all others together, those that no real row holds among them. Missing and unreadable
cells have bins of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.schema import NUMERIC, Column
from tabsynth.core.table import INVALID, MISSING, Cells

BINS: Final = 10
"""Bins of a number, and categories that are told apart."""


@dataclass(frozen=True, eq=False)
class LineBins:
    """Bins of a column whose values lie on a line: atoms first, then intervals (cut[i-1], cut[i]]."""

    column: Column
    atoms: NDArray[Any]
    cuts: NDArray[Any]

    @property
    def size(self) -> int:
        return len(self.atoms) + len(self.cuts) + 3

    def codes(self, cells: Cells) -> NDArray[np.int32]:
        """Shape (n,): 0 .. size-1; the last two are missing and unreadable. Values beyond the ends go to the ends."""
        values = cells.values
        codes = len(self.atoms) + np.searchsorted(self.cuts, values, side="left")
        if len(self.atoms):
            near = np.minimum(np.searchsorted(self.atoms, values), len(self.atoms) - 1)
            codes = np.where(self.atoms[near] == values, near, codes)
        return _with_states(codes, cells.state, self.size - 2)


@dataclass(frozen=True, eq=False)
class LevelBins:
    """Bins of a category: `top` by name, all other ones together.

    A bin for categories that were never seen would tell the table that bins were not learned from from those that they
    were: any sample of people holds some that no other has.
    """

    column: Column
    top: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.top) + 3

    def codes(self, cells: Cells) -> NDArray[np.int32]:
        """Shape (n,): 0 .. size-1; after `top`: other, missing, unreadable."""
        other = len(self.top)
        index = {level: i for i, level in enumerate(self.top)}
        of_level = np.array([index.get(x, other) for x in levels_of(cells)], np.int64)
        return _with_states(of_level[level_codes(cells)] if len(of_level) else np.zeros(len(cells), np.int64),
                            cells.state, other + 1)


Bins = LineBins | LevelBins


def learn_bins(column: Column, cells: Cells, *, bins: int = BINS) -> Bins:
    """The bins of one column, from these cells only. Empty and constant columns have bins, too."""
    if column.kind in NUMERIC:
        return _line(column, np.sort(cells.values[cells.present]), bins)
    levels, counts = level_counts(cells)
    order = sorted(range(len(levels)), key=lambda i: (-counts[i], levels[i]))
    return LevelBins(column, tuple(levels[i] for i in order[:bins]))


def levels_of(cells: Cells) -> tuple[str, ...]:
    """The texts that `level_codes` index. A boolean's are "false" and "true"."""
    return ("false", "true") if cells.values.dtype == np.bool_ else cells.levels


def level_codes(cells: Cells) -> NDArray[np.int64]:
    """Index into `levels_of`, shape (n,); arbitrary where the cell is not present."""
    return cells.values.astype(np.int64)


def level_counts(cells: Cells) -> tuple[list[str], NDArray[np.int64]]:
    """Levels that occur at least once, and how often."""
    levels = levels_of(cells)
    counts = np.bincount(level_codes(cells)[cells.present], minlength=len(levels))
    used = np.flatnonzero(counts)
    return [levels[i] for i in used], counts[used]


def _line(column: Column, values: NDArray[Any], bins: int) -> LineBins:
    distinct, counts = np.unique(values, return_counts=True)
    atoms = distinct[counts * bins > len(values)]
    rest = values[~np.isin(values, atoms)]
    parts = max(1, round(bins * len(rest) / max(1, len(values))))
    places = np.ceil(np.arange(1, parts) * len(rest) / parts).astype(np.int64) - 1
    cuts = np.unique(rest[places]) if len(rest) else rest
    return LineBins(column, atoms, cuts[cuts < rest[-1]] if len(rest) else cuts)


def _with_states(codes: NDArray[Any], state: NDArray[np.uint8], missing: int) -> NDArray[np.int32]:
    """Codes of present cells; `missing` and the code after it for the others."""
    coded = np.where(state == MISSING, missing, np.where(state == INVALID, missing + 1, codes))
    return coded.astype(np.int32)
