"""What a model on a junction tree is once it is fitted: how it draws, answers, is saved and comes back.

`marginal`, `mst` and `aim` differ in what they ask of the curator and share the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.answer import Answer
from tabsynth.core.codec.base import Codec
from tabsynth.core.coding import Coding
from tabsynth.core.errors import NotFittedError
from tabsynth.core.progress import Progress
from tabsynth.core.rules.expression import Expression
from tabsynth.core.synthesizer import State
from tabsynth.models._marginal import one_way, plan, zeros
from tabsynth.models._marginal.answers import Measured
from tabsynth.models._marginal.estimation import Fitted, Measurement, fit
from tabsynth.models._marginal.factor import Clique, Possible
from tabsynth.models._marginal.histogram import Histogram
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.one_way import OneWay, OneWays
from tabsynth.models._marginal.sampling import sample
from tabsynth.models._marginal.view import View
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.synthesizer import PrivateSynthesizer


class TreeModel(PrivateSynthesizer):
    """Noisy counts of columns and a distribution over coarse columns on a junction tree. `fit` is a subclass's.

    Attributes:
        one_ways_: noisy counts of every column.
        fitted_: noisy counts of coarse columns and chosen pairs, the tree and its probabilities; None if no column
            has two credible levels.
    """

    one_ways_: OneWays
    fitted_: Fitted | None

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
            raise NotFittedError(f"this {type(self).__name__} has not been fitted.", fix="Call fit first.")
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
            fitted = Fitted.of(tree, {m.clique: m for m in measured}, potentials, zeros.possible(coding, view))
        model._set(coding, one_ways, view, fitted)
        return model

    def _finish(self, curator: Curator, one_ways: OneWays, view: View, fitted: Fitted | None, progress: Progress,
                counts: Mapping[Clique, Measurement] | None = None) -> Self:
        """Spend what is left of the budget on another look at the columns, and keep what was learned.

        Args:
            counts: what was measured, where the model was fitted to something else; kept in its stead.
        """
        if one_ways and curator.remaining > plan.LEFTOVER * curator.total:
            one_ways = one_way.measure_blocks(curator, curator.remaining, one_ways, progress)
            view = View.merged(one_ways, view.merges)
            fitted = fitted and _with_columns(fitted, view.measurements(one_ways),
                                              zeros.possible(curator.coding, view))
        if fitted is not None and counts:
            fitted = replace(fitted, measurements={**fitted.measurements, **counts})
        self._set(curator.coding, one_ways, view, fitted)
        return self

    def _set(self, coding: Coding, one_ways: OneWays, view: View, fitted: Fitted | None) -> None:
        self.coding_, self.one_ways_, self._view, self.fitted_ = coding, one_ways, view, fitted
        self.total_ = one_way.patients(one_ways)


def _one_way(codec: Codec, fine: NDArray[np.float64], blocks: NDArray[np.int64],
             coarse: NDArray[np.float64]) -> OneWay:
    """A column's counts as they were saved: rows of counts and of sigmas."""
    codes = Histogram(fine[0], fine[1], one_way.bars(codec), codec.ordered)
    runs = int(blocks[:codec.ordered].max(initial=-1)) + 1
    return OneWay(codes, blocks, replace(codes.grouped(blocks, ordered=runs), counts=coarse[0], sigmas=coarse[1]))


def _with_columns(fitted: Fitted, one_ways: list[Measurement], possible: Possible) -> Fitted:
    """The same model fitted to better counts of the columns."""
    measurements = {**fitted.measurements, **{m.clique: m for m in one_ways}}
    return fit(fitted.tree, measurements, start=fitted.potentials, possible=possible)
