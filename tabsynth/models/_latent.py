"""Latent normals behind integer codes: axes cut into cells, and their correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tabsynth.core.coding import Codes

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

PRESENT: Final = -1
"""On a presence axis: any code that lies on the column's value axis."""
EDGE: Final = 9.0
"""Latent normals live in [-EDGE, EDGE]; the mass outside is 2e-19."""
TERMS: Final = 100
"""Terms of Mehler's series; enough for correlations up to 0.99 of binary columns."""
STRONGEST: Final = 0.999
PRIOR_UNITS: Final = 10.0
"""A category's place on its axis is learned as if so many average units had been seen before."""


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One latent standard normal, cut into cells.

    Args:
        column: index of the column it belongs to.
        codes: shape (k,): codes, or PRESENT, in rising order of the latent value.
        cuts: shape (k + 1,), not falling, from -EDGE to EDGE: cell j is [cuts[j], cuts[j + 1]).
        free: True if the order is learned (categories), False if it is given (numbers).
    """

    column: int
    codes: Ints
    cuts: Floats
    free: bool

    @classmethod
    def of(cls, column: int, codes: Ints, mass: Floats, *, free: bool) -> Axis:
        """An axis whose cells have these masses; without any mass, the last cell takes all."""
        below = np.concatenate([[0.0], np.cumsum(mass)])
        share = below / below[-1] if below[-1] > 0 else np.append(np.zeros(len(mass)), 1.0)
        return cls(column, codes, np.clip(ndtri(share), -EDGE, EDGE), free)

    def scores(self) -> Floats:
        """Shape (k,): mean of the latent normal inside each cell."""
        mass, rise = np.diff(ndtr(self.cuts)), -np.diff(_density(self.cuts))
        middle = (self.cuts[:-1] + self.cuts[1:]) / 2
        return np.where(mass > 1e-12, rise / np.maximum(mass, 1e-12), middle)

    def cells(self, codes: Ints, size: int) -> NDArray[np.intp]:
        """Cell of each code, shape (n,); -1 where the code is not on this axis. `size`: codes of the column."""
        named = np.flatnonzero(self.codes != PRESENT)
        elsewhere = np.flatnonzero(self.codes == PRESENT)
        table = np.full(size, elsewhere[0] if len(elsewhere) else -1, np.intp)
        table[self.codes[named]] = named
        return table[codes]

    def boxes(self, size: int) -> tuple[Floats, Floats]:
        """Lower and upper end of each code's cell, shape (size,); the whole line for a code that is not on it."""
        cell = self.cells(np.arange(size, dtype=np.int32), size)
        return np.where(cell < 0, -EDGE, self.cuts[cell]), np.where(cell < 0, EDGE, self.cuts[cell + 1])

    def hermite(self) -> Floats:
        """Shape (TERMS,): coefficients E[score(z) He_k(z)] / sqrt(k!), k = 1 .. TERMS.

        The integral over a cell has the antiderivative -density * He_(k-1); summed by parts, only the jumps of the
        scores at the inner cuts remain.
        """
        cuts = self.cuts[1:-1]
        jumps = np.diff(self.scores()) * _density(cuts)
        before, now, out = np.zeros_like(cuts), np.ones_like(cuts), np.empty(TERMS)
        for k in range(1, TERMS + 1):
            out[k - 1] = jumps @ now / np.sqrt(k)
            before, now = now, (cuts * now - np.sqrt(k - 1) * before) / np.sqrt(k)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One class: its latent normals and their correlation, shape (axes, axes)."""

    axes: tuple[Axis, ...]
    correlation: Floats


def score_matrix(axes: Sequence[Axis], codes: Codes) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores and whether they are observed, shape (n, axes) each; an unobserved score is 0, the mean."""
    scores, observed = np.zeros((len(codes.values), len(axes))), np.ones((len(codes.values), len(axes)), bool)
    for i, axis in enumerate(axes):
        cell = axis.cells(codes.values[:, axis.column], codes.sizes[axis.column])
        observed[:, i] = cell >= 0
        scores[:, i] = np.where(observed[:, i], axis.scores()[cell], 0.0)
    return scores, observed


def covariance(scores: Floats, observed: NDArray[np.bool_], weights: Floats) -> Floats:
    """Weighted covariance of each pair of axes over the rows that have both."""
    weighted, mask = scores * weights[:, None], observed.astype(float)
    total = np.maximum((mask * weights[:, None]).T @ mask, 1e-12)
    mean = weighted.T @ mask / total                   # mean[i, j]: of axis i where j is observed too
    return np.asarray(weighted.T @ scores / total - mean * mean.T)


def reorder(axes: Sequence[Axis], codes: Codes) -> list[Axis]:
    """Move every category to where the other columns put it (one round of optimal scaling).

    A level's new place is the mean, over its rows, of the other columns' scores weighted by their correlation with
    this axis: it raises the sum of squared correlations, so that association survives on one line.
    """
    scores, observed = score_matrix(axes, codes)
    cov = covariance(scores, observed, codes.weights)
    sd = np.sqrt(np.maximum(np.diag(cov), 1e-9))
    target = (scores / sd) @ (cov / np.outer(sd, sd) * _between_columns(axes))
    return [_ordered_by(axis, target[:, i], codes) if axis.free else axis for i, axis in enumerate(axes)]


def correlation(axes: Sequence[Axis], codes: Codes) -> Floats:
    """Correlation matrix of the latent normals, positive definite.

    Per pair, the r at which the discretised scores have the observed covariance, by bisection on Mehler's series
    cov(f, g) = sum_k r^k f_k g_k with normalised Hermite coefficients (Lancaster 1957). Shrunk towards
    independence as if one unit per axis had been seen before.
    """
    wanted = covariance(*score_matrix(axes, codes), codes.weights)
    series = np.stack([axis.hermite() for axis in axes])
    low, high = np.full(wanted.shape, -STRONGEST), np.full(wanted.shape, STRONGEST)
    for _ in range(18):
        middle = (low + high) / 2
        value = np.zeros_like(middle)
        for f in series.T[::-1]:
            value = (value + np.outer(f, f)) * middle
        low, high = np.where(value < wanted, middle, low), np.where(value < wanted, high, middle)
    informative = np.outer(series[:, 0], series[:, 0]) > 1e-9
    units = codes.weights.sum()
    found = np.where(informative & _between_columns(axes), (low + high) / 2, 0.0) * units / (units + len(axes))
    np.fill_diagonal(found, 1.0)
    return nearest_correlation(found)


def nearest_correlation(matrix: Floats, floor: float = 1e-4) -> Floats:
    """The matrix with eigenvalues raised to `floor` and a unit diagonal; unchanged if none is below."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= floor:
        return matrix
    raised = (vectors * np.maximum(values, floor)) @ vectors.T
    sd = np.sqrt(np.diag(raised))
    return np.asarray(raised / np.outer(sd, sd))


def mass_of(cells: NDArray[np.integer[Any]], weights: Floats, size: int) -> Floats:
    """Total weight of each cell 0 .. size - 1."""
    return np.bincount(cells, weights, minlength=size).astype(np.float64)


def _density(z: Floats) -> Floats:
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


def _between_columns(axes: Sequence[Axis]) -> NDArray[np.bool_]:
    """True for pairs of axes of different columns; value and presence of one column are never seen apart."""
    column = np.array([axis.column for axis in axes])
    return np.asarray(column[:, None] != column[None, :])


def _ordered_by(axis: Axis, target: Floats, codes: Codes) -> Axis:
    cell = axis.cells(codes.values[:, axis.column], codes.sizes[axis.column])
    mass = mass_of(cell, codes.weights, len(axis.codes))
    place = mass_of(cell, codes.weights * target, len(axis.codes)) / (mass + PRIOR_UNITS)
    order = np.argsort(place, kind="stable")
    return Axis.of(axis.column, axis.codes[order], mass[order], free=True)
