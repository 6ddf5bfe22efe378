"""Drawings: positions follow values, labels stay inside and apart, text is escaped."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tabsynth.reports import numbers, svg

finite = st.floats(-1e3, 1e3, allow_nan=False)


def labels(drawing: str) -> list[tuple[float, float, str]]:
    """(left, y, text) of each label."""
    return [(float(x), float(y), t) for x, y, t in
            re.findall(r'<text class="label \w+" x="([\d.-]+)" y="([\d.-]+)">([^<]*)<', drawing)]


@given(value=finite, floor=finite, ceiling=finite, spread=st.floats(0, 10))
def test_labels_stay_inside_and_apart(value, floor, ceiling, spread):
    marks = [svg.Mark(floor, "floor 0.89", "floor"), svg.Mark(ceiling, "ceiling 0.94", "ceiling")]
    drawing = svg.scale("s", title="t", description="d", value=value, interval=(value - spread, value + spread),
                        marks=marks)
    (a, _, first), (b, _, second) = sorted(labels(drawing))
    assert a >= 0
    assert b + 5.9 * len(second) <= svg.WIDTH + 0.2
    assert a + 5.9 * len(first) <= b


@given(value=finite, floor=finite, ceiling=finite)
def test_order_on_the_scale_is_order_of_values(value, floor, ceiling):
    drawing = svg.scale("s", title="t", description="d", value=value,
                        marks=[svg.Mark(floor, "f", "floor"), svg.Mark(ceiling, "c", "ceiling")])
    dot = float(re.search(r'<circle class="dot" cx="([\d.]+)"', drawing)[1])
    place = {kind: float(x) for kind, x in re.findall(r'class="tick (\w+)" x1="([\d.]+)"', drawing)}
    assert min(dot, *place.values()) >= 0
    assert max(dot, *place.values()) <= svg.WIDTH
    assert (dot - place["floor"]) * (value - floor) >= 0
    assert (place["ceiling"] - place["floor"]) * (ceiling - floor) >= 0


def test_text_is_escaped():
    drawing = svg.scale("s", title="<script>", description='"&', value=0.5, marks=[svg.Mark(0, "<i>", "limit")])
    assert "<script>" not in drawing
    assert "<i>" not in drawing
    assert "<script>" not in svg.bars("b", [svg.Bar("<script>", 0.5, "<b>")], title="t", description="d")


def test_a_bar_is_as_long_as_its_share_and_never_longer_than_its_track():
    drawing = svg.bars("b", [svg.Bar("x", 0.5, "50 %", 0.1), svg.Bar("y", 1.7, "more")], title="t", description="d")
    track = float(re.search(r'class="track"[^>]*width="([\d.]+)"', drawing)[1])
    lengths = [float(w) for w in re.findall(r'class="bar"[^>]*width="([\d.]+)"', drawing)]
    assert lengths == [round(track / 2, 1), track]


@given(value=st.floats(-1, 1), width=st.floats(1e-4, 1))
def test_a_shown_number_is_as_close_as_its_interval_deserves(value, width):
    shown = numbers.figure(value, (value - width / 2, value + width / 2))
    assert abs(float(shown.replace(numbers.MINUS, "-")) - value) <= 0.05 * width + 1e-6


def test_numbers_without_a_value_or_a_sign():
    assert numbers.figure(None) == "–"
    assert numbers.fixed(-0.0004, 2) == "0.00"
    assert numbers.fixed(-1234.5, 1) == "−1,234.5"
    assert numbers.percent(0) == "0 %"
