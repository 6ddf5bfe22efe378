"""Model marginals of pairs that no clique holds, exactly: walk outward from one attribute, one source at a time.

For a source a, the joint table of a and a separator is carried from clique to clique by multiplying with
p(what is wanted there | separator), which is the same for all sources and kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._marginal.factor import Array, Clique, cells, project, ratio, shape
from tabsynth.models._marginal.junction_tree import JunctionTree


def pairs(tree: JunctionTree, beliefs: Sequence[Array], wanted: Iterable[Clique]) -> dict[Clique, Array]:
    """Probabilities of pairs (a, b), a < b, under the calibrated beliefs of a tree."""
    ends: dict[int, set[int]] = defaultdict(set)
    for a, b in wanted:
        ends[a].add(b)
    walker = _Walker(tree, beliefs)
    return {(a, b): table for a in sorted(ends) for b, table in walker.joints(a, ends[a]).items()}


@dataclass
class _Walker:
    tree: JunctionTree
    beliefs: Sequence[Array]
    kept: dict[tuple[int, Clique, Clique], Array] = field(default_factory=dict)

    def joints(self, source: int, ends: set[int]) -> dict[int, Array]:
        """Joint tables of `source` with each of `ends`, each of shape (size of source, size of end)."""
        root = self.tree.home((source,))
        assert root is not None
        carried: dict[int, tuple[Clique, Array]] = {}  # per clique: attributes known together with the source
        found: dict[int, Array] = {}
        for step in self.tree.walk(root):
            if step.parent is None or source in self.tree.cliques[step.clique]:
                carried[step.clique] = ((source,), np.diag(self._marginal(step.clique, (source,))))
            else:
                known, joint = carried[step.parent]
                carried[step.clique] = (step.separator,
                                        joint @ self._conditional(step.parent, known, step.separator))
            known, joint = carried[step.clique]
            for end in sorted(ends.intersection(self.tree.cliques[step.clique]) - found.keys()):
                found[end] = joint @ self._conditional(step.clique, known, (end,))
        return found

    def _marginal(self, clique: int, attributes: Clique) -> Array:
        return project(self.beliefs[clique], self.tree.cliques[clique], attributes)

    def _conditional(self, clique: int, known: Clique, asked: Clique) -> Array:
        """p(asked | known) inside one clique; shape (cells of known, cells of asked). The two may overlap."""
        key = (clique, known, asked)
        if key not in self.kept:
            sizes = self.tree.sizes
            both = tuple(sorted({*known, *asked}))
            joint = self._marginal(clique, both)
            table = np.zeros((cells(sizes, known), cells(sizes, asked)))
            table[_numbers(sizes, both, known), _numbers(sizes, both, asked)] = joint
            self.kept[key] = ratio(table, table.sum(axis=1, keepdims=True))
        return self.kept[key]


def _numbers(sizes: Sequence[int], outer: Clique, inner: Clique) -> NDArray[np.int64]:
    """For every cell of a table over `outer`, the number of its cell in a table over `inner`."""
    numbers = np.arange(cells(sizes, inner)).reshape(shape(sizes, inner))
    spread_out = numbers.reshape([sizes[a] if a in inner else 1 for a in outer])
    return np.broadcast_to(spread_out, shape(sizes, outer)).astype(np.int64)
