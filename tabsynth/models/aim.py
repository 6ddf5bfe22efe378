"""AIM by name: pairs are chosen one at a time where the model is furthest off, with noise that is annealed.

McKenna, Mullins, Sheldon & Miklau 2022, "AIM: An Adaptive and Iterative Mechanism for Differentially Private Synthetic
Data" (arXiv 2201.12677), algorithms 2 to 4, for the workload of all pairs of columns. Engine, gate, noise and
accounting are those of `marginal`, so that two models in one run differ by what they ask, and by nothing else. Budgets
are in mu^2 = 2 rho.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Self, final

import numpy as np

from tabsynth.core.errors import UsageError
from tabsynth.core.progress import Progress, silent
from tabsynth.models._marginal import choosing, one_way, plan, zeros
from tabsynth.models._marginal.estimation import Fitted, combine, fit
from tabsynth.models._marginal.factor import Clique, cells
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.model import TreeModel
from tabsynth.models._marginal.one_way import UNSPENT, OneWays
from tabsynth.models._marginal.selection import NOISE_L1
from tabsynth.models._marginal.triangulation import Triangulation
from tabsynth.models._marginal.view import View
from tabsynth.models._marginal.workload import column_weights, pair_weights
from tabsynth.privacy.curator import Curator

FACTS = {
    "name": "aim",
    "entry": "AIM",
    "summary": "Differentially private: AIM as published; pairs chosen one by one, noise annealed. Slow.",
    "private": True,
}

ROUNDS_PER_COLUMN = 16
"""Rounds that the first noise level is meant for; annealing ends far earlier."""
MEASURE_SHARE = 0.9
"""Share of a round's budget that measures; the rest chooses."""
ROUND_STEPS, LAST_STEPS = 100, 300
"""Most steps of a fit after a round, and of the last one."""
REACH = 8.0
"""How far below the likeliest cell of its table a cell may start a fit, in log-odds: what early noise made all but
impossible must be in reach of later, better counts."""
NEGLIGIBLE = float("-inf")
"""Sigma that a level must reach to be kept: all are, but those whose believed count is 0."""


@final
class AIM(TreeModel):
    """Adaptive and iterative mechanism.

    Args:
        max_cells: cap of the junction tree's cells once the budget is spent; before, as much of it as of the budget.
        coarsen: count and cut columns as `marginal` does; False keeps every level and counts columns as the paper does,
            for tables that are discrete already.
    """

    name: ClassVar[str] = "aim"

    def __init__(self, *, max_cells: int = 131_072, coarsen: bool = True) -> None:
        if max_cells < 1:
            raise UsageError(f"the 'max_cells' parameter of AIM must be at least 1, got {max_cells}.")
        self.max_cells = max_cells
        self.coarsen = coarsen

    def fit(self, curator: Curator, *, rng: np.random.Generator, progress: Progress = silent) -> Self:
        """Spend the curator's whole budget; deterministic given its answers."""
        first = curator.total / (ROUNDS_PER_COLUMN * max(1, len(curator.coding.names)))
        if self.coarsen:
            one_ways = one_way.measure(curator, progress)
            view = View.of(one_ways, plan.levels(one_way.patients(one_ways), sqrt(curator.total), len(one_ways)))
        else:
            one_ways = one_way.measure_plainly(curator, 1 / sqrt(MEASURE_SHARE * first), progress)
            view = View.plain(one_ways, NEGLIGIBLE)
        weights = _weights(view, column_weights(curator.coding))
        fitted = None
        if view.names and curator.remaining > plan.LEFTOVER * curator.total:
            fitted = _Rounds(curator, view, weights, self.max_cells, first).run(one_ways, progress)
        return self._finish(curator, one_ways, view, fitted, progress)


def _weights(view: View, columns: Mapping[str, float]) -> dict[Clique, float]:
    """Weight of every candidate: its overlap with the pairs of the workload, each times its own weight.

    Candidates are the workload's downward closure: pairs and single columns.
    """
    own = pair_weights(view.names, columns)
    through = {a: sum(weight for pair, weight in own.items() if a in pair) for a in range(len(view.names))}
    alone: dict[Clique, float] = {(a,): weight or 1.0 for a, weight in through.items()}
    return {**alone, **{(a, b): through[a] + through[b] for a, b in own}}


@dataclass
class _Rounds:
    """Rounds of choose, measure and fit. `budget` is what one round may spend, in mu^2."""

    curator: Curator
    view: View
    weights: Mapping[Clique, float]
    max_cells: float
    budget: float

    def run(self, one_ways: OneWays, progress: Progress) -> Fitted:
        """Spend all that is left."""
        curator = self.curator
        self._tree = Triangulation.empty(self.view.sizes)
        self._possible = zeros.possible(curator.coding, self.view)
        self._fitted = fit(JunctionTree.of(self._tree.sizes, self._tree.cliques),
                           combine(self.view.measurements(one_ways)), possible=self._possible)
        last = False
        while not last:
            progress("spend the budget", curator.spent, curator.total)
            last = curator.remaining < 2 * self.budget
            if last:
                self.budget = curator.remaining
            self._round(last, progress)
        progress("spend the budget", curator.total, curator.total)
        return self._fitted

    def _round(self, last: bool, progress: Progress) -> None:
        budget = self.budget * (1 - UNSPENT)
        sigma = 1 / sqrt(MEASURE_SHARE * budget)
        noise = {c: NOISE_L1 * sigma * cells(self.view.sizes, c) for c in self.weights}
        # filter, by the size that the model would have
        cap = self.max_cells * min(1.0, (self.curator.spent + budget) / self.curator.total)
        before = choosing.tables(self._fitted, [c for c in self.weights if self._fits(c, cap)])
        # select
        chosen = choosing.select(self.curator, self.view, before, (1 - MEASURE_SHARE) * budget,
                                 {c: self.weights[c] for c in before}, {c: noise[c] for c in before})
        # measure
        measured = choosing.measure(self.curator, self.view, chosen, sigma)
        # estimate
        self._tree = self._tree.join(chosen)
        start = {c: np.maximum(table, table.max() - REACH) for c, table in self._fitted.potentials.items()}
        self._fitted = fit(JunctionTree.of(self._tree.sizes, self._tree.cliques),
                           combine([*self._fitted.measurements.values(), measured]), start=start,
                           possible=self._possible, iterations=LAST_STEPS if last else ROUND_STEPS, progress=progress)
        # anneal
        moved = float(np.abs(choosing.tables(self._fitted, [chosen])[chosen] - before[chosen]).sum())
        if moved <= noise[chosen]:
            self.budget *= 4  # half the sigma, twice the epsilon

    def _fits(self, clique: Clique, cap: float) -> bool:
        return self._tree.covers(clique) or self._tree.join(clique).cells <= cap
