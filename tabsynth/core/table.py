"""The one in-memory form of a table: canonical numpy arrays, a state per cell, and how it was stored.

| kind | canonical values |
|---|---|
| number | float64 |
| integer | int64 |
| boolean | bool |
| category | int32 index into ``levels`` |
| date | int64 days since 1970-01-01 |
| datetime | int64 microseconds since 1970-01-01T00:00 (UTC when the column has a zone, else local) |
| time | int64 microseconds since midnight |
| timedelta | int64 microseconds |
| id, text | object (str) |

The value of a cell that is not PRESENT is arbitrary but fixed (0, 0.0, False, 0 or ""), never NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import ColumnNotFoundError, SchemaError
from tabsynth.core.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PRESENT: Final = 0
MISSING: Final = 1
INVALID: Final = 2
"""States of a cell: a value, not given, or given but not readable as the column's kind."""

Index = NDArray[np.integer[Any]] | slice
"""Which of some cells each row has."""
EVERY_ROW: Final = slice(None)
"""The index of rows that have a cell of their own each."""

CANONICAL: Final[dict[str, Any]] = {
    "number": np.float64, "integer": np.int64, "boolean": np.bool_, "category": np.int32, "date": np.int64,
    "datetime": np.int64, "time": np.int64, "timedelta": np.int64, "id": np.object_, "text": np.object_,
}


@dataclass(frozen=True, slots=True)
class LogicalType:
    """How a column is stored outside, so that output can equal input in type, order and format.

    Args:
        storage: Arrow type as text ("int64", "timestamp[us, tz=UTC]", "dictionary<...>"), or "text" for
            cells of CSV and JSON-less text files.
        pandas: pandas dtype as text when the table came from a frame ("Int64", "category", "object", ...).
        ordered: category order matters (pandas ordered categorical).
        labels: category labels as JSON values when they are not text (1, 2.5, True), same order as levels.
    """

    storage: str = "text"
    pandas: str | None = None
    ordered: bool = False
    labels: tuple[Any, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> LogicalType:
        if data is None:
            return cls()
        labels = data.get("labels")
        return cls(**{**data, "labels": None if labels is None else tuple(labels)})


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One column's cells.

    Args:
        values: canonical array, shape (n,).
        state: uint8, shape (n,): PRESENT, MISSING or INVALID.
        levels: texts that category codes index; () for other kinds.
        logical: how the column was stored where it came from.
    """

    values: NDArray[Any]
    state: NDArray[np.uint8]
    levels: tuple[str, ...] = ()
    logical: LogicalType = LogicalType()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Mask of the cells that hold a value."""
        return np.asarray(self.state == PRESENT)

    def take(self, rows: NDArray[np.bool_] | Index) -> Cells:
        """The cells at these positions, in this order."""
        return Cells(self.values[rows], self.state[rows], self.levels, self.logical)

    def same_as(self, other: Cells) -> bool:
        """Equal cell by cell: state, and value (by level text for categories) where present."""
        if len(self) != len(other) or not np.array_equal(self.state, other.state):
            return False
        mine, theirs = self.comparable(), other.comparable()
        return bool(np.array_equal(mine[self.present], theirs[self.present]))

    def comparable(self) -> NDArray[Any]:
        """Values that mean the same in every column of the kind: of a category its texts."""
        if not self.levels:
            return self.values
        return np.asarray(np.array(self.levels, dtype=object)[self.values])


@dataclass(frozen=True, eq=False)
class Table:
    """A schema and its columns' cells. Frozen: every operation returns a new table."""

    schema: Schema
    columns: Mapping[str, Cells]

    def __post_init__(self) -> None:
        for name in self.schema.names:
            if name not in self.columns:
                raise ColumnNotFoundError(name, source="the table", columns=self.columns)
        sizes = {len(c) for c in self.columns.values()}
        if len(sizes) > 1:
            raise SchemaError(f"columns of one table must have one length, got {sorted(sizes)}.")

    @cached_property
    def n_rows(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, name: str) -> Cells:
        if name not in self.columns:
            raise ColumnNotFoundError(name, source="the table", columns=self.columns)
        return self.columns[name]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return self.schema.names == other.schema.names and all(
            self[name].same_as(other[name]) for name in self.schema.names
        )

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Table:
        """The rows at these positions, in this order."""
        return replace(self, columns={name: cells.take(rows) for name, cells in self.columns.items()})

    def select(self, names: Sequence[str]) -> Table:
        """Only these columns, in this order."""
        return Table(self.schema.with_columns(self.schema[n] for n in names), {n: self[n] for n in names})

    def batches(self, rows: int = 65_536) -> Iterator[Table]:
        """The table in consecutive parts of at most `rows` rows; may be iterated again."""
        for start in range(0, self.n_rows, rows):
            yield self.take(slice(start, start + rows))

    def unit_codes(self) -> NDArray[np.int64]:
        """Shape (n,): 0, 1, 2, ... by person in order of first appearance; -1 where the unit is not given.

        Without a unit column every row is a person of its own.
        """
        unit = self.schema.unit
        if unit is None:
            return np.arange(self.n_rows, dtype=np.int64)
        cells = self[unit]
        keys = np.asarray(cells.comparable())
        codes = np.full(self.n_rows, -1, dtype=np.int64)
        codes[cells.present] = first_seen_codes(keys[cells.present])
        return codes

    @classmethod
    def concat(cls, parts: Iterable[Table]) -> Table:
        """Tables of one schema, one after another. Category levels are merged in order of appearance."""
        tables = list(parts)
        if not tables:
            raise SchemaError("cannot concatenate no tables.")
        schema = tables[0].schema
        return cls(schema, {name: concat_cells([t[name] for t in tables]) for name in schema.names})

    # --- edges: pandas and Arrow, imported when used -------------------------------------------------------

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, schema: Schema | None = None) -> Table:
        """A table of a data frame. Without a schema, kinds follow from the dtypes (``core/frames.py``)."""
        from tabsynth.core import frames

        return frames.from_pandas(frame, schema)

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with exactly the dtypes, order and categories that the table came with."""
        from tabsynth.core import frames

        return frames.to_pandas(self)

    @classmethod
    def from_arrow(cls, table: pa.Table, schema: Schema | None = None) -> Table:
        """A table of an Arrow table (or any object with ``__arrow_c_stream__``, such as a polars frame)."""
        from tabsynth.core import arrow

        return arrow.from_arrow(table, schema)

    def to_arrow(self) -> pa.Table:
        """An Arrow table with exactly the types that the table came with."""
        from tabsynth.core import arrow

        return arrow.to_arrow(self)


def empty_cells(column: Column, n: int, logical: LogicalType | None = None) -> Cells:
    """`n` missing cells of a column's kind."""
    values = np.full(n, "", dtype=object) if column.kind in ("id", "text") else np.zeros(n, CANONICAL[column.kind])
    return Cells(values, np.full(n, MISSING, np.uint8), (), logical or LogicalType.from_json(column.logical))


def concat_cells(parts: Sequence[Cells]) -> Cells:
    """Cells one after another; category codes are re-mapped onto the union of levels."""
    levels = tuple(dict.fromkeys(level for part in parts for level in part.levels))
    index = {level: i for i, level in enumerate(levels)}
    values = []
    for part in parts:
        if part.levels and part.levels != levels:
            remap = np.array([index[level] for level in part.levels], dtype=np.int32)
            values.append(np.where(part.present, remap[part.values], 0).astype(np.int32))
        else:
            values.append(part.values)
    return replace(parts[0], values=np.concatenate(values), state=np.concatenate([p.state for p in parts]),
                   levels=levels)


def first_seen_codes(keys: NDArray[Any], seen: dict[Any, int] | None = None) -> NDArray[np.int64]:
    """Codes 0, 1, 2, ... in order of first appearance; those of earlier keys are in `seen`, which grows.

    >>> first_seen_codes(np.array(["b", "a", "b"], dtype=object))
    array([0, 1, 0])
    """
    if keys.dtype == object or seen is not None:
        known: dict[Any, int] = {} if seen is None else seen
        return np.fromiter((known.setdefault(k, len(known)) for k in keys.tolist()), np.int64, len(keys))
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]
