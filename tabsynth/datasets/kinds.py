"""Which kind reads a column's texts and writes them back as they were.

A kind is accepted only if it reads every distinct text and gives back the same bytes; so digits, padding, spellings
and offsets that are not the same throughout rule a kind out, and what is left is a list of texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabsynth.core import text
from tabsynth.core.schema import Column, Dialect
from tabsynth.datasets import names
from tabsynth.datasets.formats import parsing

PROBE: Final = 64
"""Texts tried before all of them are."""

PAIRS: Final = (
    ("0", "1"), ("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("off", "on"), ("absent", "present"),
    ("negative", "positive"), ("neg", "pos"), ("nein", "ja"), ("non", "oui"), ("-", "+"),
)
"""Two spellings that are a boolean, in any case; any other two are a category."""

COMPACT: Final = "%Y%m%d"
DATES: Final = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%-d.%-m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%-d/%-m/%Y",
    "%-m/%-d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%-d %b %Y", "%d %B %Y", "%-d %B %Y",
    "%b %d, %Y", "%b %-d, %Y", "%B %-d, %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%-m/%-d/%y", "%d-%b-%y",
)
TIMES: Final = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%H:%M:%S.%3f", "%-H:%M", "%I:%M %p", "%-I:%M %p", "%I:%M:%S %p",
                "%-I:%M:%S %p")
DURATIONS: Final = ("HH:MM:SS", "HH:MM", "0h00m", "0h0m")
ZONES: Final = ("Europe/London", "Europe/Berlin", "Europe/Athens", "America/New_York", "America/Chicago",
                "America/Denver", "America/Los_Angeles", "Australia/Sydney")
"""Zones tried for a column whose offset changes with the season."""

_MOMENT: Final = re.compile(r"(?P<date>.+?)(?P<gap>[T ])\d{1,2}:\d{2}[^Z+-]*?(?P<zone> ?(?:Z|[+-]\d{2}:?\d{2}))?")
_DIGITS: Final = str.maketrans("123456789", "000000000")
_EXPONENT: Final = re.compile(r"[+-]?\d[.,](\d+)e[+-]\d+")


@dataclass(frozen=True, slots=True)
class Fit:
    """A column that reads and writes the texts, why it is thought so, and how sure that is."""

    column: Column
    reason: str
    confidence: str = "high"


def fit(name: str, texts: Sequence[str], dialect: Dialect, *, exact: bool = True) -> Fit | None:
    """The first measured kind (boolean, integer, number, date, datetime, time, timedelta) that fits, or None.

    Args:
        name: header; decides between kinds that share a notation ("12:30", "20200131").
        texts: distinct texts that are not missing, at least one.
        dialect: decimal mark and thousands separator.
        exact: a number must be written back digit for digit, not only by value.
    """
    return next((found for found in _candidates(name, texts, dialect, exact=exact)
                 if _fits(found.column, texts[:PROBE], dialect, exact=exact)
                 and _fits(found.column, texts, dialect, exact=exact)), None)


def reads(column: Column, texts: Sequence[str], dialect: Dialect) -> int:
    """How many of the texts the column's kind can read."""
    return int(text.parse(column, texts, dialect).present.sum())


def ambiguous_dates(texts: Sequence[str], dialect: Dialect) -> tuple[str, ...]:
    """Date formats that all write these texts but disagree on the days they mean; () if there is no such doubt.

    >>> ambiguous_dates(["01/02/2003", "03/04/2005"], Dialect())
    ('%d/%m/%Y', '%m/%d/%Y')
    """
    fits = [f for f in DATES if _fits(Column("", "date", format=f), texts[:PROBE], dialect)]
    if len(fits) > 1:
        fits = [f for f in fits if _fits(Column("", "date", format=f), texts, dialect)]
    if len(fits) < 2:
        return ()
    meanings = {f: text.parse(Column("", "date", format=f), texts, dialect).values.tobytes() for f in fits}
    different = {meaning: f for f, meaning in reversed(meanings.items())}
    return tuple(f for f in fits if f in different.values()) if len(different) > 1 else ()


def _fits(column: Column, texts: Sequence[str], dialect: Dialect, *, exact: bool = True) -> bool:
    cells = parsing.parse(column, pa.array(texts, pa.string()), dialect)
    if not cells.present.all():
        return False
    if column.kind == "number" and not exact:
        return True  # every way of writing a float keeps its value
    rows = _one_of_each_shape(texts) if _padded(column) else np.arange(len(texts))
    written = text.render(column, cells.take(rows), dialect).tolist()
    return bool(written == [texts[i] for i in rows])


def _padded(column: Column) -> bool:
    """True if the length of what is written says all about how it is written (offsets may be right or wrong)."""
    return column.kind in ("date", "datetime", "time") and column.format is not None and "z" not in column.format


def _one_of_each_shape(texts: Sequence[str]) -> NDArray[np.intp]:
    """Positions of one text per shape, where the shape of "12:30" is "00:00"."""
    shapes = {t.translate(_DIGITS): i for i, t in enumerate(texts)}
    return np.fromiter(shapes.values(), np.intp, len(shapes))


def _candidates(name: str, texts: Sequence[str], dialect: Dialect, *, exact: bool) -> Iterator[Fit]:
    yield from _booleans(name, texts)
    if names.DATE & set(names.words(name)) and all(len(t) == 8 for t in texts):
        yield Fit(Column(name, "date", format=COMPACT), "eight digits that are all dates, and a name like a date's",
                  "medium")
    yield Fit(Column(name, "integer"), "whole numbers throughout")
    yield from _numbers(name, texts, dialect, exact=exact)
    if not ambiguous_dates(texts, dialect):
        for form in DATES:
            sure = "medium" if form.endswith("%y") else "high"
            yield Fit(Column(name, "date", format=form), f"dates throughout, written {form}", sure)
    yield from _datetimes(name, texts, dialect)
    yield from _times(name)


def _booleans(name: str, texts: Sequence[str]) -> Iterator[Fit]:
    if len(texts) != 2:
        return
    for pair in PAIRS:
        written = {t.lower(): t for t in texts}
        if set(written) == set(pair):
            form = "|".join(written[t] for t in pair)
            yield Fit(Column(name, "boolean", format=form), "two spellings that mean no and yes")


def _numbers(name: str, texts: Sequence[str], dialect: Dialect, *, exact: bool) -> Iterator[Fit]:
    digits = {len(t.partition(dialect.decimal)[2]) for t in texts}
    most = max(digits)
    if len(digits) == 1 and most <= 15:
        yield Fit(Column(name, "number", decimals=most), f"numbers with {most} decimals throughout")
    step = 10.0**-most if 0 < most <= 8 and not any("e" in t.lower() for t in texts) else None
    plain = Fit(Column(name, "number", step=step), "numbers throughout")
    python = Fit(Column(name, "number", step=step, format="repr"), "numbers throughout, whole ones written like 5.0")
    yield from [plain, python] if exact else [python]
    yield Fit(Column(name, "number", step=step, format="bare"), "numbers throughout, written like .5")
    found = _EXPONENT.fullmatch(texts[0])
    if found is not None:
        yield Fit(Column(name, "number", format=f".{len(found[1])}e"), "numbers with an exponent throughout")


def _datetimes(name: str, texts: Sequence[str], dialect: Dialect) -> Iterator[Fit]:
    found = _MOMENT.fullmatch(texts[0])
    if found is None:
        return
    zone = found["zone"] or ""
    zone_form = zone if zone.strip() in ("", "Z") else (" " * zone.startswith(" ")) + ("%:z" if ":" in zone else "%z")
    places: tuple[str | None, ...] = ("UTC",) if zone.strip() == "Z" else _places(texts) if zone else (None,)
    days = [f for f in DATES if text.parse(Column("", "date", format=f), [found["date"]], dialect).present[0]]
    parts = dict.fromkeys(m["date"] for t in texts if (m := _MOMENT.fullmatch(t)))
    if ambiguous_dates(list(parts), dialect):
        return
    for day in days:
        for clock in TIMES:
            for place in places:
                column = Column(name, "datetime", format=f"{day}{found['gap']}{clock}{zone_form}", timezone=place)
                sure = "medium" if place in ZONES else "high"
                yield Fit(column, f"points in time throughout, written {column.format}"
                          + (f", zone {place} by its offsets" if place in ZONES else ""), sure)
    if found["gap"] == "T" and days[:1] == ["%Y-%m-%d"]:
        for place in places:
            yield Fit(Column(name, "datetime", timezone=place), "points in time throughout, as ISO 8601 has them")


def _places(texts: Sequence[str]) -> tuple[str, ...]:
    """Zones that the offsets written in the texts could come from."""
    offsets = {m["zone"].strip() for t in texts if (m := _MOMENT.fullmatch(t)) and m["zone"]}
    if len(offsets) > 1:
        return ZONES
    offset = offsets.pop() if offsets else "+00:00"
    return ("UTC",) if offset.replace(":", "") == "+0000" else (offset,)


def _times(name: str) -> Iterator[Fit]:
    times = [Fit(Column(name, "time", format=f), f"times of day throughout, written {f}") for f in TIMES]
    durations = [Fit(Column(name, "timedelta", format=f), f"durations throughout, written {f}") for f in DURATIONS]
    if names.DURATION & set(names.words(name)):
        yield from [*durations, *times]
    else:
        yield from [*times, *durations]


def pattern(texts: Sequence[str]) -> str | None:
    """The pattern that all ids share: digits "#", letters "@" unless they never change; None if there is none.

    >>> pattern(["P-101", "P-202"]), pattern(["A1", "B2"]), pattern(["7", "12"])
    ('P-###', '@#', None)
    """
    width = len(texts[0])
    if not 0 < width <= 64 or any(len(t) != width for t in texts):
        return None
    shape = [_place({t[i] for t in texts}) for i in range(width)]
    found = "".join(p for p in shape if p is not None)
    room = np.prod([{"#": 10.0, "@": 26.0}.get(p, 1.0) for p in found])
    return found if None not in shape and room >= 2 * len(texts) else None


def _place(characters: set[str]) -> str | None:
    if all(c.isascii() and c.isdigit() for c in characters):
        return "#"
    if len(characters) == 1:
        only = next(iter(characters))
        return None if only in "#@" else only
    return "@" if all(c.isascii() and c.isalpha() and c.isupper() for c in characters) else None
