"""Drawing a chart: as a static SVG, and as what a page without network needs to draw it alive.

vl-convert does both, from what it ships: no browser, no network, no font but the machine's. Without it (extra `report`)
there are no pictures; texts and tables stay, and the page says why.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

from tabsynth.core.errors import UsageError
from tabsynth.reports.charts.chart import Chart
from tabsynth.reports.charts.palette import BY_NAME, FONT, LIGHT, config

MISSING: Final = ("Charts are left out: they need vl-convert, which is not installed here. Their numbers stand in the "
                  "tables. To have them drawn, install tabsynth-dp[report] and make the report again.")
DESK: Final = 720
"""Width of a static drawing, in pixels."""
VEGA_LITE: Final = "6.4"


def available() -> bool:
    """Whether charts can be drawn."""
    return find_spec("vl_convert") is not None


def svg(chart: Chart, *, width: int = DESK, colours: Mapping[str, str] = LIGHT, font: str = FONT) -> str:
    """The chart as an SVG of its own; the same chart gives the same text.

    Args:
        width: in pixels; heights follow from the rows.
        colours: of `palette`; those by name follow the page around the drawing.
        font: families, as in CSS.

    Raises:
        UsageError: vl-convert is not installed.
    """
    drawn: str = _vl_convert().vegalite_to_svg(
        {**_drawable(chart.spec), "width": width, "autosize": _FIT}, vl_version=VEGA_LITE, config=config(colours, font),
        allowed_base_urls=[])
    return re.sub(r'((?:id="|url\(#))', rf"\1{chart.id}-", drawn)


def embed(chart: Chart) -> str:
    """Markup of the drawing in a page: an SVG for readers without script, and the specification for those with it.

    Both stand in one box that `script` fills; name, text alternative and table are the page's own. The SVG is hidden
    from screen readers, who are told by the text beside it.
    """
    spec = json.dumps(chart.spec, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    still = svg(chart, colours=BY_NAME, font="sans-serif")  # the style sheet names the families once
    return (f'<div class="chart-canvas" id="chart-{chart.id}" aria-hidden="true">{still}</div>'
            f'<script type="application/json" data-chart="chart-{chart.id}">{spec}</script>')


@cache
def script() -> str:
    """The script of a page with charts, once a page: Vega, and a few lines that fill each box once it has a width.

    Expressions are interpreted, so that the page's policy needs no `unsafe-eval`. No source file, no editor, no menu.
    """
    options = {"mode": "vega-lite", "actions": False, "renderer": "svg", "ast": True, "config": config(BY_NAME),
               "tooltip": {"theme": "page", "disableDefaultStyle": True}, "defaultStyle": False}
    bundle: str = _vl_convert().javascript_bundle(vl_version=VEGA_LITE)
    return "\n".join((bundle.replace("</script", "<\\/script"), _FILL % json.dumps(options)))


_FIT: Final[dict[str, Any]] = {"type": "fit-x", "contains": "padding"}
_FILL: Final = """(() => {
  const options = %s;
  const boxes = new ResizeObserver(entries => entries.forEach(({target, contentRect}) => {
    if (!contentRect.width) return;
    boxes.unobserve(target);
    const spec = document.querySelector(`script[data-chart="${target.id}"]`).textContent;
    vegaEmbed(target, JSON.parse(spec), options);
  }));
  document.querySelectorAll(".chart-canvas").forEach(box => boxes.observe(box));
})();
"""


def _drawable(value: Any) -> Any:
    """A specification without control characters and lone surrogates: over one of them vl-convert ends the process."""
    if isinstance(value, str):
        return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in value)
    if isinstance(value, Mapping):
        return {_drawable(key): _drawable(one) for key, one in value.items()}
    return [_drawable(one) for one in value] if isinstance(value, (list, tuple)) else value


def _vl_convert() -> Any:
    if not available():
        raise UsageError("charts need vl-convert, which is not installed.",
                         fix="Install it with: pip install 'tabsynth-dp[report]'")
    import vl_convert

    return vl_convert
