"""Survival curves: the share of people without the event, synthetic rows over the holdout's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.charts._grammar import SYNTHETIC, chart, curve, three
from tabsynth.reports.charts._read import Row, complete, finding
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "survival", "entry": "draw", "summary": "Kaplan-Meier curves of synthetic rows over the holdout's"}

HOLDOUT: Final = "Holdout rows"
SERIES: Final = (SYNTHETIC, HOLDOUT)
MOST: Final = 6
"""Most pictures, of the curves that differ most."""


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """A picture for each declared curve that has points."""
    found = finding(document, "survival.km")
    points = complete([] if found is None else found["points"], "time", "synthetic", "holdout", "low", "high")
    distances = {row["key"]: row["value"] for row in complete([] if found is None else found["breakdown"], "value")}
    names = sorted({p["key"] for p in points}, key=lambda name: (-distances.get(name, 0), name))[:MOST]
    for place, name in enumerate(names, 1):
        yield _picture(f"survival-{place}", name, [p for p in points if p["key"] == name], distances.get(name))


def _picture(id: str, name: str, points: list[Row], distance: float | None) -> Chart:
    start = {"time": 0, "share": 1}
    lines = [{"curve": side, "label": side, **start, "told": "everybody at the start"} for side in SERIES]
    lines += [{"curve": side, "label": side, "time": p["time"], "share": p[key],
               "told": f"{numbers.percent(p[key])} at {three(p['time'])}"}
              for side, key in zip(SERIES, ("synthetic", "holdout")) for p in points]
    band = {"data": {"values": [{"time": 0, "low": 1, "high": 1}, *(
        {"time": p["time"], "low": p["low"], "high": p["high"]} for p in points)]},
        "mark": {"type": "area", "style": "band"}, "encoding": {"y": {"field": "low"}, "y2": {"field": "high"}}}
    y = {"field": "share", "type": "quantitative", "title": "Without the event", "axis": {"format": "~%"},
         "scale": {"zero": False, "nice": True}}
    spec = chart(lines, [band, *curve("curve", list(SERIES))], height=280, encoding={
        "x": {"field": "time", "type": "quantitative", "title": "Time"}, "y": y})
    last = points[-1]
    apart = f" Mean distance of the curves: {three(distance)}." if distance is not None else ""
    return Chart(
        id, "utility", f"Survival, {name}", spec,
        f"Without the event at {three(last['time'])}: {numbers.percent(last['synthetic'])} of synthetic rows, "
        f"{numbers.percent(last['holdout'])} of the holdout (95 % interval {numbers.percent(last['low'])} to "
        f"{numbers.percent(last['high'])}).{apart}",
        ("Time", SYNTHETIC, HOLDOUT, "95 % interval"),
        tuple((three(p["time"]), numbers.percent(p["synthetic"]), numbers.percent(p["holdout"]),
               f"{numbers.percent(p['low'])} to {numbers.percent(p['high'])}") for p in points))
