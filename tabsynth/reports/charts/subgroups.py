"""Declared subgroups: are they there in their share, and what does training on synthetic rows cost each of them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tabsynth.reports.cells import number, plural
from tabsynth.reports.charts._grammar import SYNTHETIC, dot, rows, series, three, tick
from tabsynth.reports.charts._read import Row, complete, finding
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "subgroups", "entry": "draw", "summary": "share and prediction of the declared subgroups"}

HOLDOUT: Final = "Holdout rows"
SHARES: Final = (SYNTHETIC, HOLDOUT)
COSTS: Final = (SYNTHETIC, None, "Floor: no association")


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """A row for each subgroup that is large enough, as the measures give them."""
    share = _told(finding(document, "subgroup.representation"), "ceiling")
    if share:
        low = min(share, key=lambda row: float(row["value"]))
        yield _picture(
            "subgroups-share", "Share of declared subgroups", share, SHARES, 1,
            ["Share, relative to the training rows';", "1: the same share"],
            f"Shares of {plural(len(share), 'subgroup')}, relative to the training rows'. The lowest: {low['label']}, "
            f"{low['told']}.")
    cost = _told(finding(document, "tstr.subgroup"), "floor")
    if cost:
        low = min(cost, key=lambda row: float(row["value"]))
        yield _picture(
            "subgroups-prediction", "Prediction within declared subgroups", cost, COSTS, 0,
            ["Score trained on synthetic rows minus trained on real ones;", "0: as good"],
            f"What training on synthetic rows costs {plural(len(cost), 'subgroup')}. The worst: {low['label']}, "
            f"{low['told']}.")


def _told(found: Mapping[str, Any] | None, beside: str) -> list[dict[str, Any]]:
    return [_row(row, number(row, beside), beside) for row in complete(
        [] if found is None else found["breakdown"], "value")]


def _row(given: Row, other: float | None, name: str) -> dict[str, Any]:
    figure, reference = three(given["value"]), "\N{EN DASH}" if other is None else three(other)
    return {"label": given["key"], "value": given["value"], "other": other, "shown": figure,
            "texts": (given["key"], figure, reference), "told": f"{figure}, {name} {reference}"}


def _picture(id: str, title: str, told: Sequence[dict[str, Any]], names: tuple[str | None, ...], same: int,
             axis: Sequence[str], text: str) -> Chart:
    told_of = [name for name in names if name is not None]
    value, other = (series(name, names) for name in told_of)
    return Chart(id, "validity", title, rows(told, [
        tick(same), dot("other", by=other, size=60), dot("value", by=value)], title=axis), text,
        ("Subgroup", *told_of), tuple(row["texts"] for row in told))
