"""What chapters are made from: the document, and its findings and drawings made ready once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tabsynth.reports import wording
from tabsynth.reports.blocks import Block, Measures, Notice, Picture, Text
from tabsynth.reports.cells import person
from tabsynth.reports.charts.chart import Chart
from tabsynth.reports.guarantee import Guarantee
from tabsynth.reports.measures import Measure


@dataclass(frozen=True)
class Reading:
    """A document on its way to the page.

    Args:
        measures: every finding, worst first. key: those of the first page, as `measures.key_numbers` chose them.
        guarantee: the privacy statement in words, None without one.
    """

    document: Mapping[str, Any]
    measures: tuple[Measure, ...]
    key: tuple[Measure, ...]
    guarantee: Guarantee | None
    charts: tuple[Chart, ...]

    @property
    def person(self) -> str:
        """What one person of the table is called."""
        return person(self.document["dataset"]["unit"])

    def pictures(self, chapter: str) -> tuple[Block, ...]:
        """The charts of a chapter."""
        return tuple(Picture(chart) for chart in self.charts if chart.chapter == chapter)

    def findings(self, wanted: Callable[[Measure], bool]) -> tuple[Block, ...]:
        """The findings of a chapter, and that others are kept back, or the sentence that there are none to show."""
        chosen = tuple(m for m in self.measures if wanted(m))
        shown: tuple[Block, ...] = (Measures(chosen),) if chosen else ()
        if self.document["report_class"] == "statement":
            return (*shown, Notice(wording.KEPT_INTERNAL))
        return shown or (Text(wording.NOTHING_HERE),)
