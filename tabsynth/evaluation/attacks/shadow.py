"""P3a, shared shadow models: refits on random halves of the people show whose presence can be told from the output.

Half of the refits have learned from a person, half have not. An attacker who knows how a person's nearest synthetic
rows lie in either case guesses, for a further refit, whether it has (LiRA: Carlini et al. 2022, for synthetic tables).
It is the recipe that is attacked, on training and holdout people alike; the released rows play no part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tabsynth.core.finding import Finding
from tabsynth.core.table import Table
from tabsynth.evaluation.attacks._refitted import NO_REFIT, closeness, people_of
from tabsynth.evaluation.features import Embedding, Points, nearest
from tabsynth.evaluation.intervals import Floats, components, holm
from tabsynth.evaluation.protocol import Samples, in_random_order, n_people, title_of, units_of
from tabsynth.evaluation.variants import CHANCE, attack_finding, ranked

FACTS = {
    "name": "shadow",
    "entry": "shadow",
    "tier": 2,
    "section": "privacy",
    "summary": "64 refits on random halves of the people: whose presence can be told from the synthetic rows (LiRA)",
    "findings": {
        "P3a": "Telling from the output of refits who was learned from (shared shadow models)",
        "P3a.worst": "The same for the people it works best on (worst found)",
    },
}

METHOD: Final = (
    "Refits on random halves of training and holdout people; each gives as many synthetic rows as it learned from. The "
    "score of a person and a refit is the log likelihood ratio of the distance to the nearest synthetic rows under "
    "Gaussians of the other refits that had the person and that had not (LiRA, Carlini et al. 2022, leave one model "
    "out). AUC over all pairs, corrected by what halves reassigned to refits give; error: the larger of that by refit "
    "and that of the reassignment. ")
METHOD_WORST: Final = (
    "The people on whom half of the refits worked best, attacked in the other half; Gaussians of the first half. "
    "Individual success: exact Mann-Whitney test of a person's distances, Holm's correction over people and scores. "
    "Worst found with these scores; nothing is said about others. ")

REFITS: Final = 64
"""An even number: refits 2k and 2k + 1 learn from complementary halves, so that half of the refits have a person."""
ROWS: Final = 5_000
"""Most rows that a refit learns from."""
TARGETS: Final = 1_000
WORST_SHARE: Final = 50
"""One in so many targets is among the worst, and at least `FEWEST_WORST`."""
FEWEST_WORST: Final = 10
NEIGHBOURS: Final = 5
REASSIGNED: Final = 100
"""Reassignments of halves to refits."""
ENOUGH: Final = 200
"""Fewest people for the attack to say anything."""
FEWEST: Final = 20
"""Fewest people to refit on at all."""
LEVEL: Final = 0.05
"""Family-wise level of individual success."""

Used = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shadows:
    """People against refits.

    Args:
        used: whether the refit learned from the person, shape (people, refits).
        scores: name -> shape (people, refits); higher says "learned from".
        isolated: people far from everybody else, shape (people,).
        rows: rows that a refit learned from, on average.
    """

    used: Used
    scores: Mapping[str, Floats]
    isolated: Used
    rows: float


def shadow(samples: Samples) -> tuple[Finding, ...]:
    """AUC over people and refits, and over the people it works best on."""
    titles = {finding_id: title_of(FACTS, finding_id) for finding_id in ("P3a", "P3a.worst")}
    pool = None if samples.refit is None else people_of([samples.train, samples.holdout], 2 * ROWS, samples, "shadows")
    if pool is None or n_people(pool) < FEWEST:
        reason = NO_REFIT if pool is None else f"fewer than {FEWEST} people to refit on"
        return tuple(Finding.not_run(i, title, "privacy", reason, direction="lower is safer", method=METHOD)
                     for i, title in titles.items())
    shadows = refits(samples, pool)
    few = f"fewer than {ENOUGH} people to refit on" if n_people(pool) < ENOUGH else None
    details = {"refits": shadows.used.shape[1], "mean_rows_learned_from": round(shadows.rows)}
    return (
        attack_finding("P3a", titles["P3a"], list(_everybody(shadows, samples)), method=METHOD, unit_of_n="people",
                       few=few, details={**details, "person_by_person": _person_by_person(shadows, samples)}),
        attack_finding("P3a.worst", titles["P3a.worst"], list(_worst(shadows, samples)), method=METHOD + METHOD_WORST,
                       unit_of_n="people", few=few, details=details))


def refits(samples: Samples, pool: Table) -> Shadows:
    """Refit on random halves of the pool's people, and score the targets against what each refit gives."""
    assert samples.refit is not None
    embedding, stream = Embedding.of(samples.columns, [pool]), samples.streams.stream
    units, points = units_of(pool), embedding.points(pool)
    rows, isolated = _targets(units, points, stream(0, "shadow targets"))
    used = np.empty((len(rows), REFITS), np.bool_)
    scores = {name: np.empty(used.shape) for name in ("nearest row", "five nearest rows")}
    learned = 0
    for fit in range(REFITS):
        samples.progress("attack: refit", fit, REFITS)
        half = _half(n_people(pool), fit, samples)[units]
        part = pool.take(half)
        drawn = samples.refit(part, stream(fit, "shadow refit"))(len(part), stream(fit, "shadow rows"))
        squared = nearest(points[rows], embedding.points(drawn), NEIGHBOURS)
        used[:, fit], learned = half[rows], learned + len(part)
        scores["nearest row"][:, fit] = closeness(squared[:, 0])
        scores["five nearest rows"][:, fit] = closeness(squared.mean(axis=1))
    samples.progress("attack: refit", REFITS, REFITS)
    return Shadows(used, scores, isolated, learned / REFITS)


def likelihood_ratios(scores: Floats, used: Used) -> Floats:
    """Log likelihood ratio of each score under Gaussians of the person's other scores, leaving one refit out.

    Args:
        scores, used: shape (people, refits); at least three refits of either kind for everybody.

    The variances share a floor, so that a person whose distances hardly vary does not weigh too much. Ratios are
    rounded: what is left of equal scores after rounding errors would tell the refits apart.
    """
    floor = _floor(scores, used)
    (mean_in, var_in), (mean_out, var_out) = (_others(scores, mask) for mask in (used, ~used))
    return _ratio(scores, mean_in, var_in + floor, mean_out, var_out + floor)


def auc_by_refit(values: Floats, used: Used) -> tuple[float, float]:
    """AUC of pairs (person, refit) that belong together against those that do not, and its error by refit.

    DeLong's components, summed by refit before they are squared: all scores of a refit hang on the same rows, and a
    refit gives pairs of both kinds.
    """
    up, down = components(values[used], values[~used])
    area, n = float(up.mean()), values.shape[1]
    fit = np.broadcast_to(np.arange(n), used.shape)
    each = np.bincount(fit[used], up - area, n) / len(up) + np.bincount(fit[~used], down - area, n) / len(down)
    return area, math.sqrt(n / (n - 1) * np.square(each).sum())


def mann_whitney(scores: Floats, used: Used, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Person by person: AUC of a person's scores over the refits, and the exact one-sided p (Mann and Whitney 1947).

    Args:
        scores, used: shape (people, refits), equally many refits with and without everybody.
        rng: breaks ties, so that the test stays exact.

    The attacker's likelihood ratio would not do here: left out of its own Gaussians, it is drawn to the wrong side,
    and its AUC over one person's refits lies below one half where there is nothing to tell.
    """
    order = np.lexsort((rng.random(scores.shape), scores), axis=1)
    ranks = np.empty(scores.shape, np.int64)
    np.put_along_axis(ranks, order, np.arange(scores.shape[1])[None, :], axis=1)
    n = int(used[0].sum())
    wins = (ranks * used).sum(axis=1) - n * (n - 1) // 2
    return wins / (n * (scores.shape[1] - n)), mann_whitney_tail(n, scores.shape[1] - n)[wins]


@cache
def mann_whitney_tail(n: int, m: int) -> Floats:
    """P(U >= u) of n against m exchangeable scores without ties, shape (n * m + 1,).

    >>> mann_whitney_tail(2, 2).round(4).tolist()
    [1.0, 0.8333, 0.6667, 0.3333, 0.1667]
    """
    ways = [1] + [0] * (n * m)
    for i in range(1, n + 1):  # the Gaussian binomial coefficient, factor by factor
        for u in range(n * m, m + i - 1, -1):
            ways[u] -= ways[u - m - i]
        for u in range(i, n * m + 1):
            ways[u] += ways[u - i]
    total, above = math.comb(n + m, n), 0
    tail = np.empty(n * m + 1)
    for u in range(n * m, -1, -1):
        above += ways[u]
        tail[u] = above / total
    return tail


def worst_found(scores: Floats, used: Used, rng: np.random.Generator) -> tuple[float, float, int]:
    """AUC of the people whom half of the refits point to, in the other half; its error; and how many people.

    Chosen and tested on different refits, the worst of many people are no artefact of the choice.
    """
    half = scores.shape[1] // 4 * 2
    learn, known = scores[:, :half], used[:, :half]
    floor = _floor(learn, known)
    mean_in, var_in, mean_out, var_out = (x[:, None] for mask in (known, ~known) for x in _moments(learn, mask))
    var_in, var_out = var_in + floor, var_out + floor
    worst = np.argsort((mean_out - mean_in)[:, 0] / np.sqrt(var_in + var_out)[:, 0], kind="stable")
    worst = worst[: min(len(worst), max(FEWEST_WORST, len(worst) // WORST_SHARE))]
    values = _ratio(scores[worst, half:], mean_in[worst], var_in[worst], mean_out[worst], var_out[worst])
    tested = used[worst, half:]
    area, error = auc_by_refit(values, tested)
    chance = [_area(values, tested[:, rng.permutation(tested.shape[1])]) for _ in range(REASSIGNED)]
    return area, max(error, float(np.std(chance))), len(worst)


# --- the refits -----------------------------------------------------------------------------------------


def _targets(units: NDArray[np.int64], points: Points, rng: np.random.Generator) -> tuple[NDArray[np.intp], Used]:
    """One row each of at most `TARGETS` people: half of them those furthest from everybody else, the rest at random.

    Returns:
        Row numbers, and which of them are the isolated ones.
    """
    order = in_random_order(units, rng)
    _, first = np.unique(units[order], return_index=True)
    rows = order[first]
    distance = np.sqrt(nearest(points[rows], points, NEIGHBOURS + 1)[:, 1:]).mean(axis=1)  # the first is the row itself
    n = min(TARGETS, len(rows))
    furthest = np.argsort(-distance, kind="stable")
    isolated, others = furthest[: n // 2], rng.permutation(furthest[n // 2 :])[: n - n // 2]
    return rows[np.concatenate([isolated, others])], np.arange(n) < n // 2


def _half(people: int, fit: int, samples: Samples) -> Used:
    """Whom a refit learns from, shape (people,)."""
    first = samples.streams.stream(fit // 2, "shadow halves").permutation(people) < people // 2
    return first if fit % 2 == 0 else ~first


# --- what they tell -------------------------------------------------------------------------------------


def _everybody(shadows: Shadows, samples: Samples) -> Iterator[dict[str, Any]]:
    """Rows of the finding: every score, on all targets and on the isolated ones."""
    groups = {"all targets": np.ones(len(shadows.used), np.bool_), "isolated targets": shadows.isolated}
    for score, values in shadows.scores.items():
        for group, people in groups.items():
            key, part, used = f"{score}, {group}", values[people], shadows.used[people]
            area, error = auc_by_refit(likelihood_ratios(part, used), used)
            centre, spread = _by_chance(part, used, samples.streams.stream(0, f"reassigned {key}"))
            yield ranked(key, min(1.0, area - centre + CHANCE), max(error, spread), len(part), len(part))


def _worst(shadows: Shadows, samples: Samples) -> Iterator[dict[str, Any]]:
    for score, values in shadows.scores.items():
        area, error, people = worst_found(values, shadows.used, samples.streams.stream(0, f"worst {score}"))
        yield ranked(f"{score}, worst found", area, error, people, people)


def _by_chance(scores: Floats, used: Used, rng: np.random.Generator) -> tuple[float, float]:
    """Mean and standard deviation of the AUC when halves are reassigned to refits and have nothing to do with them.

    The mean is a little below one half: a score is left out of its own Gaussian and not of the other. The error by
    refit is then too small by a factor of the square root of two: every pair of refits counts twice, once for the
    one's Gaussians and once for the other's.
    """
    areas = []
    for _ in range(REASSIGNED):
        other = used[:, rng.permutation(used.shape[1])]
        areas.append(_area(likelihood_ratios(scores, other), other))
    return float(np.mean(areas)), float(np.std(areas))


def _person_by_person(shadows: Shadows, samples: Samples) -> dict[str, Any]:
    """How the success is spread over people: nested, so that it stays inside the house."""
    out: dict[str, Any] = {}
    p = []
    for score, values in shadows.scores.items():
        area, own = mann_whitney(values, shadows.used, samples.streams.stream(0, f"ties {score}"))
        p.append(own)
        out[score] = _quantiles(area)
    n = shadows.used.shape[1]
    tail = mann_whitney_tail(n // 2, n - n // 2)
    chance = {"q99": float(np.flatnonzero(tail >= 0.01)[-1] / (len(tail) - 1))}
    significant = np.array(holm(np.concatenate(p).tolist())).reshape(len(p), -1) <= LEVEL
    return {**out, "by chance": chance, "people": len(shadows.used),
            "individually significant": int(significant.any(axis=0).sum())}


def _quantiles(area: Floats) -> dict[str, float]:
    return {"mean": float(area.mean()), "median": float(np.median(area)), "q90": float(np.quantile(area, 0.9)),
            "q99": float(np.quantile(area, 0.99)), "largest": float(area.max())}


# --- Gaussians ------------------------------------------------------------------------------------------


def _ratio(scores: Floats, mean_in: Floats, var_in: Floats, mean_out: Floats, var_out: Floats) -> Floats:
    """log N(score; in) - log N(score; out)."""
    return np.round((np.log(var_out / var_in) + np.square(scores - mean_out) / var_out
                     - np.square(scores - mean_in) / var_in) / 2, 6)


def _moments(scores: Floats, mask: Used) -> tuple[Floats, Floats]:
    """Mean and variance of each person's scores where `mask`, shape (people,) each."""
    n = mask.sum(axis=1)
    mean = (scores * mask).sum(axis=1) / n
    return mean, (np.square(scores - mean[:, None]) * mask).sum(axis=1) / (n - 1)


def _others(scores: Floats, mask: Used) -> tuple[Floats, Floats]:
    """Mean and variance of the scores where `mask`, without the one that they are for; shape of `scores`."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    n = mask.sum(axis=1, keepdims=True) - mask
    total = (centred * mask).sum(axis=1, keepdims=True) - centred * mask
    squares = (np.square(centred) * mask).sum(axis=1, keepdims=True) - np.square(centred) * mask
    mean = total / n
    return scores - centred + mean, np.maximum(0.0, squares / n - np.square(mean)) * n / (n - 1)


def _floor(scores: Floats, used: Used) -> float:
    """A twentieth of a person's usual variance, and never nothing."""
    return float(0.05 * np.mean([_moments(scores, mask)[1].mean() for mask in (used, ~used)]) + 1e-4)


def _area(values: Floats, used: Used) -> float:
    ranks = stats.rankdata(values.ravel()).reshape(values.shape)
    n = int(used.sum())
    return float((ranks[used].sum() - n * (n + 1) / 2) / (n * (used.size - n)))
