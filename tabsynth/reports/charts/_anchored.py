"""Rows that show a value between its floor and its ceiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.cells import number
from tabsynth.reports.charts._grammar import SYNTHETIC, Spec, dot, rows, series, three, whisker

CEILING: Final = "Ceiling: real rows"
FLOOR: Final = "Floor: no association"
SERIES: Final = (SYNTHETIC, CEILING, FLOOR)

Interval = tuple[float, float] | None


def anchored(named: Sequence[tuple[str, Mapping[str, Any], Interval]], title: str) -> tuple[
        Spec, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The specification, and head and rows of the table.

    Args:
        named: label, what has a "value" and may have "floor" and "ceiling" (a finding, or a row of its breakdown),
            and the value's interval.
    """
    told = [_row(*one) for one in named]
    value, ceiling, floor = (series(name, SERIES) for name in SERIES)
    spec = rows(told, [whisker("low", "high", by=value), dot("floor", by=floor, size=60),
                       dot("ceiling", by=ceiling, size=60), dot("value", by=value)], title=title)
    return spec, ("What", "Value", "95 % interval", "Floor", "Ceiling"), tuple(row["texts"] for row in told)


def _row(label: str, given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    low, high = interval or (None, None)
    value = given["value"]
    numbers_of = {key: number(given, key) for key in ("floor", "ceiling")}
    figure, floor, ceiling = (_figure(x, interval) for x in (value, *numbers_of.values()))
    return {"label": label, "value": value, "low": low, "high": high, **numbers_of, "shown": figure,
            "texts": (label, figure, numbers.span(interval), floor, ceiling),
            "told": f"{figure}, floor {floor}, ceiling {ceiling}"}


def _figure(x: float | None, interval: Interval) -> str:
    return numbers.figure(x, interval) if x is None or interval is not None else three(x)
