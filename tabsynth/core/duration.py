"""Durations as text: a handful of formats, hours may exceed 24."""

from __future__ import annotations

import re
from typing import Final

from tabsynth.core.clock import DAY, HOUR, MINUTE, SECOND

FORMATS: Final = ("HH:MM:SS", "HH:MM", "0h00m", "0h0m", "seconds")
"""Text formats of a timedelta: 27:49:05, 27:49, 27h09m, 27h9m, 100145. None reads any, writes HH:MM:SS."""

_SIGN: Final = r"(?P<sign>[+-]?)"
_PATTERNS: Final = {
    "HH:MM:SS": re.compile(rf"{_SIGN}(?P<H>\d{{1,9}}):(?P<M>[0-5]\d):(?P<S>[0-5]\d)(?:[.,](?P<f>\d{{1,9}}))?",
                           re.ASCII),
    "HH:MM": re.compile(rf"{_SIGN}(?P<H>\d{{1,9}}):(?P<M>[0-5]\d)", re.ASCII),
    "0h00m": re.compile(rf"{_SIGN}(?P<H>\d{{1,9}})h ?(?P<M>[0-5]?\d)m", re.ASCII),
    "0h0m": re.compile(rf"{_SIGN}(?P<H>\d{{1,9}})h ?(?P<M>[0-5]?\d)m", re.ASCII),
    "seconds": re.compile(rf"{_SIGN}(?P<S>\d{{1,12}})(?:[.,](?P<f>\d{{1,9}}))?", re.ASCII),
}
_ANY: Final = (
    _PATTERNS["HH:MM:SS"], _PATTERNS["HH:MM"], _PATTERNS["0h00m"], _PATTERNS["seconds"],
    re.compile(rf"{_SIGN}(?P<d>\d{{1,6}}) days?,? \+?(?P<H>\d{{1,2}}):(?P<M>[0-5]\d):(?P<S>[0-5]\d)"
               r"(?:\.(?P<f>\d{1,9}))?", re.ASCII),
)


def parse(text: str, format: str | None = None) -> int | None:
    """Microseconds of a duration, or None if `text` does not fit.

    >>> parse("27h49m") == 27 * HOUR + 49 * MINUTE
    True
    """
    for pattern in (_ANY if format is None else (_PATTERNS[format],)):
        match = pattern.fullmatch(text)
        if match is not None:
            part = match.groupdict()
            fraction = int((part.get("f") or "").ljust(6, "0")[:6] or 0)
            size = (int(part.get("d") or 0) * DAY + int(part.get("H") or 0) * HOUR
                    + int(part.get("M") or 0) * MINUTE + int(part.get("S") or 0) * SECOND + fraction)
            return None if size > 2**63 - 1 else (-size if part["sign"] == "-" else size)
    return None


def render(micros: int, format: str | None = None) -> str:
    """The text of a duration of so many microseconds."""
    sign, size = ("-" if micros < 0 else ""), abs(micros)
    seconds, fraction = divmod(size, SECOND)
    tail = f".{fraction:06d}".rstrip("0") if fraction else ""
    if format == "seconds":
        return f"{sign}{seconds}{tail}"
    hours, minutes = divmod(seconds // 60, 60)
    if format in ("0h00m", "0h0m"):
        return f"{sign}{hours}h{minutes:02d}m" if format == "0h00m" else f"{sign}{hours}h{minutes}m"
    if format == "HH:MM":
        return f"{sign}{hours:02d}:{minutes:02d}"
    return f"{sign}{hours:02d}:{minutes:02d}:{seconds % 60:02d}{tail}"


def tick(format: str | None) -> int:
    """The finest whole step a duration format is meant for, in microseconds."""
    return MINUTE if format in ("HH:MM", "0h00m", "0h0m") else SECOND
