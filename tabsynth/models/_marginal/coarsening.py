"""Fewer levels per column, from noisy one-way counts alone, so that counts and pairs can be measured with less noise.

Codes on a line become runs of about equal noisy mass, heavy codes (a value of its own, such as 0) stay alone;
categories keep their heavy levels and pool the rest; special codes (missing, invalid, other) stay apart when they
are heavy and otherwise ride along with the smallest group. Post-processing: costs no budget.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._marginal.factor import Array, onto_simplex
from tabsynth.models._marginal.histogram import Histogram

LONG_END = 2.0
"""A run of this many times the average number of codes, at an end of the line, is a tail."""

THINNEST = 3.0
"""Where heavy codes hold most of a column, the runs of the rest may be this many times thinner than an even share."""


def coarsen(histogram: Histogram, levels: int, *, significant: float,
            apart: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.int64], int]:
    """Put codes into about `levels` groups or fewer.

    Args:
        significant: how many sigma a category's count must reach to be a group of its own.
        apart: mask of codes that are a group of their own whatever their count.

    Returns:
        The group of every code, shape (size,), numbered 0, 1, ...; how many of the first groups are runs of the line.
    """
    masses, line = histogram.masses, histogram.line
    groups = np.full(histogram.size, -1, dtype=np.int64)
    groups[line] = _runs(masses[line], _target(masses, levels))
    runs = int(groups.max(initial=-1)) + 1
    alone = _heavy(histogram, masses, levels, significant)
    if apart is not None:
        alone |= apart
    groups[alone] = runs + np.arange(int(alone.sum()))
    return _place_rest(groups, histogram, masses, significant), runs


def _target(masses: Array, levels: int) -> float:
    """Mass of a run: what is left beside heavy codes, in equal parts, but not too thin to be measured."""
    even = float(masses.sum()) / levels
    left = float(masses[masses < even].sum())
    return max(left / levels, even / THINNEST)


def _runs(masses: Array, target: float) -> NDArray[np.int64]:
    """Consecutive runs of about `target` mass; a code that reaches it alone is a run of its own."""
    groups = np.zeros(len(masses), dtype=np.int64)
    group, held, alone = -1, np.inf, False
    for i, mass in enumerate(masses):
        if held >= target or mass >= target or alone:
            group, held = group + 1, 0.0
        groups[i], held, alone = group, held + mass, mass >= target
    if len(masses) and group > 0 and not alone and held < target / 3:
        before = masses[groups == group - 1]
        if before.max() < target:  # a thin last run joins its neighbour, unless that is a code of its own
            groups[groups == group] = group - 1
    return groups


def _heavy(histogram: Histogram, masses: Array, levels: int, significant: float) -> NDArray[np.bool_]:
    """Codes off the line that deserve a group of their own: significant, and the largest ones."""
    able = ~histogram.line & (masses > 0)
    able &= histogram.counts >= np.where(histogram.bars > 0, histogram.bars, significant) * histogram.sigmas
    largest = np.argsort(np.where(able, -masses, np.inf), kind="stable")[:levels]
    heavy = np.zeros(histogram.size, dtype=np.bool_)
    heavy[largest] = able[largest]
    return heavy


def _place_rest(groups: NDArray[np.int64], histogram: Histogram, masses: Array,
                significant: float) -> NDArray[np.int64]:
    """Pool the categories without a group; special codes, and a pool of mere noise, join the smallest group."""
    rest = groups < 0
    pool = rest & (histogram.bars == 0)
    fresh = int(groups.max(initial=-1)) + 1
    noise = float(np.sqrt((histogram.sigmas[pool] ** 2).sum()))
    if pool.any() and (fresh == 0 or histogram.counts[pool].sum() >= significant * noise):
        groups = np.where(pool, fresh, groups)
        rest, fresh = groups < 0, fresh + 1
    if fresh == 0:
        return np.zeros_like(groups)
    held = np.bincount(groups[~rest], weights=masses[~rest], minlength=fresh)
    return np.where(rest, int(held.argmin()), groups)


def within(histogram: Histogram, groups: NDArray[np.int64]) -> Array:
    """Probability of each code inside its group; shape (size,), sums to 1 in every group.

    Along a line, the counts of a group are drawn towards a smooth shape by as much as noise explains their distance
    from it (James & Stein 1961), so that an empty stretch does not turn into spikes. The shape is flat, but at a
    long end of the line it falls off: noise alone would fill a far tail evenly, and bend means and sums.
    """
    chances = np.zeros(histogram.size)
    for group in range(int(groups.max()) + 1):
        inside = np.flatnonzero(groups == group)
        able = inside[histogram.credible[inside]]
        if not len(able):
            able = inside[histogram.bars[inside] == histogram.bars[inside].min()]
        counts = histogram.counts[able]
        ends = groups[:histogram.ordered] if (able < histogram.ordered).all() else None
        counts = _shrunk(counts, histogram.sigmas[able], _shape(able, ends))
        shares = onto_simplex(counts, max(float(counts.sum()), float(histogram.sigmas[able].max())))
        chances[able] = shares / shares.sum()
    return chances


def _shape(codes: NDArray[np.intp], line: NDArray[np.int64] | None) -> Array:
    """Expected shares of a run of codes: even, or 1/j^2 for the j-th code of a run that is a long end of the line."""
    falls: Array = np.ones(len(codes))
    if line is None:
        return falls / len(codes)
    typical = len(line) / len(np.unique(line))
    if len(codes) > LONG_END * typical:
        if codes[-1] == len(line) - 1:
            falls = 1.0 / np.arange(1, len(codes) + 1) ** 2
        elif codes[0] == 0:
            falls = 1.0 / np.arange(len(codes), 0, -1) ** 2
    return np.asarray(falls / falls.sum())


def _shrunk(counts: Array, sigmas: Array, shape: Array) -> Array:
    """Counts drawn towards their sum in the given shares; two or fewer stay as they are."""
    if len(counts) < 3:
        return counts
    smooth = max(float(counts.sum()), float(sigmas.max())) * shape
    away = counts - smooth
    spread, noise = float((away**2).sum()), float((len(counts) - 1) * (sigmas**2).mean())
    return np.asarray(smooth + max(0.0, 1 - noise / spread) * away) if spread > 0 else counts
