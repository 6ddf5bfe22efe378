"""JSON values as words: how a table's cell, a key, a number and an interval are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tabsynth.reports import numbers

_KEYS: Final[dict[str, str]] = {
    "key": "Of", "n": "Records", "train_hits": "Hits, training", "train_n": "Tried, training",
    "control_hits": "Hits, control", "control_n": "Tried, control", "low": "Lower limit", "high": "Upper limit",
}
LARGEST: Final = 1e100
"""Nothing beyond is drawn: its interval may be no number."""


def words(key: str) -> str:
    """A key of a breakdown or of details as words."""
    if key in _KEYS:
        return _KEYS[key]
    text = key.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def cell(value: Any) -> str:
    """Any JSON value as a table's cell."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return numbers.count(value)
    if isinstance(value, float):
        return numbers.figure(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{words(k)} {cell(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(v) for v in value)
    return str(value)


def number(row: Mapping[str, Any], key: str) -> float | None:
    """A number of a row that can be told or drawn, else None."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
        return None
    return value


def pair(interval: Sequence[float] | None) -> tuple[float, float] | None:
    """An interval as it is used, not as JSON holds it."""
    return None if interval is None else (interval[0], interval[1])


def person(unit: str) -> str:
    """What one person is called: the unit column's name where that is a word, else "person".

    >>> person("patient"), person("patient_nbr"), person("row")
    ('patient', 'person', 'person')
    """
    return unit if unit.isalpha() and unit.islower() and unit != "row" else "person"


def plural(n: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(2, "row")
    ('1 row', '2 rows')
    """
    return f"{numbers.count(n)} {noun}" + ("" if n == 1 else "s")
