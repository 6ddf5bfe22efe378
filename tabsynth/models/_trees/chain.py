"""The chain: steps in their order, each column drawn given those before it; exact density; conditional draws.

Given columns that come first in the order are conditioned on exactly. Of the others, what was drawn before them has to
fit them afterwards: every row is drawn as many particles, weighted by the probability of its given codes, and one of
them is kept (sequential importance resampling, Gordon, Salmond and Smith 1993). The draw is exact in the limit of many
particles; the effective sample size tells how many were worth something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees.rows import Rows

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]

PARTICLES: Final = 32
"""Particles of a row whose given columns come late in the order."""
ROWS_AT_ONCE: Final = 8192
"""Rows whose particles are held together."""


class Step(Protocol):
    """One column given the ones before it."""

    def draw(self, rows: Rows, key: np.uint64) -> Ints: ...

    def log_probability(self, rows: Rows, codes: Ints) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Chain:
    """Steps by column, the order in which they are drawn, and per column the byte of each code."""

    steps: Mapping[int, Step]
    order: Sequence[int]
    bytes_of: Sequence[NDArray[np.uint8]]

    def draw(self, n: int, known: Mapping[int, Ints], rng: np.random.Generator) -> Rows:
        """`n` rows, exactly or approximately conditional on the known columns."""
        if not self.late(known):
            return self._continue(Rows.unknown(self.bytes_of, n), self.order, known, rng)
        parts = []
        for start in range(0, n, ROWS_AT_ONCE):
            part = {j: codes[start:start + ROWS_AT_ONCE] for j, codes in known.items()}
            rows, weights = self._particles(min(ROWS_AT_ONCE, n - start), part, rng)
            chosen = _choose(weights, rng.random(len(weights)))
            rest = self.order[self._last(known) + 1:]
            parts.append(self._continue(rows.take(chosen), rest, part, rng))
        return Rows.concat(parts) if parts else Rows.unknown(self.bytes_of, 0)

    def effective_sizes(self, n: int, known: Mapping[int, Ints], rng: np.random.Generator) -> Floats:
        """Effective sample size of each row's particles, in 1 .. PARTICLES, shape (n,); PARTICLES where it is exact.

        The least over the given columns: resampling evens out the weights, and does not bring back what was lost.
        """
        least = np.full(n, float(PARTICLES))
        if self.late(known):
            self._particles(n, known, rng, watch=least)
        return least

    def log_density(self, codes: Ints) -> Floats:
        """log p(row), in nats, shape (n,). codes: int32, shape (columns, n)."""
        rows = Rows.of(codes, self.bytes_of)
        total = np.zeros(codes.shape[1])
        for j in self.order:
            total += self.steps[j].log_probability(rows, codes[j])
        return total

    def late(self, known: Mapping[int, Ints]) -> list[int]:
        """Known columns that come after an unknown one."""
        unknown = [place for place, j in enumerate(self.order) if j not in known]
        return [j for j in self.order[min(unknown, default=len(self.order)):] if j in known]

    def _last(self, known: Mapping[int, Ints]) -> int:
        return max(place for place, j in enumerate(self.order) if j in known)

    def _continue(self, rows: Rows, order: Sequence[int], known: Mapping[int, Ints], rng: np.random.Generator) -> Rows:
        for j in order:
            key = _key(rng)
            rows.set(j, known[j] if j in known else self.steps[j].draw(rows, key))
        return rows

    def _particles(self, n: int, known: Mapping[int, Ints], rng: np.random.Generator, *,
                   watch: Floats | None = None) -> tuple[Rows, Floats]:
        """Particles up to the last known column, row by row, and the logarithms of their weights, (n, PARTICLES).

        watch: shape (n,), lowered to each row's effective sample size after every given column.
        """
        rows = Rows.unknown(self.bytes_of, n * PARTICLES)
        weights = np.zeros((n, PARTICLES))
        late = set(self.late(known))
        for j in self.order[:self._last(known) + 1]:
            key = _key(rng)
            if j not in known:
                rows.set(j, self.steps[j].draw(rows, key))
                continue
            codes = np.repeat(known[j], PARTICLES)
            if j in late:
                rows, weights = _resampled(rows, weights, rng)
                weights = weights + self.steps[j].log_probability(rows, codes).reshape(n, PARTICLES)
                if watch is not None:
                    np.minimum(watch, _effective(weights), out=watch)
            rows.set(j, codes)
        return rows, weights


def _key(rng: np.random.Generator) -> np.uint64:
    return np.uint64(rng.integers(0, 2**64, dtype=np.uint64))


def _normal(weights: Floats) -> Floats:
    """Weights of each row, summing to 1."""
    shares = np.exp(weights - weights.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _effective(weights: Floats) -> Floats:
    """Effective sample size of each row's weights (Kish 1965)."""
    return np.asarray(1 / (_normal(weights)**2).sum(axis=1))


def _choose(weights: Floats, uniform: Floats) -> NDArray[np.intp]:
    """One particle of every row, by weight: positions among all particles."""
    upto = np.cumsum(_normal(weights), axis=1)
    chosen = np.minimum((upto < uniform[:, None]).sum(axis=1), weights.shape[1] - 1)
    return np.asarray(np.arange(len(weights)) * weights.shape[1] + chosen)


def _resampled(rows: Rows, weights: Floats, rng: np.random.Generator) -> tuple[Rows, Floats]:
    """Rows of which fewer than half of the particles count get new ones from the old (systematic resampling)."""
    poor = np.flatnonzero(_effective(weights) < PARTICLES / 2)
    if not len(poor):
        return rows, weights
    upto = np.cumsum(_normal(weights[poor]), axis=1)
    wanted = (np.arange(PARTICLES) + rng.random((len(poor), 1))) / PARTICLES
    chosen = np.minimum((upto[:, None, :] < wanted[:, :, None]).sum(axis=2), PARTICLES - 1)
    index = np.arange(len(rows)).reshape(-1, PARTICLES)
    index[poor] = poor[:, None] * PARTICLES + chosen
    weights = weights.copy()
    weights[poor] = 0.0
    return rows.take(index.ravel()), weights
