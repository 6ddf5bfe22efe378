"""Which chapter of the report answers which group of clauses of ISO/IEC 27559."""

from __future__ import annotations

from collections.abc import Mapping

from tabsynth.reports.annexes._evidence import Answer, Evidence

FACTS = {"name": "iso27559", "entry": "iso27559", "summary": "chapters of the report by clauses of ISO/IEC 27559"}


def iso27559(evidence: Evidence) -> Mapping[str, Answer]:
    """Where to look, and what the report leaves to people."""
    open_facts = [what for what, field in (("purpose", "purpose"), ("recipient", "recipient"),
                                           ("data sources", "data_sources")) if not evidence.data[field]]
    left = f" Still blank: {', '.join(open_facts)}." if open_facts else ""
    return {
        "context": Answer(
            "Chapters on the data and their context, and the profile in the verdict. Motives and capacity of a "
            f"recipient, and harms, are for a person.{left}", "for a person"),
        "data": Answer(f"Chapters on the data: {len(evidence.data['columns'])} columns with kind, role and treatment. "
                       f"Quasi-identifiers by role: {evidence.columns('quasi-identifier')}."),
        "identifiability": Answer(
            "Chapters on privacy: attacks on everybody and on the people who stand out, each beside people who were "
            "not used, with its interval and limit; copies and rare combinations; what was not assessed."),
        "mitigation": Answer(f"Chapter on the model and its guarantee. {evidence.guarantee}"),
        "governance": Answer(
            "Chapters on determinations, provenance and limits; roles, procedures and incidents are for a person.",
            "for a person"),
    }
