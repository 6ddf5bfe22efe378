"""Singling out, linkability, inference: each criterion beside the strongest attack that was tried on it."""

from __future__ import annotations

from collections.abc import Mapping

from tabsynth.reports.annexes._evidence import Answer, Evidence, blank

FACTS = {"name": "wp216", "entry": "wp216", "summary": "singling out, linkability and inference: the attacks tried"}

WEIGH = ("What holds of people who were not used, too, is a statement about the population; the rate itself is for a "
         "person to weigh.")


def wp216(evidence: Evidence) -> Mapping[str, Answer]:
    """A criterion is hit where the policy makes a finding of an attack on it; too little evidence is for a person."""
    return {
        "singling_out": evidence.judged("P1a", "P1b"),
        "linkability": evidence.judged("P1c"),
        "inference": evidence.judged("P1d", "P1e", then=WEIGH),
        "outliers": evidence.judged("P0a", "P0b", "P2b"),
        "motivated_intruder": Answer(
            "Programs attacked the table with the knowledge that each measure names. No person tried to identify "
            "anybody with sources of their own: to be filled in by whoever lets that be tried.", "for a person"),
        "full_analysis": blank("the data protection officer"),
    }
