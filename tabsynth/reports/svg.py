"""Small inline drawings: an interval on its scale from floor to ceiling, and a list of bars.

Each is one ``<svg>`` with ``<title>`` and ``<desc>``, coloured by the page's style sheet (classes, no colours here),
so that it follows dark mode and print. Nothing but numbers and escaped text goes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

WIDTH: Final = 340.0
"""User units; a phone shows about as many pixels, so text in a drawing is about as large as text beside it."""

_MARGIN: Final = 0.14
_LETTER: Final = 5.9
_GAP: Final = 10.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A reference on the scale: where, what it is called, above or below the axis."""

    at: float
    label: str
    kind: Literal["floor", "ceiling", "limit", "control"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: share in [0, 1], the text at its end, and a reference tick."""

    label: str
    share: float
    text: str
    reference: float | None = None


def scale(name: str, *, title: str, description: str, value: float, interval: tuple[float, float] | None = None,
          marks: Sequence[Mark] = ()) -> str:
    """A dot with its interval on a line that spans all marks. `name` makes the ids unique within a page.

    Floor and ceiling are labelled below the line, limit and control above.
    """
    numbers = [value, *(interval or ()), *(m.at for m in marks)]
    place = _Axis(min(numbers), max(numbers))
    below = sorted((m for m in marks if m.kind in ("floor", "ceiling")), key=lambda m: m.at)
    above = sorted((m for m in marks if m.kind in ("limit", "control")), key=lambda m: m.at)
    axis = 27.0 if above else 13.0
    height = axis + (25.0 if below else 11.0)
    parts = [f'<line class="axis" x1="0" x2="{WIDTH:.0f}" y1="{axis}" y2="{axis}"/>']
    if len(below) == 2:
        left, right = place(below[0].at), place(below[1].at)
        parts.append(f'<rect class="range" x="{left:.1f}" y="{axis - 5}" width="{max(right - left, 1.0):.1f}" '
                     'height="10"/>')
    parts += [_tick(m, place(m.at), axis) for m in (*below, *above)]
    parts += _labels(below, place, axis + 20) + _labels(above, place, axis - 15)
    if interval is not None:
        low, high = place(interval[0]), place(interval[1])
        parts.append(f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{axis}" y2="{axis}"/>')
        parts += [f'<line class="whisker cap" x1="{x:.1f}" x2="{x:.1f}" y1="{axis - 4}" y2="{axis + 4}"/>'
                  for x in (low, high)]
    parts.append(f'<circle class="dot" cx="{place(value):.1f}" cy="{axis}" r="4.5"/>')
    return _svg(name, "scale", title, description, height, parts)


def bars(name: str, rows: Sequence[Bar], *, title: str, description: str) -> str:
    """Horizontal bars of shares, label above each bar, value at its end, a tick where the reference lies."""
    parts: list[str] = []
    track = WIDTH - 62.0
    for i, row in enumerate(rows):
        top = 40.0 * i
        share = min(max(row.share, 0.0), 1.0)
        parts += [
            f'<text class="label" x="0" y="{top + 11}">{escape(row.label)}</text>',
            f'<rect class="track" x="0" y="{top + 17}" width="{track}" height="9" rx="1"/>',
            f'<rect class="bar" x="0" y="{top + 17}" width="{track * share:.1f}" height="9" rx="1"/>',
            f'<text class="figure" x="{WIDTH:.0f}" y="{top + 26}" text-anchor="end">{escape(row.text)}</text>',
        ]
        if row.reference is not None:
            x = track * min(max(row.reference, 0.0), 1.0)
            parts.append(f'<line class="reference" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 14}" y2="{top + 29}"/>')
    return _svg(name, "bars", title, description, 40.0 * len(rows), parts)


class _Axis:
    """Maps a value to a position, leaving room at both ends for labels."""

    def __init__(self, low: float, high: float) -> None:
        span = high - low or max(abs(high) * 0.1, 0.01)
        self.low = low - span * _MARGIN if high > low else low - span / 2
        self.span = span * (1 + 2 * _MARGIN) if high > low else span

    def __call__(self, value: float) -> float:
        return 8.0 + (WIDTH - 16.0) * (value - self.low) / self.span


def _tick(mark: Mark, x: float, axis: float) -> str:
    top, bottom = (axis - 11, axis + 6) if mark.kind in ("limit", "control") else (axis - 6, axis + 9)
    return f'<line class="tick {mark.kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'


def _labels(marks: Sequence[Mark], place: _Axis, y: float) -> list[str]:
    """Labels centred under their marks; two that would touch are pushed apart, within the drawing."""
    widths = [len(m.label) * _LETTER for m in marks]
    lefts = [place(m.at) - w / 2 for m, w in zip(marks, widths, strict=True)]
    if len(marks) == 2 and (overlap := lefts[0] + widths[0] + _GAP - lefts[1]) > 0:
        lefts = [lefts[0] - overlap / 2, lefts[1] + overlap / 2]
        lefts[0] = max(0.0, min(lefts[0], WIDTH - sum(widths) - _GAP))
        lefts[1] = max(lefts[0] + widths[0] + _GAP, min(lefts[1], WIDTH - widths[1]))
    return [f'<text class="label {m.kind}" x="{min(max(x, 0.0), max(WIDTH - w, 0.0)):.1f}" y="{y:.1f}">'
            f"{escape(m.label)}</text>" for m, x, w in zip(marks, lefts, widths, strict=True)]


def _svg(name: str, kind: str, title: str, description: str, height: float, parts: Sequence[str]) -> str:
    ids = f"{escape(name)}-t {escape(name)}-d"
    return (f'<svg class="{kind}" role="img" aria-labelledby="{ids}" viewBox="0 0 {WIDTH:.0f} {height:.0f}">'
            f'<title id="{escape(name)}-t">{escape(title)}</title><desc id="{escape(name)}-d">'
            f"{escape(description)}</desc>{''.join(parts)}</svg>")
