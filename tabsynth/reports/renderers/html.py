"""One self-contained HTML file: no network, no external asset; phone, desk, print, light and dark.

Charts are still drawings that a script of the page brings to life; the page's policy names that script by its hash and
lets nothing else run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tabsynth.reports.charts import palette
from tabsynth.reports.charts import render as drawing
from tabsynth.reports.charts.chart import Chart
from tabsynth.reports.outline import outline

FACTS = {"name": "html", "entry": "render", "suffix": ".html",
         "summary": "single-file page for reading, printing and archiving"}

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""What a page may load: nothing."""


def render(document: Mapping[str, Any]) -> str:
    """The page of a valid document."""
    report = outline(document)
    drawn = report.has_pictures and drawing.available()
    script = drawing.script() if drawn else ""
    return _environment(drawn).get_template("report.html.j2").render(
        report=report, script=script, policy=_policy(script), chart_style=palette.style() if drawn else "",
        missing=drawing.MISSING if report.has_pictures and not drawn else "")


def _policy(script: str) -> str:
    if not script:
        return POLICY
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"{POLICY}; script-src 'sha256-{digest}'"


@cache
def _environment(charts_drawn: bool) -> Environment:
    environment = Environment(loader=PackageLoader("tabsynth.reports"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.globals["charts_drawn"] = charts_drawn
    environment.filters["markup"] = Markup  # our own drawings and script, escaped where they are made
    environment.filters["drawn"] = _embedded
    environment.filters["kind"] = lambda block: type(block).__name__.lower()
    return environment


def _embedded(chart: Chart) -> Markup:
    return Markup(drawing.embed(chart))
