"""Mixture of Gaussian copulas over integer codes: the quick baseline.

Inside a class every column is a latent standard normal cut into its codes at the (weighted) code frequencies of the
class, and the latent normals are correlated. One class is the plain Gaussian copula; a few classes carry what one
line per category and one correlation per pair cannot. Classes come from a latent class model (EM over coarse codes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final, Self, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import Codes, Coding
from tabsynth.core.progress import Progress, silent
from tabsynth.core.synthesizer import State, Synthesizer
from tabsynth.models._boxes import runs_of
from tabsynth.models._conditional import Given
from tabsynth.models._latent import (
    PRESENT,
    Axis,
    Component,
    Floats,
    Ints,
    correlation,
    mass_of,
    reorder,
)

FACTS = {
    "name": "copula",
    "entry": "Copula",
    "summary": "Mixture of Gaussian copulas: seconds to fit, good pairs of columns, weak on rules and interactions.",
    "private": False,
}

SPLIT_SHARE: Final = 0.005
"""From this share of missing cells on, whether a number is there has a latent normal of its own."""
UNITS_PER_CLASS: Final = 500
SMALLEST_CLASS: Final = 100.0
"""Classes with fewer units are dissolved: a class of a handful of people would describe these people."""
EM_ROWS: Final = 10_000
PLANS: Final = 64
"""Sets of given columns that are kept prepared."""
COARSE: Final = 16
"""Steps into which the EM cuts long number lines."""


@final
class Copula(Synthesizer):
    """Mixture of Gaussian copulas.

    Args:
        max_classes: at most so many classes, and at most one per 500 units; 1 = the plain Gaussian copula.
        rounds: passes that reorder the categories along their axes.
        sweeps: Gibbs sweeps over the given columns when drawing conditionally; the draw is exact in the limit.
        particles: proposals per combination of given codes, over its plausible classes, from which the start of the
            sweeps is chosen; at least four per class.
    """

    name: ClassVar[str] = "copula"
    shares_: Floats
    components_: tuple[Component, ...]

    def __init__(self, max_classes: int = 16, rounds: int = 5, sweeps: int = 5, particles: int = 16) -> None:
        self.max_classes = max_classes
        self.rounds = rounds
        self.sweeps = sweeps
        self.particles = particles
        self._plans: dict[tuple[int, ...], Given] = {}

    def fit_codes(self, codes: Codes, *, rng: np.random.Generator, progress: Progress = silent) -> None:
        start = [axis for j in range(len(codes.names)) for axis in self._axes(j, codes)]
        classes = min(self.max_classes, int(codes.weights.sum()) // UNITS_PER_CLASS)
        member = latent_classes(codes, classes, rng) if classes > 1 else np.zeros(len(codes.values), np.intp)
        parts = []
        for step, label in enumerate(np.unique(member)):
            progress("copula", step, max(classes, 1))
            rows = member == label
            parts.append(fit_component(start, replace(codes, values=codes.values[rows], weights=codes.weights[rows]),
                                       self.rounds))
        mass = mass_of(member, codes.weights, 1)
        self.shares_ = mass[mass > 0] / mass.sum() if mass.sum() > 0 else np.ones(1)
        self._plans.clear()
        self.components_ = tuple(parts) or (Component(tuple(start), np.eye(len(start))),)

    def _axes(self, j: int, codes: Codes) -> Iterator[Axis]:
        """The axes of a column: one for categories; for numbers one, or two when missing cells are frequent."""
        ordered, size = self.coding_.codecs[codes.names[j]].ordered, codes.sizes[j]
        mass = mass_of(codes.values[:, j], codes.weights, size)
        every, present = np.arange(size, dtype=np.int32), mass[:ordered].sum()
        if ordered == 0 or present == 0 or present > (1 - SPLIT_SHARE) * mass.sum():
            yield Axis.of(j, every, mass, free=ordered == 0)
            return
        yield Axis.of(j, np.append(np.int32(PRESENT), every[ordered:]), np.append(present, mass[ordered:]), free=True)
        yield Axis.of(j, every[:ordered], mass[:ordered], free=False)

    def draw(self, n: int, *, rng: np.random.Generator,
             given: Mapping[str, Ints] | None = None) -> dict[str, Ints]:
        known, names = given or {}, self.coding_.names
        columns = tuple(j for j, name in enumerate(names) if name in known)
        codes = np.array([known[names[j]] for j in columns], np.int32).reshape(len(columns), n)
        member, latent = self._given(columns).draw(codes, self.particles, self.sweeps, rng)
        out = self._codes(member, latent)
        return {name: known.get(name, out[j]) for j, name in enumerate(names)}

    def _given(self, columns: tuple[int, ...]) -> Given:
        """What conditioning on these columns needs; made once, as the same few sets are asked for all the time."""
        if columns not in self._plans:
            if len(self._plans) >= PLANS:
                self._plans.clear()
            self._plans[columns] = Given.of(self.components_, self.shares_, columns, self.coding_.sizes)
        return self._plans[columns]

    def _codes(self, member: NDArray[np.intp], latent: Floats) -> Ints:
        """Codes of all columns, shape (columns, n), of latent values, shape (axes, n)."""
        order = np.argsort(member, kind="stable")
        latent, out = latent[:, order], np.full((len(self.coding_.names), len(member)), PRESENT, np.int32)
        for component, run in zip(self.components_, runs_of(member[order], len(self.components_)), strict=True):
            for z, axis in zip(latent[:, run], component.axes, strict=True):
                if run.stop > run.start:      # a presence axis comes before the value axis of its column
                    target = out[axis.column, run]
                    code = axis.codes[np.searchsorted(axis.cuts[1:-1], z, side="right")]
                    out[axis.column, run] = np.where(target == PRESENT, code, target)
        out[:, order] = out.copy()
        return out

    def state(self) -> State:
        first, axes = self.components_[0], [c.axes for c in self.components_]
        return State(
            {"sweeps": self.sweeps, "particles": self.particles,
             "axes": [{"column": a.column, "cells": len(a.codes), "free": a.free} for a in first.axes]},
            {"shares": self.shares_,
             "correlation": np.stack([c.correlation for c in self.components_]),
             "codes": np.stack([np.concatenate([a.codes for a in row]) for row in axes]).astype(np.int32),
             "cuts": np.stack([np.concatenate([a.cuts for a in row]) for row in axes])})

    @classmethod
    def from_state(cls, state: State, coding: Coding) -> Self:
        model = cls(sweeps=state.values["sweeps"], particles=state.values["particles"])
        model.coding_, model.shares_ = coding, state.arrays["shares"]
        facts = state.values["axes"]
        ends = np.cumsum([fact["cells"] for fact in facts])[:-1]
        cut_ends = np.cumsum([fact["cells"] + 1 for fact in facts])[:-1]
        components = []
        for k, corr in enumerate(state.arrays["correlation"]):
            codes, cuts = np.split(state.arrays["codes"][k], ends), np.split(state.arrays["cuts"][k], cut_ends)
            components.append(Component(tuple(
                Axis(fact["column"], c, t, fact["free"]) for fact, c, t in zip(facts, codes, cuts)), corr))
        model.components_ = tuple(components)
        return model


def fit_component(start: Sequence[Axis], codes: Codes, rounds: int) -> Component:
    """The Gaussian copula of these rows, on axes of the same kind as `start`."""
    axes = [_refit(axis, codes) for axis in start]
    for _ in range(rounds if any(axis.free for axis in axes) else 0):
        axes = reorder(axes, codes)
    return Component(tuple(axes), correlation(axes, codes))


def _refit(axis: Axis, codes: Codes) -> Axis:
    cell = axis.cells(codes.values[:, axis.column], codes.sizes[axis.column])
    mass = mass_of(cell[cell >= 0], codes.weights[cell >= 0], len(axis.codes))
    return Axis.of(axis.column, axis.codes, mass, free=axis.free)


def latent_classes(codes: Codes, classes: int, rng: np.random.Generator, rounds: int = 20) -> NDArray[np.intp]:
    """A class per row, drawn from its posterior in a latent class model (columns independent given the class).

    EM runs on at most EM_ROWS rows, long number lines cut into COARSE steps of equal mass (Goodman 1974).
    """
    coarse = np.stack([_coarse(codes.values[:, j], codes.weights, size) for j, size in enumerate(codes.sizes)], axis=1)
    sizes = coarse.max(axis=0) + 1
    rows = rng.permutation(len(coarse))[:EM_ROWS]
    sample, weights = coarse[rows], codes.weights[rows]
    seeds = sample[rng.choice(len(sample), classes, replace=False)]
    posterior = _softmax(np.stack([2.0 * (sample == seed).sum(axis=1) for seed in seeds], axis=1))
    for _ in range(rounds):
        tables = _class_tables(sample, posterior * weights[:, None], sizes)
        posterior = _softmax(_log_joint(sample, *tables))
    logits = _log_joint(coarse, *tables) - np.log(rng.exponential(size=(len(coarse), classes)))
    units = mass_of(np.argmax(logits, axis=1), codes.weights, classes)
    logits[:, (units < SMALLEST_CLASS) & (units < units.max())] = -np.inf
    return np.asarray(np.argmax(logits, axis=1))


def _coarse(values: Ints, weights: Floats, size: int) -> NDArray[np.intp]:
    if size <= 4 * COARSE:
        return values.astype(np.intp)
    below = np.cumsum(mass_of(values, weights, size))
    steps: NDArray[np.intp] = np.minimum(COARSE * below / below[-1], COARSE).astype(np.intp)
    return steps[values]


def _class_tables(values: NDArray[np.intp], posterior: Floats,
                  sizes: NDArray[np.intp]) -> tuple[Floats, list[Floats]]:
    """Log shares, shape (classes,), and per column log p(code | class), shape (codes, classes), smoothed."""
    total = posterior.sum(axis=0) + 1e-9
    counts = (np.stack([np.bincount(column, p, minlength=size) for p in posterior.T], axis=1)
              for column, size in zip(values.T, sizes, strict=True))
    return np.log(total / total.sum()), [np.log((c + 0.5 / len(c)) / (total + 0.5)) for c in counts]


def _log_joint(values: NDArray[np.intp], log_shares: Floats, tables: Sequence[Floats]) -> Floats:
    logits = np.tile(log_shares, (len(values), 1))
    for column, table in zip(values.T, tables, strict=True):
        logits += table[column]
    return logits


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
