"""Controller's view and recipient's view: who holds what, and which means of identification each has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tabsynth.reports.annexes._evidence import Answer, Evidence, blank

FACTS = {"name": "views", "entry": "views", "summary": "who holds what: the controller's view and the recipient's"}

_ENCLOSED: Final[Mapping[str, str]] = {
    "internal": "This report is internal and is not handed out.",
    "recipient": "This report, with figures of real records: cells of at least 11, rounded, no extremes.",
    "public": "This report, with bands in place of figures.",
    "statement": "This report and the privacy statement: no figure of real records but the verdict.",
}


def views(evidence: Evidence) -> Mapping[str, Answer]:
    """The means of the recipient are those that attacks were given; better ones are for a person to find out."""
    return {
        "controller_holds": Answer("The source table, split into training and holdout rows; the key of the split; the "
                                   "model; the synthetic rows; the internal report."),
        "controller_means": Answer("Direct: the controller can look a person up in the source table, and compare any "
                                   "synthetic row with it."),
        "recipient_holds": Answer(
            f"Of this release: the synthetic rows. {_ENCLOSED[evidence.document['report_class']]} Neither the source "
            "table, nor the holdout rows, the keys or the model. What else the recipient holds, perhaps a part of the "
            "source table, is for a person.", "for a person"),
        "recipient_means": evidence.summed_up("P1a", "P1b", "P1c", "P1d", "P2a", "P2b", then=(
            "Attacks were given the synthetic rows and, for membership, rows of the same population. "
            f"{evidence.guarantee} Which other sources the recipient has is for a person.")),
        "information_duty": blank("the controller"),
    }
