"""What is written in a rule, as the canonical value of the column it is compared with."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final

from tabsynth.core import notation
from tabsynth.core.errors import SchemaError
from tabsynth.core.schema import NUMERIC, Column, Dialect
from tabsynth.core.text import reader

Value = bool | int | float | str
"""A canonical value: text for categories, ids and texts, else as in ``core.table``."""

EXPECTED: Final[dict[str, str]] = {
    "number": "a number such as 1.5",
    "integer": "a number such as 42",
    "category": "a text in quotes",
    "boolean": "true or false",
    "date": "an ISO date in quotes such as '1999-12-31'",
    "datetime": "an ISO date and time in quotes such as '1999-12-31T23:59'",
    "time": "a time in quotes such as '23:59'",
    "timedelta": "a number of seconds, or a duration in quotes such as '27:49:00'",
    "id": "a text in quotes",
    "text": "a text in quotes",
}


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal as read, and as written (so that 1.0 can mean the level "1.0")."""

    value: Value
    text: str


def canonical(column: Column, literal: Literal) -> Value:
    """The canonical value of a literal for this column.

    Raises:
        ValueError: says what was expected instead.

    >>> canonical(Column("d", "date"), Literal("1970-01-03", "1970-01-03"))
    2
    """
    if column.kind == "category":
        return _level(column, literal)
    if column.kind in ("id", "text"):
        return _text(literal)
    value = _boolean(column, literal) if column.kind == "boolean" else _number(column, literal)
    if value is None:
        raise ValueError(f"column {column.name!r} is of kind {column.kind}: expected "
                         f"{EXPECTED[column.kind]}, got {literal.text!r}")
    return value


def declared_levels(column: Column) -> tuple[str, ...] | None:
    """The levels that the schema lists, by hand or by rule; None if it lists none."""
    if column.levels is not None:
        return column.levels
    if column.code_list is not None:
        from tabsynth.core import code_lists

        return code_lists.codes(column.code_list)
    return None


def _number(column: Column, literal: Literal) -> int | float | None:
    assert column.kind in NUMERIC
    written = literal.value
    if isinstance(written, bool) or (isinstance(written, str) and column.kind in ("number", "integer")):
        return None
    if column.kind == "integer" and isinstance(written, float) and not written.is_integer():
        return written  # "age < 17.5" is fine, although no age equals it
    try:
        return notation.position(column, written)
    except SchemaError:
        return None


def _boolean(column: Column, literal: Literal) -> bool | None:
    if isinstance(literal.value, bool):
        return literal.value
    value: bool | None = reader(column, Dialect())(_text(literal))
    return value


def _level(column: Column, literal: Literal) -> str:
    """A level by its text; a number also matches the one level that is equal to it as a number."""
    text = _text(literal)
    levels = declared_levels(column)
    if levels is None or text in levels:
        return text
    if not isinstance(literal.value, bool | str):
        equal = [level for level in levels if _as_number(level) == literal.value]
        if len(equal) == 1:
            return equal[0]
    close = difflib.get_close_matches(text, levels, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "its levels are " + _some(levels)
    raise ValueError(f"{text!r} is not a level of column {column.name!r}; {hint}")


def _text(literal: Literal) -> str:
    return literal.value if isinstance(literal.value, str) else literal.text


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _some(levels: tuple[str, ...]) -> str:
    return ", ".join(map(repr, levels[:8])) + (f", ... ({len(levels)} in all)" if len(levels) > 8 else "")
