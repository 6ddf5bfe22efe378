"""Belief propagation: from potentials on measured cliques to the joint probabilities of every tree clique.

Works in linear space. Each potential is exponentiated at its own small size and multiplied into its clique, so that
no table of a whole clique is ever exponentiated. Up and down once (Lauritzen & Spiegelhalter 1988).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tabsynth.models._marginal.factor import Array, Clique, project, ratio, shape, spread
from tabsynth.models._marginal.junction_tree import JunctionTree

Potentials = Mapping[Clique, Array]
"""Log-weights of measured cliques; the model is the normalised exponential of their sum."""


class Propagation:
    """Propagation over one tree for one set of measured cliques; what does not change is worked out once."""

    def __init__(self, tree: JunctionTree, measured: Iterable[Clique]) -> None:
        self.tree = tree
        self.homes: dict[Clique, int] = {}
        for clique in measured:
            home = tree.home(clique)
            if home is None:
                raise ValueError(f"no clique of the tree holds {clique}")
            self.homes[clique] = home
        self._steps = tree.walk()
        self._own = [sorted((c for c, k in self.homes.items() if k == i), key=len)
                     for i in range(len(tree.cliques))]

    def beliefs(self, potentials: Potentials) -> list[Array]:
        """Probabilities of every tree clique, each summing to 1 and agreeing with its neighbours on separators."""
        tables = [self._product(i, potentials) for i in range(len(self.tree.cliques))]
        upward: dict[int, Array] = {}
        for step in reversed(self._steps):
            if step.parent is None:
                continue
            message = project(tables[step.clique], self.tree.cliques[step.clique], step.separator)
            upward[step.clique] = message = message / message.sum()
            tables[step.parent] = tables[step.parent] * self._spread(message, step.separator, step.parent)
        tables[0] = tables[0] / tables[0].sum()
        for step in self._steps[1:]:
            assert step.parent is not None
            above = project(tables[step.parent], self.tree.cliques[step.parent], step.separator)
            message = ratio(above, upward[step.clique])
            table = tables[step.clique] * self._spread(message, step.separator, step.clique)
            tables[step.clique] = table / table.sum()
        return tables

    def marginals(self, beliefs: list[Array]) -> dict[Clique, Array]:
        """Probabilities of the measured cliques."""
        return {c: project(beliefs[k], self.tree.cliques[k], c) for c, k in self.homes.items()}

    def _product(self, clique: int, potentials: Potentials) -> Array:
        """Product of the exponentiated potentials that live in one tree clique."""
        outer = self.tree.cliques[clique]
        product = np.ones([1] * len(outer))
        for inner in self._own[clique]:
            weights = np.exp(potentials[inner] - potentials[inner].max())
            product = product * spread(weights, inner, outer)
        return np.broadcast_to(product, shape(self.tree.sizes, outer))

    def _spread(self, table: Array, inner: Clique, clique: int) -> Array:
        return spread(table, inner, self.tree.cliques[clique])
