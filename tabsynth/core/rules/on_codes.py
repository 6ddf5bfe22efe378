"""What a condition says of codes: a code stands for many values, and a condition may hold for some of them only.

A condition compares columns with constants, so along a line its truth changes at these constants alone. Each codec
names *probes*: values such that a condition that is the same for all probes of a code is the same for all its values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.base import Codec
from tabsynth.core.errors import RuleError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.literals import Value
from tabsynth.core.rules.tree import Among, Leaf, Ordered, Pair, leaves
from tabsynth.core.table import Cells

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OnCodes:
    """A condition over the codes of its one or two columns.

    Values that satisfy the same comparisons form a case.

    Args:
        columns: names, in the order of the axes.
        cases: one array of shape (codes, cases of the column) per column: which cases a code stands for. A code of
            no case is one that the schema does not allow: INVALID, OTHER of a closed list or outside the bounds,
            MISSING where the column is not nullable.
        truth: shape (cases, ...) with one axis per column: whether the condition holds.
    """

    columns: tuple[str, ...]
    cases: tuple[Mask, ...]
    truth: Mask

    @classmethod
    def of(cls, where: Expression, codecs: Mapping[str, Codec]) -> OnCodes:
        """Work out the cases of a condition.

        Raises:
            RuleError: the condition compares two columns with each other.
        """
        parts = list(leaves(where.tree))
        for part in parts:
            if isinstance(part, Pair):
                raise RuleError(f"{where.text!r} compares the columns {part.left!r} and {part.right!r} with each "
                                "other, which codes do not tell.", fix="Compare each with a constant.")
        cells, cases = [], []
        for name in where.columns:
            mine = [part for part in parts if not isinstance(part, Pair) and part.column == name]
            chosen, held = _cases(codecs[name], mine)
            cells.append(chosen)
            cases.append(held)
        grid = np.indices([len(c) for c in cells]).reshape(len(cells), -1)
        rows = {name: c.take(index) for name, c, index in zip(where.columns, cells, grid, strict=True)}
        return cls(where.columns, tuple(cases), where.holds(rows).reshape([len(c) for c in cells]))

    def turned(self, columns: Sequence[str]) -> OnCodes:
        """The same with its axes in the order of `columns`."""
        order = [self.columns.index(name) for name in columns]
        return OnCodes(tuple(columns), tuple(self.cases[i] for i in order), self.truth.transpose(order))

    def told_apart(self, axis: int, groups: Sequence[NDArray[np.integer]]) -> tuple[Mask, Mask]:
        """Which codes of a column can satisfy the condition, and which can fail it, in a cell where both happens.

        Returns:
            Shape (codes,) each.
        """
        every, some = self.over(groups)
        maps = [np.arange(len(g)) if i == axis else g for i, g in enumerate(groups)]
        fails = _any(self.grouped(maps), ~self.truth)
        mixed = np.take(some & ~every, groups[axis], axis=axis)
        rest = tuple(i for i in range(len(groups)) if i != axis)
        holds = self.over(maps)[1]
        return np.asarray((mixed & holds).any(axis=rest)), np.asarray((mixed & fails).any(axis=rest))

    def grouped(self, groups: Sequence[NDArray[np.integer]]) -> list[Mask]:
        """`cases` of groups of codes; per column, shape (groups, cases)."""
        return [_grouped(cases, group) for cases, group in zip(self.cases, groups, strict=True)]

    def over(self, groups: Sequence[NDArray[np.integer]]) -> tuple[Mask, Mask]:
        """Where it holds for all allowed values of a cell, and for at least one; one axis per column.

        Args:
            groups: per column the group of every code; cells are combinations of groups.
        """
        held = self.grouped(groups)
        some, fails = _any(held, self.truth), _any(held, ~self.truth)
        return some & ~fails, some


def _cases(codec: Codec, comparisons: Sequence[Leaf]) -> tuple[Cells, Mask]:
    """A probe of every case, and which cases each code stands for."""
    name = codec.column.name
    probes = codec.probes([value for part in comparisons for value in _constants(part)])
    outcomes = [part.evaluate({name: probes}) for part in comparisons]
    table = np.stack([mask for outcome in outcomes for mask in (outcome.true, outcome.false)], axis=1)
    _, first, case = np.unique(table, axis=0, return_index=True, return_inverse=True)
    held = np.zeros((codec.size, len(first)), dtype=np.bool_)
    held[codec.encode(probes), case.reshape(-1)] = True
    return probes.take(first), held


def _constants(part: Leaf) -> tuple[Value, ...]:
    if isinstance(part, Among):
        return part.values
    return (part.value,) if isinstance(part, Ordered) else ()


def _grouped(cases: Mask, groups: NDArray[np.integer]) -> Mask:
    found = np.zeros((int(groups.max()) + 1, cases.shape[1]), dtype=np.bool_)
    np.logical_or.at(found, groups, cases)
    return found


def _any(cases: Sequence[Mask], truth: Mask) -> Mask:
    """Whether `truth` holds for any combination of the cases of each cell."""
    counts = truth.astype(np.int64)
    for axis, held in enumerate(cases):
        counts = np.moveaxis(np.tensordot(held.astype(np.int64), counts, axes=(1, axis)), 0, axis)
    return np.asarray(counts > 0)
