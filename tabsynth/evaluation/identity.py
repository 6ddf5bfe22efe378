"""When are two cells the same, and two rows? Ids that hold across tables, with rounding noise taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.table import Cells
from tabsynth.evaluation.bins import level_codes, levels_of

DIGITS_KEPT: Final = 2**40
"""Floats are compared to 40 binary digits (12 decimal ones): the last bits change when a file is written and read."""

Ids = NDArray[np.int64]


def value_ids(tables: Sequence[Cells]) -> list[Ids]:
    """One id per distinct value of a column over several tables; missing is -1, unreadable -2."""
    keys = np.concatenate([_keys(cells) for cells in _one_numbering(tables)])
    _, ids = np.unique(keys, return_inverse=True)
    states = np.concatenate([cells.state for cells in tables])
    ids = np.where(states == 0, ids, -states.astype(np.int64))
    return _split(ids.astype(np.int64), [len(cells) for cells in tables])


def row_ids(columns: Sequence[Sequence[Ids]]) -> list[Ids]:
    """One id per distinct row over several tables. columns[j][t]: value ids of column j in table t."""
    lengths = [len(ids) for ids in columns[0]]
    key = np.zeros(sum(lengths), np.int64)
    for column in columns:
        ids = np.concatenate(column)
        ids = ids - ids.min(initial=0)
        width = int(ids.max(initial=0)) + 1
        if int(key.max(initial=0)) > 2**62 // width:
            _, key = np.unique(key, return_inverse=True)
        key = key * width + ids
    _, key = np.unique(key, return_inverse=True)
    return _split(key.astype(np.int64), lengths)


def held_by_one(ids: Ids, units: NDArray[np.int64]) -> tuple[Ids, NDArray[np.int64]]:
    """The ids that one person alone holds (however often), rising, and that person."""
    width = int(units.max(initial=0)) + 1
    pairs = np.unique(ids * width + units)
    holders = pairs // width
    first = np.concatenate([[True], holders[1:] != holders[:-1]]) if len(holders) else np.zeros(0, np.bool_)
    last = np.concatenate([holders[1:] != holders[:-1], [True]]) if len(holders) else np.zeros(0, np.bool_)
    alone = first & last
    return holders[alone], pairs[alone] % width


def occurs(ids: Ids, among: Ids) -> NDArray[np.bool_]:
    """Which ids occur among others, shape of `ids`."""
    return np.isin(ids, among)


def _keys(cells: Cells) -> NDArray[Any]:
    """Values that compare equal when the cells do."""
    if cells.values.dtype == np.float64:
        mantissa, exponent = np.frexp(cells.values)
        return np.asarray(np.ldexp(np.round(mantissa * DIGITS_KEPT) / DIGITS_KEPT, exponent) + 0.0)
    return cells.values


def _one_numbering(tables: Sequence[Cells]) -> Sequence[Cells]:
    """The cells with category codes that index one list of levels."""
    if not any(cells.levels for cells in tables):
        return tables
    numbering: dict[str, int] = {}
    out = []
    for cells in tables:
        codes = np.array([numbering.setdefault(x, len(numbering)) for x in levels_of(cells)] or [0], np.int64)
        out.append(Cells(codes[level_codes(cells)], cells.state))
    return out


def _split(values: Ids, lengths: Sequence[int]) -> list[Ids]:
    return np.split(values, np.cumsum(lengths)[:-1])
