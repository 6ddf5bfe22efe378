"""The distribution that fits noisy marginals best: least squares over all consistent models on the tree.

Mirror descent on the measured marginals (McKenna, Sheldon & Miklau 2019, "Graphical-model based estimation and
inference for differential privacy") moves every potential by step * (measured - model) / variance. Two things make it
some ten times faster: cells are moved by their relative error where they are measured well, as iterative proportional
fitting would, and steps carry momentum (Nesterov 1983) with restarts (O'Donoghue & Candes 2015). Both only choose where
to look next: a point is taken if and only if its loss is lower. Deterministic given the measurements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Self

import numpy as np

from tabsynth.core.progress import Progress, silent
from tabsynth.models._marginal.factor import Array, Clique, Possible, onto_simplex
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.propagation import Propagation

ROUND_STEPS, LAST_STEPS = 50, 150
"""Most steps of a fit between rounds of measuring, and of the last one."""
WINDOW = 20
"""Steps over which the relative gain is looked at before stopping."""
FIRST_STEP, GROWTH, BACKOFF = 0.1, 1.02, 0.5
FIRST_DAMPING = 0.5
FLOOR = 1e-9
"""Smallest probability a level begins with."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Noisy counts of one marginal. values: shape of the clique; variance of each cell: same shape."""

    clique: Clique
    values: Array
    variance: Array


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model: what was measured, potentials of the same cliques, probabilities of the tree's cliques."""

    tree: JunctionTree
    measurements: dict[Clique, Measurement]
    potentials: dict[Clique, Array]
    beliefs: tuple[Array, ...]

    @classmethod
    def of(cls, tree: JunctionTree, measurements: dict[Clique, Measurement], potentials: dict[Clique, Array],
           possible: Possible | None = None) -> Self:
        """The model that given potentials make, with the possible cells of the fit."""
        beliefs = Propagation(tree, measurements, possible).beliefs(potentials)
        return cls(tree, measurements, potentials, tuple(beliefs))

    @property
    def patients(self) -> float:
        """Number of patients as all measurements together see it."""
        return total(self.measurements.values())


def combine(measurements: Iterable[Measurement]) -> dict[Clique, Measurement]:
    """One measurement per clique: repeated ones are averaged by inverse variance."""
    merged: dict[Clique, Measurement] = {}
    for new in measurements:
        old = merged.get(new.clique)
        if old is not None:
            variance = 1 / (1 / old.variance + 1 / new.variance)
            values = (old.values / old.variance + new.values / new.variance) * variance
            new = Measurement(new.clique, values, variance)
        merged[new.clique] = new
    return merged


def total(measurements: Iterable[Measurement]) -> float:
    """Number of patients as all measurements together see it: sums weighted by precision, at least 1."""
    sums, precisions = [], []
    for m in measurements:
        sums.append(m.values.sum())
        precisions.append(1 / m.variance.sum())
    return max(1.0, float(np.average(sums, weights=precisions))) if sums else 1.0


def fit(tree: JunctionTree, measurements: dict[Clique, Measurement], *,
        start: Mapping[Clique, Array] | None = None, possible: Possible | None = None, iterations: int = LAST_STEPS,
        tolerance: float = 1e-6, progress: Progress = silent) -> Fitted:
    """Minimise the sum over cells of (count * probability - value)^2 / (2 variance).

    Args:
        tree: holds every measured clique inside one of its cliques.
        start: potentials of an earlier fit (warm start); pairs that are new begin at 0.
        possible: cells that can have any weight (``Propagation``); the others are 0 whatever was measured.
        tolerance: stop when the relative gain per step, over 20 steps, falls below it.
    """
    count = total(measurements.values())
    engine = Propagation(tree, measurements, possible)
    descent = _begin(engine, measurements, count, start or {})
    losses = [np.inf] * WINDOW
    for iteration in range(iterations):
        progress("fit", iteration, iterations)
        losses.append(descent.point.loss)
        if losses[-1 - WINDOW] - losses[-1] < tolerance * WINDOW * max(1.0, losses[-1]):
            break
        descent.step()
    progress("fit", iterations, iterations)
    return Fitted(tree, measurements, descent.point.theta, tuple(descent.point.beliefs))


def _begin(engine: Propagation, measurements: Mapping[Clique, Measurement], count: float,
           start: Mapping[Clique, Array]) -> _Descent:
    """Where to start from: on a new tree an extreme warm start may leave no cell with any weight, and beside possible
    cells that contradict what was measured the columns' shares may; equal weights never do."""
    first = {c: _first(m, count) for c, m in measurements.items()}
    descent = _Descent(engine, measurements, count, {c: start.get(c, table) for c, table in first.items()})
    for theta in (first, {c: np.zeros_like(table) for c, table in first.items()}):
        if isfinite(descent.point.loss):
            break
        descent = _Descent(engine, measurements, count, theta)
    return descent


@dataclass(frozen=True, slots=True)
class _Point:
    """Potentials, and the probabilities, counts and loss that follow from them."""

    theta: dict[Clique, Array]
    beliefs: list[Array]
    counts: dict[Clique, Array]
    loss: float


class _Descent:
    """Accelerated steps of relative error; `point` is the best found so far.

    A cell's step is proportional to (measured - model) / (model + damping * variance). Small damping moves well
    measured small cells far; such steps need not lead downhill near the optimum, so each time that a step without
    momentum fails, damping doubles, towards plain mirror descent, whose small steps always do.
    """

    def __init__(self, engine: Propagation, measurements: Mapping[Clique, Measurement], count: float,
                 theta: dict[Clique, Array]) -> None:
        self.engine, self._measurements, self._count = engine, measurements, count
        self._length, self._damping, self._momentum = FIRST_STEP, FIRST_DAMPING, 1.0
        self._last = theta
        self.point = self._at(theta)

    def step(self) -> None:
        """Try one step; take it if the loss falls, else lose momentum, or shorten and damp the next."""
        here, longer = self.point, (1 + sqrt(1 + 4 * self._momentum**2)) / 2
        # potentials of impossible cells stay: they have no say, and should not push the others out of range
        moved = {c: here.theta[c] + self._length * self.engine.open.get(c, 1.0) * (m.values - here.counts[c])
                 / (here.counts[c] + self._damping * m.variance) for c, m in self._measurements.items()}
        carry = (self._momentum - 1) / longer
        found = self._at({c: table + carry * (table - self._last[c]) for c, table in moved.items()})
        if found.loss < here.loss:
            self.point, self._last, self._momentum = found, moved, longer
            self._length *= GROWTH
            return
        if self._momentum == 1.0:
            self._damping *= 2
        self._length *= BACKOFF
        self._last, self._momentum = here.theta, 1.0

    def _at(self, theta: dict[Clique, Array]) -> _Point:
        with np.errstate(all="ignore"):  # a step too far leaves no cell any weight: its loss is nan, it is not taken
            beliefs = self.engine.beliefs(theta)
        counts = {c: self._count * p for c, p in self.engine.marginals(beliefs).items()}
        loss = sum(float(((counts[c] - m.values) ** 2 / m.variance).sum()) for c, m in self._measurements.items()) / 2
        return _Point(theta, beliefs, counts, loss)


def _first(measurement: Measurement, count: float) -> Array:
    """Potential to begin with: an attribute's own log-probabilities, and no interaction."""
    if len(measurement.clique) > 1:
        return np.zeros_like(measurement.values)
    shares = onto_simplex(measurement.values / count, 1.0)
    return np.log(np.maximum(shares, FLOOR))
