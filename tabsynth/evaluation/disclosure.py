"""Which readers may see a finding: the report is itself a disclosure of the real rows it was computed from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tabsynth.core.finding import Finding
from tabsynth.evaluation.verdict import variants_of

MIN_CELL: Final = 11
"""No number that rests on 1 to 10 people leaves the house (CMS Cell Suppression Policy); none at all may."""

CLASSES: Final = ("internal", "recipient", "public")
EXTREMES: Final = frozenset({"min", "max", "minimum", "maximum", "lowest", "highest"})

COUNTS_OF_REAL_ROWS: Final = frozenset({
    "train_broken", "synthetic_in_train", "synthetic_in_holdout", "holdout_in_train"})
"""Details that count real rows, or synthetic rows that equal one."""


def report_classes(finding: Finding, *, private: bool) -> tuple[str, ...]:
    """The report classes that may show a finding, coarsest last.

    Args:
        finding: what was measured.
        private: the release claims differential privacy; then only what needs no real row leaves the house.

    A recipient sees no finding that rests on 1 to 10 records, none from which such a count follows, and no extreme
    value. The public sees bands of what a recipient sees.

    >>> report_classes(Finding("kway.2", "", "fidelity", 0.9, "higher is better", n=500), private=True)
    ('internal',)
    >>> report_classes(Finding("kway.2", "", "fidelity", 0.9, "higher is better", n=500), private=False)
    ('internal', 'recipient', 'public')
    """
    if finding.shareable:
        return CLASSES
    if private or any(map(is_small, counts_behind(finding))) or EXTREMES & set(finding.details):
        return ("internal",)
    return CLASSES


def counts_behind(finding: Finding) -> Iterable[int]:
    """Counts of real records that the finding's numbers give away."""
    yield finding.n
    for variant in variants_of(finding):
        yield from (variant.train_hits, variant.control_hits)
    for name in COUNTS_OF_REAL_ROWS & set(finding.details):
        yield int(finding.details[name])


def is_small(count: int) -> bool:
    """True for a count of 1 to 10. Zero may be shown."""
    return 1 <= count < MIN_CELL
