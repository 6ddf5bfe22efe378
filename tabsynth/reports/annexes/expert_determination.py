"""Worksheet of an expert under 45 CFR 164.514(b)(1): what was measured, and blanks for what the expert determines."""

from __future__ import annotations

from collections.abc import Mapping

from tabsynth.reports.annexes._evidence import KEPT, Answer, Evidence, blank

FACTS = {"name": "expert_determination", "entry": "expert_determination",
         "summary": "worksheet for a determination under 45 CFR 164.514(b)(1)"}

EXPERT = "the expert"


def expert_determination(evidence: Evidence) -> Mapping[str, Answer]:
    """Recipient and sources as stated; the three lenses of the guidance; methods, results; a blank for the validity."""
    return {
        "recipient": evidence.stated("recipient", EXPERT),
        "data_sources": evidence.stated("data_sources", EXPERT),
        "replicability": Answer(
            f"Declared quasi-identifiers: {evidence.columns('quasi-identifier')}. Sensitive: "
            f"{evidence.columns('sensitive', 'outcome')}. Whether other columns recur is for the expert.",
            "for a person"),
        "availability": blank(EXPERT),
        "distinguishability": evidence.judged("P0b", "P1a", "P1b", "P0c.k"),
        "methods": _methods(evidence),
        "results": evidence.verdict,
        "validity": _validity(evidence),
    }


def _methods(evidence: Evidence) -> Answer:
    if evidence.document["report_class"] == "statement":
        return Answer(f"{KEPT} {evidence.guarantee}", "kept internal")
    return Answer(f"{len(evidence.findings)} measures, each with its method and source beside its figure, held against "
                  f"profile {evidence.document['verdict']['policy']}. {evidence.guarantee}")


def _validity(evidence: Evidence) -> Answer:
    date = evidence.data["review_date"]
    asked = blank(EXPERT)
    return asked if date is None else Answer(f"Review stated for {date}. {asked.text}", "for a person")
