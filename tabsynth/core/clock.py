"""Dates and times as text: strftime formats compiled once, the same on every platform and locale.

A format may list alternatives separated by ``|`` ("%d.%m.%Y|%Y-%m-%d"): each is tried when reading, the first
is used when writing. Beyond strftime: ``%-d`` reads and writes without padding, ``%3f`` is milliseconds, ``%:z`` is
an offset with a colon. No format means ISO 8601.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from typing import Final

from tabsynth.core.errors import SchemaError

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = date(1970, 1, 1).toordinal()
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
                  "October", "November", "December")
_SHORT_MONTHS: Final = [name[:3] for name in _MONTHS]
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORTHANDS: Final = {"%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%R": "%H:%M"}
_PADDED: Final = {"m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "y": 2, "j": 3}
_TOKEN: Final = re.compile(r"%(-|:|[1-6])?([a-zA-Z%])")
_ZONE: Final = r"(?:Z|[+-]\d{2}:?\d{2})"


@dataclass(frozen=True, slots=True)
class Moment:
    """A day (since 1970-01-01), microseconds of the day, and the offset from UTC in microseconds if written."""

    day: int
    micros: int
    offset: int | None = None

    @property
    def local(self) -> int:
        """Microseconds since 1970-01-01T00:00 on the clock as written."""
        return self.day * DAY + self.micros


@dataclass(frozen=True, slots=True)
class Format:
    """One compiled strftime format."""

    text: str
    pattern: re.Pattern[str]
    parts: tuple[tuple[str, str], ...]

    @property
    def tick(self) -> int:
        """The finest step the format can write, in microseconds."""
        letters = {letter for _, letter in self.parts}
        fraction = next((int(flag or 6) for flag, letter in self.parts if letter == "f"), None)
        if fraction is not None:
            return int(10 ** (6 - fraction))
        if "S" in letters:
            return SECOND
        if "M" in letters:
            return MINUTE
        return HOUR if letters & {"H", "I"} else DAY

    def parse(self, text: str) -> Moment | None:
        """The moment that `text` says, or None if it does not fit the format or the calendar."""
        match = self.pattern.fullmatch(text)
        return None if match is None else _moment(match.groupdict())

    def render(self, day: int, micros: int, offset: int = 0) -> str:
        """The text of a local day and time; `offset` from UTC in microseconds fills %z."""
        return "".join(_write(flag, letter, day, micros, offset) for flag, letter in self.parts)


@cache
def compile_format(text: str) -> Format:
    """Compile one strftime format (without alternatives).

    Raises:
        SchemaError: a directive that is not known.
    """
    for short, long in _SHORTHANDS.items():
        text = text.replace(short, long)
    pieces: list[tuple[str, str]] = []
    end = 0
    for token in _TOKEN.finditer(text):
        if token.start() > end:
            pieces.append(("literal", text[end : token.start()]))
        pieces.append(("literal", "%") if token[2] == "%" else (token[1] or "", token[2]))
        end = token.end()
    if end < len(text):
        pieces.append(("literal", text[end:]))
    parts = tuple(pieces)
    pattern = "".join(_regex(parts, i) for i in range(len(parts)))
    try:
        return Format(text, re.compile(pattern, re.ASCII), parts)
    except re.error as error:
        raise SchemaError(f"format {text!r} names the same part of a date twice.") from error


@cache
def alternatives(text: str) -> tuple[Format, ...]:
    """The compiled alternatives of a column's ``format``."""
    return tuple(compile_format(part) for part in text.split("|"))


def parse_iso(text: str) -> Moment | None:
    """ISO 8601: a date, or a date and a time with "T" or a blank, seconds, fraction and offset optional."""
    match = _ISO.fullmatch(text)
    return None if match is None else _moment(match.groupdict())


def parse_iso_time(text: str) -> Moment | None:
    """HH:MM, HH:MM:SS or with a fraction."""
    match = _ISO_TIME.fullmatch(text)
    return None if match is None else _moment(match.groupdict())


def iso_date(day: int) -> str:
    return "" if not _in_calendar(day) else date.fromordinal(day + _EPOCH).isoformat()


def iso_time(micros: int) -> str:
    """HH:MM:SS, with six digits of fraction only when there is one."""
    seconds, fraction = divmod(micros, SECOND)
    hours, rest = divmod(seconds, 3600)
    text = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
    return f"{text}.{fraction:06d}" if fraction else text


@cache
def zone(name: str) -> tzinfo:
    """The time zone of an IANA name, "UTC", or a fixed offset such as "+02:00".

    Raises:
        SchemaError: no such zone.
    """
    if name.upper() in ("UTC", "Z", "GMT", "ETC/UTC"):
        return UTC
    fixed = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", name)
    if fixed is not None:
        size = timedelta(hours=int(fixed[2]), minutes=int(fixed[3]))
        if size < timedelta(hours=24):
            return timezone(-size if fixed[1] == "-" else size)
    try:
        from zoneinfo import ZoneInfo

        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SchemaError(f"there is no time zone called {name!r}.",
                          fix="Use an IANA name such as 'Europe/Berlin' or 'UTC'.") from error


def utc_of(local: int, place: tzinfo) -> int:
    """UTC microseconds of a local clock reading; of two possible ones the first, as daylight saving ends."""
    if place is UTC:
        return local
    offset = _datetime(local).replace(tzinfo=place).utcoffset() or timedelta(0)
    return local - offset // timedelta(microseconds=1)


def offset_at(utc: int, place: tzinfo) -> int:
    """The zone's offset from UTC at a UTC moment, in microseconds."""
    if place is UTC:
        return 0
    try:
        moved = _datetime(utc).replace(tzinfo=UTC).astimezone(place)
    except OverflowError:
        return 0
    return (moved.utcoffset() or timedelta(0)) // timedelta(microseconds=1)


def in_calendar(micros: int) -> bool:
    """True for moments of the years 1 to 9999."""
    return _in_calendar(micros // DAY)


def _in_calendar(day: int) -> bool:
    return 1 <= day + _EPOCH <= date.max.toordinal()


def _datetime(micros: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(microseconds=micros)


def _regex(parts: tuple[tuple[str, str], ...], i: int) -> str:
    flag, letter = parts[i]
    if flag == "literal":
        return re.escape(letter)
    if letter in _PADDED:
        width = _PADDED[letter]
        return f"(?P<{letter}>\\d{{{width if _touches(parts, i) and flag != '-' else 1},{width}}})"
    if letter == "f":
        return f"(?P<f>\\d{{{flag}}})" if flag.isdigit() else r"(?P<f>\d{1,6})"
    if letter not in _OTHERS:
        known = ", ".join(f"%{name}" for name in sorted({*_PADDED, *_OTHERS, "f"}))
        raise SchemaError(f"a date format holds %{letter}, which is not known; known are: {known}.")
    return _OTHERS[letter]


def _touches(parts: tuple[tuple[str, str], ...], i: int) -> bool:
    """True if another directive stands directly beside part `i`, so that its width must be exact."""
    return any(0 <= j < len(parts) and (parts[j][0] != "literal" or parts[j][1][edge].isdigit())
               for j, edge in ((i - 1, -1), (i + 1, 0)))


def _names(names: tuple[str, ...], short: bool) -> str:
    return "(?:" + "|".join(name[:3] if short else name for name in names) + ")"


_OTHERS: Final = {
    "Y": r"(?P<Y>\d{4})", "e": r"(?P<d>[ \d]\d)", "p": "(?P<p>[AaPp][Mm])", "z": f"(?P<z>{_ZONE})",
    "Z": "(?P<Z>UTC|GMT)", "b": f"(?P<b>(?i:{_names(_MONTHS, True)}))", "B": f"(?P<b>(?i:{_names(_MONTHS, False)}))",
    "a": f"(?i:{_names(_DAYS, True)})", "A": f"(?i:{_names(_DAYS, False)})",
}
_CLOCK: Final = r"(?P<H>\d{2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
_ISO: Final = re.compile(rf"(?P<Y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})(?:[T ]{_CLOCK} ?(?P<z>{_ZONE})?)?", re.ASCII)
_ISO_TIME: Final = re.compile(_CLOCK, re.ASCII)


def _moment(part: dict[str, str | None]) -> Moment | None:
    get = part.get
    day = _day(get("Y"), get("y"), get("m"), get("b"), get("d"), get("j"))
    micros = _micros(get("H"), get("I"), get("p"), get("M"), get("S"), get("f"))
    zone_text = get("z")
    offset = 0 if get("Z") else None
    if zone_text:
        digits = zone_text.replace(":", "")
        minutes = 0 if digits == "Z" else int(digits[1:3]) * 60 + int(digits[3:5])
        offset = -minutes * MINUTE if digits[0] == "-" else minutes * MINUTE
    return None if day is None or micros is None else Moment(day, micros, offset)


@lru_cache(maxsize=1 << 16)
def _day(year: str | None, short_year: str | None, month: str | None, name: str | None, day: str | None,
         day_of_year: str | None) -> int | None:
    """Days since 1970-01-01, or None for a day that the calendar does not have. Two digits are 1969 to 2068."""
    y = int(year or 1970) if short_year is None else int(short_year) + (1900 if int(short_year) >= 69 else 2000)
    m = int(month or 1) if name is None else 1 + _SHORT_MONTHS.index(name[:3].title())
    try:
        found = date(y, m, int(day or 1))
    except ValueError:
        return None
    if day_of_year is not None:
        found = date.fromordinal(min(found.toordinal() + int(day_of_year) - 1, date.max.toordinal()))
        if found.year != y or int(day_of_year) < 1:
            return None
    return found.toordinal() - _EPOCH


@lru_cache(maxsize=1 << 17)
def _micros(hour: str | None, hour12: str | None, half: str | None, minute: str | None, second: str | None,
            fraction: str | None) -> int | None:
    """Microseconds since midnight, or None for a time that the clock does not have."""
    h = int(hour or 0)
    if hour12 is not None:
        if not 1 <= int(hour12) <= 12:
            return None
        h = int(hour12) % 12 + (12 if (half or "").upper() == "PM" else 0)
    m, s = int(minute or 0), int(second or 0)
    if h > 23 or m > 59 or s > 59:
        return None
    return h * HOUR + m * MINUTE + s * SECOND + int((fraction or "0").ljust(6, "0")[:6])


def _write(flag: str, letter: str, day: int, micros: int, offset: int) -> str:
    if flag == "literal":
        return letter
    if letter in "HIMSpf":
        return _write_clock(flag, letter, micros)
    if letter == "z":
        minutes = abs(offset) // MINUTE
        colon = ":" if flag == ":" else ""
        return f"{'-' if offset < 0 else '+'}{minutes // 60:02d}{colon}{minutes % 60:02d}"
    if letter == "Z":
        return "UTC"
    when = date.fromordinal(min(max(day + _EPOCH, 1), date.max.toordinal()))
    number = _NUMBERS.get(letter)
    if number is not None:
        width = 4 if letter == "Y" else _PADDED.get(letter, 2)
        return str(number(when)) if flag == "-" else str(number(when)).rjust(width, " " if letter == "e" else "0")
    name = _MONTHS[when.month - 1] if letter in "bB" else _DAYS[when.weekday()]
    return name if letter in "BA" else name[:3]


def _write_clock(flag: str, letter: str, micros: int) -> str:
    if letter == "f":
        return f"{micros % SECOND:06d}"[: int(flag or 6)]
    if letter == "p":
        return "PM" if micros >= 12 * HOUR else "AM"
    number = {"H": micros // HOUR, "I": (micros // HOUR + 11) % 12 + 1, "M": micros // MINUTE % 60,
              "S": micros // SECOND % 60}[letter]
    return str(number) if flag == "-" else f"{number:02d}"


_NUMBERS: Final[dict[str, Callable[[date], int]]] = {
    "Y": lambda d: d.year, "y": lambda d: d.year % 100, "m": lambda d: d.month, "d": lambda d: d.day,
    "e": lambda d: d.day, "j": lambda d: d.timetuple().tm_yday,
}
