"""One self-contained HTML file: no network, no external asset; phone, desk, print, light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tabsynth.reports.outline import outline

FACTS = {"name": "html", "entry": "render", "suffix": ".html",
         "summary": "single-file page for reading, printing and archiving"}


def render(document: Mapping[str, Any]) -> str:
    """The page of a valid document."""
    return _environment().get_template("report.html.j2").render(report=outline(document))


@cache
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("tabsynth.reports"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.filters["markup"] = Markup  # our own drawings, escaped where they are made
    environment.filters["kind"] = lambda block: type(block).__name__.lower()
    return environment
