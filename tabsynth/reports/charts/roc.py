"""Membership: how many of those who were used does an attacker find, at how many false alarms?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.cells import number
from tabsynth.reports.charts._grammar import chart, curve
from tabsynth.reports.charts._read import finding, interval
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "roc", "entry": "draw", "summary": "ROC curves of the membership attacks, on logarithmic axes"}

CURVES: Final = {"P2a": "Everybody", "P2b": "Those who stand out"}
PERCENT: Final = {"format": "~%", "values": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]}


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """One picture with a curve for each of `CURVES` that has points."""
    told = [row for id, name in CURVES.items() for row in _points(finding(document, id), name)]
    if not told:
        return
    names = [name for name in CURVES.values() if any(row["curve"] == name for row in told)]
    low = min(min(row["false_alarms"], row["found"]) for row in told)
    scale = {"type": "log", "domain": [low, 1], "nice": False}
    x = {"field": "false_alarms", "type": "quantitative", "scale": scale, "axis": PERCENT,
         "title": "People not used who are called used (false alarms)"}
    y = {"field": "found", "type": "quantitative", "scale": scale, "axis": PERCENT,
         "title": "People used who are found"}
    diagonal = {"data": {"values": [{"false_alarms": low, "found": low}, {"false_alarms": 1, "found": 1}]},
                "mark": {"type": "line", "style": "diagonal"}}
    spec = chart(told, [diagonal, *curve("curve", list(CURVES.values()))], height=320, encoding={"x": x, "y": y})
    yield Chart(
        "roc", "membership", "Membership attacks: people found against false alarms", spec,
        "; ".join(_sentence(document, id, name) for id, name in CURVES.items() if name in names)
        + ". An attack that learns nothing lies on the diagonal.",
        ("People", "False alarms", "Found"),
        tuple((row["curve"], numbers.percent(row["false_alarms"]), numbers.percent(row["found"])) for row in told))


def _points(attack: Mapping[str, Any] | None, name: str) -> list[dict[str, Any]]:
    points = [] if attack is None else [p for p in attack["points"] if all(
        (number(p, k) or 0) > 0 and (number(p, k) or 0) <= 1 for k in ("false_alarms", "found"))]
    return [{"curve": name, "label": name, "false_alarms": p["false_alarms"], "found": p["found"],
             "told": f"{numbers.percent(p['found'])} found at {numbers.percent(p['false_alarms'])} false alarms"}
            for p in points]


def _sentence(document: Mapping[str, Any], id: str, name: str) -> str:
    attack = finding(document, id)
    assert attack is not None
    low_high = interval(attack)
    between = f", 95 % interval {numbers.span(low_high)}" if low_high else ""
    return f"{name}: area under the curve {numbers.figure(attack['value'], low_high)}{between}"
