"""P2b, membership of the people who stand out most: what an average over all people hides.

Twenty training outliers copied with a little noise leave the attacks on everybody at chance. Here the same attacks are
held against people who stand out as much and were not used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.evaluation.attacks._membership_scores import PROMINENT_BY, SCORES, Fold, Group, folds
from tabsynth.evaluation.attacks._pooled_auc import detectable_auc, pooled_auc
from tabsynth.evaluation.attacks._roc import with_curve
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import Samples, title_of
from tabsynth.evaluation.variants import EVIDENCE, attack_finding, ranked

FACTS = {
    "name": "vulnerable",
    "entry": "vulnerable",
    "tier": 1,
    "section": "privacy",
    "summary": "membership attacks on the people who stand out most, against people who stand out as much",
    "findings": {"P2b": "Can it be shown that a person who stands out was in the data? (worst found)"},
}

METHOD: Final = (
    "The attacks of P2a on the people who stand out most. A person stands out by the mean distance to the "
    f"{PROMINENT_BY} nearest rows of R, half of the holdout; members and the other half are judged by one common "
    "threshold, the highest with at least 100 non-members, and members are matched to non-members on that distance "
    "(after the rule of Meeus et al. 2023). Halves change places, AUCs are pooled. Interval: DeLong, by person. The "
    "worst found, not the worst possible.")
ENOUGH_CONTROLS: Final = 100
"""Non-members that are enough."""
FEWEST_CONTROLS: Final = 50
"""Below this number of non-members nothing is said."""
ENOUGH_MEMBERS: Final = 20
"""Below this number of members nothing is excluded."""
MEMBERS_EACH: Final = 10
"""Most members matched to one non-member."""


def vulnerable(samples: Samples) -> tuple[Finding, ...]:
    """AUC of every score among the people who stand out. details: how many, and what AUC would have been noticed."""
    title = title_of(FACTS, "P2b")
    both = samples.once(folds)
    controls = np.concatenate([fold.controls.stands_out for fold in both])
    if len(controls) < FEWEST_CONTROLS:
        return (Finding.not_run("P2b", title, "privacy", f"fewer than {FEWEST_CONTROLS} non-members",
                                direction="lower is safer", method=METHOD),)
    threshold = highest_threshold(controls)
    chosen = [prominent(fold, threshold, samples.streams.stream(i, "matching of members to non-members"))
              for i, fold in enumerate(both)]
    chosen = [fold for fold in chosen if len(fold.members) and len(fold.controls)]
    n_members = len(np.unique(np.concatenate([fold.members.people for fold in chosen]))) if chosen else 0
    if not n_members:
        return (Finding.not_run("P2b", title, "privacy", "no member stands out as much as the non-members do",
                                direction="lower is safer", method=METHOD),)
    n_controls = sum(len(fold.controls) for fold in chosen)
    rows = [ranked(name, *pooled_auc([fold.ranking(name) for fold in chosen]), n_members, n_controls)
            for name in SCORES]
    details = {"worst_found": True, "share_of_people": float((controls >= threshold).mean()),
               "detectable_auc": detectable_auc(n_members, n_controls // 2, alpha=EVIDENCE / len(rows))}
    found = attack_finding("P2b", title, rows, method=METHOD, unit_of_n="people", details=details,
                           few=_few(n_members, n_controls) or samples.unsearched)
    return (with_curve(found, chosen),)


def highest_threshold(controls: Floats, enough: int = ENOUGH_CONTROLS) -> float:
    """The highest threshold that `enough` non-members reach, or all where they are fewer.

    >>> highest_threshold(np.array([1.0, 5.0, 2.0, 4.0]), enough=2)
    4.0
    """
    return float(np.sort(controls)[-min(enough, len(controls))])


def prominent(fold: Fold, threshold: float, rng: np.random.Generator) -> Fold:
    """The people at or above the threshold; members matched to non-members on how much they stand out."""
    members, controls = (_take(group, np.flatnonzero(group.stands_out >= threshold))
                         for group in (fold.members, fold.controls))
    return Fold(_take(members, matched(controls.stands_out, members.stands_out, rng)), controls)


def matched(wanted: Floats, offered: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions in `offered` so that each of `wanted` has the same number of near values.

    Nearest first come, in random order, without replacement: as many for each as there are for all, at most
    `MEMBERS_EACH`. All of `offered` where they are fewer than `wanted`.
    """
    free = np.ones(len(offered), np.bool_)
    rounds = min(MEMBERS_EACH, len(offered) // max(1, len(wanted)))
    if not rounds:
        return np.arange(len(offered))
    for _ in range(rounds):
        for i in rng.permutation(len(wanted)):
            free[np.argmin(np.where(free, np.abs(offered - wanted[i]), np.inf))] = False
    return np.flatnonzero(~free)


def _few(n_members: int, n_controls: int) -> str | None:
    if n_controls < ENOUGH_CONTROLS:
        return f"fewer than {ENOUGH_CONTROLS} non-members who stand out"
    return f"fewer than {ENOUGH_MEMBERS} members who stand out" if n_members < ENOUGH_MEMBERS else None


def _take(group: Group, rows: NDArray[np.intp]) -> Group:
    return replace(group, scores={name: score[rows] for name, score in group.scores.items()},
                   stands_out=group.stands_out[rows], people=group.people[rows])
