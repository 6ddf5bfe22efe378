"""Differentially private tables from noisy marginals and a junction-tree model. The default under epsilon.

Every column is counted with noise; columns are coarsened by these counts; in two or three rounds the pairs on which
the model is furthest off are measured, and the distribution that fits all noisy counts best is found on a junction
tree (the Private-PGM family: McKenna, Sheldon & Miklau 2019). Synthetic rows are drawn from it, exactly conditional on
whatever is given. All of it follows from the curator's noisy answers and the public schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.answer import Answer
from tabsynth.core.codec.base import Codec
from tabsynth.core.coding import Coding
from tabsynth.core.errors import NotFittedError, UsageError
from tabsynth.core.forecast import Forecast
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rules.expression import Expression
from tabsynth.core.schema import Schema
from tabsynth.core.synthesizer import State
from tabsynth.models._marginal import one_way, plan
from tabsynth.models._marginal.answers import Measured
from tabsynth.models._marginal.estimation import Fitted, Measurement, fit
from tabsynth.models._marginal.forecast import forecast
from tabsynth.models._marginal.histogram import Histogram
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.one_way import OneWay, OneWays
from tabsynth.models._marginal.rounds import Settings, learn
from tabsynth.models._marginal.sampling import sample
from tabsynth.models._marginal.view import View
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.synthesizer import PrivateSynthesizer

FACTS = {
    "name": "marginal",
    "entry": "Marginal",
    "summary": "Differentially private: noisy counts of columns and chosen pairs, joined by a junction tree.",
    "private": True,
}

TARGET_WEIGHT = 3.0
"""How much more a pair with the schema's evaluation target counts in the choice of pairs."""


@final
class Marginal(PrivateSynthesizer):
    """Noisy marginals on a junction tree.

    Args:
        max_cells: cap of the junction tree's cells: bounds memory and time of a fit.
        rounds: of choosing and measuring pairs; None = 2, or 3 when the budget is large.

    Attributes:
        one_ways_: noisy counts of every column.
        fitted_: noisy counts of coarse columns and chosen pairs, the tree and its probabilities; None if no column
            has two credible levels.
    """

    name: ClassVar[str] = "marginal"
    one_ways_: OneWays
    fitted_: Fitted | None
    def __init__(self, *, max_cells: int = 100_000, rounds: int | None = None) -> None:
        if max_cells < 1:
            raise UsageError(f"the 'max_cells' parameter of Marginal must be at least 1, got {max_cells}.")
        if rounds is not None and rounds < 1:
            raise UsageError(f"the 'rounds' parameter of Marginal must be at least 1, got {rounds}.")
        self.max_cells = max_cells
        self.rounds = rounds

    def fit(self, curator: Curator, *, rng: np.random.Generator, progress: Progress = silent) -> Self:
        """Spend the curator's whole budget; deterministic given its answers."""
        coding, mu = curator.coding, sqrt(curator.total)
        one_ways = one_way.measure(curator, progress)
        patients = one_way.total(one.coarse for one in one_ways.values()) if one_ways else 1.0
        view = View.of(one_ways, plan.levels(patients, mu, len(coding.names)))
        fitted = None
        if view.names:
            fitted = learn(curator, view, view.measurements(one_ways), self._settings(coding.schema, mu), progress)
        if one_ways and curator.remaining > plan.LEFTOVER * curator.total:
            one_ways = one_way.measure_blocks(curator, curator.remaining, one_ways, progress)
            view = View.merged(one_ways, view.merges)
            fitted = fitted and _with_columns(fitted, view.measurements(one_ways))
        self._set(coding, one_ways, view, fitted)
        return self

    def forecast(self, schema: Schema, mu_squared: float, units: int) -> Forecast:
        """What a fit can be expected to learn; see ``core.forecast.Forecasts``."""
        return forecast(schema, mu_squared, units, self._settings(schema, sqrt(mu_squared)))

    def draw(self, n: int, *, rng: np.random.Generator,
             given: Mapping[str, NDArray[np.int32]] | None = None) -> dict[str, NDArray[np.int32]]:
        given = given or {}
        view = self._view
        evidence = {i: view.groups[name][given[name]] for i, name in enumerate(view.names) if name in given}
        drawn = {} if self.fitted_ is None else sample(self.fitted_.tree, self.fitted_.beliefs, n, rng, evidence)
        groups = {view.names[i]: values for i, values in drawn.items()}
        whole = np.zeros(n, dtype=np.int64)
        return {name: given[name] if name in given else view.codes(name, groups.get(name, whole), rng)
                for name in self.coding_.names}

    def answer(self, where: Expression, *, population: bool = False) -> Answer:
        """Count and share of a condition with 95 % intervals; see ``core.answer.Answers``."""
        return Measured.of(self.coding_, self.one_ways_, self._view, self.fitted_).answer(where, population=population)

    def state(self) -> State:
        """Noisy counts, how codes are grouped, and potentials: post-processing of the curator's answers, all of it."""
        if not hasattr(self, "coding_"):
            raise NotFittedError("this Marginal has not been fitted.", fix="Call fit first.")
        arrays: dict[str, NDArray[Any]] = {}
        for i, name in enumerate(self.coding_.names):
            one = self.one_ways_[name]
            arrays |= {f"fine.{i}": np.stack([one.fine.counts, one.fine.sigmas]), f"blocks.{i}": one.blocks,
                       f"coarse.{i}": np.stack([one.coarse.counts, one.coarse.sigmas]),
                       f"merges.{i}": self._view.merges[name]}
        values: dict[str, Any] = {"measured": [], "tree": []}
        if self.fitted_ is not None:
            values = {"measured": [list(c) for c in self.fitted_.measurements],
                      "tree": [list(c) for c in self.fitted_.tree.cliques]}
            for i, m in enumerate(self.fitted_.measurements.values()):
                arrays |= {f"values.{i}": m.values, f"variances.{i}": m.variance,
                           f"potentials.{i}": self.fitted_.potentials[m.clique]}
        return State(values, arrays)

    @classmethod
    def from_state(cls, state: State, coding: Coding) -> Self:
        model, arrays = cls(), state.arrays
        one_ways = {name: _one_way(coding.codecs[name], arrays[f"fine.{i}"], arrays[f"blocks.{i}"],
                                   arrays[f"coarse.{i}"]) for i, name in enumerate(coding.names)}
        view = View.merged(one_ways, {name: arrays[f"merges.{i}"] for i, name in enumerate(coding.names)})
        fitted = None
        if view.names:
            tree = JunctionTree.of(view.sizes, [tuple(c) for c in state.values["tree"]])
            measured = [Measurement(tuple(c), arrays[f"values.{i}"], arrays[f"variances.{i}"])
                        for i, c in enumerate(state.values["measured"])]
            potentials = {m.clique: arrays[f"potentials.{i}"] for i, m in enumerate(measured)}
            fitted = Fitted.of(tree, {m.clique: m for m in measured}, potentials)
        model._set(coding, one_ways, view, fitted)
        return model

    def _settings(self, schema: Schema, mu: float) -> Settings:
        target = schema.evaluation.target
        return Settings(self.max_cells, plan.rounds(mu) if self.rounds is None else self.rounds,
                        {} if target is None else {target: TARGET_WEIGHT})

    def _set(self, coding: Coding, one_ways: OneWays, view: View, fitted: Fitted | None) -> None:
        self.coding_, self.one_ways_, self._view, self.fitted_ = coding, one_ways, view, fitted
        self.total_ = one_way.total(one.coarse for one in one_ways.values()) if one_ways else 1.0


def _one_way(codec: Codec, fine: NDArray[np.float64], blocks: NDArray[np.int64],
             coarse: NDArray[np.float64]) -> OneWay:
    """A column's counts as they were saved: rows of counts and of sigmas."""
    codes = Histogram(fine[0], fine[1], one_way.bars(codec), codec.ordered)
    runs = int(blocks[:codec.ordered].max(initial=-1)) + 1
    return OneWay(codes, blocks, replace(codes.grouped(blocks, ordered=runs), counts=coarse[0], sigmas=coarse[1]))


def _with_columns(fitted: Fitted, one_ways: list[Measurement]) -> Fitted:
    """The same model fitted to better counts of the columns."""
    measurements = {**fitted.measurements, **{m.clique: m for m in one_ways}}
    return fit(fitted.tree, measurements, start=fitted.potentials)
