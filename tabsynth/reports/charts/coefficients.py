"""Forest plot of the declared analyses: every coefficient on synthetic and on holdout rows, with 95 % intervals.

Coefficients have different units. Each is drawn in standard errors of its own holdout estimate, so that all share one
axis: zero stays no effect, every interval of the holdout is as wide, and the gap is the standardised difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.cells import plural
from tabsynth.reports.charts._grammar import SYNTHETIC, dot, rows, series, tick, whisker
from tabsynth.reports.charts._read import complete, finding
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "coefficients", "entry": "draw", "summary": "coefficients of the declared analyses, with intervals"}

HOLDOUT: Final = "Holdout rows"
SERIES: Final = (SYNTHETIC, HOLDOUT)
MOST: Final = 30
"""Most coefficients of a picture; where there are more, those that differ most. The table has all."""
Z: Final = 1.96


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """A row for each coefficient that rests on enough people."""
    found = finding(document, "analysis.overlap")
    points = complete([] if found is None else found["points"], "synthetic", "synthetic_error", "holdout",
                      "holdout_error")
    told = [_row(p) for p in points if p["holdout_error"] > 0 and p["synthetic_error"] >= 0]
    if not told:
        return
    apart = sorted(told, key=_apart, reverse=True)[:MOST]
    synthetic, holdout = (series(name, SERIES) for name in SERIES)
    spec = rows([row for row in told if row in apart],
                [tick(0), whisker("holdout_low", "holdout_high", by=holdout, down=-4),
                 whisker("synthetic_low", "synthetic_high", by=synthetic, down=4),
                 dot("holdout_at", by=holdout, down=-4, size=60), dot("synthetic_at", by=synthetic, down=4, size=60)],
                title=["Coefficient in standard errors of the holdout's;", "0: no effect"])
    spec["transform"] = [step for side in ("synthetic", "holdout") for step in _scaled(side)]
    agree = sum((row["synthetic"] > 0) is (row["holdout"] > 0) for row in told)
    yield Chart(
        "coefficients", "utility", "Coefficients of the declared analyses", spec,
        f"{plural(len(told), 'coefficient')} with 95 % intervals; {agree} have the same sign on both sides. Farthest "
        f"apart: {apart[0]['label']}, {apart[0]['told']}.",
        ("Coefficient", SYNTHETIC, "95 % interval", HOLDOUT, "95 % interval"), tuple(row["texts"] for row in told))


def _scaled(side: str) -> list[dict[str, str]]:
    """The estimate and its limits in standard errors of the holdout's."""
    return [{"calculate": f"(datum.{side} + {z} * datum.{side}_error) / datum.holdout_error", "as": f"{side}_{name}"}
            for name, z in (("low", -Z), ("at", 0), ("high", Z))]


def _apart(row: Mapping[str, Any]) -> float:
    return abs(float(row["synthetic"]) - float(row["holdout"])) / float(row["holdout_error"])


def _row(point: Mapping[str, Any]) -> dict[str, Any]:
    sides = [_estimate(point[side], point[f"{side}_error"]) for side in ("synthetic", "holdout")]
    (figure, span), (real, real_span) = sides
    return {"label": point["key"], **{k: point[k] for k in ("synthetic", "synthetic_error", "holdout",
                                                            "holdout_error")},
            "shown": f"{figure} against {real}", "texts": (point["key"], figure, span, real, real_span),
            "told": f"{figure} ({span}) against {real} ({real_span})"}


def _estimate(value: float, error: float) -> tuple[str, str]:
    interval = (value - Z * error, value + Z * error)
    return numbers.figure(value, interval), numbers.span(interval)
