"""How many people share their quasi-identifiers: the distribution of k, and of real people in a row's cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.cells import number
from tabsynth.reports.charts._grammar import SYNTHETIC, bar, dot, rows, series
from tabsynth.reports.charts._read import Row, complete, finding
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "k_anonymity", "entry": "draw", "summary": "distribution of k, and of real people in a row's cell"}

REAL: Final = "Training rows"
SERIES: Final = (SYNTHETIC, REAL)
MAP: Final = "in the cell"
"""How rows of the k-map end."""


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """Two pictures: of k, and of the k-map where a reader may see it."""
    found = finding(document, "P0c.k")
    told = complete([] if found is None else found["breakdown"], "value")
    yield from _picture("k-anonymity", "People who share their quasi-identifiers (k)",
                        [row for row in told if not row["key"].endswith(MAP)])
    yield from _picture("k-map", "Real people in the cells of synthetic rows (k-map)",
                        [row for row in told if row["key"].endswith(MAP)])


def _picture(id: str, title: str, given: list[Row]) -> Iterator[Chart]:
    if not given:
        return
    told = [_row(row) for row in given]
    names = SERIES if any(row["train"] is not None for row in told) else (SYNTHETIC, None)
    synthetic, real = series(SYNTHETIC, names), series(REAL, names)
    yield Chart(
        id, "copies", title,
        rows(told, [bar("value", by=synthetic), dot("train", by=real)], title="Share of rows",
             axis={"format": "~%"}, scale={"zero": True}),
        f"Shares of synthetic rows by class; the first, {told[0]['label']}: {told[0]['told']}. Context, and no "
        "evidence of copying or of its absence.",
        ("Class", SYNTHETIC, REAL), tuple(row["texts"] for row in told))


def _row(given: Row) -> dict[str, Any]:
    train = number(given, "train")
    figure = numbers.percent(given["value"])
    real = "\N{EN DASH}" if train is None else numbers.percent(train)
    beside = "" if train is None else f", {real} of training rows"
    return {"label": given["key"], "value": given["value"], "train": train, "shown": figure,
            "texts": (given["key"], figure, real), "told": f"{figure} of synthetic rows{beside}"}
