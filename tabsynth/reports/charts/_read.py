"""Reading a document for charts: whatever is not there, or is no number, is left out of the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tabsynth.reports.cells import number

Row = Mapping[str, Any]


def finding(document: Row, finding_id: str) -> Row | None:
    """The finding of this id if it has a value, else None."""
    return next((f for f in document["findings"] if f["id"] == finding_id and number(f, "value") is not None),
                None)


def interval(finding: Row) -> tuple[float, float] | None:
    """The interval of a finding, if it has one that can be drawn."""
    low, high = (number({"end": end}, "end") for end in finding["interval"] or (None, None))
    return None if low is None or high is None else (low, high)


def complete(rows: Iterable[Row], *keys: str) -> list[Row]:
    """The rows that have a text "key" and a number for each of `keys`."""
    return [row for row in rows if isinstance(row.get("key"), str) and all(number(row, k) is not None for k in keys)]
