"""Codecs: one column's cells as integer codes, from the public schema or learned from real rows.

`public` is the only way that a DP fit uses. `analyze` each part of a table, `merge`, then `learn`: statistics are
exact, so that the split and order of the parts make no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.base import Codec, Stats, same_state
from tabsynth.core.codec.boolean import BooleanCodec, NoStats
from tabsynth.core.codec.category import CategoryCodec, CategoryStats, learn_category, public_category
from tabsynth.core.codec.line import LineCodec
from tabsynth.core.codec.numeric import LineStats, learn_line, public_line
from tabsynth.core.errors import SchemaError
from tabsynth.core.schema import NUMERIC, Column
from tabsynth.core.table import EVERY_ROW, Cells, Index

__all__ = ["Codec", "Stats", "analyze", "from_state", "learn", "public", "same_state"]

MIN_UNITS = 11
"""Without DP nothing stands for fewer people than this."""


def public(column: Column, *, levels: tuple[str, ...] | None = None, ends: tuple[Any, Any] | None = None) -> Codec:
    """The codec that follows from the column's public facts alone.

    Args:
        column: with bounds (kinds on a line) or levels or code list (category).
        levels: of an open category, as bought from the budget.
        ends: of an open column on a line: first and last point on its axis, as bought from the budget.

    Raises:
        PrivacyError: the public facts are not enough. SchemaError: a kind that is regenerated, not modelled.
    """
    _check_modelled(column)
    if column.kind == "boolean":
        return BooleanCodec(column)
    return public_category(column, levels) if column.kind == "category" else public_line(column, ends)


def analyze(column: Column, cells: Cells, units: NDArray[np.int64], index: Index = EVERY_ROW) -> Stats:
    """What `learn` needs to know of a part of a column.

    Args:
        cells: the cells of the n rows, or cells that `index` chooses from.
        units: shape (n,): whose row it is, numbered 0, 1, 2, ... in the same way in every part; rows with -1
            (unit not given) are left out.
        index: which of the cells each row has.
    """
    _check_modelled(column)
    if column.kind in NUMERIC:
        return LineStats.of(cells, units, index)
    return CategoryStats.of(cells, units, index) if column.kind == "category" else NoStats()


def learn(column: Column, stats: Stats, *, min_units: int = MIN_UNITS, max_bins: int = 256) -> Codec:
    """The codec of real rows (non-DP): shared values, equal-mass bins, pooled rare levels; public facts win."""
    if isinstance(stats, LineStats):
        return learn_line(column, stats, min_units=min_units, max_bins=max_bins)
    if isinstance(stats, CategoryStats):
        return learn_category(column, stats, min_units=min_units)
    return BooleanCodec(column)


def from_state(column: Column, state: Mapping[str, Any]) -> Codec:
    """Rebuild a codec from `Codec.state`."""
    if state["type"] == "line":
        return LineCodec.from_state(column, state)
    return CategoryCodec.from_state(column, state) if state["type"] == "category" else BooleanCodec(column)


def _check_modelled(column: Column) -> None:
    if column.kind in ("id", "text"):
        raise SchemaError(f"column {column.name!r} is {column.kind}: it is regenerated, not modelled.")
