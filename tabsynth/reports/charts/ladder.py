"""The k-way ladder: agreement of single columns, pairs and triples, each between its floor and its ceiling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabsynth.reports import numbers
from tabsynth.reports.cells import number
from tabsynth.reports.charts._anchored import anchored
from tabsynth.reports.charts._read import finding, interval
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "ladder", "entry": "draw", "summary": "agreement of one, two and three columns, floor to ceiling"}


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """A row for each k that was measured."""
    found = [f for f in (finding(document, f"kway.{k}") for k in (1, 2, 3)) if f is not None]
    if not found:
        return
    spec, head, rows = anchored([(f["title"], f, interval(f)) for f in found], "Agreement with the holdout")
    yield Chart("ladder", "fidelity", "Agreement of one, two and three columns", spec, "; ".join(
        f"{f['title']}: {numbers.figure(f['value'], interval(f))}, floor {_beside(f, 'floor')}, ceiling "
        f"{_beside(f, 'ceiling')}" for f in found) + ".", head, rows)


def _beside(found: Mapping[str, Any], key: str) -> str:
    return numbers.beside(number(found, key), interval(found), found["value"]) or "not known"
