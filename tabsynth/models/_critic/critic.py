"""How much more often rows like one occur in the real table than a model draws them, and the thinning by it.

Rejection by a classifier's odds, after discriminator rejection sampling (Azadi et al. 2019), on codes: two rounds of
boosted trees (the second judges what the first lets through), then one factor per code that brings the one-way margins
back (raking: Deming and Stephan 1940).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import Codes, Coding
from tabsynth.models._critic.ensemble import Ensemble
from tabsynth.models._critic.view import View

Columns = Mapping[str, NDArray[np.int32]]
Floats = NDArray[np.float64]
Draw = Callable[[int], Mapping[str, NDArray[np.int32]]]

CAPS: Final = (3.0, 6.0)
"""What the weight of a row may reach after each round; one round multiplies it by the first of them at most."""
SURE: Final = 0.995
"""Share of drawn rows whose weight lies under that of a row that is always kept."""
POOL: Final = 8
"""Drawn rows that a round learns from, for every real one."""
SPARE: Final = 1.1
"""More rows are drawn than should be needed, so that one draw is mostly enough."""
FARTHEST: Final = 4.0
"""What raking multiplies or divides a weight by at most, per column."""
PASSES: Final = 20
"""Rounds of raking over all columns."""
STEADY: Final = 30.0
"""Rows of the pool that must hold a code for its share to count as much as what the model gives it."""


@dataclass(frozen=True, eq=False)
class Critic:
    """Weights of rows and the chance that a drawn row is kept.

    Args:
        view: what is seen of a row.
        rounds: trees, one ensemble a round.
        factors: per column of the view, shape (codes,): what raking multiplies a row's weight by.
        most: the weight from which on a row is always kept.
        share: of the drawn rows that are kept, in (0, 1].
    """

    view: View
    rounds: Sequence[Ensemble]
    factors: Sequence[Floats]
    most: float
    share: float

    @classmethod
    def learn(cls, held: Codes, coding: Coding, draw: Draw, *, rounds: int, rng: np.random.Generator) -> Self:
        """Learn to tell real rows from drawn ones; not raked yet.

        Args:
            held: rows that the model has not seen.
            draw: so many fresh rows of the model; every round has its own.
            rounds: 1 or 2.
        """
        view = View.learn(held, coding)
        critic = cls(view, (), [np.ones(len(table)) for table in view.tables], 1.0, 1.0)
        real, n = view.see(columns_of(held)), POOL * len(held.weights)
        for _ in range(rounds):
            drawn = view.see(critic.thinned(draw, n, rng))
            one = Ensemble.learn(real, drawn, held.weights, view.categorical, rng)
            critic = replace(critic, rounds=(*critic.rounds, one))._levelled(draw(n))
        return critic

    def weights(self, columns: Columns) -> Floats:
        """Shape (n,), before the cap `most`."""
        seen = self.view.see(columns)
        weights = np.ones(len(seen))
        for cap, one in zip(CAPS, self.rounds, strict=False):
            weights = np.minimum(weights * np.minimum(np.exp(one.score(seen)), CAPS[0]), cap)
        for name, factor in zip(self.view.names, self.factors, strict=True):
            weights *= factor[columns[name]]
        return weights

    def chances(self, columns: Columns) -> Floats:
        """The probability with which each drawn row is kept, shape (n,)."""
        return np.minimum(self.weights(columns) / self.most, 1.0)

    def thinned(self, draw: Draw, n: int, rng: np.random.Generator) -> dict[str, NDArray[np.int32]]:
        """`n` rows of the weighted distribution, by rejection."""
        parts: list[dict[str, NDArray[np.int32]]] = []
        missing = n
        while missing > 0 or not parts:
            drawn = draw(int(SPARE * missing / self.share) + (missing > 0))
            kept = np.flatnonzero(rng.random(len(drawn[self.view.names[0]])) < self.chances(drawn))[:missing]
            parts.append({name: codes[kept] for name, codes in drawn.items()})
            missing -= len(kept)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def raked(self, pool: Columns, wanted: Sequence[Floats]) -> Self:
        """The same critic, whose thinned rows have the `wanted` margins.

        Args:
            pool: fresh rows of the model, before thinning.
            wanted: per column the share of each code, shape (codes,).
        """
        plain = replace(self, factors=[np.ones_like(shares) for shares in wanted])
        weights, codes = plain.weights(pool), [pool[name] for name in self.view.names]
        goals = [_reachable(shares, code, weights) for shares, code in zip(wanted, codes, strict=True)]
        for _ in range(PASSES):
            most = _sure(weights)
            for goal, code, factor in zip(goals, codes, plain.factors, strict=True):
                kept = np.minimum(weights / most, 1.0)
                has = np.bincount(code, kept, minlength=len(goal))
                step = np.divide(goal * kept.sum(), has, out=np.ones_like(goal), where=has > 0)
                bounded = np.clip(factor * step, 1 / FARTHEST, FARTHEST)
                weights *= (bounded / factor)[code]
                factor[:] = bounded
        return plain._levelled(pool)

    def _levelled(self, pool: Columns) -> Self:
        """With the sure weight and the share kept that follow from fresh rows."""
        weights = self.weights(pool)
        most = _sure(weights)
        return replace(self, most=most, share=float(np.minimum(weights / most, 1.0).mean()))


def _sure(weights: Floats) -> float:
    """The weight from which on rows are always kept."""
    return float(np.quantile(weights, SURE))


def _reachable(shares: Floats, code: NDArray[np.int32], weights: Floats) -> Floats:
    """Wanted shares of the codes, moved towards what they are already where few rows of the pool hold the code."""
    count, has = (np.bincount(code, by, minlength=len(shares)) for by in (None, weights))
    trust = count / (count + STEADY)
    goal = trust * shares + (1 - trust) * has / has.sum()
    return np.asarray(goal / goal.sum())


def columns_of(codes: Codes) -> dict[str, NDArray[np.int32]]:
    """Codes by column name."""
    return {name: codes.values[:, j] for j, name in enumerate(codes.names)}


def margins(codes: Codes) -> list[Floats]:
    """Per column the share of each code, every unit counting once."""
    total = codes.weights.sum()
    return [np.bincount(codes.values[:, j], codes.weights, minlength=size) / total
            for j, size in enumerate(codes.sizes)]
