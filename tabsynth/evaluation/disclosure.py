"""Which readers may see a finding: the report is itself a disclosure of the real rows it was computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tabsynth.core.finding import Finding
from tabsynth.evaluation.variants import Variant, variants_of

MIN_CELL: Final = 11
"""No number that rests on 1 to 10 people leaves the house (CMS Cell Suppression Policy); none at all may."""

CLASSES: Final = ("internal", "recipient", "public")
EXTREMES: Final = frozenset({"min", "max", "minimum", "maximum", "lowest", "highest"})

CEILING_COUNT: Final = "ceiling_count"
"""Detail: real rows behind a ceiling that is a share of them; where they are 1 to 10 the ceiling stays in the house."""
COUNTS_OF_REAL_ROWS: Final = frozenset({
    "train_broken", "synthetic_in_train", "synthetic_in_holdout", "holdout_in_train"})
"""Details that count real rows, or synthetic rows that equal one."""


def report_classes(finding: Finding, *, private: bool) -> tuple[str, ...]:
    """The report classes that may show a finding, coarsest last.

    Args:
        finding: what was measured.
        private: the release claims differential privacy; then only what needs no real row leaves the house.

    A recipient sees no number that rests on 1 to 10 records, none from which such a count follows, and no extreme
    value. An attack whose headline comparison is large enough is shown, its small ones are not (`shown_rows`). The
    public sees bands of what a recipient sees.

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
    """Counts of real records that the finding's headline gives away.

    The headline of an attack is the comparison that details["variant"] names; without a name it may be any of them.
    """
    yield finding.n
    named, variants = finding.details.get("variant"), variants_of(finding)
    for variant in [v for v in variants if v.key == named] or variants:
        yield from _counts(variant)
    for name in COUNTS_OF_REAL_ROWS & set(finding.details):
        yield int(finding.details[name])


def shown_rows(finding: Finding) -> tuple[Mapping[str, Any], ...]:
    """The breakdown without the comparisons that rest on 1 to 10 people who were hit, or who were not.

    Beside one that is left out no supplementary comparison stays: those pool or nest the others, and the missing count
    would follow by subtraction.
    """
    small = {v.key for v in variants_of(finding) if any(map(is_small, _counts(v)))}
    return tuple(row for row in finding.breakdown
                 if row.get("key") not in small and not (small and row.get("supplementary")))


def _counts(variant: Variant) -> tuple[int, ...]:
    """People who were hit and who were not, of those used and of the control; none for an area under a curve."""
    if variant.statistic == "auc":
        return ()
    hits, n, control_hits, control_n = variant.counts
    return hits, n - hits, control_hits, control_n - control_hits


def wide_steps(counts: ArrayLike, totals: Sequence[int], *, fewest: int = MIN_CELL) -> list[int]:
    """Places along a curve between which, before which and after which nothing changes by a few people.

    Args:
        counts: what has been counted up to each place, rising, shape (places, kinds).
        totals: what is counted in the end, shape (kinds,).
        fewest: records of a step; more than 11 where a person may have several (`fewest_records`).

    Returns:
        Positions in `counts`: from each to the next every kind rises by 0 or by at least `fewest`.

    >>> wide_steps([[5], [12], [12], [20], [30], [95]], [100])
    [1, 2, 4]
    """
    kept: list[int] = []
    last = np.zeros(len(totals), np.int64)
    rising = np.asarray(counts, np.int64)

    def few(step: NDArray[np.int64]) -> bool:
        return bool(((step >= 1) & (step < fewest)).any())

    for place, now in enumerate(rising):
        if not few(now - last):
            kept.append(place)
            last = now
    while kept and few(np.asarray(totals, np.int64) - rising[kept[-1]]):
        kept.pop()
    return kept


def fewest_records(units: NDArray[np.int64]) -> int:
    """Records that 11 people have at least, if each may have as many as any has. units: whose record it is.

    >>> fewest_records(np.array([1, 2, 2, 3]))
    22
    """
    return MIN_CELL * int(np.unique(units, return_counts=True)[1].max(initial=1))


def is_small(count: int) -> bool:
    """True for a count of 1 to 10. Zero may be shown."""
    return 1 <= count < MIN_CELL
