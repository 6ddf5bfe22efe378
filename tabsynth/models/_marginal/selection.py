"""Which pairs to measure, and with how much noise: one batch, in closed form.

A pair that is off by q (L1 distance, noisy) is worth measuring if q exceeds the noise that its measurement brings.
With budget B for a set S the best split gives the set F(S) = sum(w q) - sqrt(2/pi) / sqrt(B) * (sum (w s)^(2/3))^1.5,
where s is a pair's number of cells and w its weight; pairs join greedily while F grows and the tree stays small.
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair that might be measured: its table's cells and how much it matters."""

    pair: Clique
    cells: int
    weight: float

    @property
    def price(self) -> float:
        """Share of the budget it gets, up to normalisation; minimises the weighted noise of a set."""
        return float((self.weight * self.cells) ** (2 / 3))


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
           triangulation: Triangulation, max_cells: float) -> Choice:
    """Greedy batch: largest gain per price first.

    Args:
        gains: how far each pair is off (L1 distance); candidates without one are passed over.
        budget: mu^2 for measuring the whole batch.
        max_cells: cap of the junction tree's cells; a pair that would exceed it is passed over.
    """
    ranked = sorted((c for c in candidates if gains.get(c.pair, 0) > 0),
                    key=lambda c: (-gains[c.pair] * c.weight / c.price, c.pair))
    chosen: list[Candidate] = []
    value = worth = price = 0.0
    for candidate in ranked:
        more_worth = worth + candidate.weight * gains[candidate.pair]
        more_price = price + candidate.price
        more_value = more_worth - NOISE_L1 / sqrt(budget) * more_price**1.5
        if more_value <= value:
            continue
        joined = triangulation.join(candidate.pair)
        if joined.cells > max(max_cells, triangulation.cells):
            continue
        triangulation, value, worth, price = joined, more_value, more_worth, more_price
        chosen.append(candidate)
    return Choice({c.pair: sqrt(price / (budget * c.price)) for c in chosen}, triangulation)
