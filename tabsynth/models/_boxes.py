"""Normals inside boxes: drawn one coordinate after another, and moved by Gibbs sweeps.

Many boxes are worked on at once, as columns, sorted by class: the boxes of class k are the columns `runs[k]`. Only
the products with a class's own matrix are taken class by class; everything else is one operation over all boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from tabsynth.models._latent import Floats

Runs = Sequence[slice]

FAR: Final = 4.0
"""Intervals above this are drawn mirrored, where the distribution function is precise."""


def draw_in_boxes(cov: Floats, runs: Runs, low: Floats, high: Floats,
                  rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Normals in boxes, one coordinate after another, and the log probabilities that this gives the boxes.

    Args:
        cov: per class, shape (classes, g, g).
        runs: the columns of each class.
        low, high: shape (g, n).

    Returns:
        z, shape (g, n), inside the boxes; the log of an unbiased estimate of each box's probability (the GHK
        simulator, Keane 1994), exact for g = 1; -inf for a box without mass.
    """
    root = np.asarray(np.linalg.cholesky(cov), np.float64)
    scale = np.einsum("kii->ki", root)
    low, high = _over(low, scale, runs), _over(high, scale, runs)
    noise, log_mass, below = np.empty_like(low), np.zeros(low.shape[1]), root / scale[:, :, None]
    for i in range(len(low)):
        mean = _products(below[:, i, :i], runs, noise[:i])
        noise[i], mass = truncated_normal(low[i] - mean, high[i] - mean, rng)
        log_mass += np.log(mass, out=np.full_like(mass, -np.inf), where=mass > 0)
    return _products(root, runs, noise), log_mass


def gibbs(z: Floats, cov: Floats, runs: Runs, low: Floats, high: Floats, sweeps: int,
          rng: np.random.Generator) -> Floats:
    """`z` after so many Gibbs sweeps over the coordinates, each kept inside its box. Shapes as above."""
    precision = np.linalg.inv(cov)
    scale = 1 / np.sqrt(np.einsum("kii->ki", precision))     # of a coordinate given all others
    pull = -precision * scale[:, :, None] * scale[:, None, :] * (1 - np.eye(cov.shape[1]))
    unit, floor, ceiling = (_over(bound, scale, runs) for bound in (z, low, high))
    for _ in range(sweeps):
        for i in range(len(z)):
            mean = _products(pull[:, i], runs, unit)
            unit[i] = mean + truncated_normal(floor[i] - mean, ceiling[i] - mean, rng)[0]
    return np.clip(_over(unit, 1 / scale, runs), low, high)


def truncated_normal(low: Floats, high: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Standard normals inside [low, high], and the intervals' masses, shape (n,) each."""
    share, below = rng.random(len(low)), ndtr(low)
    mass = ndtr(high) - below
    z = ndtri(below + share * mass)
    far = np.flatnonzero(low > FAR)
    if len(far):
        above = ndtr(-high[far])
        mass[far] = ndtr(-low[far]) - above
        z[far] = -ndtri(above + share[far] * mass[far])
    return np.clip(z, low, high, out=z), mass


def runs_of(member: np.ndarray[tuple[int], np.dtype[np.intp]], classes: int) -> list[slice]:
    """The columns of each class, for classes that come in rising order."""
    ends = np.searchsorted(member, np.arange(classes + 1))
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def _products(matrices: Floats, runs: Runs, columns: Floats) -> Floats:
    """Per class its matrix (or row vector) times its columns."""
    out = np.zeros((*matrices.shape[1:-1], columns.shape[1]))
    for matrix, run in zip(matrices, runs, strict=True):
        if run.stop > run.start:
            out[..., run] = matrix @ columns[:, run]
    return out


def _over(columns: Floats, scale: Floats, runs: Runs) -> Floats:
    """`columns`, shape (g, n), divided by the scale of their class, shape (classes, g)."""
    return columns / np.repeat(scale.T, [run.stop - run.start for run in runs], axis=1)
