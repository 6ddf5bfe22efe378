"""Who is near whom: balls around rows, nearest rows, and both without each jackknife group of people.

Rows are points of the `Embedding`: ranks of numbers, indicators of categories. All distances are squared. Arrays of
shape (n, GROUPS + 1) hold a number with everybody in column 0 and without group g in column g + 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabsynth.evaluation.features import Embedding, Points
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import GROUPS, Samples, Side, pick

NEIGHBOURS: Final = 5
"""The k of every ball: it reaches to the k-th nearest row of other people (5 in Naeem et al. 2020)."""
MAX_POINTS: Final = 5_000
"""Most rows of a side; the work grows with its square."""
TIE: Final = 1e-10
"""Squared distances closer than this are equal: their float64 sums were rounded in another order."""
BLOCK: Final = 512


@dataclass(frozen=True, eq=False)
class Cloud:
    """Rows of one side as points, in the order of their jackknife groups.

    Args:
        points: shape (n, dimensions), float32.
        groups: shape (n,), rising.
        units: whose row it is, shape (n,).
    """

    points: Points
    groups: NDArray[np.int64]
    units: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.groups)

    def of_one_person(self, rows: slice) -> NDArray[np.bool_]:
        """Which of all rows belong to the same person as each of these, shape (rows, n)."""
        return np.asarray(self.units[rows, None] == self.units)

    @cached_property
    def parts(self) -> list[slice]:
        """Where the rows of each group are."""
        ends = np.searchsorted(self.groups, np.arange(GROUPS + 1))
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    @cached_property
    def kept(self) -> Floats:
        """1 where a row is there, shape (n, GROUPS + 1): always in column 0, outside its group in the others."""
        return np.asarray(self.groups[:, None] != np.arange(-1, GROUPS), np.float64)


class Clouds(NamedTuple):
    """Synthetic rows, floor, training rows and holdout rows: equally many points of one space."""

    S: Cloud
    F: Cloud
    T: Cloud
    H: Cloud


class Balls(NamedTuple):
    """The ball around each row of a cloud.

    Args:
        reach: a point is inside when its squared distance to the centre is below, shape (n, GROUPS + 1).
        held: rows of the cloud that are inside, the centre too, same shape; `NEIGHBOURS` where no distances tie and
            everybody has one row.
    """

    reach: Floats
    held: Floats


def clouds(samples: Samples) -> Clouds:
    """The four sides, `MAX_POINTS` rows at most of each, whole people. Ask `Samples.once` for them."""
    embedding = Embedding.learn(samples)
    return Clouds(*(_cloud(samples, embedding, side, name) for name, side in
                    (("S", samples.S), ("F", samples.F), ("T", samples.T), ("H", samples.H))))


def squared_distances(a: Cloud, b: Cloud) -> Iterator[tuple[slice, Floats]]:
    """Blocks of rows of `a`, and their squared distances to all rows of `b`, shape (block, len(b))."""
    others = b.points.astype(np.float64)
    norms = np.square(others).sum(axis=1)
    for start in range(0, len(a), BLOCK):
        part = a.points[start : start + BLOCK].astype(np.float64)
        squared = part @ others.T
        squared *= -2
        squared += norms
        squared += np.square(part).sum(axis=1, keepdims=True)
        yield slice(start, start + len(part)), squared


def balls(cloud: Cloud, k: int = NEIGHBOURS) -> Balls:
    """The ball around each row up to, and without, the k-th nearest row of other people.

    A person's own rows are often alike and would make balls that nobody else can be in. The ball of a row that k or
    more others equal holds those: an open ball of radius 0 would be empty, and equal rows are the rule where all
    columns are categories.
    """
    reach, held = np.empty_like(cloud.kept), np.empty_like(cloud.kept)
    for rows, squared in squared_distances(cloud, cloud):
        of_others = np.where(cloud.of_one_person(rows), np.inf, squared)
        reach[rows] = np.maximum(_kth(of_others, cloud.parts, k) - TIE, TIE)
        held[rows], _ = hits(squared, reach[rows], cloud.groups[rows], cloud.parts)
    return Balls(reach, held)


def real_balls(samples: Samples) -> Balls:
    """The balls of the holdout rows. Ask `Samples.once` for them."""
    return balls(samples.once(clouds).H)


def hits(squared: Floats, reach: Floats, groups: NDArray[np.int64],
         parts: list[slice]) -> tuple[Floats, NDArray[np.bool_]]:
    """Points in each ball, shape (balls, GROUPS + 1), and whether a point is in any ball, shape (GROUPS + 1, points).

    A ball without group g counts no points of g, and where its own centre is of g it is not asked.

    Args:
        squared: distances of centres to points, shape (balls, points). reach: see `Balls`. groups: of the centres,
            rising. parts: where the points of each group are.
    """
    hit = squared < reach[:, :1]
    of_group = np.stack([np.count_nonzero(hit[:, part], axis=1) for part in parts], axis=1)
    counts = of_group.sum(axis=1, keepdims=True) - np.pad(of_group, ((0, 0), (1, 0)))
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    found_by = np.logical_or.reduceat(hit, starts, axis=0)
    found = np.stack([found_by[groups[starts] != g].any(axis=0) for g in range(-1, GROUPS)])
    for g, part in enumerate(parts):  # without some of its neighbours a ball grows; the other balls stay as they are
        grown = np.flatnonzero((reach[:, g + 1] != reach[:, 0]) & (groups != g))
        wider = squared[grown] < reach[grown, g + 1, None]
        counts[grown, g + 1] = np.count_nonzero(wider, axis=1) - np.count_nonzero(wider[:, part], axis=1)
        found[g + 1] |= wider.any(axis=0)
    return counts.astype(np.float64), found


def nearest(a: Cloud, b: Cloud, *, of_others: bool = False) -> tuple[Floats, NDArray[np.intp]]:
    """Squared distance of each row of `a` to the nearest row of `b`, and which one it is, shape (len(a), GROUPS + 1).

    Infinite where no row of `b` is left. of_others: `b` is `a`, and a person's own rows do not count.
    """
    distance = np.empty((len(a), GROUPS + 1))
    index = np.zeros(distance.shape, np.intp)
    for rows, squared in squared_distances(a, b):
        if of_others:
            squared[a.of_one_person(rows)] = np.inf
        best = np.full((len(squared), GROUPS), np.inf)
        where = np.zeros((len(squared), GROUPS), np.intp)
        for g, part in enumerate(b.parts):
            if part.start < part.stop:
                where[:, g] = part.start + squared[:, part].argmin(axis=1)
                best[:, g] = squared[np.arange(len(squared)), where[:, g]]
        first, second = np.argsort(best, axis=1, kind="stable")[:, :2].T
        chosen = np.where(first[:, None] == np.arange(-1, GROUPS), second[:, None], first[:, None])
        distance[rows] = np.take_along_axis(best, chosen, axis=1)
        index[rows] = np.take_along_axis(where, chosen, axis=1)
    return distance, index


def _cloud(samples: Samples, embedding: Embedding, side: Side, name: str) -> Cloud:
    rows = pick(side.units, min(MAX_POINTS, samples.n), samples.streams.stream(0, f"neighbours {name}"))
    rows = rows[np.argsort(side.groups[rows], kind="stable")]
    return Cloud(embedding.points(side.table.take(rows)), side.groups[rows], side.units[rows])


def _kth(squared: Floats, parts: list[slice], k: int) -> Floats:
    """The k-th smallest distance, with all and without each group, shape (rows, GROUPS + 1).

    The k smallest of each group hold the k smallest of any union of groups.
    """
    smallest = np.full((len(squared), GROUPS, k), np.inf)
    for g, part in enumerate(parts):
        width = min(k, part.stop - part.start)
        if width:
            smallest[:, g, :width] = np.partition(squared[:, part], width - 1, axis=1)[:, :width]
    out = np.empty((len(squared), GROUPS + 1))
    out[:, 0] = np.partition(smallest.reshape(len(squared), -1), k - 1, axis=1)[:, k - 1]
    for g in range(GROUPS):
        rest = np.delete(smallest, g, axis=1).reshape(len(squared), -1)
        out[:, g + 1] = np.partition(rest, k - 1, axis=1)[:, k - 1]
    return out
