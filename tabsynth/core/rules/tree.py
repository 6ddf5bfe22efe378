"""Conditions as a tree of small nodes, evaluated column-wise in three-valued logic.

A node is true, false, or neither where a cell it needs is not given; ``not`` keeps "neither". So neither
``age > 5`` nor ``not age > 5`` holds for a missing age, and only cells that are given can break a rule.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.rules.literals import Value
from tabsynth.core.schema import Kind
from tabsynth.core.table import Cells

Mask = NDArray[np.bool_]

ORDER: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
}
MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
MICROSECONDS_PER_DAY: Final = 86_400_000_000
MAX_ALTERNATIVES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a condition is true and where it is false; shape (n,) each, never both."""

    true: Mask
    false: Mask

    @classmethod
    def of(cls, outcome: Mask, known: Mask) -> Truth:
        return cls(outcome & known, ~outcome & known)


@dataclass(frozen=True, slots=True)
class Among:
    """The cell is one of these canonical values (``==`` and ``in``)."""

    column: str
    kind: Kind
    values: tuple[Value, ...]

    def evaluate(self, columns: Mapping[str, Cells]) -> Truth:
        cells = columns[self.column]
        return Truth.of(_among(cells, self.kind, self.values), cells.present)


@dataclass(frozen=True, slots=True)
class Ordered:
    """The cell is before or after a canonical value."""

    column: str
    order: str
    value: float | int

    def evaluate(self, columns: Mapping[str, Cells]) -> Truth:
        cells = columns[self.column]
        return Truth.of(ORDER[self.order](cells.values, self.value), cells.present)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cells of the row compare like this. scale: what the values are multiplied with to be comparable."""

    left: str
    order: str
    right: str
    scale: tuple[int, int] = (1, 1)

    def evaluate(self, columns: Mapping[str, Cells]) -> Truth:
        left, right = columns[self.left], columns[self.right]
        a, b = _comparable(left, right, self.scale)
        return Truth.of(ORDER[self.order](a, b), left.present & right.present)


@dataclass(frozen=True, slots=True)
class Missing:
    """The cell is not given (or not readable). Always true or false."""

    column: str

    def evaluate(self, columns: Mapping[str, Cells]) -> Truth:
        present = columns[self.column].present
        return Truth(~present, present)


@dataclass(frozen=True, slots=True)
class Not:
    part: Node

    def evaluate(self, columns: Mapping[str, Cells]) -> Truth:
        inner = self.part.evaluate(columns)
        return Truth(inner.false, inner.true)


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Node, ...]

    def evaluate(self, columns: Mapping[str, Cells]) -> Truth:
        inner = [part.evaluate(columns) for part in self.parts]
        return Truth(_every([t.true for t in inner]), _some([t.false for t in inner]))


@dataclass(frozen=True, slots=True)
class Any_:
    parts: tuple[Node, ...]

    def evaluate(self, columns: Mapping[str, Cells]) -> Truth:
        inner = [part.evaluate(columns) for part in self.parts]
        return Truth(_some([t.true for t in inner]), _every([t.false for t in inner]))


Node = Among | Ordered | Pair | Missing | Not | All | Any_
Leaf = Among | Ordered | Pair | Missing


def leaves(node: Node) -> Iterator[Leaf]:
    """Every comparison in the tree, left to right."""
    if isinstance(node, Not):
        yield from leaves(node.part)
    elif isinstance(node, All | Any_):
        for part in node.parts:
            yield from leaves(part)
    else:
        yield node


def columns_of(node: Node) -> tuple[str, ...]:
    """The columns that a tree reads, in order of first mention."""
    names: dict[str, None] = {}
    for leaf in leaves(node):
        names.update(dict.fromkeys((leaf.left, leaf.right) if isinstance(leaf, Pair) else (leaf.column,)))
    return tuple(names)


def conjuncts(node: Node) -> Iterator[Node]:
    """The parts that must all hold for the tree to hold."""
    if isinstance(node, All):
        for part in node.parts:
            yield from conjuncts(part)
    else:
        yield node


def alternatives(node: Node, columns: int) -> list[tuple[Node, ...]]:
    """The tree as a sum of products: it holds where all nodes of one of these tuples hold.

    A node of one column is not taken apart. Of tuples that read more than so many columns none is returned, and none
    at all where there would be more than MAX_ALTERNATIVES; so what is returned is enough for the tree to hold, and
    need not be all of it.
    """
    if len(columns_of(node)) <= 1:
        return [(node,)]
    if isinstance(node, Any_):
        return [found for part in node.parts for found in alternatives(part, columns)]
    if isinstance(node, All):
        products: list[tuple[Node, ...]] = [()]
        for part in node.parts:
            products = [joined for one in products for other in alternatives(part, columns)
                        if len(columns_of(All(joined := (*one, *other)))) <= columns]
            if len(products) > MAX_ALTERNATIVES:
                return []
        return products
    if isinstance(node, Not) and not isinstance(node.part, Ordered | Among | Missing | Pair):
        return alternatives(_inside(node.part), columns)
    return [(node,)] if len(columns_of(node)) <= columns else []


def _inside(node: Not | All | Any_) -> Node:
    """The opposite of a node, with its ``not`` moved to the parts (De Morgan; it holds in three values too)."""
    if isinstance(node, Not):
        return node.part
    opposite = tuple(map(Not, node.parts))
    return Any_(opposite) if isinstance(node, All) else All(opposite)


def _among(cells: Cells, kind: Kind, values: tuple[Value, ...]) -> Mask:
    if kind == "category":
        wanted = set(values)
        if not cells.levels:
            return np.zeros(len(cells), dtype=np.bool_)
        listed: Mask = np.array([level in wanted for level in cells.levels], dtype=np.bool_)[cells.values]
        return listed
    return _some([np.asarray(cells.values == value, dtype=np.bool_) for value in values])


def _comparable(left: Cells, right: Cells, scale: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both sides as arrays that numpy compares: categories as indices into their common levels."""
    if left.levels or right.levels:
        common = {level: i for i, level in enumerate(dict.fromkeys((*left.levels, *right.levels)))}
        return _indices(left, common), _indices(right, common)
    return _scaled(left.values, scale[0]), _scaled(right.values, scale[1])


def _scaled(values: NDArray[Any], factor: int) -> NDArray[Any]:
    return values if factor == 1 else values * factor


def _indices(cells: Cells, common: Mapping[str, int]) -> NDArray[np.int64]:
    if not cells.levels:
        return np.zeros(len(cells), dtype=np.int64)
    shared: NDArray[np.int64] = np.array([common[level] for level in cells.levels], dtype=np.int64)[cells.values]
    return shared


def _every(masks: list[Mask]) -> Mask:
    return np.asarray(np.logical_and.reduce(masks), dtype=np.bool_)


def _some(masks: list[Mask]) -> Mask:
    return np.asarray(np.logical_or.reduce(masks), dtype=np.bool_)
