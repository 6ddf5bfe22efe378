"""The candidates of the model's calibration: how detectable, and how close to the rows they were fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.cells import plural
from tabsynth.reports.charts._grammar import dot, rows, series, tick, whisker
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "candidates", "entry": "draw", "summary": "settings that the calibration tried, and how they did"}

DETECTION: Final = "Told from real rows (AUC)"
CLOSENESS: Final = "Nearer to fitted rows"
SERIES: Final = (DETECTION, CLOSENESS)
Z: Final = 1.96


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """A row for each candidate."""
    found = document["model"]["calibration"]
    if found is None or not found["candidates"]:
        return
    told = [_row(place, one) for place, one in enumerate(found["candidates"], 1)]
    detection, closeness = (series(name, SERIES) for name in SERIES)
    spec = rows(told, [tick(0.5), whisker("detection_low", "detection_high", by=detection, down=-4),
                       whisker("closeness_low", "closeness_high", by=closeness, down=4),
                       dot("detection", by=detection, down=-4, size=60),
                       dot("closeness", by=closeness, down=4, size=60)],
                title=["Two measures of one scale;", "0.5: as another real sample"])
    spec["transform"] = [{"calculate": f"datum.{side} + {z} * datum.{side}_error", "as": f"{side}_{name}"}
                         for side in ("detection", "closeness") for name, z in (("low", -Z), ("high", Z))]
    chosen = [row for row in told if row["outcome"] == "chosen"]
    picked = f" Chosen: {chosen[0]['label']}, {chosen[0]['told']}." if chosen else ""
    yield Chart(
        "candidates", "model", "Settings that were tried", spec,
        f"{plural(len(told), 'candidate')} against people held back, with 95 % intervals.{picked}",
        ("Candidate", "Settings", DETECTION, CLOSENESS, "Outcome"), tuple(row["texts"] for row in told))


def _row(place: int, one: Mapping[str, Any]) -> dict[str, Any]:
    settings = ", ".join(f"{k} {v}" for k, v in one["settings"].items())
    detection, closeness = (numbers.with_error(one[k], one[e]) for k, e in (
        ("detection", "detection_error"), ("dcr_share", "dcr_error")))
    return {"label": f"{place}: {one['model']}", "shown": one["outcome"], "outcome": one["outcome"],
            "detection": one["detection"], "detection_error": one["detection_error"], "closeness": one["dcr_share"],
            "closeness_error": one["dcr_error"],
            "texts": (f"{place}: {one['model']}", settings, detection, closeness, one["outcome"]),
            "told": f"{settings or 'no settings'}; detection {detection}, nearer to fitted rows {closeness}"}
