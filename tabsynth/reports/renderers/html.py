"""One self-contained HTML file: no network, no script, no external asset; phone, desk, print, light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tabsynth.reports import guarantee, view, wording

FACTS = {"name": "html", "entry": "render", "suffix": ".html",
         "summary": "single-file page for reading, printing and archiving"}

TITLES: Final[dict[str, str]] = {
    "decision": "Decision", "privacy": "Privacy", "fidelity": "Fidelity and validity", "utility": "Utility",
    "diagnostics": "Diagnostics", "data": "Data and preparation", "determinations": "Human determinations",
    "provenance": "Provenance", "limits": "Limits",
}


def render(document: Mapping[str, Any]) -> str:
    """The page of a valid document."""
    measures = view.measures(document)
    parts = {
        "privacy": view.in_section(measures, "privacy"),
        "fidelity": view.in_section(measures, "validity", "fidelity"),
        "utility": view.in_section(measures, "utility"),
        "diagnostics": view.in_section(measures, "diagnostic"),
    }
    order = [id for id in TITLES if id == "privacy" or parts.get(id, True)]
    statement = document["privacy"]["statement"]
    return _environment().get_template("report.html.j2").render(
        d=document, titles=TITLES, order=order, numbers={id: i for i, id in enumerate(order, 1)},
        class_label=view.CLASS_LABELS[document["report_class"]], **parts,
        key=view.key_numbers(view.measures(document, prefix="k")),
        notices=[n for n in document["notices"] if n != document["verdict"]["formed_on_real_records"]],
        guarantee=None if statement is None else guarantee.read(statement, unit=document["dataset"]["unit"]),
        other_attacks=wording.OTHER_ATTACKS, diagnostics_caution=wording.DIAGNOSTICS_ARE_NOT_EVIDENCE,
        limits=wording.LIMITS, verdict=view.headline(document), **_facts(document))


@cache
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("tabsynth.reports"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.filters["markup"] = Markup  # our own drawings, escaped where they are made
    return environment


def _facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The small tables of a page."""
    return {
        "facts": view.masthead(document), "ledger": view.ledger(document), "data_facts": view.data_facts(document),
        "counts": view.counts(document), "columns": view.columns(document), "decisions": view.decisions(document),
        "kinds": ", ".join(f"{n} {kind}" for kind, n in view.kind_counts(document)),
        "made": view.made(document), "settings": view.settings(document),
        "calibration": view.calibration(document),
    }
