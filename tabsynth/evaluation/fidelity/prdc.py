"""Precision, recall, density and coverage: are synthetic rows where real rows are, and the other way round?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from tabsynth.core.finding import Direction, Finding
from tabsynth.evaluation.fidelity._anchored import anchored, share
from tabsynth.evaluation.fidelity._neighbours import (
    NEIGHBOURS,
    Balls,
    Cloud,
    balls,
    clouds,
    hits,
    real_balls,
    squared_distances,
)
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import GROUPS, Samples

FACTS = {
    "name": "prdc",
    "entry": "prdc",
    "section": "fidelity",
    "summary": "precision, recall, density and coverage of synthetic rows in the space of real rows",
    "findings": {
        "prdc.precision": "Synthetic rows that lie among real ones",
        "prdc.recall": "Real rows that lie among synthetic ones",
        "prdc.density": "How densely synthetic rows lie around real ones",
        "prdc.coverage": "Real rows that have a synthetic row close by",
    },
}

METHODS: Final = {
    "prdc.precision": "Share of synthetic rows inside the ball of some holdout row (Kynkäänniemi et al. 2019). ",
    "prdc.recall": "Share of holdout rows inside the ball of some synthetic row (Kynkäänniemi et al. 2019). ",
    "prdc.density": "Balls of holdout rows that a synthetic row lies in, each counted as one over the holdout rows in "
                    "it, mean over synthetic rows (Naeem et al. 2020). ",
    "prdc.coverage": "Share of holdout rows with a synthetic row in their ball (Naeem et al. 2020). ",
}
BALLS: Final = (
    f"A ball reaches to the {NEIGHBOURS}th nearest row of other people on its own side; ranks of numbers, indicators "
    "of categories, equal sizes. Interval: delete-group jackknife by person.")


class Prdc(NamedTuple):
    """Each of shape (GROUPS + 1,): with everybody, then without each group of people."""

    precision: Floats
    recall: Floats
    density: Floats
    coverage: Floats


class Inside(NamedTuple):
    """Points in balls. found: share of points in some ball; density; covered: share of balls with a point."""

    found: Floats
    density: Floats
    covered: Floats


def prdc(samples: Samples) -> tuple[Finding, ...]:
    """Real = holdout rows, fake = S; ceiling: T as the fake rows, floor: F. 5,000 rows of each at most."""
    cloud, real = samples.once(clouds), samples.once(real_balls)
    value, floor, ceiling = (compare(cloud.H, real, side) for side in (cloud.S, cloud.F, cloud.T))
    return tuple(_finding(samples, name, numbers, len(cloud.H))
                 for name, *numbers in zip(Prdc._fields, value, floor, ceiling))


def compare(real: Cloud, around: Balls, fake: Cloud) -> Prdc:
    """The four shares of one pair of clouds; identical clouds give 1, 1, 1, 1."""
    of_real, of_fake = inside(real, around, fake), inside(fake, balls(fake), real)
    return Prdc(of_real.found, of_fake.found, of_real.density, of_real.covered)


def inside(centres: Cloud, around: Balls, points: Cloud) -> Inside:
    """Which points lie in which balls, with everybody and without each group in both clouds.

    A ball counts in the density as one over the rows of its own side that it holds. That is 1/k where no distances
    tie, as published; where they do it keeps the density of identical clouds at 1.
    """
    found = np.zeros((GROUPS + 1, len(points)), np.bool_)
    counts = np.empty_like(around.held)
    for rows, squared in squared_distances(centres, points):
        counts[rows], met = hits(squared, around.reach[rows], centres.groups[rows], points.parts)
        found |= met
    weights = np.divide(counts, around.held, out=np.zeros_like(counts), where=around.held > 0)
    per_point = centres.kept.sum(axis=0) / np.maximum(points.kept.sum(axis=0), 1)
    return Inside(share(found.T.astype(np.float64), points.kept), share(weights, centres.kept) * per_point,
                  share((counts > 0).astype(np.float64), centres.kept))


def _finding(samples: Samples, name: str, numbers: Sequence[Floats], n: int) -> Finding:
    direction: Direction = "closer to 1 is better" if name == "density" else "higher is better"
    return anchored(samples, FACTS, f"prdc.{name}", numbers, direction, n=n,
                    method=METHODS[f"prdc.{name}"] + BALLS, high=math.inf if name == "density" else 1.0)
