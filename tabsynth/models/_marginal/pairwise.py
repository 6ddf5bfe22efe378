"""Model marginals of pairs that no clique holds, exactly: walk outward from one attribute, one source at a time.

For a source a, the joint table of a and a separator is carried from clique to clique by multiplying with
p(what is wanted there | separator), which is the same for all sources and kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

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
                carried[step.clique] = (step.separator, self._onward(step.parent, carried[step.parent], step.separator))
            for end in sorted(ends.intersection(self.tree.cliques[step.clique]) - found.keys()):
                found[end] = self._onward(step.clique, carried[step.clique], (end,))
        return found

    def _onward(self, clique: int, carried: tuple[Clique, Array], asked: Clique) -> Array:
        """Joint of the source and `asked` from that of the source and what is known; shape (source, cells of asked).

        What `known` and `asked` share is only looked up, so that no table grows beyond the cells of both together.
        """
        known, joint = carried
        both = tuple(a for a in known if a in asked)
        left, fresh = (tuple(a for a in one if a not in both) for one in (known, asked))
        sizes, source = self.tree.sizes, len(joint)
        table = joint.reshape(source, *shape(sizes, known)).transpose(0, *(1 + known.index(a) for a in (*both, *left)))
        table = table.reshape(source, cells(sizes, both), cells(sizes, left)).transpose(1, 0, 2)
        onward = table @ self._conditional(clique, known, asked)
        onward = onward.transpose(1, 0, 2).reshape(source, *shape(sizes, (*both, *fresh)))
        return onward.transpose(0, *(1 + (*both, *fresh).index(a) for a in asked)).reshape(source, -1)

    def _marginal(self, clique: int, attributes: Clique) -> Array:
        return project(self.beliefs[clique], self.tree.cliques[clique], attributes)

    def _conditional(self, clique: int, known: Clique, asked: Clique) -> Array:
        """p(asked | known) inside one clique; shape (cells of both, of known alone, of asked alone)."""
        key = (clique, known, asked)
        if key not in self.kept:
            sizes = self.tree.sizes
            union = tuple(sorted({*known, *asked}))
            both = tuple(a for a in known if a in asked)
            left, fresh = (tuple(a for a in one if a not in both) for one in (known, asked))
            joint = self._marginal(clique, union).transpose([union.index(a) for a in (*both, *left, *fresh)])
            joint = joint.reshape(cells(sizes, both), cells(sizes, left), cells(sizes, fresh))
            self.kept[key] = ratio(joint, joint.sum(axis=2, keepdims=True))
        return self.kept[key]
