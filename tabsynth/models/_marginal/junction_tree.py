"""A tree of cliques in which every attribute's cliques hang together (running intersection)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from tabsynth.models._marginal.factor import Clique, cells
from tabsynth.models._marginal.triangulation import to_mask


@dataclass(frozen=True, slots=True)
class Step:
    """One clique of a walk from the root outward: its parent in the walk and what the two share."""

    clique: int
    parent: int | None
    separator: Clique


@dataclass(frozen=True)
class JunctionTree:
    """Maximal cliques of a chordal graph and the tree edges between them.

    Parts of the graph that do not hang together are linked by empty separators, so that there is always one tree.
    """

    sizes: tuple[int, ...]
    cliques: tuple[Clique, ...]
    edges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, sizes: Sequence[int], cliques: Sequence[Clique]) -> Self:
        """Maximum spanning tree over separator sizes (Jensen & Jensen 1994), by Prim's algorithm."""
        masks = [to_mask(c) for c in cliques]
        best = {j: ((masks[0] & masks[j]).bit_count(), 0) for j in range(1, len(cliques))}
        edges = []
        while best:
            j = max(best, key=lambda k: (best[k][0], -k))
            edges.append((best.pop(j)[1], j))
            for k in best:
                best[k] = max(best[k], ((masks[j] & masks[k]).bit_count(), j), key=lambda e: e[0])
        return cls(tuple(sizes), tuple(cliques), tuple(edges))

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """Adjacent cliques of every clique."""
        near: list[list[int]] = [[] for _ in self.cliques]
        for i, j in self.edges:
            near[i].append(j)
            near[j].append(i)
        return tuple(map(tuple, near))

    @cached_property
    def cells(self) -> int:
        """Cells of all cliques together."""
        return sum(cells(self.sizes, c) for c in self.cliques)

    def separator(self, i: int, j: int) -> Clique:
        """Attributes that two cliques share."""
        return tuple(a for a in self.cliques[i] if a in self.cliques[j])

    def walk(self, root: int = 0) -> list[Step]:
        """Every clique once, parents before children."""
        steps = [Step(root, None, ())]
        for step in steps:
            steps += [Step(j, step.clique, self.separator(step.clique, j))
                      for j in self.neighbours[step.clique] if j != step.parent]
        return steps

    def home(self, attributes: Clique) -> int | None:
        """The smallest clique that holds all these attributes, or None."""
        want = set(attributes)
        inside = [k for k, c in enumerate(self.cliques) if want <= set(c)]
        return min(inside, key=lambda k: (cells(self.sizes, self.cliques[k]), k), default=None)
