"""Which pairs to measure, and with how much noise: one batch, in closed form.

A pair that is off by q (L1 distance, noisy) is worth measuring if q exceeds the noise that its measurement brings.
With budget B for a set S the best split gives the set F(S) = sum(w q) - c / sqrt(B) * (sum (w s)^(2/3))^1.5, where s is
how many cells' noise a pair's table keeps once it is denoised and fitted, and w its weight. Pairs join greedily, those
that are furthest off first, while F grows and the tree stays small: its cells are scarcer than the budget, and small
tables that gain little would block the large ones that gain most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, sqrt

import numpy as np

from tabsynth.models._marginal.factor import Array, Clique
from tabsynth.models._marginal.triangulation import Triangulation

NOISE_L1 = sqrt(2 / pi)
"""Mean absolute value of a standard normal draw."""


LEFT_BY_FIT = 0.85
"""Part of the noise of denoised tables that is left once all measurements are fitted together."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair that might be measured: sizes of its two columns, how much it matters, whether it goes before others."""

    pair: Clique
    sizes: tuple[int, int]
    weight: float
    before: bool = False

    @property
    def cells(self) -> int:
        return self.sizes[0] * self.sizes[1]

    @property
    def noisy_cells(self) -> float:
        """How many cells of full noise have the L1 noise of the denoised table.

        Denoising keeps the noise of both margins and of about one direction (``denoising.py``): 2 (a + b) degrees of
        freedom out of a b, if that is less.
        """
        return sqrt(self.cells * min(self.cells, 2 * sum(self.sizes)))

    @property
    def price(self) -> float:
        """Share of the budget it gets, up to normalisation; minimises the weighted noise of a set."""
        return float((self.weight * self.noisy_cells) ** (2 / 3))


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen pairs with the sigma of each, and the triangulation that holds them all."""

    sigmas: dict[Clique, float]
    triangulation: Triangulation


def worthwhile(candidates: list[Candidate], patients: float, budget: float, most: int) -> list[Candidate]:
    """Candidates that could gain anything: the whole budget on one must bring less noise than two tables can differ.

    At most `most` are kept, the heaviest and smallest first; in the order given.
    """
    able = [c for c in candidates if NOISE_L1 * c.cells / sqrt(budget) < 2 * patients]
    if len(able) > most:
        kept = {c.pair for c in sorted(able, key=lambda c: (-c.weight, c.cells))[:most]}
        able = [c for c in able if c.pair in kept]
    return able


def sampling_noise(counts: Array) -> float:
    """Mean L1 distance of a table drawn from expected `counts`: what differs although the model is right."""
    share = counts / max(1.0, float(counts.sum()))
    return float(NOISE_L1 * np.sqrt(counts * (1 - share)).sum())


def shrink(scores: Mapping[Clique, float], sigma: float) -> dict[Clique, float]:
    """Noisy scores drawn towards their mean by as much as noise explains their spread, and not below 0."""
    if not scores:
        return {}
    values = np.array(list(scores.values()))
    spread = float(values.var())
    kept = max(0.0, 1 - sigma**2 / spread) if spread > 0 else 0.0
    drawn = np.maximum(values.mean() + kept * (values - values.mean()), 0.0)
    return dict(zip(scores, drawn.tolist(), strict=True))


def choose(candidates: list[Candidate], gains: Mapping[Clique, float], budget: float,
           triangulation: Triangulation, max_cells: float, *, forest: bool = False) -> Choice:
    """Greedy batch: largest weighted gain first, after those that go before others.

    Args:
        gains: how far each pair is off (L1 distance); candidates without one are passed over.
        budget: mu^2 for measuring the whole batch.
        max_cells: cap of the junction tree's cells; a pair that would exceed it is passed over.
        forest: take no pair whose columns chosen pairs connect already, and let none go before others. Against
            independent columns every pair of a connected group looks far off, although a few explain the others.
    """
    ranked = sorted((c for c in candidates if gains.get(c.pair, 0) > 0),
                    key=lambda c: (not c.before or forest, -gains[c.pair] * c.weight, c.pair))
    chosen: list[Candidate] = []
    value = worth = price = 0.0
    for candidate in ranked:
        more_worth = worth + candidate.weight * gains[candidate.pair]
        more_price = price + candidate.price
        more_value = more_worth - LEFT_BY_FIT * NOISE_L1 / sqrt(budget) * more_price**1.5
        if more_value <= value or (forest and triangulation.connects(candidate.pair)):
            continue
        joined = triangulation.join(candidate.pair)
        if joined.cells > max(max_cells, triangulation.cells):
            continue
        triangulation, value, worth, price = joined, more_value, more_worth, more_price
        chosen.append(candidate)
    return Choice({c.pair: sqrt(price / (budget * c.price)) for c in chosen}, triangulation)
