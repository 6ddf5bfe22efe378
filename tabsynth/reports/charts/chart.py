"""A chart and all charts of a document.

A chart is a Vega-Lite specification without colours or fonts (`palette` has them), a text alternative, and the numbers
as a table. It is made from a document of whatever class, so that disclosure has happened before; numbers in its data
are numbers of the document, and whatever else it draws is worked out by the specification itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tabsynth.core import registry

CHAPTERS: Final = ("decision", "criteria", "membership", "copies", "fidelity", "utility", "validity", "model")
"""Chapters that a chart may belong to, in the order of the report."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Args:
        id: letters, digits and hyphens; no two charts of a document share one.
        chapter: one of `CHAPTERS`.
        spec: Vega-Lite, as wide as its container.
        text: what the chart shows, in one or two sentences with the main numbers.
        head, rows: the numbers as a table.
    """

    id: str
    chapter: str
    title: str
    spec: Mapping[str, Any]
    text: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def charts(document: Mapping[str, Any]) -> tuple[Chart, ...]:
    """The charts of a valid document, in the order of its chapters; none where a class shows no numbers."""
    drawn: list[Chart] = []
    for name in registry.names("charts"):
        made: Iterable[Chart] = registry.load("charts", name)(document)
        drawn += made
    return tuple(sorted(drawn, key=lambda chart: CHAPTERS.index(chart.chapter)))
