"""MST by name: all columns, and the pairs on a spanning tree that the exponential mechanism chooses edge by edge.

McKenna, Miklau & Sheldon 2021, "Winning the NIST Contest" (arXiv 2108.04978), section 4, without the contest's public
data: a third of the budget counts the columns, a third chooses the edges, a third counts the chosen pairs, and a
junction-tree model is fitted to the counts. Engine, gate, noise and accounting are those of `marginal`, so that two
models in one run differ by what they ask, and by nothing else.
"""

from __future__ import annotations

from itertools import combinations
from math import sqrt
from typing import ClassVar, Self, final

import numpy as np

from tabsynth.core.progress import Progress, silent
from tabsynth.models._marginal import choosing, one_way, plan, zeros
from tabsynth.models._marginal.estimation import Fitted, combine, fit
from tabsynth.models._marginal.factor import Clique
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.model import TreeModel
from tabsynth.models._marginal.one_way import UNSPENT, OneWays
from tabsynth.models._marginal.triangulation import Triangulation
from tabsynth.models._marginal.view import View
from tabsynth.privacy.curator import Curator

FACTS = {
    "name": "mst",
    "entry": "MST",
    "summary": "Differentially private: MST as published; columns and the pairs of one spanning tree.",
    "private": True,
}

ONE_WAY_SHARE = SELECTION_SHARE = 1 / 3
"""Shares of the budget for columns and for choosing; the rest counts the chosen pairs."""
RARE = 3.0
"""A level whose noisy count is below this many sigma is pooled with the other rare ones."""


@final
class MST(TreeModel):
    """Maximum spanning tree of noisy pairs.

    Args:
        coarsen: cut columns into the levels that `marginal` would; False keeps every level, as the paper does, but the
            rare ones, for tables that are discrete already.
    """

    name: ClassVar[str] = "mst"

    def __init__(self, *, coarsen: bool = True) -> None:
        self.coarsen = coarsen

    def fit(self, curator: Curator, *, rng: np.random.Generator, progress: Progress = silent) -> Self:
        """Spend the curator's whole budget; deterministic given its answers."""
        one_ways = self._columns(curator, progress)
        if self.coarsen:
            view = View.of(one_ways, plan.levels(one_way.patients(one_ways), sqrt(curator.total), len(one_ways)))
        else:
            view = View.plain(one_ways, RARE)
        fitted = _learn(curator, view, one_ways, progress) if view.names else None
        return self._finish(curator, one_ways, view, fitted, progress)

    def _columns(self, curator: Curator, progress: Progress) -> OneWays:
        count = len(curator.coding.names)
        if self.coarsen or not count:
            return one_way.measure(curator, progress, ONE_WAY_SHARE)
        left = min(ONE_WAY_SHARE * curator.total, curator.remaining)
        return one_way.measure_plainly(curator, sqrt(count / (left * (1 - UNSPENT))), progress)


def _learn(curator: Curator, view: View, one_ways: OneWays, progress: Progress) -> Fitted:
    """Choose a tree, count its edges with all that is left, fit."""
    columns = combine(view.measurements(one_ways))
    tree = Triangulation.empty(view.sizes)
    possible = zeros.possible(curator.coding, view)
    alone = fit(JunctionTree.of(tree.sizes, tree.cliques), columns, possible=possible)
    edges = _edges(curator, view, alone, progress)
    for edge in edges:
        tree = tree.join(edge)
    sigma = sqrt(max(1, len(edges)) / (curator.remaining * (1 - UNSPENT)))
    measured = [choosing.measure(curator, view, edge, sigma) for edge in edges]
    return fit(JunctionTree.of(tree.sizes, tree.cliques), combine([*columns.values(), *measured]),
               start=alone.potentials, possible=possible, progress=progress)


def _edges(curator: Curator, view: View, alone: Fitted, progress: Progress) -> list[Clique]:
    """Edges of a spanning tree, one choice each, by the distance of true pairs from independent columns (Kruskal)."""
    tables = choosing.tables(alone, list(combinations(range(len(view.names)), 2)))
    part = list(range(len(view.names)))  # of the forest so far, for every column
    budget = min(SELECTION_SHARE * curator.total, curator.remaining) / max(1, len(part) - 1)
    edges: list[Clique] = []
    for done in range(len(part) - 1):
        progress("choose pairs", done, len(part) - 1)
        open_ = {pair: table for pair, table in tables.items() if part[pair[0]] != part[pair[1]]}
        edge = choosing.select(curator, view, open_, budget, dict.fromkeys(open_, 1.0), dict.fromkeys(open_, 0.0))
        part = [part[edge[0]] if p == part[edge[1]] else p for p in part]
        edges.append(edge)
    progress("choose pairs", max(0, len(part) - 1), max(0, len(part) - 1))
    return edges
