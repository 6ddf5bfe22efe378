"""Colours and type of the charts: one list of colours for light, dark and print, and the Vega-Lite `config` made of it.

Blue and orange stay apart for people who see few colours (Okabe and Ito 2008); every colour has a contrast of at least
3 to 1 with the page, those of text 4.5 (WCAG 2.2, 1.4.11 and 1.4.3). The page's own colours are in
``templates/report.css``; a test holds the papers of both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LIGHT: Final[dict[str, str]] = {
    "paper": "#ffffff", "ink": "#1b2027", "muted": "#566070", "hair": "#dfe3e8", "mark": "#76808e",
    "synthetic": "#1d4f7c", "real": "#b4530a", "finding": "#9c1f1f", "review": "#8a5600"}
DARK: Final[dict[str, str]] = {
    "paper": "#14181d", "ink": "#e6e9ec", "muted": "#a3adb9", "hair": "#2f3740", "mark": "#8b96a4",
    "synthetic": "#93bfe6", "real": "#f0a35e", "finding": "#ff9d94", "review": "#eebd66"}
FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", "Helvetica Neue", Arial, sans-serif'
"""As the page's sans serif."""
BY_NAME: Final[dict[str, str]] = {name: f"var(--chart-{name})" for name in LIGHT}
"""The same names as variables of the page, so that an SVG follows it from light to dark to print."""


def style() -> str:
    """The style sheet of charts in a page: their colours, their width, and what a pointer shows."""
    def block(colours: Mapping[str, str]) -> str:
        return " ".join(f"--chart-{name}: {colour};" for name, colour in colours.items())

    tip = "#vg-tooltip-element.vg-tooltip.page-theme"
    return f"""\
:root {{ {block(LIGHT)} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {block(DARK)} }} }}
.chart-canvas {{ width: 100%; max-width: 46rem; margin: .4rem 0 .6rem; }}
.chart-canvas svg {{ display: block; width: auto; max-width: 100%; height: auto; }}
.chart-canvas text {{ font-family: {FONT}; }}
{tip} {{
  visibility: hidden; position: fixed; z-index: 1000; max-width: min(18rem, 45vw); padding: .45rem .7rem;
  background: var(--chart-paper); color: var(--chart-ink); border: 1px solid var(--chart-mark);
  font: .8125rem/1.4 {FONT};
}}
{tip}.visible {{ visibility: visible; }}
{tip} h2 {{ margin: 0; font: 600 .8125rem/1.4 {FONT}; }}
{tip} table {{ width: auto; font: inherit; }}
{tip} td {{ border: 0; padding: 0; }}
{tip} td.key {{ display: none; }}
"""


def config(colours: Mapping[str, str], font: str = FONT) -> dict[str, Any]:
    """The Vega-Lite configuration. colours: `LIGHT`, `DARK` or `BY_NAME`."""
    text = {"font": font, "fontSize": 12}
    return {
        "background": None, "font": font, "view": {"stroke": None}, "padding": 2, "aria": False,
        "range": {"category": [colours[name] for name in ("synthetic", "real", "mark")],
                  "ordinal": [colours[name] for name in ("finding", "review", "mark", "synthetic")]},
        "axis": _axis(colours, font), "axisX": {"grid": False}, "legend": _legend(colours, font),
        "text": {**text, "color": colours["ink"]}, "line": {"strokeWidth": 2},
        "style": {"label": {**text, "fill": colours["ink"], "fontWeight": 600},
                  "shown": {**text, "fill": colours["muted"]},
                  "track": {"color": colours["hair"]}, "whisker": {"strokeWidth": 2},
                  "band": {"color": colours["real"], "opacity": 0.16},
                  "zero": {"color": colours["mark"]}, "limit": {"color": colours["ink"]},
                  "diagonal": {"color": colours["mark"], "strokeDash": [4, 3], "strokeWidth": 1.5}},
    }


def _axis(colours: Mapping[str, str], font: str) -> dict[str, Any]:
    return {
        "domainColor": colours["mark"], "tickColor": colours["mark"], "gridColor": colours["hair"],
        "labelColor": colours["muted"], "labelFont": font, "labelFontSize": 12, "labelOverlap": True, "tickCount": 5,
        "titleColor": colours["muted"], "titleFont": font, "titleFontSize": 12, "titleFontWeight": "normal",
        "titlePadding": 8}


def _legend(colours: Mapping[str, str], font: str) -> dict[str, Any]:
    return {
        "orient": "top", "direction": "horizontal", "columns": {"signal": "width < 480 ? 2 : 4"}, "offset": 10,
        "labelColor": colours["ink"], "labelFont": font, "labelFontSize": 12, "labelLimit": 300, "symbolSize": 80,
        "symbolStrokeWidth": 0, "columnPadding": 18, "rowPadding": 4}
