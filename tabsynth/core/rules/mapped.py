"""A column that is a function of others: looked up in a table instead of modelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import text
from tabsynth.core.compact import Compact
from tabsynth.core.errors import RuleError
from tabsynth.core.rules.literals import Value, declared_levels
from tabsynth.core.schema import Column, Dialect, Schema
from tabsynth.core.table import CANONICAL, INVALID, MISSING, PRESENT, Cells, LogicalType, Table

MIN_UNITS: Final = 11
"""A combination held by fewer people is not learned (small cells stay out of a model file)."""
MAX_DISAGREEMENT: Final = 0.01
"""Share of real rows that may differ from the learned table before the rule is refused."""

Key = tuple[Value | None, ...]


@dataclass(frozen=True)
class Mapped:
    """``to`` is looked up by the values of ``sources``.

    Args:
        sources: columns that decide.
        to: the derived column.
        keys: one row of canonical source values per entry; None = the cell is missing.
        results: the derived column's canonical value per entry; None = missing.
        learned: the table comes from real rows; a combination without entry then says nothing.
    """

    sources: tuple[str, ...]
    to: Column
    keys: tuple[Key, ...]
    results: tuple[Value | None, ...]
    learned: bool = False

    @property
    def text(self) -> str:
        return f"{', '.join(self.sources)} -> {self.to.name}"

    def derive(self, columns: Mapping[str, Cells]) -> Cells:
        """The derived column's cells; a combination without entry gives a missing cell."""
        entry = self.find(columns)
        return self._cells.take(np.where(entry < 0, len(self.keys), entry))

    def broken(self, columns: Mapping[str, Cells]) -> NDArray[np.bool_]:
        """Shape (n,): where the stored value is another one than the table's."""
        want, have = self.derive(columns), columns[self.to.name]
        same = want.state == np.where(have.present, PRESENT, MISSING)
        both = want.present & have.present
        same[both] = want.comparable()[both] == have.comparable()[both]
        wrong: NDArray[np.bool_] = ~same
        return wrong & (self.find(columns) >= 0) if self.learned else wrong

    def find(self, columns: Mapping[str, Cells]) -> NDArray[np.int64]:
        """Shape (n,): the entry that a row matches, or -1. Sources are folded in one after another."""
        distinct, folds, order = self._index
        at = np.zeros(len(columns[self.sources[0]]), dtype=np.int64)
        for name, values, known in zip(self.sources, distinct, folds, strict=True):
            position = _positions(columns[name], values)
            pair = np.where((at < 0) | (position < 0), -1, at * len(values) + position)
            at = _where_in(known, pair)
        return np.where(at < 0, -1, order[at]) if len(order) else np.full_like(at, -1)

    def state(self) -> dict[str, Any]:
        """JSON values of a learned table."""
        return {"to": self.to.name, "keys": [list(key) for key in self.keys], "results": list(self.results)}

    @classmethod
    def from_state(cls, sources: tuple[str, ...], to: Column, state: Mapping[str, Any]) -> Self:
        keys = tuple(tuple(key) for key in state["keys"])
        return cls(sources, to, keys, tuple(state["results"]), learned=True)

    @classmethod
    def declared(cls, sources: tuple[str, ...], to: Column, table: Any, schema: Schema) -> Self:
        """A table written in the schema: {source: value}, or rows [source, ..., value].

        Raises:
            RuleError: wrong shape, a text that the column's kind cannot hold, or one key with two values.
        """
        where = f"mapped rule {', '.join(sources)} -> {to.name}"
        rows = _entries(table, len(sources), where)
        parents = [_read(schema[name], [row[i] for row in rows], where) for i, name in enumerate(sources)]
        results = _read(to, [row[-1] for row in rows], where)
        found: dict[Key, Value | None] = {}
        for key, result in zip(zip(*parents, strict=True), results, strict=True):
            if found.setdefault(key, result) != result:
                raise RuleError(f"{where}: its table has two values for one combination.", fix="Remove one.")
        return cls(sources, to, tuple(found), tuple(found.values()))

    @classmethod
    def learn(cls, sources: tuple[str, ...], to: Column, table: Table | Compact) -> Self:
        """The majority value per combination that at least ``MIN_UNITS`` people hold.

        Raises:
            RuleError: over 1 % of the rows differ from it, or no combination is held by enough people.
        """
        where = f"mapped rule {', '.join(sources)} -> {to.name}"
        unit = table.unit_codes()
        rows, unit = {name: table[name].take(unit >= 0) for name in (*sources, to.name)}, unit[unit >= 0]
        combination, first = _combinations([rows[name] for name in sources])
        best, agreeing = _majority(combination, _distinct_codes(rows[to.name]))
        if len(unit) and agreeing < (1 - MAX_DISAGREEMENT) * len(unit):
            raise RuleError(
                f"{where}: {1 - agreeing / len(unit):.1%} of the rows differ from the most frequent value of their "
                "combination, so the column is not decided by the others.",
                fix="Remove the rule, or add the column that is missing under 'from'.")
        holders = np.bincount(np.unique(np.stack([combination, unit]), axis=1)[0], minlength=len(first))
        kept = np.flatnonzero(holders >= MIN_UNITS)
        if not len(kept) and not to.nullable:
            raise RuleError(
                f"{where}: no combination is held by {MIN_UNITS} people, and the column may not be missing.",
                fix="Write the rule's table into the schema.")
        keys = zip(*(values_of(rows[name].take(first[kept])) for name in sources), strict=True)
        return cls(sources, to, tuple(keys), tuple(values_of(rows[to.name].take(best[kept]))), learned=True)

    @cached_property
    def _cells(self) -> Cells:
        """The results as cells, and one missing cell behind them."""
        return cells_of(self.to, (*self.results, None))

    @cached_property
    def _index(self) -> tuple[list[tuple[Value | None, ...]], list[NDArray[np.int64]], NDArray[np.int64]]:
        """Per source its distinct values and the sorted folded keys so far; then entry by folded position."""
        distinct, folds = [], []
        at = np.zeros(len(self.keys), dtype=np.int64)
        for i in range(len(self.sources)):
            values = tuple(dict.fromkeys(key[i] for key in self.keys))
            index = {value: j for j, value in enumerate(values)}
            pair = at * len(values) + np.array([index[key[i]] for key in self.keys], dtype=np.int64)
            known, at = np.unique(pair, return_inverse=True)
            distinct.append(values)
            folds.append(known)
        return distinct, folds, np.argsort(at)


def values_of(cells: Cells) -> list[Value | None]:
    """Canonical values as Python objects; None for a cell that is not given."""
    values = cells.comparable().tolist()
    return [value if given else None for value, given in zip(values, cells.present, strict=True)]


def cells_of(column: Column, values: Sequence[Value | None]) -> Cells:
    """Cells of canonical values; a category's levels come in declared order, others after them."""
    state = np.array([MISSING if value is None else PRESENT for value in values], dtype=np.uint8)
    logical = LogicalType.from_json(column.logical)
    if column.kind != "category":
        empty = "" if column.kind in ("id", "text") else 0
        plain = [empty if value is None else value for value in values]
        return Cells(np.array(plain, dtype=CANONICAL[column.kind]), state, (), logical)
    declared = column.levels or ()
    levels = tuple(dict.fromkeys((*declared, *(str(value) for value in values if value is not None))))
    index = {level: i for i, level in enumerate(levels)}
    codes = [0 if value is None else index[str(value)] for value in values]
    return Cells(np.array(codes, dtype=np.int32), state, levels, logical)


def _entries(table: Any, n_sources: int, where: str) -> list[tuple[Any, ...]]:
    if isinstance(table, Mapping):
        rows = list(table.items())
    else:
        rows = [tuple(row) if _is_list(row) else (row,) for row in table] if _is_list(table) else []
    if not rows or any(len(row) != n_sources + 1 for row in rows):
        shape = "{value: value}" if n_sources == 1 else f"rows of {n_sources} source values and the derived one"
        raise RuleError(f"{where}: its table must be {shape}.")
    return rows


def _is_list(thing: Any) -> bool:
    return isinstance(thing, Sequence) and not isinstance(thing, str)


def _read(column: Column, entries: Sequence[Any], where: str) -> list[Value | None]:
    """What a schema's author wrote, as canonical values, read in the column's own notation."""
    cells = text.parse(column, [None if e is None else _spelled(column, e) for e in entries], Dialect())
    levels = set(declared_levels(column) or ()) if column.kind == "category" else set()
    for entry, state, value in zip(entries, cells.state, values_of(cells), strict=True):
        if state == INVALID or (levels and value is not None and value not in levels):
            what = "of its levels" if levels else f"of kind {column.kind}"
            raise RuleError(f"{where}: {str(entry)!r} is not a value of column {column.name!r}; expected one {what}.")
    return values_of(cells)


def _spelled(column: Column, entry: Any) -> str:
    if isinstance(entry, bool):
        if column.kind == "boolean" and column.levels:
            return column.levels[int(entry)]
        return "true" if entry else "false"
    return str(entry)


def _positions(cells: Cells, values: tuple[Value | None, ...]) -> NDArray[np.int64]:
    """Shape (n,): index of each cell among `values`, or -1; a cell that is not given is None."""
    index = {value: i for i, value in enumerate(values)}
    if cells.levels:
        found = np.array([index.get(level, -1) for level in cells.levels], dtype=np.int64)[cells.values]
    elif cells.values.dtype == object or any(isinstance(value, str) for value in values):
        found = np.array([index.get(value, -1) for value in cells.values], dtype=np.int64)
    else:
        numbers = np.array([value for value in values if value is not None], dtype=cells.values.dtype)
        entries = np.array([i for value, i in index.items() if value is not None], dtype=np.int64)
        order = np.argsort(numbers)
        at = _where_in(numbers[order], cells.values)
        found = np.where(at < 0, -1, entries[order][at]) if len(order) else at
    return np.where(cells.present, found, index.get(None, -1))


def _where_in(known: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int64]:
    """Shape (n,): position of each value in the sorted array `known`, or -1."""
    if not len(known):
        return np.full(len(values), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[at] == values, at, -1)


def _distinct_codes(cells: Cells) -> NDArray[np.int64]:
    """Shape (n,): equal cells share a code; a cell that is not given has code 0."""
    codes = np.zeros(len(cells), dtype=np.int64)
    given = cells.present
    codes[given] = np.unique(cells.values[given], return_inverse=True)[1] + 1
    return codes


def _combinations(cells: Sequence[Cells]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Per row the number of its combination of cells, and per combination one row that holds it."""
    at = np.zeros(len(cells[0]), dtype=np.int64)
    first = np.zeros(0, dtype=np.intp)
    for part in cells:
        codes = _distinct_codes(part)
        _, first, at = np.unique(at * (codes.max(initial=0) + 1) + codes, return_index=True, return_inverse=True)
    return at, first


def _majority(combination: NDArray[np.int64], target: NDArray[np.int64]) -> tuple[NDArray[np.intp], int]:
    """Per combination a row that holds its most frequent target, and how many rows agree with it."""
    both = np.stack([combination, target])
    pairs, row, count = np.unique(both, axis=1, return_index=True, return_counts=True)
    order = np.lexsort((pairs[1], -count, pairs[0]))
    _, start = np.unique(pairs[0][order], return_index=True)
    chosen = order[start]
    return row[chosen], int(count[chosen].sum())
