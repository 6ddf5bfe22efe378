"""A document as a report in reading order: what every renderer sets in type.

The order is that of ISO/IEC 27559: decision, context, data, identifiability and its mitigation, governance.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from tabsynth.reports import guarantee, numbers, wording
from tabsynth.reports.blocks import Outline, Pair
from tabsynth.reports.cells import person
from tabsynth.reports.chapters import annexes
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.charts.chart import charts
from tabsynth.reports.measures import key_numbers, measures

ORDER: Final = ("decision", "context", "data", "model", "criteria", "membership", "copies", "diagnostics", "fidelity",
                "utility", "validity", "determinations", "provenance", "limits")
"""Files of `chapters`, in the order in which they are numbered."""

OUTCOME_LABELS: Final[dict[str, str]] = {
    "RELEASED": "Passed the policy", "REVIEW": "Needs human review", "REFUSED": "Refused by the policy"}
CLASS_LABELS: Final[dict[str, str]] = {
    "internal": "Internal report", "recipient": "Report for the recipient", "public": "Public report",
    "statement": "Report under the privacy guarantee",
}


def outline(document: Mapping[str, Any]) -> Outline:
    """The report of a valid document."""
    statement = document["privacy"]["statement"]
    reading = Reading(
        document, measures(document), key_numbers(measures(document, prefix="k")),
        None if statement is None else guarantee.read(statement, unit=person(document["dataset"]["unit"])),
        charts(document))
    return Outline(
        title=document["dataset"]["name"], description=document["dataset"]["description"] or "",
        report_class=CLASS_LABELS[document["report_class"]], date=document["created"], facts=_facts(document),
        chapters=tuple(import_module(f"tabsynth.reports.chapters.{name}").chapter(reading) for name in ORDER),
        annexes=annexes.chapters(reading), footer=wording.FOOTER.format(type=document["type"]))


def _facts(document: Mapping[str, Any]) -> tuple[Pair, ...]:
    """Facts under the title."""
    counts, unit = document["dataset"]["counts"], document["dataset"]["unit"]
    pairs = [("Status", OUTCOME_LABELS[document["outcome"]]), ("Model", document["model"]["name"])]
    if counts["synthetic_rows"] is not None:
        pairs.append(("Synthetic rows", numbers.count(counts["synthetic_rows"])))
    return (*pairs, ("Unit", "every row another person" if unit == "row" else unit), ("Date", document["created"]))
