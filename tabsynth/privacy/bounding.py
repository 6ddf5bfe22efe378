"""At most k rows of a unit, chosen so that no other unit's rows depend on it, and integer weights that sum to one unit.

Both steps look at one unit at a time. Adding or removing a unit therefore changes nothing for the others, and each
unit adds at most GRID steps to every marginal, whatever the number of its rows (``privacy/contribution-bounding.md``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.table import Table
from tabsynth.privacy.events import GRID


@dataclass(frozen=True, slots=True)
class Bounded:
    """Kept rows and their weights in grid steps, int64; the weights of one unit sum to at most GRID."""

    table: Table
    weights: NDArray[np.int64]


def bound(table: Table, *, max_rows_per_unit: int, key: bytes) -> Bounded:
    """Drop rows without a unit, keep at most `max_rows_per_unit` rows of every unit, weigh what is kept.

    Args:
        table: its schema says which column is the unit; without one, every row is a unit.
        max_rows_per_unit: k >= 1.
        key: secret and fresh for every run, 16 to 64 bytes.
    """
    units = table.unit_codes()
    kept = np.flatnonzero(units >= 0)
    kept = kept[_chosen(table.take(kept), units[kept], max_rows_per_unit, key)]
    rows_of_unit = np.bincount(units[kept])
    return Bounded(table.take(kept), GRID // rows_of_unit[units[kept]].astype(np.int64))


def _chosen(table: Table, units: NDArray[np.int64], k: int, key: bytes) -> NDArray[np.bool_]:
    """Mask of the rows to keep: all of a unit that has at most k, else those with the k smallest keyed hashes."""
    keep = np.ones(len(units), dtype=np.bool_)
    crowded = np.flatnonzero(np.bincount(units)[units] > k) if len(units) else np.zeros(0, dtype=np.intp)
    if len(crowded):
        ordered = crowded[_by_content(table.take(crowded), units[crowded])]
        ordinal = _position_in_run(units[ordered])
        rank = np.lexsort((_hashes(table.take(ordered), ordinal, key), units[ordered]))
        keep[ordered[rank]] = _position_in_run(units[ordered[rank]]) < k
    return keep


def _by_content(table: Table, units: NDArray[np.int64]) -> NDArray[np.intp]:
    """Order of the rows by unit, then by the cells of every column, so that file order has no say.

    Ranks among all rows decide, but they compare two rows exactly as their own cells do.
    """
    keys: list[NDArray[Any]] = []
    for name in table.schema.names:
        cells = table[name]
        values = np.asarray(cells.levels, dtype=object)[cells.values] if cells.levels else cells.values
        values = np.where(cells.present, values, np.zeros((), values.dtype) if values.dtype != object else "")
        keys += [np.unique(values, return_inverse=True)[1].reshape(-1), cells.state]
    return np.lexsort((*reversed(keys), units))


def _position_in_run(units: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2, ... within every run of equal units.

    >>> _position_in_run(np.array([4, 4, 7, 7, 7])).tolist()
    [0, 1, 0, 1, 2]
    """
    starts = np.flatnonzero(np.r_[True, units[1:] != units[:-1]])
    return np.arange(len(units)) - np.repeat(starts, np.diff(np.r_[starts, len(units)]))


def _hashes(table: Table, ordinal: NDArray[np.int64], key: bytes) -> NDArray[np.uint64]:
    """Keyed BLAKE2b of (unit's own id, ordinal), 64 bits each."""
    cells = table[str(table.schema.unit)]
    ids = [cells.levels[v] for v in cells.values] if cells.levels else cells.values.tolist()
    return np.array([
        int.from_bytes(hashlib.blake2b(f"{i}|{unit}".encode("utf-8", "surrogatepass"), key=key, digest_size=8).digest())
        for i, unit in zip(ordinal.tolist(), ids, strict=True)
    ], dtype=np.uint64)
