"""Which cliques a junction tree needs so that every measured pair lies inside one, and what they cost in cells.

Greedy minimum-weight elimination (Koller & Friedman 2009, section 9.4): eliminate the attribute whose clique with
its neighbours has the fewest cells, join the neighbours, repeat. A connected component is eliminated on its own, so
asking what one more edge would cost touches one component only, and joining two components costs no search at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Self

from tabsynth.models._marginal.factor import Clique, cells

Mask = int
"""A set of attributes as bits of an integer."""


@dataclass(frozen=True, slots=True)
class Component:
    """A connected part of the graph: its attributes, edges (neighbour sets), maximal cliques and their cells."""

    nodes: Mask
    edges: dict[int, Mask]
    cliques: tuple[Mask, ...]
    cells: float


@dataclass(frozen=True, slots=True)
class Triangulation:
    """A chordal cover of a graph over attributes 0 .. d-1. Immutable: `join` returns a new one.

    >>> square = Triangulation.empty([2, 3, 4, 5]).join((0, 1)).join((1, 2)).join((2, 3)).join((0, 3))
    >>> square.cliques
    ((0, 1, 2), (0, 2, 3))
    >>> int(square.cells)
    64
    """

    sizes: tuple[int, ...]
    components: tuple[Component, ...]

    @classmethod
    def empty(cls, sizes: Sequence[int]) -> Self:
        """No edges: every attribute is a clique of its own."""
        single = (Component(1 << a, {a: 0}, (1 << a,), float(s)) for a, s in enumerate(sizes))
        return cls(tuple(sizes), tuple(single))

    @property
    def cells(self) -> float:
        """Cells of all maximal cliques together: memory and time of one propagation."""
        return sum(c.cells for c in self.components)

    @property
    def cliques(self) -> tuple[Clique, ...]:
        """Maximal cliques, in rising order."""
        return tuple(sorted(tuple(bits(m)) for c in self.components for m in c.cliques))

    def covers(self, clique: Clique) -> bool:
        """True if the clique lies inside a maximal clique already, and so costs nothing."""
        mask = to_mask(clique)
        return any(mask & m == mask for c in self.components for m in c.cliques if c.nodes & mask)

    def connects(self, clique: Clique) -> bool:
        """True if all these attributes lie in one component."""
        mask = to_mask(clique)
        return any(mask & c.nodes == mask for c in self.components)

    def join(self, clique: Clique) -> Self:
        """The triangulation after all attributes of `clique` are joined to each other."""
        mask = to_mask(clique)
        touched = [c for c in self.components if c.nodes & mask]
        if self.covers(clique):  # no new cell, but the edges must outlive a later elimination in another order
            merged = replace(touched[0], edges=_joined(touched[0].edges, mask))
        else:
            merged = _merge(touched, mask, self.sizes)
        return type(self)(self.sizes, (*(c for c in self.components if not c.nodes & mask), merged))


def to_mask(attributes: Sequence[int]) -> Mask:
    """The set of these attributes."""
    return sum(1 << a for a in attributes)


def bits(mask: Mask) -> Iterator[int]:
    """The attributes of a set, rising."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _merge(parts: Sequence[Component], clique: Mask, sizes: Sequence[int]) -> Component:
    """One component out of several, with the attributes of `clique` joined to each other."""
    edges = _joined({a: near for part in parts for a, near in part.edges.items()}, clique)
    nodes = sum(part.nodes for part in parts)
    if all((clique & part.nodes).bit_count() == 1 for part in parts):  # a bridge: no new cycle, nothing to fill
        cliques = maximal([*(m for part in parts for m in part.cliques), clique])
    else:
        cliques = eliminate(edges, sizes)
    return Component(nodes, edges, cliques, float(sum(cells(sizes, tuple(bits(m))) for m in cliques)))


def _joined(edges: dict[int, Mask], clique: Mask) -> dict[int, Mask]:
    return edges | {a: edges[a] | clique & ~(1 << a) for a in bits(clique)}


def eliminate(edges: dict[int, Mask], sizes: Sequence[int]) -> tuple[Mask, ...]:
    """Maximal cliques that greedy minimum-weight elimination of a graph leaves behind."""
    near = dict(edges)
    logs = {a: log(sizes[a]) for a in near}
    weight = {a: logs[a] + sum(logs[b] for b in bits(m)) for a, m in near.items()}
    found: list[Mask] = []
    while weight:
        a = min(weight, key=lambda v: (weight[v], v))
        around = near[a]
        found.append(around | 1 << a)
        del weight[a]
        for b in bits(around):
            near[b] = (near[b] | around) & ~(1 << a | 1 << b)
            weight[b] = logs[b] + sum(logs[c] for c in bits(near[b]))
    return maximal(found)


def maximal(masks: Sequence[Mask]) -> tuple[Mask, ...]:
    """The sets that lie in no other one, each once."""
    kept: list[Mask] = []
    for mask in sorted(set(masks), key=lambda m: (-m.bit_count(), m)):
        if not any(mask & other == mask for other in kept):
            kept.append(mask)
    return tuple(kept)
