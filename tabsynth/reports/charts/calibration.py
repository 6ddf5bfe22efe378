"""Calibration of predictions: what was predicted against what happened, trained on synthetic rows and on real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.cells import number
from tabsynth.reports.charts._grammar import SYNTHETIC, chart, curve, three
from tabsynth.reports.charts._read import complete, finding, interval
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "calibration", "entry": "draw",
         "summary": "predictions trained on synthetic rows against what happened"}

REAL: Final = "Training rows"
TRAINED: Final = {"synthetic": SYNTHETIC, "training": REAL}


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """A line for each of `TRAINED` through its bins of people."""
    found = finding(document, "tstr.calibration")
    points = [p for p in complete([] if found is None else found["points"], "predicted", "observed", "n")
              if p["key"] in TRAINED]
    if found is None or not points:
        return
    told = [_row(point) for point in points]
    ends = [numbers_of(row[key] for row in told for key in ("predicted", "observed")) for numbers_of in (min, max)]
    diagonal = {"data": {"values": [{"predicted": end, "observed": end} for end in ends]},
                "mark": {"type": "line", "style": "diagonal"}}
    scale = {"zero": False, "nice": True}
    encoding = {"x": {"field": "predicted", "type": "quantitative", "title": "Predicted, mean of a bin of people",
                      "scale": scale},
                "y": {"field": "observed", "type": "quantitative", "title": "Happened", "scale": scale}}
    spec = chart(told, [diagonal, *curve("curve", list(TRAINED.values()))], height=300, encoding=encoding)
    target = found["details"].get("target")
    yield Chart(
        "calibration", "utility", "Predictions against what happened", spec,
        f"Predictions of {target or 'the target'} for people of the holdout. Slope of what happened on what was "
        f"predicted: {numbers.figure(found['value'], interval(found))} trained on synthetic rows, "
        f"{numbers.beside(number(found, 'ceiling'), interval(found), found['value']) or 'not known'} on real ones; "
        "1 is calibrated.",
        ("Trained on", "Predicted", "Happened", "People"),
        tuple((row["curve"], three(row["predicted"]), three(row["observed"]), row["people"])
              for row in told))


def _row(point: Mapping[str, Any]) -> dict[str, Any]:
    name, people = TRAINED[point["key"]], numbers.count(round(point["n"]))
    return {"curve": name, "label": name, "predicted": point["predicted"], "observed": point["observed"],
            "people": people, "told": f"{three(point['predicted'])} predicted, "
                                      f"{three(point['observed'])} happened, {people} records"}
