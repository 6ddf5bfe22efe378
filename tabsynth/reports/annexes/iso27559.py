"""Which chapter of the report answers which group of clauses of ISO/IEC 27559."""

from __future__ import annotations

from collections.abc import Mapping

from tabsynth.reports.annexes._evidence import KEPT, Answer, Evidence

FACTS = {"name": "iso27559", "entry": "iso27559", "summary": "chapters of the report by clauses of ISO/IEC 27559"}


def iso27559(evidence: Evidence) -> Mapping[str, Answer]:
    """Where to look, and what the report leaves to people."""
    facts = (("purpose", "purpose"), ("recipient", "recipient"), ("other data in reach", "data_sources"))
    open_facts = [what for what, field in facts if not evidence.data[field]]
    left = f" Still blank: {', '.join(open_facts)}." if open_facts else ""
    return {
        "context": Answer(
            "Chapters on the data and their context, and the profile in the verdict. Motives and capacity of a "
            f"recipient, and harms, are for a person.{left}", "for a person"),
        "data": Answer(f"Chapters on the data: {len(evidence.data['columns'])} columns with kind, role and treatment. "
                       f"Quasi-identifiers by role: {evidence.columns('quasi-identifier')}."),
        "identifiability": _identifiability(evidence),
        "mitigation": Answer(f"Chapter on the model and the privacy budget. {evidence.guarantee}"),
        "governance": Answer(
            "Chapters on determinations, provenance and limits; roles, procedures and incidents are for a person.",
            "for a person"),
    }


def _identifiability(evidence: Evidence) -> Answer:
    if evidence.document["report_class"] == "statement":
        return Answer(KEPT, "kept internal")
    return Answer(
        "Chapters on privacy: attacks on everybody and on the people who stand out, each beside people who were not "
        "used, with its limit; copies and rare combinations; what was not assessed. Whether anybody is identifiable is "
        "for a person.", "for a person")
