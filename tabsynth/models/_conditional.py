"""Which class, and where in the given cells: the first half of a draw that is conditional on given codes.

Sampling importance resampling: every class that is plausible proposes a few latent values, drawn cell by cell and
weighted by how probable the cells are; each row chooses one proposal by weight. Rows that are given the same codes,
such as those of one unit, share their proposals; Gibbs sweeps then move each row on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tabsynth.models._boxes import Runs, draw_in_boxes, gibbs, runs_of
from tabsynth.models._latent import Component, Floats, Ints

IMPOSSIBLE: Final = -700.0
"""Log probability that stands for zero; far below that of any cell with mass."""
IMPLAUSIBLE: Final = 12.0
"""A class is left out if the product of its one-way cell masses is so far below the best class's, in nats."""
FEWEST: Final = 4
MOST: Final = 256
"""Proposals of one class for one combination of given codes."""
AT_ONCE: Final = 1 << 15
"""Proposals that are worked on together; bounds the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a draw needs to know about the axes of given columns, for all classes.

    Args:
        known: indices of these axes, shape (g,); rest: of the others.
        columns: per known axis the row of the given codes that it reads.
        low, high, log_mass: per known axis a table, shape (classes, codes of its column): its cell for each code.
        log_shares: shape (classes,).
        inner: correlation of the known axes, shape (classes, g, g).
        slope: regression of the rest on them, shape (classes, rest, g).
        spread: Cholesky factor of what the rest keeps of its covariance, shape (classes, rest, rest).
    """

    known: NDArray[np.intp]
    rest: NDArray[np.intp]
    columns: tuple[int, ...]
    low: tuple[Floats, ...]
    high: tuple[Floats, ...]
    log_mass: tuple[Floats, ...]
    log_shares: Floats
    inner: Floats
    slope: Floats
    spread: Floats

    @classmethod
    def of(cls, components: Sequence[Component], shares: Floats, columns: Sequence[int], sizes: Sequence[int]) -> Self:
        """`columns`: the given ones; `sizes`: codes of every column."""
        axes = components[0].axes
        known = np.array([i for i, axis in enumerate(axes) if axis.column in columns], np.intp)
        rest = np.setdiff1d(np.arange(len(axes)), known)
        boxes = [[component.axes[i].boxes(sizes[axes[i].column]) for component in components] for i in known]
        low, high = (tuple(np.stack([box[side] for box in of_axis]) for of_axis in boxes) for side in (0, 1))
        corr = np.stack([component.correlation for component in components])
        inner, cross = corr[:, known[:, None], known], corr[:, rest[:, None], known]
        slope = np.swapaxes(np.linalg.solve(inner, np.swapaxes(cross, 1, 2)), 1, 2)
        left = corr[:, rest[:, None], rest] - slope @ np.swapaxes(cross, 1, 2) + 1e-10 * np.eye(len(rest))
        mass = tuple(_log(ndtr(b) - ndtr(a)) for a, b in zip(low, high, strict=True))
        spread = np.asarray(np.linalg.cholesky(left), np.float64)
        return cls(known, rest, tuple(list(columns).index(axes[i].column) for i in known), low, high, mass,
                   np.log(shares), inner, slope, spread)

    @property
    def classes(self) -> int:
        return len(self.log_shares)

    def draw(self, codes: Ints, particles: int, sweeps: int,
             rng: np.random.Generator) -> tuple[NDArray[np.intp], Floats]:
        """A class and latent values for each row.

        Args:
            codes: given codes, shape (given columns, n).
            particles: proposals per combination of given codes, over all its plausible classes.
            sweeps: Gibbs sweeps after that.

        Returns:
            Class of each row, shape (n,); latent values of all axes, shape (axes, n).
        """
        member, z = self._start(codes, particles, rng)
        order = np.argsort(member, kind="stable")
        runs = runs_of(member[order], self.classes)
        low, high = self._boxes(member[order], codes[:, order])
        if len(self.known):
            z = gibbs(z[:, order], self.inner, runs, low, high, sweeps if len(self.known) > 1 else 1, rng)
        latent = np.empty((len(self.known) + len(self.rest), len(member)))
        latent[np.ix_(self.known, order)] = z
        latent[np.ix_(self.rest, order)] = self._regressed(z, runs, rng)
        return member, latent

    def _start(self, codes: Ints, particles: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], Floats]:
        """A class per row, shape (n,), and latent values in its given cells, shape (g, n)."""
        distinct, back, count = distinct_columns(codes)
        member, z = np.zeros(len(back), np.intp), np.zeros((len(self.known), len(back)))
        by_combination = np.argsort(back, kind="stable")
        ends = np.cumsum(count)
        for some, proposing, copies in self._proposing(distinct, count, particles):
            rows = by_combination[ends[some.start] - count[some.start]:ends[some.stop - 1]]
            owner, proposed, values, log_weight = self._proposals(distinct[:, some], proposing, copies, rng)
            chosen = choose(owner, log_weight, back[rows] - some.start, rng)
            member[rows], z[:, rows] = proposed[chosen], values[:, chosen]
        return member, z

    def _proposing(self, distinct: Ints, count: NDArray[np.intp],
                   particles: int) -> Iterator[tuple[slice, NDArray[np.bool_], NDArray[np.intp]]]:
        """Combinations that are worked on together: (their slice, plausible classes, proposals per class)."""
        score = self.log_shares[:, None] + sum(
            (table[:, distinct[j]] for j, table in zip(self.columns, self.log_mass, strict=True)),
            start=np.zeros((self.classes, distinct.shape[1])))
        plausible = score > score.max(axis=0) - IMPLAUSIBLE
        kept = plausible.sum(axis=0)
        copies = np.clip(np.maximum(count, -(-particles // kept)), FEWEST, MOST)
        if len(self.known) < 2:      # a proposal's weight is then exact, and the sweep draws anew
            copies = np.ones_like(copies)
        size = np.cumsum(copies * kept)
        start = 0
        while start < len(count):
            before = size[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(size, before + AT_ONCE, side="right")))
            yield slice(start, stop), plausible[:, start:stop], copies[start:stop]
            start = stop

    def _proposals(self, codes: Ints, plausible: NDArray[np.bool_], copies: NDArray[np.intp],
                   rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
        """Per proposal its combination (rising), its class, its latent values, and its log weight."""
        member, owner = np.nonzero(plausible)
        member, owner = np.repeat(member, copies[owner]), np.repeat(owner, copies[owner])
        low, high = self._boxes(member, codes[:, owner])
        z, log_mass = draw_in_boxes(self.inner, runs_of(member, self.classes), low, high, rng)
        order = np.argsort(owner, kind="stable")
        log_weight = self.log_shares[member] + np.maximum(log_mass, IMPOSSIBLE)
        return owner[order], member[order], z[:, order], log_weight[order]

    def _boxes(self, member: NDArray[np.intp], codes: Ints) -> tuple[Floats, Floats]:
        """Cells of the given codes in the rows' classes, shape (g, n) each."""
        low, high = np.empty((len(self.known), len(member))), np.empty((len(self.known), len(member)))
        for i, j in enumerate(self.columns):
            low[i], high[i] = self.low[i][member, codes[j]], self.high[i][member, codes[j]]
        return low, high

    def _regressed(self, z: Floats, runs: Runs, rng: np.random.Generator) -> Floats:
        """Latent values of the other axes, shape (rest, n), given those of the known ones; rows sorted by class."""
        out = rng.normal(size=(len(self.rest), z.shape[1]))
        for spread, slope, run in zip(self.spread, self.slope, runs, strict=True):
            if run.stop > run.start:
                out[:, run] = spread @ out[:, run] + slope @ z[:, run]
        return out


def distinct_columns(codes: Ints) -> tuple[Ints, NDArray[np.intp], NDArray[np.intp]]:
    """Distinct columns of a matrix, for each column which one it is, and how often each occurs.

    >>> distinct_columns(np.array([[3, 0, 3], [1, 1, 1]], dtype=np.int32))
    (array([[0, 3],
           [1, 1]], dtype=int32), array([1, 0, 1]), array([1, 2]))
    """
    key = np.zeros(codes.shape[1], np.intp)
    first = key[:1]
    for row in codes:
        _, first, key = np.unique(key * (int(row.max(initial=0)) + 1) + row, return_index=True, return_inverse=True)
    return codes[:, first], key, np.bincount(key, minlength=len(first))


def choose(owner: NDArray[np.intp], log_weight: Floats, wanted: NDArray[np.intp],
           rng: np.random.Generator) -> NDArray[np.intp]:
    """For each wanted owner one of its entries, by weight. owner: shape (entries,), rising, without gaps."""
    start = np.flatnonzero(np.diff(owner, prepend=-1))
    end = np.append(start[1:], len(owner))
    weight = np.exp(log_weight - np.maximum.reduceat(log_weight, start)[owner])
    below = np.cumsum(weight / np.add.reduceat(weight, start)[owner])      # from d to d + 1 over the entries of d
    at = np.searchsorted(below, wanted + rng.random(len(wanted)), side="right")
    return np.clip(at, start[wanted], end[wanted] - 1)


def _log(mass: Floats) -> Floats:
    return np.maximum(np.log(mass, out=np.full_like(mass, -np.inf), where=mass > 0), IMPOSSIBLE)
