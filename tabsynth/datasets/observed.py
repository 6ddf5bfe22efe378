"""What a column's rows hold, as proposals for its public facts. All of it is personal data."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import clock, text
from tabsynth.core.schema import NUMERIC, Column, Dialect
from tabsynth.datasets.profile import Profile

SENTINELS: Final = (-1, -9, -99, -999, -9999, 99, 999, 9999, 99999)
"""Numbers that often stand for "not given"."""

MAX_LEVELS: Final = 1000

_DIGITS: Final = re.compile(r"([0-9]+)")


def values(column: Column, seen: Profile, dialect: Dialect) -> dict[str, Any]:
    """Bounds and point masses of what is measured, levels of a category in natural order; else {}.

    Not by frequency: the order would tell, once the list is copied into a public schema, what is common.
    """
    if not column.modelled:
        return {}
    if column.kind == "category":
        levels = sorted(seen.texts(without=column.missing), key=_natural)
        return {"levels": levels} if 0 < len(levels) <= MAX_LEVELS else {}
    if column.kind not in NUMERIC:
        return {}
    found, rows = _read(column, seen, dialect)
    if not len(found):
        return {}
    out: dict[str, Any] = {"bounds": [_written(column, found.min()), _written(column, found.max())]}
    masses = found[(rows >= 0.1 * rows.sum()) & (len(found) > 20)]
    if column.kind in ("number", "integer") and len(masses):
        out["special"] = [float(v) for v in np.sort(masses)]
    return out


def sentinels(column: Column, seen: Profile, dialect: Dialect) -> list[int]:
    """Codes such as -999 that occur several times, well outside all other numbers of the column."""
    if column.kind not in ("number", "integer") or not column.modelled:
        return []
    found, rows = _read(column, seen, dialect)
    others = found[~np.isin(found, SENTINELS)]
    if len(others) < 5:
        return []
    low, high = others.min(), others.max()
    gap = 0.2 * (high - low)
    often = {float(v) for v, n in zip(found.tolist(), rows.tolist()) if n >= 2}
    return [s for s in SENTINELS if s in often and ((s < 0 <= low) or s > high + gap)]


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sorting key under which 9 comes before 10."""
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)
            for part in _DIGITS.split(text) if part]


def _read(column: Column, seen: Profile, dialect: Dialect) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct canonical values and the rows of each."""
    texts = seen.texts(without=column.missing)
    cells = text.parse(column, texts, dialect)
    rows = np.fromiter((seen.counts[t] for t in texts), np.int64, len(texts))
    return cells.values[cells.present], rows[cells.present]


def _written(column: Column, value: Any) -> Any:
    """A canonical value in the notation of a schema's bounds."""
    if column.kind == "number":
        return float(value)
    if column.kind == "integer":
        return int(value)
    if column.kind == "date":
        return clock.iso_date(int(value))
    if column.kind == "timedelta":
        return int(value) / clock.SECOND
    if column.kind == "time":
        return clock.iso_time(int(value))
    day, micros = divmod(int(value), clock.DAY)
    return f"{clock.iso_date(day)}T{clock.iso_time(micros)}"
