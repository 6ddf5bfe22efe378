"""Cells of text files: texts to canonical cells by a column's schema, and back in the same notation.

Both directions are total. A text that is not readable as the column's kind becomes INVALID; whether a table is read
or refused never depends on a value. Numbers, dates and booleans are stripped of surrounding blanks; categories,
ids and free text are kept byte for byte.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import clock, duration
from tabsynth.core.notation import INT64
from tabsynth.core.schema import Column, Dialect
from tabsynth.core.table import CANONICAL, INVALID, MISSING, PRESENT, Cells, LogicalType

SPELLINGS: Final = (("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("0", "1"))
"""What a boolean without declared spelling may look like, in any case; the first pair is written."""

_BIG: Final = 1e21
_TINY: Final = 1e-9


def parse(column: Column, texts: Sequence[str | None], dialect: Dialect | None = None) -> Cells:
    """Cells of texts. Never raises: a text that does not read as the column's kind is INVALID.

    Args:
        column: kind, format, missing tokens and time zone.
        texts: shape (n,); None is missing. Each distinct text is read once.
        dialect: decimal mark and thousands separator.

    Returns:
        Cells, shape (n,). A category's levels are the declared ones, then the others as they appear.
    """
    if column.kind == "category":
        return _parse_category(column, texts)
    if column.kind in ("id", "text"):
        return _parse_verbatim(column, texts)
    read = reader(column, dialect or Dialect())
    missing = frozenset(column.missing) | {""}
    index: dict[str | None, int] = {}
    position = [index.setdefault(text, len(index)) for text in texts]
    values = np.zeros(len(index), CANONICAL[column.kind])
    state = np.zeros(len(index), np.uint8)
    for text, i in index.items():
        if text is None or text in missing or (bare := text.strip()) in missing:
            state[i] = MISSING
        elif (value := read(bare)) is None:
            state[i] = INVALID
        else:
            values[i] = value
    where = np.array(position, np.intp)
    return Cells(values[where], state[where], (), LogicalType.from_json(column.logical))


def render(column: Column, cells: Cells, dialect: Dialect | None = None) -> NDArray[np.object_]:
    """Texts of cells, shape (n,): what `parse` reads as the same cells. Missing is written as the first token.

    A cell that is INVALID has no text and is written as missing.
    """
    out = np.full(len(cells), column.missing[0] if column.missing else "", dtype=object)
    present = cells.present
    if column.kind in ("id", "text"):
        out[present] = cells.values[present]
    elif column.kind == "category":
        if cells.levels:
            out[present] = np.asarray(cells.levels, dtype=object)[cells.values[present]]
    else:
        distinct, inverse = np.unique(cells.values[present], return_inverse=True)
        write = writer(column, dialect or Dialect())
        texts = np.empty(len(distinct), dtype=object)
        texts[:] = [write(value) for value in distinct.tolist()]
        out[present] = texts[inverse]
    return out


def reader(column: Column, dialect: Dialect) -> Callable[[str], Any]:
    """The function from a stripped text to the canonical value, or None where the text does not fit."""
    kind = column.kind
    if kind == "number":
        return _number_reader(dialect)
    if kind == "integer":
        return _integer_reader(dialect)
    if kind == "boolean":
        return _boolean_reader(column)
    if kind == "timedelta":
        form = column.format if column.format in duration.FORMATS else None
        return lambda text: duration.parse(text, form)
    return _clock_reader(column)


def writer(column: Column, dialect: Dialect) -> Callable[[Any], str]:
    """The function from a canonical value to its text."""
    kind = column.kind
    if kind == "number":
        return _number_writer(column, dialect)
    if kind == "integer":
        return str
    if kind == "boolean":
        pair = spelling(column)
        return lambda value: pair[bool(value)]
    if kind == "timedelta":
        return lambda value: duration.render(value, column.format)
    return _clock_writer(column)


def spelling(column: Column) -> tuple[str, str]:
    """How a boolean column writes (false, true)."""
    declared = _declared_spelling(column)
    return declared if declared is not None else SPELLINGS[0]


def plain_number(value: float) -> str:
    """The shortest text that reads as the same float, without ".0" and without an exponent in the usual range.

    >>> plain_number(40.0), plain_number(0.1), plain_number(1.995e-06), plain_number(1e16)
    ('40', '0.1', '0.000001995', '10000000000000000')
    """
    text = repr(float(value))
    if "e" in text and _TINY <= abs(value) < _BIG:
        text = np.format_float_positional(value, trim="0")
    if text.endswith(".0"):
        text = text[:-2]
    return "0" if text == "-0" else text


# --- categories and verbatim text ----------------------------------------------------------------------------


def _parse_category(column: Column, texts: Sequence[str | None]) -> Cells:
    missing = frozenset(column.missing)
    index = {level: i for i, level in enumerate(column.levels or ())}
    codes = [-1 if text is None or text in missing else index.setdefault(text, len(index)) for text in texts]
    values = np.fromiter(codes, np.int32, len(codes))
    state = np.where(values < 0, MISSING, PRESENT).astype(np.uint8)
    return Cells(np.maximum(values, 0), state, tuple(index), LogicalType.from_json(column.logical))


def _parse_verbatim(column: Column, texts: Sequence[str | None]) -> Cells:
    missing = frozenset(column.missing)
    values = np.empty(len(texts), dtype=object)
    values[:] = ["" if text is None or text in missing else text for text in texts]
    absent = np.fromiter((text is None or text in missing for text in texts), bool, len(texts))
    state = np.where(absent, MISSING, PRESENT).astype(np.uint8)
    return Cells(values, state, (), LogicalType.from_json(column.logical))


# --- numbers -------------------------------------------------------------------------------------------------


@cache
def _number_pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    grouped = rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|" if thousands else ""
    mark = re.escape(decimal)
    return re.compile(rf"[-+]?(?:(?:{grouped}\d+)(?:{mark}\d*)?|{mark}\d+)(?:[eE][-+]?\d{{1,4}})?", re.ASCII)


def _normaliser(dialect: Dialect) -> Callable[[str], str | None]:
    """From a text in the dialect to one that float() reads, or None where it is no number."""
    pattern = _number_pattern(dialect.decimal, dialect.thousands)
    decimal, thousands = dialect.decimal, dialect.thousands

    def normalise(text: str) -> str | None:
        if pattern.fullmatch(text) is None:
            return None
        if thousands:
            text = text.replace(thousands, "")
        return text if decimal == "." else text.replace(decimal, ".")

    return normalise


def _number_reader(dialect: Dialect) -> Callable[[str], float | None]:
    normalise = _normaliser(dialect)

    def read(text: str) -> float | None:
        bare = normalise(text)
        if bare is None:
            return None
        value = float(bare)
        return value if math.isfinite(value) else None

    return read


def _integer_reader(dialect: Dialect) -> Callable[[str], int | None]:
    """Whole numbers, exactly. "5.0" and "1e+05" are whole (some programs write integers so), "5.5" is not."""
    normalise = _normaliser(dialect)

    def read(text: str) -> int | None:
        bare = normalise(text)
        if bare is None:
            return None
        if bare.lstrip("+-").isdigit():
            value = int(bare) if len(bare) < 25 else _exact(bare)
        else:
            value = _exact(bare)
        return value if value is not None and INT64[0] <= value <= INT64[1] else None

    return read


def _exact(text: str) -> int | None:
    value = Decimal(text)
    if not value.is_zero() and value.adjusted() > 19:
        return None
    return int(value) if value == value.to_integral_value() else None


def _number_speller(column: Column) -> Callable[[float], str]:
    """Fixed decimals, else by format.

    "repr" is how Python and pandas write (5.0, 1e-05), "bare" how Stata and SAS do (.5), ".3e" an exponent.
    """
    if column.decimals is not None:
        return f"{{:.{column.decimals}f}}".format
    if column.format is None:
        return plain_number
    if column.format == "bare":
        return _bare_number
    return repr if column.format == "repr" else f"{{:{column.format}}}".format


def _bare_number(value: float) -> str:
    text = plain_number(value)
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _number_writer(column: Column, dialect: Dialect) -> Callable[[float], str]:
    mark, group, spell = dialect.decimal, dialect.thousands, _number_speller(column)

    def write(value: float) -> str:
        text = spell(value)
        whole, dot, rest = text.partition(".")
        if group and "e" not in text:
            sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
            whole = sign + (f"{int(digits):,}".replace(",", group) if digits else "")
        return whole + (mark if dot else "") + rest

    return write


# --- booleans ------------------------------------------------------------------------------------------------


def _declared_spelling(column: Column) -> tuple[str, str] | None:
    pair: Iterable[str] = column.levels or (column.format.split("|") if column.format else ())
    texts = tuple(pair)
    return (texts[0], texts[1]) if len(texts) == 2 else None


def _boolean_reader(column: Column) -> Callable[[str], bool | None]:
    """Exactly as declared, else the declared spelling in another case; undeclared, any usual spelling."""
    declared = _declared_spelling(column)
    pairs = SPELLINGS if declared is None else (declared,)
    loose = {text.strip().lower(): bool(i) for pair in pairs for i, text in enumerate(pair)}
    if len(loose) < 2 * len(pairs):  # the two spellings differ by case alone
        loose = {}
    exact = {text.strip(): bool(i) for pair in pairs for i, text in enumerate(pair)}

    def read(text: str) -> bool | None:
        found = exact.get(text)
        return loose.get(text.lower()) if found is None else found

    return read


# --- dates, datetimes and times ------------------------------------------------------------------------------


def _clock_reader(column: Column) -> Callable[[str], int | None]:
    formats = [form.parse for form in clock.alternatives(column.format)] if column.format else []
    if not formats:
        formats = [clock.parse_iso_time if column.kind == "time" else clock.parse_iso]
    place = clock.zone(column.timezone) if column.timezone else None

    def read(text: str) -> int | None:
        moment = next((m for m in (form(text) for form in formats) if m is not None), None)
        if moment is None:
            return None
        if column.kind == "time":
            return moment.micros
        if column.kind == "date":
            return moment.day if column.format or moment.micros == 0 else None
        if moment.offset is not None and (place is not None or _writes_offset(column)):
            value = moment.local - moment.offset
        else:
            value = moment.local if place is None else clock.utc_of(moment.local, place)
        return value if clock.in_calendar(value) else None

    return read


def _writes_offset(column: Column) -> bool:
    return column.format is not None and any(p[1] == "z" for p in clock.alternatives(column.format)[0].parts)


def _clock_writer(column: Column) -> Callable[[int], str]:
    form = clock.alternatives(column.format)[0] if column.format else None
    if column.kind == "time":
        return clock.iso_time if form is None else lambda value: form.render(0, value)
    if column.kind == "date":
        return clock.iso_date if form is None else lambda value: form.render(value, 0)
    place = clock.zone(column.timezone) if column.timezone else None

    def write(value: int) -> str:
        offset = 0 if place is None else clock.offset_at(value, place)
        day, micros = divmod(value + offset, clock.DAY)
        if form is not None:
            return form.render(day, micros, offset)
        suffix = "" if place is None else _ISO_OFFSET.render(0, 0, offset)
        return f"{clock.iso_date(day)}T{clock.iso_time(micros)}{suffix}"

    return write


_ISO_OFFSET: Final = clock.compile_format("%:z")
