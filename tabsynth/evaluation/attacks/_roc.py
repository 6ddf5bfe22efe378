"""The ROC curve of a membership attack, pooled over the two halves of the holdout, without a step of a few people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.evaluation.attacks._membership_scores import Fold
from tabsynth.evaluation.attacks._pooled_auc import Ranking
from tabsynth.evaluation.disclosure import MIN_CELL, wide_steps
from tabsynth.evaluation.intervals import Floats

POINTS: Final = 24
"""Most points of a curve, at equal steps of the logarithm of the false-alarm rate."""


def with_curve(finding: Finding, both: Sequence[Fold]) -> Finding:
    """The finding with the ROC curve of its headline score."""
    return replace(finding, points=roc([fold.ranking(finding.details["variant"]) for fold in both]))


def roc(rankings: Sequence[Ranking]) -> tuple[dict[str, Any], ...]:
    """Points of the pooled ROC curve, rising; empty where too few people are ranked.

    At each false-alarm rate every ranking has its own threshold, a score of its non-members; rates are pooled as
    `pooled_auc` pools areas. A point is left out where 1 to 10 members or non-members lie between it and the last.

    Returns:
        Per point the shares of non-members ("false_alarms") and members ("found") above the threshold, and how many
        people those are ("n", "members_n").
    """
    sizes = np.array([len(r.controls) for r in rankings])
    members = int(min(len(r.members) for r in rankings))
    points: dict[int, float] = {}
    for rate in np.geomspace(min(1.0, MIN_CELL / sizes.sum()), 1, POINTS, endpoint=False):
        thresholds = [exceeded_by(r.controls, rate) for r in rankings]
        alarms = sum(int((r.controls > t).sum()) for r, t in zip(rankings, thresholds))
        found = [float((r.members > t).mean()) for r, t in zip(rankings, thresholds)]
        points[alarms] = float(np.average(found, weights=sizes))
    rising = sorted((alarms, share) for alarms, share in points.items() if alarms)
    counts = [(alarms, round(share * members)) for alarms, share in rising]
    kept = wide_steps(counts, (int(sizes.sum()), members)) if counts else []
    return tuple({"false_alarms": counts[i][0] / int(sizes.sum()), "found": rising[i][1], "n": counts[i][0],
                  "members_n": counts[i][1]} for i in kept)


def exceeded_by(scores: Floats, rate: float) -> float:
    """The lowest of the scores that at most a share `rate` of them exceeds.

    >>> exceeded_by(np.arange(100.0), 0.01)
    98.0
    """
    return float(np.sort(scores)[len(scores) - 1 - math.floor(rate * len(scores))])
