"""Phase 0: noisy counts of every column by itself.

First every code is counted with part of the budget, which shows where the mass lies. Then codes are put into blocks
of about equal mass and the blocks are counted: the sum of many noisy counts is far noisier than one noisy sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.base import Codec
from tabsynth.core.progress import Progress
from tabsynth.models._marginal import plan
from tabsynth.models._marginal.coarsening import coarsen, within
from tabsynth.models._marginal.factor import Array
from tabsynth.models._marginal.histogram import Histogram
from tabsynth.privacy.curator import Curator

UNSPENT = 1e-9
"""Share of a budget that is left to the rounding of sigma."""
BAR_MISSING, BAR_STRAY = 2.0, 3.0
"""How many sigma the count of missing cells, and of invalid or other ones, must reach to be believed."""


@dataclass(frozen=True, slots=True)
class OneWay:
    """One column's counts. blocks: shape (size,), block of every code; coarse: counts of the blocks."""

    fine: Histogram
    blocks: NDArray[np.int64]
    coarse: Histogram

    def chances(self, groups: NDArray[np.int64]) -> Array:
        """Probability of every code inside its group, shape (size,); groups: group of every *block*."""
        return within(self.coarse, groups)[self.blocks] * within(self.fine, self.blocks)


OneWays = dict[str, OneWay]


def measure(curator: Curator, progress: Progress, share: float | None = None) -> OneWays:
    """Counts of every column, with the share of the budget that one-way counts deserve, or with a given one."""
    coding, mu = curator.coding, sqrt(curator.total)
    if not coding.names:
        return {}
    population = coding.schema.population
    known: dict[str, Histogram] = {}
    if population is None or population.declared_units is None:
        known = _pilot(curator)
        patients = total(known.values())
    else:
        patients = float(population.declared_units)
    if share is None:
        share = plan.one_way_share(patients, mu) if len(coding.names) > 1 else 1.0
    budget = max(0.0, share * curator.total - curator.spent)
    fine = _measure_codes(curator, plan.FINE_SHARE * budget, known, progress)
    levels = plan.block_levels(total(fine.values()), mu, share, len(coding.names))
    one_ways = {name: _blocked(coding.codecs[name], histogram, levels) for name, histogram in fine.items()}
    return measure_blocks(curator, min(share * curator.total - curator.spent, curator.remaining), one_ways, progress)


def measure_plainly(curator: Curator, sigma: float, progress: Progress) -> OneWays:
    """Counts of every code of every column with the same noise, and no blocks: every code is one of its own."""
    found = {}
    for done, name in enumerate(curator.coding.names):
        progress("count codes", done, len(curator.coding.names))
        fine = _histogram(curator, name, sigma)
        found[name] = OneWay(fine, np.arange(fine.size), fine)
    progress("count codes", len(curator.coding.names), len(curator.coding.names))
    return found


def measure_blocks(curator: Curator, budget: float, one_ways: OneWays, progress: Progress) -> OneWays:
    """Count every column's blocks once more with `budget` in all."""
    sigmas = _sigmas(budget, {name: one.coarse.size for name, one in one_ways.items()})
    found = {}
    for done, (name, one) in enumerate(one_ways.items()):
        progress("count blocks", done, len(one_ways))
        counts = curator.measure((name,), sigma=sigmas[name], coarse={name: one.blocks})
        fresh = replace(one.coarse, counts=counts, sigmas=np.full(len(counts), sigmas[name]))
        found[name] = replace(one, coarse=one.coarse.merged(fresh))
    progress("count blocks", len(one_ways), len(one_ways))
    return found


def total(histograms: Iterable[Histogram]) -> float:
    """Number of patients: the columns' sums weighted by precision, at least 1."""
    sums, variances = np.array([h.total for h in histograms]).T
    return max(1.0, float(np.average(sums, weights=1 / variances)))


def patients(one_ways: OneWays) -> float:
    """Number of patients as the blocks of all columns see it, at least 1."""
    return total(one.coarse for one in one_ways.values()) if one_ways else 1.0


def _measure_codes(curator: Curator, budget: float, known: Mapping[str, Histogram],
                   progress: Progress) -> dict[str, Histogram]:
    coding = curator.coding
    sigmas = _sigmas(budget, dict(zip(coding.names, coding.sizes, strict=True)))
    found = {}
    for done, name in enumerate(coding.names):
        progress("count codes", done, len(coding.names))
        fresh = _histogram(curator, name, sigmas[name])
        found[name] = fresh.merged(known[name]) if name in known else fresh
    progress("count codes", len(coding.names), len(coding.names))
    return found


def _sigmas(budget: float, sizes: Mapping[str, int]) -> dict[str, float]:
    """Noise per column: 1 / sigma^2 ~ size^(2/3) minimises the sum of the columns' expected L1 noise."""
    weights = {name: size ** (2 / 3) for name, size in sizes.items()}
    whole = sum(weights.values())
    return {name: sqrt(whole / (budget * (1 - UNSPENT) * weight)) for name, weight in weights.items()}


def _pilot(curator: Curator) -> dict[str, Histogram]:
    """A first look at the number of patients, through the smallest column."""
    coding = curator.coding
    name = min(zip(coding.sizes, coding.names, strict=True))[1]
    return {name: _histogram(curator, name, 1 / sqrt(plan.PILOT_SHARE * curator.total))}


def _histogram(curator: Curator, name: str, sigma: float) -> Histogram:
    codec = curator.coding.codecs[name]
    counts = curator.measure((name,), sigma=sigma)
    return Histogram(counts, np.full(codec.size, sigma), bars(codec), codec.ordered)


def bars(codec: Codec) -> Array:
    """`Histogram.bars` of a codec's codes."""
    found = np.zeros(codec.size)
    found[[codec.invalid, codec.other]] = BAR_STRAY
    found[codec.missing] = BAR_MISSING if codec.column.nullable else np.inf
    return found


def _blocked(codec: Codec, fine: Histogram, levels: int) -> OneWay:
    """A column's codes put into blocks; missing cells are a block of their own."""
    apart = np.arange(codec.size) == codec.missing
    blocks, ordered = coarsen(fine, levels, significant=1.0, apart=apart if codec.column.nullable else None)
    return OneWay(fine, blocks, fine.grouped(blocks, ordered=ordered))
