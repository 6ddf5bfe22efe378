"""P2a, membership: can somebody who holds the synthetic rows tell who was in the data?

The attacker has the synthetic rows S and a reference R of the same population, half of the holdout; non-members are
the other half, and the halves change places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.evaluation.attacks._membership_scores import SCORES, Fold, folds
from tabsynth.evaluation.attacks._pooled_auc import detectable_auc, pooled_auc
from tabsynth.evaluation.attacks._roc import exceeded_by, with_curve
from tabsynth.evaluation.intervals import clopper_pearson
from tabsynth.evaluation.protocol import LOW_POWER, Samples, n_people, title_of
from tabsynth.evaluation.variants import EVIDENCE, attack_finding, counted, ranked

FACTS = {
    "name": "membership",
    "entry": "membership",
    "tier": 1,
    "section": "privacy",
    "summary": "AUC of membership attacks on all people, and how many they find at one false alarm in a hundred",
    "findings": {
        "P2a": "Can it be shown that a person was in the data?",
        "P2a.tpr": "People shown to be in the data, at one false alarm in a hundred",
    },
}

METHOD: Final = (
    "Membership inference from the synthetic rows and a reference sample, half of the holdout, against the other half; "
    "halves change places, AUCs are pooled. Scores: distance to S, the same less that to R, neighbours (DPI), density "
    "ratio (DOMIAS), classifier (LOGAN), likelihood influence (Gen-LRA). Interval: DeLong, by person.")
METHOD_TPR: Final = (
    "Share of members minus share of non-members above a threshold that one in a hundred of other non-members exceeds; "
    "each person is tried once, at a threshold that owes nothing to them. Interval: Newcombe. epsilon_lower: the "
    "Clopper-Pearson lower bound on epsilon (delta = 0) over all scores and both false-alarm rates; an attack that "
    "fails proves nothing.")
ALARM: Final = 0.01
"""False-alarm rate of the finding."""
ALARMS: Final = (ALARM, 0.1)
"""False-alarm rates that are told."""
F1_ALARMS: Final = (*ALARMS, 0.25, 0.5, 0.75)
"""False-alarm rates of which the best for F1 is told: where most are members, calling many pays."""
ENOUGH: Final = 1_000
"""Fewest non-members for one false alarm in a hundred: ten are expected. One in a thousand would need 10,000."""


def membership(samples: Samples) -> tuple[Finding, ...]:
    """AUC of each score (P2a), and true positives at a low false-alarm rate (P2a.tpr)."""
    both = samples.once(folds)
    sizes = len(both[0].members), sum(len(fold.controls) for fold in both)
    return _areas(samples, both, *sizes), _low_alarm(samples, both, sizes[1])


def _areas(samples: Samples, both: Sequence[Fold], n_members: int, n_controls: int) -> Finding:
    rows = [ranked(name, *pooled_auc([fold.ranking(name) for fold in both]), n_members, n_controls)
            for name in SCORES]
    few = f"fewer than {LOW_POWER} people on one side" if min(n_members, n_controls) < LOW_POWER else None
    found = attack_finding("P2a", title_of(FACTS, "P2a"), rows, method=METHOD, unit_of_n="people",
                           few=few or samples.unsearched,
                           details={"scores": dict(SCORES), "detectable_auc": detectable_auc(
                               n_members, n_controls // 2, alpha=EVIDENCE / len(rows))})
    return with_curve(found, both)


# --- few false alarms ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alarms:
    """Of one score at one false-alarm rate: members and non-members above the threshold, and how many were tried."""

    hits: int
    n: int
    false_alarms: int
    controls: int


def _low_alarm(samples: Samples, both: Sequence[Fold], n_controls: int) -> Finding:
    title = title_of(FACTS, "P2a.tpr")
    if n_controls < ENOUGH:
        return Finding.not_run("P2a.tpr", title, "privacy", f"fewer than {ENOUGH} non-members: too few for a rate of "
                               "false alarms of one in a hundred", direction="lower is safer", method=METHOD_TPR)
    places = [samples.streams.stream(i, "parts for thresholds") for i in range(3)]
    member_part = places[2].permutation(len(both[0].members)) % 4
    parts = [rng.permutation(len(fold.controls)) % 2 for rng, fold in zip(places, both)]
    every = {(name, rate): alarms(both, name, rate, member_part, parts) for name in SCORES for rate in F1_ALARMS}
    told = {key: a for key, a in every.items() if key[1] in ALARMS}
    rows = [counted(name, (a.hits, a.n), (a.false_alarms, a.controls))
            for (name, rate), a in told.items() if rate == ALARM]
    prevalence = members_share(samples)
    level = 1 - 0.05 / len(told)
    return attack_finding("P2a.tpr", title, rows, method=METHOD_TPR, unit_of_n="people", few=samples.unsearched,
                          details={
        "epsilon_lower": max(epsilon_lower_bound(a.hits, a.false_alarms, a.n, a.controls, level=level)
                             for a in told.values()),
        "epsilon_ceiling": epsilon_lower_bound(len(member_part), 0, len(member_part), n_controls, level=level),
        "at_one_in_ten": {name: _rates(a) for (name, rate), a in told.items() if rate != ALARM},
        "f1_over_naive": max(0.0, *(f1_over_naive(a.hits / a.n, a.false_alarms / a.controls, prevalence)
                                    for a in every.values())),
        "share_of_members": prevalence})


def alarms(both: Sequence[Fold], name: str, rate: float, member_part: NDArray[np.intp],
           control_parts: Sequence[NDArray[np.intp]]) -> Alarms:
    """Everybody above a threshold of one of four kinds: reference half x half of the non-members that sets it.

    Args:
        member_part: which of the four a member is tried with, shape (m,).
        control_parts: of each fold, half that a non-member is in, shape (n,); the other half sets their threshold.
    """
    counts = np.zeros(4, np.int64)
    for i, (fold, halves) in enumerate(zip(both, control_parts)):
        members, controls = fold.members.scores[name], fold.controls.scores[name]
        for half in (0, 1):
            threshold = exceeded_by(controls[halves != half], rate)
            tried = members[member_part == 2 * i + half]
            others = controls[halves == half]
            counts += [(tried > threshold).sum(), len(tried), (others > threshold).sum(), len(others)]
    return Alarms(*counts.tolist())


def epsilon_lower_bound(tp: int, fp: int, n: int, n_controls: int | None = None, *, level: float = 0.95) -> float:
    """What the hits say at least about epsilon (delta = 0), from Clopper-Pearson limits of both rates; at least 0.

    Args:
        tp, n: members above a threshold chosen elsewhere, of how many.
        fp, n_controls: non-members above it, of how many (as many as members when not given).
        level: two-sided; each of the two limits fails with chance (1 - level) / 2.

    Both directions (hits among members, and non-members let go) follow from the same two limits. With n + n trials it
    cannot exceed log(a / (1 - a)), a = ((1 - level) / 2)^(1/n), however good the attack.

    >>> [round(epsilon_lower_bound(*x), 3) for x in ((60, 10, 1000), (500, 250, 1000), (950, 50, 1000), (9, 10, 1000))]
    [0.923, 0.522, 2.66, 0.0]
    """
    found = clopper_pearson(tp, n, level)[0]
    false = clopper_pearson(fp, n if n_controls is None else n_controls, level)[1]
    if found <= false:
        return 0.0
    return max(math.log(found / false), math.log((1 - false) / (1 - found)))


def f1_over_naive(found: float, false: float, prevalence: float) -> float:
    """(F1 - naive) / (1 - naive), naive = calling everybody a member (El Emam et al. 2022); may be negative.

    Args:
        found, false: rates of members and of non-members above the threshold.
        prevalence: share of members among the people an attacker would try.

    >>> f1_over_naive(1.0, 0.0, 0.3), f1_over_naive(1.0, 1.0, 0.3)
    (1.0, 0.0)
    """
    called = prevalence * found + (1 - prevalence) * false
    f1 = 2 * prevalence * found / (called + prevalence)
    naive = 2 * prevalence / (1 + prevalence)
    return (f1 - naive) / (1 - naive)


def members_share(samples: Samples) -> float:
    """Sampling fraction of the training people among all people of training and holdout."""
    train, holdout = n_people(samples.train), n_people(samples.holdout)
    return train / (train + holdout)


def _rates(a: Alarms) -> dict[str, Any]:
    return {"members": a.hits / a.n, "non_members": a.false_alarms / a.controls}
