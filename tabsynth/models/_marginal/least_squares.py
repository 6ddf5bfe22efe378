"""Best linear combination of noisy measurements of one table: every cell, and sums of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tabsynth.models._marginal.factor import Array


@dataclass(frozen=True, slots=True)
class Sums:
    """Noisy sums of cells. of: shape (sums, cells), which cells each adds up; values, variance: shape (sums,)."""

    of: Array
    values: Array
    variance: Array


def combined(values: Array, variance: Array, sums: Sequence[Sums], asked: Array) -> tuple[Array, Array]:
    """Estimates of linear functions of the cells, and their covariance, by generalised least squares.

    Unbiased, and of the smallest variance among unbiased linear ones (Gauss & Markov), if the noise of all
    measurements is independent; the variances are public.

    Args:
        values, variance: noisy cells; shape (cells,).
        sums: further measurements of the same cells.
        asked: shape (functions, cells): the weights of each.

    Returns:
        Shapes (functions,) and (functions, functions).
    """
    of = np.concatenate([s.of for s in sums])
    spread = of * variance
    gain = np.linalg.solve(spread @ of.T + np.diag(np.concatenate([s.variance for s in sums])), spread)
    moved = values + (np.concatenate([s.values for s in sums]) - of @ values) @ gain
    seen = asked * variance
    return asked @ moved, seen @ asked.T - (seen @ of.T) @ (gain @ asked.T)


def precise(measured: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Repeated measurements (values, variance) of the same things, averaged by inverse variance."""
    precision = np.sum([1 / variance for _, variance in measured], axis=0)
    return np.sum([values / variance for values, variance in measured], axis=0) / precision, 1 / precision
