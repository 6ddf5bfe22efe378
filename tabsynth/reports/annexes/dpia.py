"""Annex for a data protection impact assessment (Article 35): what the report knows, and blanks for the controller."""

from __future__ import annotations

from collections.abc import Mapping

from tabsynth.reports import numbers, wording
from tabsynth.reports.annexes._evidence import Answer, Evidence, blank
from tabsynth.reports.context import UNKNOWN_MODEL

FACTS = {"name": "dpia", "entry": "dpia", "summary": "annex for a data protection impact assessment"}

CONTROLLER = "the controller"


def dpia(evidence: Evidence) -> Mapping[str, Answer]:
    """Facts of the release; what was measured, as risks; what was done, as measures; the rest is blank."""
    return {
        "processing": _processing(evidence),
        "purposes": _purposes(evidence),
        "legal_basis": evidence.stated("legal_basis", CONTROLLER),
        "necessity": blank(CONTROLLER),
        "risks": evidence.summed_up(*sorted(i for i in evidence.judgements if evidence.section(i) == "privacy")),
        "measures": Answer(f"{evidence.guarantee} Columns made up anew: {evidence.regenerated}. {evidence.tables}"),
        "residual_risk": _residual_risk(evidence),
        "dpo_advice": blank("the data protection officer"),
        "views": blank(CONTROLLER),
        "owner": evidence.stated("owner", CONTROLLER),
        "review": evidence.stated("review_date", CONTROLLER),
    }


def _processing(evidence: Evidence) -> Answer:
    data, model = evidence.data, evidence.document["model"]
    rows = data["counts"]["synthetic_rows"]
    made = "Synthetic rows" if rows is None else f"{numbers.count(rows)} synthetic rows"
    source = ("are set beside" if model["name"] == UNKNOWN_MODEL
              else f"were drawn from the model {model['name']}, which was fitted to")
    person = wording.one_person(data["unit"])
    columns = len(data["columns"])
    return Answer(f"{made} of {columns} columns {source} the table {data['name']}. One person is {person}.")


def _purposes(evidence: Evidence) -> Answer:
    purpose, recipient = (evidence.stated(field, CONTROLLER) for field in ("purpose", "recipient"))
    blank_left = "for a person" in (purpose.state, recipient.state)
    return Answer(f"Purpose: {purpose.text.rstrip('.')}. Recipient: {recipient.text.rstrip('.')}.",
                  "for a person" if blank_left else "answered")


def _residual_risk(evidence: Evidence) -> Answer:
    made = evidence.verdict
    return Answer(f"{made.text} Whether the risk that remains is accepted: to be filled in by {CONTROLLER}.",
                  "for a person", made.findings)
