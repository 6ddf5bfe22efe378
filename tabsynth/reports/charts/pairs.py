"""The pairs of columns whose joint distribution falls farthest below its ceiling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabsynth.reports.cells import number, plural
from tabsynth.reports.charts._anchored import anchored
from tabsynth.reports.charts._grammar import three
from tabsynth.reports.charts._read import complete, finding
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "pairs", "entry": "draw", "summary": "the worst pairs of columns, floor to ceiling"}


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """A row for each pair that the measure names."""
    found = finding(document, "kway.2")
    worst = complete([] if found is None else found["breakdown"], "value")
    if not worst:
        return
    spec, head, rows = anchored([(row["key"], row, None) for row in worst], "Agreement with the holdout")
    first, best = worst[0], number(worst[0], "ceiling")
    ceiling = "" if best is None else f", ceiling {three(best)}"
    yield Chart("pairs", "fidelity", "Pairs of columns that agree least", spec,
                f"The {plural(len(worst), 'pair')} of columns farthest below what real rows reach. The first, "
                f"{first['key']}: {three(first['value'])}{ceiling}.", head, rows)
