"""The few forms that our charts share, as pieces of Vega-Lite.

Colours come by name: series from the range "category", judgements from "ordinal", lines and texts from named styles, so
that one specification serves light, dark and print (`palette`). Whatever a colour says, a shape or a dash says too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tabsynth.reports.disclosure import three_figures
from tabsynth.reports.numbers import short

Spec = dict[str, Any]

STEP: Final = 42
"""Height of a row, in pixels: a line of text, and marks beneath it."""
BENEATH: Final = 11
"""How far marks lie under the middle of a row, in pixels."""
LETTER: Final = 7
"""About the width of a letter, in pixels: a name gives way to the number beside it. The table has it whole."""
SYNTHETIC: Final = "Synthetic rows"


def rows(values: Sequence[Mapping[str, Any]], layers: Sequence[Spec], *, title: str | Sequence[str],
         axis: Mapping[str, Any] | None = None, scale: Mapping[str, Any] | None = None) -> Spec:
    """One row for each value: its "label" on a line of its own, its "shown" at the right end, marks beneath.

    Names above their marks leave a phone as much room for the numbers as a desk.

    Args:
        values: "label" and "shown" are texts, further fields are the layers'.
        layers: marks made by `dot`, `whisker`, `tick`, `bar`.
        title: of the horizontal axis; several lines where it is long.
        axis, scale: of the horizontal axis.
    """
    data = [{"row": f"{i:03d}", **value} for i, value in enumerate(values)]
    widest = max(len(str(value["shown"])) for value in values)
    names = [_words("label", "left", {"value": 0}, limit=f"width - {widest * LETTER + 2 * LETTER}"),
             _words("shown", "right", {"value": "width"})]
    track = {"mark": {"type": "rule", "style": "track", "yOffset": BENEATH}, "encoding": {
        "x": {"value": 0}, "x2": {"value": "width"}}}
    shared: Spec = {"type": "quantitative", "title": title, "axis": {"orient": "bottom", **(axis or {})},
                    "scale": scale or {"zero": False, "nice": False, "padding": 12}}
    drawn = [{**layer, "encoding": {**layer["encoding"], "x": {**shared, **layer["encoding"]["x"]}}}
             for layer in layers if _is_given(layer["encoding"]["x"].get("field"), values)]
    return chart(data, [track, *drawn, *names], height=STEP * len(values),
                 encoding={"y": {"field": "row", "type": "nominal", "sort": None, "axis": None}})


def chart(values: Sequence[Mapping[str, Any]], layers: Sequence[Spec], *, height: int,
          encoding: Mapping[str, Any] | None = None) -> Spec:
    """Layers over data, as wide as the container."""
    return {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "width": "container", "height": height,
            "data": {"values": [dict(v) for v in values]}, "encoding": dict(encoding or {}), "layer": list(layers)}


def series(name: str, names: Sequence[str | None]) -> Spec:
    """Colour and shape of the marks of one series, and its entry in the legend: what `dot` and its like take as `by`.

    Args:
        names: of all series, in the order of the palette: synthetic, real, floor. None: a place that is not taken.
    """
    domain = [other or f"({i})" for i, other in enumerate(names)]
    common = {"field": "series", "type": "nominal", "title": None,
              "legend": {"values": [other for other in names if other is not None]}}
    return {"transform": [{"calculate": json.dumps(name), "as": "series"}], "encoding": {
        "color": {**common, "scale": {"domain": domain, "range": "category"}},
        "shape": {**common, "scale": {"domain": domain}}}}


def dot(field: str, *, by: Mapping[str, Any], down: int = 0, size: int = 80) -> Spec:
    """A point at the field."""
    mark = {"type": "point", "filled": True, "size": size, "opacity": 1, "yOffset": BENEATH + down}
    return _layer(mark, {"x": {"field": field}, "tooltip": TOOLTIP}, by, "color", "shape")


def whisker(low: str, high: str, *, by: Mapping[str, Any], down: int = 0) -> Spec:
    """A line from one field to another."""
    mark = {"type": "rule", "style": "whisker", "yOffset": BENEATH + down}
    return _layer(mark, {"x": {"field": low}, "x2": {"field": high}}, by, "color")


def bar(field: str, *, by: Mapping[str, Any]) -> Spec:
    """A bar from 0 to the field."""
    mark = {"type": "bar", "height": 12, "yOffset": BENEATH}
    return _layer(mark, {"x": {"field": field, "stack": None}, "tooltip": TOOLTIP}, by, "color")


def tick(at: float, *, style: str = "zero") -> Spec:
    """A short upright line at a number, in every row."""
    return {"mark": {"type": "tick", "style": style, "yOffset": BENEATH, "size": 16, "thickness": 2},
            "encoding": {"x": {"datum": at}}}


def _layer(mark: Spec, encoding: Spec, by: Mapping[str, Any], *channels: str) -> Spec:
    """Marks of a series, in those of its channels that they have."""
    return {**by, "mark": mark, "encoding": {**encoding, **{c: by["encoding"][c] for c in channels}}}


def curve(field: str, names: Sequence[str]) -> list[Spec]:
    """Lines with points, one for each name that the field has; lines differ in dash, points in shape.

    The dash is the mark's own and no encoding, so that it does not cut up the symbols of the legend.
    """
    domain = {"domain": list(names)}
    colour = {"color": {"field": field, "type": "nominal", "title": None, "scale": {**domain, "range": "category"}}}
    shape = {"field": field, "type": "nominal", "title": None, "scale": domain}
    lines = [{"transform": [{"filter": {"field": field, "equal": name}}], "encoding": colour,
              "mark": {"type": "line", "strokeDash": [6, 3] if place else [1, 0]}} for place, name in enumerate(names)]
    return [*lines,
            {"mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
             "encoding": {**colour, "shape": shape, "tooltip": TOOLTIP}}]


TOOLTIP: Final = [{"field": "label", "title": "title"}, {"field": "told", "title": " "}]
"""What a pointer over a mark tells, under a heading: texts that stand in the table, too."""


def three(value: float) -> str:
    """A number without an interval, with three significant figures at most.

    >>> three(0.05), three(-0.123456)
    ('0.05', '\N{MINUS SIGN}0.123')
    """
    return short(three_figures(value) + 0.0)  # no negative zero


def _is_given(field: str | None, values: Sequence[Mapping[str, Any]]) -> bool:
    """False for a field that every value leaves empty: a layer of nothing has no scale."""
    return field is None or any(value.get(field, 0) is not None for value in values)


def _words(field: str, align: str, x: Spec, limit: str | None = None) -> Spec:
    cut = {} if limit is None else {"limit": {"expr": limit}}
    return {"mark": {"type": "text", "align": align, "baseline": "bottom", "dy": 1, "style": field, **cut},
            "encoding": {"x": x, "text": {"field": field}}}
