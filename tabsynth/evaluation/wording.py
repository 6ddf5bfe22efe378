"""The sentences of a verdict, and the words that none of them may hold.

Software says which tests were run and what they found. Whether data are anonymous or a risk is very small is for a
named person to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tabsynth.core.finding import Finding

BANNED: Final[tuple[str, ...]] = (
    "anonymous data", "anonymised data", "anonymized data", "gdpr-compliant", "gdpr compliant", "hipaa-compliant",
    "hipaa compliant", "de-identified", "deidentified", "zero risk", "no personal data", "guarantees privacy",
    "certified", "safe",
)
_BANNED: Final = re.compile(
    r"(?<![\w-])(" + "|".join(map(re.escape, BANNED)) + r")(?![\w-]|\s+harbor\b)", re.IGNORECASE)
"""The Safe Harbor list of 45 CFR 164.514(b)(2) is a name."""

OUTCOMES: Final[dict[str, str]] = {
    "finding": "Do not release under profile {policy} without change",
    "review": "Human review required under profile {policy}",
    "no_finding": "No tested attack exceeded profile {policy}",
}
"""How the sentence of a verdict begins."""

LIMITS_OF_THE_TESTS: Final = (
    "This does not show that other attacks fail. Whether the data are anonymous (GDPR Recital 26) or the risk is "
    "very small (45 CFR 164.514(b)(1)) is for a named person to decide.")


def banned_word(text: str) -> str | None:
    """The first phrase in `text` that software may not say of a data set, or None.

    >>> banned_word("The data are de-identified."), banned_word("lower is safer"), banned_word("the Safe Harbor list")
    ('de-identified', None, None)
    """
    match = _BANNED.search(text)
    return match.group(0) if match else None


def outcome(kind: str, policy: str, because: Sequence[str]) -> str:
    """The verdict in words.

    >>> outcome("review", "controlled", ["Reused values (P0e)"])[:73]
    'Human review required under profile controlled: Reused values (P0e). This'
    """
    what = ", ".join(because)
    first = OUTCOMES[kind].format(policy=policy) + ("." if kind == "no_finding" else f": {what}.")
    return f"{first} {LIMITS_OF_THE_TESTS}"


def utility(made: Mapping[str, Finding], policy: str, limited: Sequence[str] = ()) -> str:
    """Fidelity and utility in words: each number between its floor and its ceiling. limited: ids that have a bound."""
    parts = [_between(made[i], name) for i, name in _HEADLINES if i in made and made[i].value is not None]
    end = f"Profile {policy} sets no limit for fidelity and utility: the purpose does."
    if limited:
        end = f"Limits were set on {', '.join(limited)}."
    return " ".join([*parts, end])


_HEADLINES: Final = (
    ("kway.2", "Agreement of column pairs"), ("c2st", "Telling synthetic from real rows (AUC)"),
    ("tstr", "Prediction of the declared target"))


def _between(finding: Finding, name: str) -> str:
    anchors = [f"{what} {number:.3f}" for what, number in
               (("independent columns", finding.floor), ("real rows", finding.ceiling)) if number is not None]
    return f"{name} {finding.value:.3f}" + (f" ({', '.join(anchors)})." if anchors else ".")
