"""Noisy counts of one column, at two resolutions: every code, and blocks of codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._marginal.factor import Array, onto_simplex


@dataclass(frozen=True, slots=True)
class Histogram:
    """Noisy counts of a line of codes, categories and special codes.

    Args:
        counts, sigmas: shape (size,): noisy counts and the standard deviation of each.
        bars: shape (size,): how many sigma a count must reach to be believed; 0 for ordinary codes, more for
            missing, invalid and other, of which there may well be none.
        ordered: how many of the first codes lie on a line.
    """

    counts: Array
    sigmas: Array
    bars: Array
    ordered: int

    @property
    def size(self) -> int:
        return len(self.counts)

    @property
    def line(self) -> NDArray[np.bool_]:
        """Mask of the codes on a line."""
        return np.arange(self.size) < self.ordered

    @property
    def credible(self) -> NDArray[np.bool_]:
        """Mask of the codes that may have mass: all but special codes without evidence; never none."""
        able = self.counts >= self.bars * self.sigmas
        able |= self.bars == 0
        return able if able.any() else np.ones(self.size, dtype=np.bool_)

    @property
    def masses(self) -> Array:
        """Believed counts: 0 where not credible, nothing negative, the noisy total kept."""
        masses = np.zeros(self.size)
        counts = self.counts[self.credible]
        masses[self.credible] = onto_simplex(counts, max(1.0, float(counts.sum())))
        return masses

    @property
    def total(self) -> tuple[float, float]:
        """Noisy number of patients and its variance."""
        return float(self.counts.sum()), float((self.sigmas**2).sum())

    def merged(self, other: Self) -> Self:
        """Both measurements of the same codes, averaged by inverse variance."""
        a, b = self.sigmas**-2, other.sigmas**-2
        return replace(self, counts=(a * self.counts + b * other.counts) / (a + b), sigmas=(a + b) ** -0.5)

    def grouped(self, groups: NDArray[np.int64], *, ordered: int) -> Self:
        """Counts of groups of codes, numbered 0, 1, ..., of which the first `ordered` lie on a line."""
        bars = np.full(int(groups.max()) + 1, np.inf)
        np.minimum.at(bars, groups, self.bars)
        return type(self)(np.bincount(groups, weights=self.counts).astype(np.float64),
                          np.sqrt(np.bincount(groups, weights=self.sigmas**2)), bars, ordered)
