"""Cells of one kind as cells of another, as when a schema calls an integer column a category.

What has an exact counterpart is converted directly; everything else goes through text, the same way as a file would.
Total: a value without counterpart becomes INVALID.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import clock
from tabsynth.core.schema import Column, Dialect
from tabsynth.core.table import CANONICAL, INVALID, MISSING, PRESENT, Cells
from tabsynth.core.text import parse, render

_VERBATIM: Final = ("id", "text")


def recast(cells: Cells, source: Column, target: Column, dialect: Dialect | None = None) -> Cells:
    """The cells, which are of `source`'s kind, as cells of `target`'s kind; the logical type stays.

    Args:
        dialect: how numbers are written, where texts are read as numbers.
    """
    direct = _DIRECT.get((source.kind, target.kind))
    if source.kind == target.kind:
        return cells
    if direct is not None and source.timezone is None and target.timezone is None:
        return _applied(cells, direct, target)
    return _through_text(cells, source, target, dialect)


def mark_missing(cells: Cells, column: Column) -> Cells:
    """Typed cells that hold one of the column's (non-empty) missing tokens, such as -1, become MISSING."""
    tokens = [token for token in column.missing if token]
    if not tokens or column.kind == "boolean":
        return cells
    if column.kind == "category":
        hit = np.isin(cells.values, [i for i, level in enumerate(cells.levels) if level in tokens])
    else:
        bare = replace(column, missing=(), format=None)
        read = parse(bare, tokens)
        hit = np.isin(cells.values, read.values[read.present])
    hit &= cells.present
    blank: Any = "" if column.kind in _VERBATIM else 0
    return replace(cells, values=np.where(hit, blank, cells.values).astype(cells.values.dtype),
                   state=np.where(hit, MISSING, cells.state).astype(np.uint8))


def listed(cells: Cells, column: Column) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct texts of the present cells, and per cell the position of its text (0 where not present)."""
    if column.kind == "category":
        return list(cells.levels), cells.values.astype(np.intp)
    present = cells.present
    distinct, present_codes = _distinct(cells.values[present])
    codes = np.zeros(len(cells), np.intp)
    codes[present] = present_codes
    texts = render(replace(column, missing=("",)), Cells(distinct, np.zeros(len(distinct), np.uint8)))
    return texts.tolist(), codes


def _distinct(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    if values.dtype != object:
        distinct, codes = np.unique(values, return_inverse=True)
        return distinct, codes
    index: dict[str, int] = {}
    codes = np.fromiter((index.setdefault(v, len(index)) for v in values), np.intp, len(values))
    distinct = np.empty(len(index), dtype=object)
    distinct[:] = list(index)
    return distinct, codes


def _through_text(cells: Cells, source: Column, target: Column, dialect: Dialect | None) -> Cells:
    written = source.kind in ("category", *_VERBATIM)  # by a person, in the dialect
    texts, codes = listed(cells, source)
    if target.kind in ("category", *_VERBATIM):  # typed cells tell "" and missing apart
        target = replace(target, missing=tuple(token for token in target.missing if token))
    if not texts:
        blank = parse(target, [None] * len(cells))
        return replace(blank, state=_not_present(cells), logical=cells.logical)
    read = parse(target, texts, dialect if written else Dialect())
    out = read.take(codes)
    state = np.where(cells.present, out.state, _not_present(cells)).astype(np.uint8)
    values = out.values.copy()
    values[state != PRESENT] = "" if target.kind in _VERBATIM else 0
    return Cells(values, state, read.levels, cells.logical)


def _not_present(cells: Cells) -> NDArray[np.uint8]:
    return np.where(cells.state == INVALID, INVALID, MISSING).astype(np.uint8)


def _applied(cells: Cells, convert: Callable[[NDArray[Any]], tuple[NDArray[Any], Any]], target: Column) -> Cells:
    values, fits = convert(cells.values)
    state = np.where(cells.present & ~np.asarray(fits), INVALID, cells.state).astype(np.uint8)
    return Cells(np.where(state == PRESENT, values, 0).astype(CANONICAL[target.kind]), state, (), cells.logical)


def _whole(values: NDArray[Any]) -> tuple[NDArray[Any], Any]:
    fits = (values == np.rint(values)) & (values >= -(2.0**63)) & (values < 2.0**63)
    return np.where(fits, values, 0).astype(np.int64), fits


def _days_to_micros(values: NDArray[Any]) -> tuple[NDArray[Any], Any]:
    fits = np.abs(values) < 2**63 // clock.DAY
    return np.where(fits, values, 0) * clock.DAY, fits


_DIRECT: Final[dict[tuple[str, str], Callable[[NDArray[Any]], tuple[NDArray[Any], Any]]]] = {
    ("integer", "number"): lambda v: (v.astype(np.float64), True),
    ("number", "integer"): _whole,
    ("boolean", "integer"): lambda v: (v.astype(np.int64), True),
    ("boolean", "number"): lambda v: (v.astype(np.float64), True),
    ("date", "datetime"): _days_to_micros,
    ("datetime", "date"): lambda v: (v // clock.DAY, True),
}
