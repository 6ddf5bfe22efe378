"""How much of two distributions over k columns overlaps, and the same without each group of people."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tabsynth.core.rng import Streams
from tabsynth.evaluation.intervals import Floats, Interval, jackknife, jackknife_error, without_each
from tabsynth.evaluation.protocol import GROUPS, Side

Subset = tuple[int, ...]
MAX_SUBSETS: Final = {1: 1_000_000, 2: 2_000, 3: 500}
"""Subsets of k columns that are all used; beyond that a seeded sample of this many."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Accuracy 1 - TVD of each subset, shape (m,), and without each jackknife group, shape (m, GROUPS)."""

    values: Floats
    without: Floats

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def replicates(self) -> Floats:
        """The mean without each group, shape (GROUPS,)."""
        return np.asarray(self.without.mean(axis=0), np.float64)

    @property
    def interval(self) -> Interval | None:
        return jackknife(self.mean, self.replicates, low=0.0, high=1.0)


def subsets(d: int, k: int, streams: Streams) -> tuple[list[Subset], bool]:
    """The k-subsets of d columns, and whether these are all of them."""
    limit = MAX_SUBSETS[k]
    if math.comb(d, k) <= limit:
        return list(itertools.combinations(range(d), k)), True
    rng = streams.stream(k, "subsets of columns")
    chosen: dict[Subset, None] = {}
    while len(chosen) < limit:
        chosen[tuple(sorted(int(j) for j in rng.choice(d, k, replace=False)))] = None
    return list(chosen), False


def compare(pairs: Sequence[tuple[Side, Side]], sizes: Sequence[int], over: Sequence[Subset]) -> list[Agreement]:
    """The agreement of each pair of sides over each subset of columns.

    Counts of a subset are made once per side, per cell and jackknife group: leaving a group out is a subtraction.
    """
    sides = list({id(side): side for pair in pairs for side in pair}.values())
    values = np.empty((len(pairs), len(over)))
    without = np.empty((len(pairs), len(over), GROUPS))
    for i, subset in enumerate(over):
        parts = {id(side): shares(without_each(counts_of(side, subset, sizes))) for side in sides}
        for p, (a, b) in enumerate(pairs):
            overlap = 1 - 0.5 * np.abs(parts[id(a)] - parts[id(b)]).sum(axis=0)
            values[p, i], without[p, i] = overlap[0], overlap[1:]
    return [Agreement(np.clip(v, 0.0, 1.0), w) for v, w in zip(values, without)]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a value lies between floor and ceiling: 0 = independent columns, 1 = real rows. Never clipped."""

    normalised: float | None
    interval: Interval | None
    reason: str | None


def position(value: Agreement, floor: Agreement, ceiling: Agreement) -> Position:
    """The normalised value, or why there is none: floor and ceiling closer than two standard errors."""
    gap = ceiling.mean - floor.mean
    error = jackknife_error(ceiling.replicates - floor.replicates)
    if error is None or gap <= 0 or gap < 2 * error:
        return Position(None, None, "floor and ceiling lie too close together to tell good from bad")
    normalised = (value.mean - floor.mean) / gap
    gaps = ceiling.replicates - floor.replicates
    if (gaps <= 0).any():
        return Position(normalised, None, None)
    return Position(normalised, jackknife(normalised, (value.replicates - floor.replicates) / gaps), None)


def counts_of(side: Side, subset: Subset, sizes: Sequence[int]) -> Floats:
    """Rows per cell and group, shape (cells, GROUPS)."""
    key = np.zeros(len(side), np.int64)
    for j in subset:
        key = key * sizes[j] + side.codes[:, j]
    cells = math.prod(sizes[j] for j in subset)
    counts = np.bincount(key * GROUPS + side.groups, minlength=cells * GROUPS)
    return counts.reshape(cells, GROUPS).astype(np.float64)


def shares(counts: Floats) -> Floats:
    """Counts over their sum along the first axis; zero where nobody is left."""
    return np.asarray(counts / np.maximum(counts.sum(axis=0), 1.0), np.float64)
