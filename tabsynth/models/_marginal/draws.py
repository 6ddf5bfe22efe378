"""Draws from many small discrete distributions at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._marginal.factor import Array

STRATIFY_FROM = 32
"""Rows of one situation from which on their uniforms are spread evenly; fewer rows are drawn independently, so that
the few rows of one patient do not repel each other."""


def draw_joint(tables: Array, situation: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """One draw per row from the table of its situation.

    Args:
        tables: shape (situations, s1, .., sk), not negative, need not be normalised; k >= 1.
        situation: shape (n,), index into axis 0.

    Returns:
        Codes, shape (n, k): attributes are drawn one after another, each given the ones before.
    """
    sizes = tables.shape[1:]
    drawn = np.empty((len(situation), len(sizes)), dtype=np.int64)
    at = situation
    for k, size in enumerate(sizes):
        chances = tables.reshape(-1, size, int(np.prod(sizes[k + 1:], dtype=np.int64))).sum(axis=2)
        drawn[:, k] = draw_codes(chances, at, rng)
        at = at * size + drawn[:, k]
    return drawn


def draw_codes(chances: Array, row: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """One code per draw from row `row[i]` of `chances`, shape (rows, size); rows that are used sum to more than 0."""
    used, group = np.unique(row, return_inverse=True)
    cumulative = chances[used].cumsum(axis=1)
    cumulative /= cumulative[:, -1:]
    uniforms = spread_uniforms(group, rng)
    size = chances.shape[1]
    # one search for all rows: row g's distribution function lives in [g, g + 1]
    found = np.searchsorted((cumulative + np.arange(len(used))[:, None]).ravel(), uniforms + group, side="right")
    last = size - 1 - (chances[used][:, ::-1] > 0).argmax(axis=1)
    codes: NDArray[np.int64] = np.clip(found - group * size, 0, last[group])
    return codes


def spread_uniforms(group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Uniforms in [0, 1), one per row; within a large group exactly one falls into each of its equal strata.

    Each row's uniform is uniform whatever its group; only the groups as a whole vary less (systematic sampling).
    """
    n = len(group)
    order = rng.permutation(n)
    order = order[np.argsort(group[order], kind="stable")]
    count = np.bincount(group)
    start = np.cumsum(count) - count
    rank = np.arange(n) - np.repeat(start, count)
    within = rng.random(n)
    sizes = np.repeat(count, count)
    uniforms = np.empty(n)
    uniforms[order] = np.where(sizes >= STRATIFY_FROM, (rank + within) / sizes, within)
    return uniforms
