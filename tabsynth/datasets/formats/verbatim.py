"""A file whose cells are to come back as they are: every column, and of delimited text every cell as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabsynth.core import text
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import PRESENT, Cells, LogicalType, Table
from tabsynth.datasets import formats
from tabsynth.datasets.formats.source import Source

BLOCK_ROWS: Final = 8192


@dataclass(frozen=True, eq=False)
class Original:
    """The rows of a file, with all its columns in their order.

    Args:
        table: columns of the schema are parsed by it, others carried along.
        texts: of delimited text, per column which of some texts each cell is.
    """

    table: Table
    texts: Mapping[str, tuple[NDArray[np.integer[Any]], NDArray[np.object_]]] | None = None

    def blocks(self, completed: Table, filled: Mapping[str, NDArray[np.bool_]], *,
               delimited: bool) -> Iterator[Table]:
        """The rows part by part, with the cells of `completed` where they are `filled`; at least one part.

        Args:
            delimited: they are written as delimited text, so that all other cells can be what they were in the file.
        """
        for start in range(0, max(1, len(completed)), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            part = completed.take(rows)
            yield part if self.texts is None or not delimited else self._as_written(
                part, rows, {name: mask[rows] for name, mask in filled.items()})

    def _as_written(self, part: Table, rows: slice, filled: Mapping[str, NDArray[np.bool_]]) -> Table:
        assert self.texts is not None
        schema, columns = part.schema, {}
        for column in schema.columns:
            index, distinct = self.texts[column.name]
            cells = distinct[index[rows]]
            if column.name in filled:
                new = filled[column.name]
                cells[new] = text.render(column, part[column.name].take(new), schema.dialect)
            columns[column.name] = Cells(cells, np.full(len(cells), PRESENT, np.uint8))
        plain = schema.with_columns(Column(name, "text", missing=()) for name in schema.names)
        return Table(replace(plain, rules=()), columns)


def read(path: Path | str, schema: Schema) -> Original:
    """Read a file of which some columns are known.

    Args:
        path: a file, or "-" for standard input.
        schema: says what its columns' cells mean; columns that the file lacks are left out, other columns are carried.

    Raises:
        SourceError: a fault of the file's structure.
    """
    source = formats.scan(path, dialect=schema.dialect, names_only=True)
    rows = pa.Table.from_batches(list(source.batches()))
    carried = _carried(source, rows, schema)
    whole = schema.with_columns(schema[name] if name in schema.by_name else carried[name] for name in source.names)
    table = formats.parsed(rows, whole if source.dialect is None else replace(whole, dialect=source.dialect), source)
    if source.typed or source.nulls:
        return Original(table)
    return Original(table, {name: _coded(rows.column(name)) for name in source.names})


def _carried(source: Source, rows: pa.Table, schema: Schema) -> dict[str, Column]:
    """Columns that the schema does not name, of the kind that gives back what is there."""
    names = [name for name in source.names if name not in schema.by_name]
    if source.typed:
        return Table.from_arrow(rows.select(names)).schema.by_name if names else {}
    return {name: Column(name, "boolean" if source.storage.get(name) == "bool" else "text", missing=(),
                         logical=LogicalType(source.storage.get(name, "text")).to_json()) for name in names}


def _coded(column: pa.ChunkedArray) -> tuple[NDArray[np.integer[Any]], NDArray[np.object_]]:
    """Delimited text has no nulls."""
    coded = column.unify_dictionaries().combine_chunks()
    distinct = np.empty(len(coded.dictionary), object)
    distinct[:] = coded.dictionary.to_pylist()
    return coded.indices.to_numpy(zero_copy_only=False), distinct
