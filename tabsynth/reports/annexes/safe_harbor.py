"""The list of 45 CFR 164.514(b)(2), letter by letter, as the measure `safe_harbor` found it in the synthetic rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tabsynth.reports import numbers, wording
from tabsynth.reports.annexes._evidence import Answer, Evidence

FACTS = {"name": "safe_harbor", "entry": "safe_harbor", "summary": "the list of 45 CFR 164.514(b)(2), letter by letter"}

FINDING: Final = "safe_harbor"
LETTERS: Final = "ABCDEFGHIJKLMNOPQR"
_BY_NAME: Final = "Names of columns alone were looked at, not what the cells say: for a person."
_HUMAN: Final[Mapping[str, str]] = {
    "A": _BY_NAME, "P": _BY_NAME, "Q": _BY_NAME,
    "B": "No cell looks like it. Looked at: names of columns, postal codes, ZIP areas of 20,000 people or fewer, "
         "values that end in County and the like. Cities and other places by their names alone were not: for a person.",
    "R": "No program can tell any other unique characteristic or code: for a person.",
}
"""Letters that no absence of hits answers."""
_LOOKED_AT: Final[Mapping[str, str]] = {
    "C": "kinds and names of columns, dates in texts, ages in years; not years of birth, not the time of day",
    "H": "names of columns, forms with a word or a check digit before them",
}
"""What was looked at, where it is not the form of a value and the name of its column."""


def safe_harbor(evidence: Evidence) -> Mapping[str, Answer]:
    """A hit is a cell that looks like an entry; whether it is one, a person says."""
    rows = {row["class"]: row for row in evidence.findings.get(FINDING, {}).get("breakdown", ())}
    return {
        **{letter: _letter(letter, rows.get(letter), evidence.regenerated) for letter in LETTERS},
        "copied_rows": evidence.judged("P0a", "P0d", "P0e", then="A row that was copied from a person remains "
                                                                 "personal, whatever the list says."),
        "actual_knowledge": Answer("To be filled in by the privacy officer: no program knows what the holder of the "
                                   "data knows.", "for a person"),
    }


def _letter(letter: str, row: Mapping[str, Any] | None, regenerated: str) -> Answer:
    if row is None:
        return Answer(wording.NOT_PART, "not run")
    if row["hits"]:
        found = f"{numbers.count(row['hits'])} cells in {row['columns']} look like it: {row['looks_like']}."
        if letter == "R":
            return Answer(f"{found} {_HUMAN[letter]}", "for a person", (FINDING,))
        return Answer(found, "hit", (FINDING,))
    if letter in _HUMAN:
        codes = f" Columns made up anew: {regenerated}." if letter == "R" else ""
        return Answer(f"{_HUMAN[letter]}{codes}", "for a person", (FINDING,))
    looked = _LOOKED_AT.get(letter, "forms of values, names of columns")
    return Answer(f"No cell looks like it. Looked at: {looked}.", "no hit", (FINDING,))
