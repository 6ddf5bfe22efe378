"""One grown tree: where rows go, what its leaves hold, and how a leaf backs off to its relatives.

A leaf of m rows in d classes keeps a draw with probability m / (m + a (d - 1)), else the draw climbs to the parent, and
so on: after Witten and Bell (1991, method C), but a leaf of one class never gives away. A draw that stopped at an
ancestor comes down again to the leaves below it in proportion to how often these back off up to there themselves. So
each leaf gives away as much as it takes, and the column's distribution over all leaves stays what it was
("mass-preserving").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees import engine
from tabsynth.models._trees.rows import Rows
from tabsynth.models._trees.splits import Splits

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

FLOOR: Final = 1e-12
"""Probability that a code is given at least, if no node that the draw can come from holds it."""


@dataclass(frozen=True, eq=False)
class Tree:
    """One column given its parents.

    Args:
        splits: where rows go.
        first: int64, shape (nodes + 1,): entries of each leaf's histogram; an inner node has none.
        codes, count: int32, shape (entries,): codes of a leaf, rising, and how often it holds them.
        distinct: int32, shape (nodes,): classes among a node's rows.
        backoff: a; 0 = a leaf never backs off.
    """

    splits: Splits
    first: NDArray[np.int64]
    codes: Ints
    count: Ints
    distinct: Ints
    backoff: float

    def draw(self, rows: Rows, key: np.uint64) -> Ints:
        """A code for every row."""
        n_nodes = len(self.splits)
        node = self.splits.leaves(rows.seen)
        if self.backoff > 0:
            node = engine.climb(node, self.splits.above, self.stop, engine.strata(node, n_nodes, key))
        uniform = engine.strata(node, n_nodes, ~key)
        return np.asarray(engine.descend(node, self.splits.left, self.go_left, self.first, self.codes, self.upto,
                                         uniform))

    def log_probability(self, rows: Rows, codes: Ints) -> Floats:
        """Shape (n,): log probability that `draw` gives these codes; at least log(FLOOR)."""
        wanted, climbs, node = np.zeros(len(codes)), np.ones(len(codes)), self.splits.leaves(rows.seen).astype(np.intp)
        while climbs.any():
            wanted += climbs * self.stop[node] * self._share(node, codes)
            climbs = climbs * (1 - self.stop[node])
            node = np.maximum(self.splits.above[node], 0)
        return np.asarray(np.log(np.maximum(wanted, FLOOR)))

    @cached_property
    def upto(self) -> NDArray[np.int64]:
        """Shape (entries,): running count within the leaf."""
        running = np.cumsum(self.count, dtype=np.int64)
        before = np.concatenate([[0], running])[self.first[:-1]]
        return np.asarray(running - np.repeat(before, np.diff(self.first)))

    @cached_property
    def rows(self) -> Floats:
        """Shape (nodes,): training rows of each node."""
        return self._sums(np.ones(len(self.splits)))

    @cached_property
    def stop(self) -> Floats:
        """Shape (nodes,): probability of not climbing from a node; 1 at the root."""
        stop = self.rows / (self.rows + self.backoff * (self.distinct - 1))
        stop[0] = 1.0
        return stop

    @cached_property
    def weight(self) -> Floats:
        """Shape (nodes,): rows at a leaf; elsewhere how many rows below it are expected to climb up to it."""
        return self._sums(1 - self.stop)

    def _sums(self, passed_on: Floats) -> Floats:
        """Shape (nodes,): a leaf's rows, and at inner nodes the sum of what the two children pass on."""
        total = np.concatenate([[0], np.cumsum(self.count, dtype=np.float64)])
        out = np.asarray(np.diff(total[self.first]))
        for nodes in self.splits.levels[:0:-1]:
            np.add.at(out, self.splits.above[nodes], out[nodes] * passed_on[nodes])
        return out

    @cached_property
    def go_left(self) -> Floats:
        """Shape (nodes,): probability of the left child when coming down from a node; 0 at leaves."""
        out = np.zeros(len(self.splits))
        inner = np.flatnonzero(self.splits.feature >= 0)
        a = self.splits.left[inner]
        from_left, from_right = ((1 - self.stop[c]) * self.weight[c] for c in (a, a + 1))
        total = from_left + from_right
        out[inner] = np.divide(from_left, total, out=np.full(len(inner), 0.5), where=total > 0)
        return out

    def _share(self, node: NDArray[np.intp], codes: Ints) -> Floats:
        """Probability of each code when coming down from each node."""
        keys, weights = self._weighted
        wanted = node.astype(np.int64) * self._n_codes + codes
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hit = (keys[at] == wanted) & (codes < self._n_codes)
        return np.where(hit, weights[at], 0.0) / np.maximum(self.weight[node], 1e-300)

    @property
    def _n_codes(self) -> int:
        return int(self.codes.max(initial=0)) + 1

    @cached_property
    def _weighted(self) -> tuple[NDArray[np.int64], Floats]:
        """(node * codes + code) of everything that comes down from a node, rising, and its weight, as `weight`."""
        k = self._n_codes
        node = np.repeat(np.arange(len(self.splits), dtype=np.int64), np.diff(self.first))
        keys, weights = [node * k + self.codes], [self.count.astype(np.float64)]
        at_leaf = {d: np.isin(node, nodes) for d, nodes in enumerate(self.splits.levels)}
        below: tuple[NDArray[np.int64], Floats] = np.zeros(0, np.int64), np.zeros(0)
        for depth in range(len(self.splits.levels) - 1, 0, -1):
            own = at_leaf[depth]
            here, code = np.divmod(np.concatenate([below[0], keys[0][own]]), k)
            passed = np.concatenate([below[1], weights[0][own]]) * (1 - self.stop[here])
            merged, place = np.unique(self.splits.above[here].astype(np.int64) * k + code, return_inverse=True)
            below = merged, np.bincount(place, passed, len(merged)).astype(np.float64)
            keys.append(below[0])
            weights.append(below[1])
        every = np.concatenate(keys)
        order = np.argsort(every, kind="stable")
        return every[order], np.concatenate(weights)[order]
