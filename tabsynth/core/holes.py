"""What is known of each row of a real table, what rules and the person's other rows settle, and what is open.

Unreadable cells are neither known nor missing: they stay as they are, and nothing is concluded from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.errors import ColumnNotFoundError, SchemaError
from tabsynth.core.rules.mapped import Mapped
from tabsynth.core.rules.ruleset import Check
from tabsynth.core.rules.tree import Missing, Pair, leaves
from tabsynth.core.table import MISSING, PRESENT, Cells, Table

Mask = NDArray[np.bool_]
Positions = NDArray[np.intp]


@dataclass
class Holes:
    """A real table on its way to completion.

    Args:
        coding: of the model.
        units: shape (n,): whose row it is; -1 where that is not given.
        columns: cells of every column, as far as they are known by now.
        open: per modelled column, shape (n,): cells to fill by a draw.
        ruled: the same: cells that are missing because a rule wants it, given the row's known cells.
    """

    coding: Coding
    units: NDArray[np.int64]
    columns: dict[str, Cells]
    open: dict[str, Mask]
    ruled: dict[str, Mask]

    @classmethod
    def of(cls, table: Table, coding: Coding) -> Self:
        """The holes that are left when rules and the person's other rows have said what they say.

        Args:
            table: rows with at least the columns of the model; others are carried along.

        Raises:
            ColumnNotFoundError, SchemaError: a column of the model is not in the table, or is of another kind.
        """
        _check(table, coding)
        names = coding.table_names
        nothing = {name: np.zeros(len(table), np.bool_) for name in names}
        holes = cls(coding, table.unit_codes(), dict(table.columns), dict(nothing), dict(nothing))
        holes.share()
        for rule in coding.rules.maps:
            known = _every([holes.columns[name].present for name in rule.sources], len(table))
            holes.columns[rule.to.name] = derived(rule, holes.columns, known)
        holes.open = {name: holes.columns[name].state == MISSING for name in names}
        holes.settle()
        return holes

    def __len__(self) -> int:
        return len(self.units)

    @property
    def names(self) -> list[str]:
        """What a draw can be conditional on: the modelled columns of the table, and ROWS."""
        return [name for name in self.coding.names if name == ROWS or name in self.open]

    @property
    def shared(self) -> list[str]:
        """Modelled columns that all rows of a person share."""
        schema = self.coding.schema
        return [n for n in self.open if schema[n].constant_per_unit] if schema.unit is not None else []

    def share(self) -> None:
        """Take over what other rows of the person have in columns that they share."""
        for name in self.shared:
            cells = self.columns[name]
            donor = np.full(self.units.max(initial=0) + 1, -1)
            holders = np.flatnonzero(cells.present & (self.units >= 0))[::-1]
            donor[self.units[holders]] = holders      # assigned backwards: the first one stays
            takes = np.flatnonzero((cells.state == MISSING) & (self.units >= 0) & (donor[self.units] >= 0))
            self.columns[name] = put(cells, takes, cells.take(donor[self.units[takes]]))

    def incomplete(self) -> Mask:
        """Shape (n,): rows that have a cell to fill by a draw."""
        return _some(self.open.values(), len(self))

    def unsettled(self, names: Iterable[str]) -> Mask:
        """Shape (n,): rows in which one of these columns, or what it is computed from, is open."""
        sources = self.coding.rules.sources_of(names)
        return _some([self.open[name] for name in sources if name in self.open], len(self))

    def firsts(self) -> Positions:
        """The first row of each person who lacks a shared cell in all rows."""
        lacking = np.flatnonzero(_some([self.open[name] for name in self.shared], len(self)) & (self.units >= 0))
        return np.sort(lacking[np.unique(self.units[lacking], return_index=True)[1]])

    def known(self, name: str) -> Mask:
        """Shape (n,): rows of which a draw can be conditional on this modelled column (or ROWS)."""
        if name == ROWS:
            return np.asarray(self.units >= 0)
        return np.asarray(self.columns[name].present | self.ruled[name])

    def codes(self, name: str) -> NDArray[np.int32]:
        """Codes of a modelled column (or ROWS), shape (n,); arbitrary where it is not known."""
        codec = self.coding.codecs[name]
        if name != ROWS:
            return codec.encode(self.columns[name])
        per_unit = np.minimum(np.bincount(self.units[self.units >= 0]), self.coding.schema.max_rows_per_unit)
        counts = np.append(per_unit, 1).astype(np.int64)
        return codec.encode(Cells(counts, np.full(len(counts), PRESENT, np.uint8)))[self.units]

    def patterns(self, rows: Positions) -> Iterator[tuple[tuple[str, ...], Positions]]:
        """These rows by which columns are known: the known ones, and the rows in their order."""
        names = self.names
        known = np.stack([self.known(name)[rows] for name in names], axis=1)
        _, pattern = np.unique(np.packbits(known, axis=1), axis=0, return_inverse=True)
        pattern = pattern.ravel()
        for members in np.split(np.argsort(pattern, kind="stable"), np.cumsum(np.bincount(pattern))[:-1]):
            if len(members):
                yield tuple(name for name, there in zip(names, known[members[0]], strict=True) if there), rows[members]

    @property
    def presence_rules(self) -> list[tuple[Check, str]]:
        """Rules that may want a modelled column missing, and the column."""
        return [(check, name) for check in self.coding.rules.checks for name in check.columns
                if name in self.open and _asks_only_whether_missing(check, name)]

    def settle(self) -> None:
        """Find the open cells that rules want missing, all other cells that they read being settled.

        One that is found may settle others.
        """
        rules = self.presence_rules
        found = True
        while found:
            found = False
            for check, name in rules:
                wanted = self.open[name] & ~self.unsettled(other for other in check.columns if other != name)
                wanted &= unwanted(check, name, self.columns) if wanted.any() else False
                self.open[name], self.ruled[name] = self.open[name] & ~wanted, self.ruled[name] | wanted
                found |= bool(wanted.any())


def unwanted(check: Check, name: str, columns: Mapping[str, Cells]) -> Mask:
    """Shape (n,): rows that would break the rule if this cell were given."""
    there = replace(columns[name], state=np.full(len(columns[name]), PRESENT, np.uint8))
    return check.broken({**columns, name: there})


def put(cells: Cells, rows: Positions, new: Cells) -> Cells:
    """The cells with others at these rows; of new levels only those that occur are added, at the end."""
    values, state, levels = cells.values.copy(), cells.state.copy(), cells.levels
    state[rows] = new.state
    if not new.levels:
        values[rows] = new.values
        return replace(cells, values=values, state=state)
    used = np.unique(new.values[new.present])
    levels = tuple(dict.fromkeys((*levels, *(new.levels[i] for i in used))))
    place = {level: i for i, level in enumerate(levels)}
    values[rows] = np.array([place.get(level, 0) for level in new.levels], np.int32)[new.values]
    logical = cells.logical if levels == cells.levels else replace(cells.logical, labels=None)
    return Cells(values, state, levels, logical)


def derived(rule: Mapped, columns: Mapping[str, Cells], rows: Mask | None = None) -> Cells:
    """A mapped column, computed where it is missing (in these rows)."""
    cells, found = columns[rule.to.name], rule.derive(columns)
    fills = (cells.state == MISSING) & found.present
    where = np.flatnonzero(fills if rows is None else fills & rows)
    return put(cells, where, found.take(where)) if len(where) else cells


def _check(table: Table, coding: Coding) -> None:
    unit = coding.schema.unit
    for name in (*coding.table_names, *coding.rules.derived, *([] if unit is None else [unit])):
        if name not in table.schema.by_name:
            raise ColumnNotFoundError(name, source="the table", columns=table.schema.names)
        if table.schema[name].kind != coding.schema[name].kind:
            raise SchemaError(f"column {name!r} of the table is of kind {table.schema[name].kind}; the model has "
                              f"{coding.schema[name].kind}.", fix="Read the table with the model's schema.")


def _asks_only_whether_missing(check: Check, name: str) -> bool:
    """True for a rule that reads nothing of the column but whether it is given."""
    reading = [leaf for leaf in leaves(check.breach)
               if name in ((leaf.left, leaf.right) if isinstance(leaf, Pair) else (leaf.column,))]
    return all(isinstance(leaf, Missing) for leaf in reading)


def _some(masks: Iterable[Mask], n: int) -> Mask:
    return np.asarray(np.logical_or.reduce([*masks, np.zeros(n, np.bool_)]))


def _every(masks: Iterable[Mask], n: int) -> Mask:
    return np.asarray(np.logical_and.reduce([*masks, np.ones(n, np.bool_)]))
