"""Alpha-precision, beta-recall and authenticity: typical rows, covered rows, and rows that hug a training row."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import stats

from tabsynth.core.finding import Finding
from tabsynth.evaluation.fidelity._anchored import anchored, share
from tabsynth.evaluation.fidelity._neighbours import NEIGHBOURS, TIE, Balls, Cloud, Clouds, clouds, nearest, real_balls
from tabsynth.evaluation.intervals import Floats, jackknife
from tabsynth.evaluation.protocol import Samples, power, title_of

FACTS = {
    "name": "alpha_precision",
    "entry": "alpha_precision",
    "section": "fidelity",
    "summary": "alpha-precision and beta-recall as distance from the diagonal, and authenticity as a diagnostic",
    "findings": {
        "alpha_precision": "Synthetic rows are as typical as real rows",
        "beta_recall": "Real rows are covered, typical and untypical ones alike",
        "authenticity": "Synthetic rows that no training row explains",
    },
}

SPACE: Final = "Ranks of numbers, indicators of categories, equal sizes. Interval: delete-group jackknife by person."
METHODS: Final = {
    "alpha_precision": "1 - 2 times the area between the diagonal and the share of synthetic rows within the alpha-"
                       "quantile of the holdout rows' distances to their centre (Alaa et al. 2022). ",
    "beta_recall": "1 - 2 times the area between the diagonal and the share of holdout rows whose nearest synthetic "
                   f"row is nearer than their {NEIGHBOURS}th neighbour and within the beta-quantile of the synthetic "
                   "rows' distances to their centre (Alaa et al. 2022). ",
    "authenticity": "Share of synthetic rows that lie farther from the nearest training row than this row's nearest "
                    "row of another person does (Alaa et al. 2022); control: of holdout rows. ",
}
CAUTION: Final = " A diagnostic, not evidence: files that hold copies of real rows have passed it."


def alpha_precision(samples: Samples) -> tuple[Finding, ...]:
    """Both curves for S, F and T against H, and authenticity of S and H against T. 5,000 rows of each at most."""
    cloud = samples.once(clouds)
    sides = (cloud.S, cloud.F, cloud.T)
    around = samples.once(real_balls)
    curves = {"alpha_precision": [precision(side, cloud.H) for side in sides],
              "beta_recall": [recall(side, cloud.H, around) for side in sides]}
    return (*(anchored(samples, FACTS, name, curve, "higher is better", n=len(cloud.H), method=METHODS[name] + SPACE)
              for name, curve in curves.items()), _authenticity(samples, cloud))


def precision(fake: Cloud, real: Cloud) -> Floats:
    """Integrated alpha-precision in [0, 1], shape (GROUPS + 1,). Identical clouds give 1."""
    centres = _centres(real)
    own, other = _to(centres, real), _to(centres, fake)
    return np.array([_likeness(own[kept, g], own[kept, g], other[fake.kept[:, g] > 0, g])
                     for g, kept in enumerate(real.kept.T > 0)])


def recall(fake: Cloud, real: Cloud, around: Balls) -> Floats:
    """Integrated beta-recall in [0, 1], shape (GROUPS + 1,). `around`: balls of the real rows.

    A covered row has the level of its nearest synthetic row. The paper asks for any synthetic row of that level in
    the ball; with several rows in a ball its curve lies above the diagonal even between two samples of one
    population, and a generator that covers less would score higher. Identical clouds give 1.
    """
    distance, index = nearest(real, fake)
    own = _to(_centres(fake), fake)
    covered = distance < around.reach
    of_nearest = np.where(covered, np.take_along_axis(own, index, axis=0), np.inf)
    return np.array([_likeness(own[kept, g], own[kept, g], of_nearest[real.kept[:, g] > 0, g])
                     for g, kept in enumerate(fake.kept.T > 0)])


def authenticity(fake: Cloud, train: Cloud) -> Floats:
    """Share of rows farther from their nearest training row i* than i* is from the nearest row of other people.

    The distance of i* has the index of a training row. The authors' first code took that of the synthetic row
    (evaluating-generative-models, issue 4), which compares unrelated rows. Shape (GROUPS + 1,).
    """
    distance, index = nearest(fake, train)
    between, _ = nearest(train, train, of_others=True)
    away = distance > np.take_along_axis(between, index, axis=0) + TIE
    return share(away.astype(np.float64), fake.kept)


def _authenticity(samples: Samples, cloud: Clouds) -> Finding:
    value, control = authenticity(cloud.S, cloud.T), authenticity(cloud.H, cloud.T)
    return Finding(
        "authenticity", title_of(FACTS, "authenticity"), "diagnostic", float(value[0]), "none", n=len(cloud.S),
        interval=jackknife(float(value[0]), value[1:], low=0.0, high=1.0), control=float(control[0]),
        method=METHODS["authenticity"] + SPACE + CAUTION, **power(samples.n))


def _centres(cloud: Cloud) -> Floats:
    """The mean point, with everybody and without each group, shape (GROUPS + 1, dimensions)."""
    rows = cloud.kept.sum(axis=0)[:, None]
    return np.asarray(cloud.kept.T @ cloud.points.astype(np.float64) / np.maximum(rows, 1), np.float64)


def _to(centres: Floats, cloud: Cloud) -> Floats:
    """Squared distances to each centre, shape (n, GROUPS + 1), rounded so that equal rows stay equal."""
    points = cloud.points.astype(np.float64)
    squared = np.square(points).sum(axis=1)[:, None] - 2 * points @ centres.T + np.square(centres).sum(axis=1)
    return np.asarray(np.round(squared, 10), np.float64)


def _likeness(reference: Floats, expected: Floats, seen: Floats) -> float:
    """1 - 2 times the area between two curves of levels: the shares of rows within each quantile of `reference`.

    Without ties the expected curve is the diagonal. NaN where nobody is left.
    """
    if not len(reference) or not len(seen):
        return float("nan")
    ordered = np.sort(reference)
    levels = [(np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right")) / (2 * len(ordered))
              for x in (expected, seen)]
    return 1.0 - 2.0 * float(stats.wasserstein_distance(*levels))


