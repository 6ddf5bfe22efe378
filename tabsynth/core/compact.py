"""A table held small, for a model to learn from: the cells that occur in each column, and which of them each row has.

A row's cell takes one byte where a column has up to 254 distinct values, two up to 65,534, beside the distinct values
themselves; so a file is read batch by batch and only its codes grow with it. A table in memory is the case of one
batch whose rows have a cell of their own each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import ColumnNotFoundError
from tabsynth.core.schema import Schema
from tabsynth.core.table import (
    EVERY_ROW,
    INVALID,
    MISSING,
    PRESENT,
    Cells,
    Index,
    LogicalType,
    Table,
    concat_cells,
    first_seen_codes,
)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """One column: some cells, and which of them each row has."""

    cells: Cells
    index: Index

    def __len__(self) -> int:
        return len(self.cells) if isinstance(self.index, slice) else len(self.index)

    def spread(self) -> Cells:
        """The cell of every row."""
        return self.cells.take(self.index)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Consecutive rows of a table: its unit and every column that may be modelled.

    Args:
        schema: of the table, with how its cells are stored (`as_stored`).
        columns: by name; others of the schema may be left out.
    """

    schema: Schema
    columns: Mapping[str, Packed]


@dataclass(frozen=True, eq=False)
class Compact:
    """The rows of all batches.

    Args:
        schema: with how cells are stored.
        columns: every column that may be modelled.
        units: shape (n,): as `Table.unit_codes` gives them.
    """

    schema: Schema
    columns: Mapping[str, Packed]
    units: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Table | Compact) -> Compact:
        """The rows of a table; its arrays are shared, not copied."""
        if isinstance(rows, Compact):
            return rows
        schema = as_stored(rows.schema, {name: cells.logical for name, cells in rows.columns.items()})
        return cls.gather([Batch(schema, {name: Packed(cells, EVERY_ROW) for name, cells in rows.columns.items()})])

    @classmethod
    def gather(cls, batches: Iterable[Batch]) -> Compact:
        """The rows of batches, of which there is at least one; a unit's rows may lie in several."""
        people: dict[Any, int] = {}
        units: list[NDArray[np.int64]] = []
        parts: dict[str, list[Packed]] = {}
        schema = None
        for batch in batches:
            schema = schema or batch.schema
            if schema.unit is not None:
                units.append(_unit_codes(batch.columns[schema.unit], people))
            for name, column in batch.columns.items():
                if name != schema.unit:
                    parts.setdefault(name, []).append(column)
        assert schema is not None
        columns = {name: _joined(parts.pop(name)) for name in list(parts)}
        n_rows = len(next(iter(columns.values()))) if columns else 0
        return cls(schema, columns, np.concatenate(units) if units else np.arange(n_rows))

    def __len__(self) -> int:
        return len(self.units)

    def __getitem__(self, name: str) -> Cells:
        if name not in self.columns:
            raise ColumnNotFoundError(name, source="the table", columns=self.columns)
        return self.columns[name].spread()

    def unit_codes(self) -> NDArray[np.int64]:
        """See `Table.unit_codes`."""
        return self.units


def pack(cells: Cells) -> Packed:
    """Each distinct cell once, and the narrowest index into them. Not for kinds that are regenerated."""
    present = cells.present
    values, number = np.unique(cells.values[present], return_inverse=True)
    index = np.empty(len(cells), np.min_scalar_type(len(values) + 1))
    index[present] = number
    index[~present] = np.where(cells.state[~present] == MISSING, len(values), len(values) + 1)
    state = np.array([PRESENT] * len(values) + [MISSING, INVALID], np.uint8)
    return Packed(replace(cells, values=np.concatenate([values, np.zeros(2, values.dtype)]), state=state), index)


def as_stored(schema: Schema, logical: Mapping[str, LogicalType]) -> Schema:
    """The schema with how each column's cells are stored, so that what a model draws comes in the same types."""
    return schema.with_columns(
        column if logical[column.name] == LogicalType() else replace(column, logical=logical[column.name].to_json())
        for column in schema.columns)


def _joined(parts: Sequence[Packed]) -> Packed:
    """Rows one after another, over the distinct cells of all parts."""
    if len(parts) == 1:
        return parts[0]
    whole = pack(concat_cells([part.cells for part in parts]))
    assert not isinstance(whole.index, slice)
    index = np.empty(sum(map(len, parts)), whole.index.dtype)
    row = cell = 0
    for part in parts:
        place = whole.index[cell : cell + len(part.cells)]
        index[row : row + len(part)] = place[part.index]
        row, cell = row + len(part), cell + len(part.cells)
    return Packed(whole.cells, index)


def _unit_codes(column: Packed, people: dict[Any, int]) -> NDArray[np.int64]:
    """Units in order of first appearance over all batches; `people` is what earlier ones have numbered."""
    cells = column.cells
    rising = np.arange(len(cells))[column.index]
    entries, first = np.unique(rising, return_index=True)
    order = entries[np.argsort(first)]
    order = order[cells.present[order]]
    codes = np.full(len(cells), -1, np.int64)
    codes[order] = first_seen_codes(cells.comparable()[order], people)
    return codes[column.index]
