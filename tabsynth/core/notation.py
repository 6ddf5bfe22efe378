"""Numbers, dates and times as a person writes them in a schema, on the canonical axis of their kind."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Final

from tabsynth.core import clock, duration
from tabsynth.core.errors import SchemaError
from tabsynth.core.schema import NUMERIC, Column

INT64: Final = (-(2**63), 2**63 - 1)
_EXAMPLES: Final = {
    "number": "12.5", "integer": "12", "date": '"1999-01-31"', "datetime": '"1999-01-31T23:59"',
    "time": '"23:59"', "timedelta": 'seconds or "27:49:00"',
}


def position(column: Column, written: Any) -> int | float:
    """Canonical value of something written in the column's notation: float of a number, else int.

    Raises:
        SchemaError: it does not read as a value of the column's kind.

    >>> position(Column("d", "date"), "1970-01-03")
    2
    """
    read = _read(column, written)
    if read is None or (isinstance(read, int) and not INT64[0] <= read <= INT64[1]):
        article = "an" if column.kind[0] in "aeiou" else "a"
        example = _EXAMPLES.get(column.kind, "text")
        raise SchemaError(f"{written!r} is not {article} {column.kind}; write it like {example}.")
    return read


def bounds(column: Column) -> tuple[int | float, int | float] | None:
    """The column's public bounds on the canonical axis, or None where it has none."""
    if column.bounds is None or column.kind not in NUMERIC:
        return None
    low, high = (position(column, edge) for edge in column.bounds)
    if low > high:
        raise SchemaError(f"the lower bound {column.bounds[0]!r} is above the upper bound {column.bounds[1]!r}.")
    return low, high


def tick(column: Column) -> int | float | None:
    """The public grid that values lie on, in canonical units; None = a number of unknown precision.

    `step` counts in the column's own notation: its unit for numbers, days for dates, seconds for the others.
    """
    if column.kind == "number":
        by_digits = None if column.decimals is None else 10.0**-column.decimals
        return by_digits if column.step is None else column.step
    if column.kind in ("integer", "date"):
        return max(1, round(column.step or 1))
    if column.step is not None:
        return max(1, round(column.step * clock.SECOND))
    if column.kind == "timedelta":
        return duration.tick(column.format)
    return clock.alternatives(column.format)[0].tick if column.format else clock.SECOND


def decimals_of(step: float) -> int:
    """Digits after the mark that multiples of `step` need, at most 15.

    >>> decimals_of(0.25)
    2
    """
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    return min(15, max(0, -int(exponent)))


def _read(column: Column, written: Any) -> int | float | None:
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        return None
    kind = column.kind
    if isinstance(written, str) and kind not in ("number", "integer"):
        return _read_clock(column, written.strip())
    if kind not in ("number", "integer", "timedelta"):
        return None
    try:
        value = float(written)
        if not math.isfinite(value):
            return None
        if kind == "number":
            return value
        if kind == "timedelta":
            return round(Decimal(str(written)) * clock.SECOND)
        return int(Decimal(str(written))) if value == int(value) else None
    except (ValueError, ArithmeticError):
        return None


def _read_clock(column: Column, written: str) -> int | None:
    if column.kind == "timedelta":
        return duration.parse(written)
    moment = clock.parse_iso_time(written) if column.kind == "time" else clock.parse_iso(written)
    if moment is None:
        return None
    if column.kind == "time":
        return moment.micros
    if column.kind == "date":
        return moment.day if moment.micros == 0 else None
    if moment.offset is not None:
        return moment.local - moment.offset
    return clock.utc_of(moment.local, clock.zone(column.timezone)) if column.timezone else moment.local
