"""Belief propagation: from potentials on measured cliques to the joint probabilities of every tree clique.

Works in linear space. Each potential is exponentiated at its own small size and multiplied into its clique, so that
no table of a whole clique is ever exponentiated. Up and down once (Lauritzen & Spiegelhalter 1988). Tables
of possible cells are multiplied in beside the potentials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tabsynth.models._marginal.factor import Array, Clique, Mask, Possible, project, ratio, shape, spread
from tabsynth.models._marginal.junction_tree import JunctionTree

Potentials = Mapping[Clique, Array]
"""Log-weights of measured cliques; the model is the normalised exponential of their sum."""


class Propagation:
    """Propagation over one tree for one set of measured cliques; what does not change is worked out once.

    Args:
        tree: holds every measured clique inside one of its cliques.
        possible: cells that can have any weight (``zeros.possible``). Cliques that no clique of the tree holds are
            passed over; so are all if together they leave no cell of the tree.

    Attributes:
        open: measured clique -> shape of the clique: cells that the tables of possible cells leave open; empty if no
            table takes part.
    """

    def __init__(self, tree: JunctionTree, measured: Iterable[Clique], possible: Possible | None = None) -> None:
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
        self._fixed = self._factors(possible or {})
        self.open = self._support()
        if not all(mask.any() for mask in self.open.values()):
            self._fixed, self.open = {}, {}

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
        product = self._fixed.get(clique, np.ones([1] * len(outer)))
        for inner in self._own[clique]:
            weights = np.exp(potentials[inner] - potentials[inner].max())
            product = product * spread(weights, inner, outer)
        return np.broadcast_to(product, shape(self.tree.sizes, outer))

    def _factors(self, possible: Possible) -> dict[int, Array]:
        """Product of the tables of possible cells that live in each tree clique, where there are any."""
        found: dict[int, Array] = {}
        for inner, mask in possible.items():
            home = self.tree.home(inner)
            if home is not None:
                outer = self.tree.cliques[home]
                found[home] = found.get(home, np.ones([1] * len(outer))) * spread(mask.astype(np.float64), inner, outer)
        return found

    def _support(self) -> dict[Clique, Mask]:
        """`open`: up and down once as in `beliefs`, with true and false, so that nothing is rounded to nothing."""
        if not self._fixed:
            return {}
        tables = [np.array(np.broadcast_to(self._fixed.get(i, 1.0), shape(self.tree.sizes, clique)))
                  for i, clique in enumerate(self.tree.cliques)]
        for upward, steps in ((True, self._steps[:0:-1]), (False, self._steps[1:])):
            for step in steps:
                assert step.parent is not None
                source, target = (step.clique, step.parent) if upward else (step.parent, step.clique)
                any_weight = project(tables[source], self.tree.cliques[source], step.separator) > 0
                message = np.asarray(any_weight, dtype=np.float64)
                tables[target] = tables[target] * self._spread(message, step.separator, target)
        return {c: project(tables[k], self.tree.cliques[k], c) > 0 for c, k in self.homes.items()}

    def _spread(self, table: Array, inner: Clique, clique: int) -> Array:
        return spread(table, inner, self.tree.cliques[clique])
