"""Every attack against the policy's limit, on one axis: how much of what is allowed did it reach?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.cells import number
from tabsynth.reports.charts._grammar import dot, rows, tick, whisker
from tabsynth.reports.charts._read import interval
from tabsynth.reports.charts.chart import Chart
from tabsynth.reports.measures import VERDICT_LABELS

FACTS = {"name": "attacks", "entry": "draw", "summary": "every attack with its interval against the policy's limit"}

NAMES: Final[dict[str, str]] = {
    "P0a": "Copied rows", "P0b": "Rare combinations", "P0e": "Reused values", "P1a": "Singling out, one column",
    "P1b": "Singling out, several columns", "P1c": "Linkability", "P1d": "Inference", "P1e": "Group disclosure",
    "P2a": "Membership, everybody", "P2a.tpr": "Membership, few false alarms", "P2b": "Membership, those who stand out",
    "P2c": "Membership, many more rows", "P3a": "Shadow models, everybody", "P3a.worst": "Shadow models, worst found",
    "P3c": "Planted canaries"}
"""Names short enough to stand above a mark on a phone; other attacks go by their title."""
SHAPES: Final = ["square", "diamond", "triangle-up", "circle"]
ORDER: Final = ("finding", "review", "insufficient_power", "no_finding")
CHANCE: Final = {"auc": 0.5, "difference": 0.0, "residual": 0.0}
"""What an attack reaches that learned nothing, by statistic."""


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """Attacks that have a value, an interval and a limit above chance, worst first."""
    judged = {j["finding_id"]: j for j in document["verdict"]["judgements"]}
    told = [_row(f, judged[f["id"]]) for f in document["findings"] if f["id"] in judged and _comparable(
        f, judged[f["id"]]["limit"])]
    if not told:
        return
    told.sort(key=lambda row: (-(row["value"] - row["chance"]) / (row["limit"] - row["chance"]), row["id"]))
    labels = [VERDICT_LABELS[v] for v in ORDER]
    judged_by = {"field": "judgement", "type": "nominal", "title": None}
    by = {"encoding": {"color": {**judged_by, "scale": {"domain": labels, "range": "ordinal"}},
                       "shape": {**judged_by, "scale": {"domain": labels, "range": SHAPES}}}}
    spec = rows(told, [whisker("from", "to", by=by), tick(0), tick(1, style="limit"),
                       dot("at", by=by)],
                title=["Share of the policy's limit that was reached;", "0: no more than among people not used"],
                axis={"values": [-0.5, 0, 0.5, 1, 1.5], "labelExpr": "datum.value == 1 ? 'limit' : datum.label",
                      "format": ".0%"},
                scale={"domain": [-0.5, 1.5], "nice": False, "clamp": True})
    spec["transform"] = [{"calculate": f"(datum.{field} - datum.chance) / (datum.limit - datum.chance)", "as": name}
                         for field, name in (("value", "at"), ("low", "from"), ("high", "to"))]
    over = sum(row["value"] > row["limit"] for row in told)
    worst = told[0]
    yield Chart(
        "attacks", "decision", "Attacks against the policy's limits", spec,
        f"{len(told)} attacks with their 95 % intervals, as shares of the policy's limit; {over or 'none'} above it. "
        f"Closest to its limit, or farthest over it: {worst['label']}, {worst['told']}.",
        ("Attack", "Value", "95 % interval", "Limit", "Judgement"),
        tuple((row["label"], row["figure"], row["span"], numbers.short(row["limit"]), row["judgement"])
              for row in told))


def _comparable(finding: Mapping[str, Any], limit: float | None) -> bool:
    """True for an attack whose value, interval and limit lie on one scale."""
    chance = CHANCE.get(str(finding["details"].get("statistic")))
    return (finding["section"] == "privacy" and number(finding, "value") is not None and chance is not None
            and interval(finding) is not None and limit is not None and limit > chance)


def _row(finding: Mapping[str, Any], judgement: Mapping[str, Any]) -> dict[str, Any]:
    low_high = interval(finding)
    assert low_high is not None
    figure, span = numbers.figure(finding["value"], low_high), numbers.span(low_high)
    limit = numbers.short(judgement["limit"])
    return {"id": finding["id"], "label": NAMES.get(finding["id"], finding["title"]), "value": finding["value"],
            "low": low_high[0], "high": low_high[1], "limit": judgement["limit"],
            "chance": CHANCE[finding["details"]["statistic"]],
            "judgement": VERDICT_LABELS[judgement["verdict"]], "figure": figure, "span": span,
            "shown": f"{figure} of {limit}", "told": f"{figure} ({span}), limit {limit}"}
