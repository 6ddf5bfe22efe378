"""Parquet: column types, categories and zones survive exactly, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tabsynth.core.errors import SourceError
from tabsynth.core.schema import Dialect
from tabsynth.core.table import Table
from tabsynth.datasets.formats.source import Input, Source, check_names

FACTS = {
    "name": "parquet",
    "entry": "ParquetFormat",
    "summary": "Apache Parquet, with exact types",
    "suffixes": [".parquet", ".pq"],
}

BATCH_ROWS: Final = 65_536
SYNTHETIC: Final = b"tabsynth.synthetic"
"""Key of the file's metadata that says "true" for synthetic rows."""


class ParquetFormat:
    """Reads and writes Parquet."""

    @staticmethod
    def scan(data: Input, *, dialect: Dialect | None = None, names_only: bool = False) -> Source:
        with data.errors(), data.open_raw() as raw:
            file = _file(raw, data.label)
            try:
                schema, rows = file.schema_arrow, file.metadata.num_rows
                found = list(schema.names)
            except (pa.ArrowException, UnicodeDecodeError):
                raise SourceError(f"{data.label} is damaged: its column names cannot be read.",
                                  fix="Copy or export it again.") from None
        names = check_names(found, data.label)
        for field in schema:
            if pa.types.is_nested(field.type):
                raise SourceError(f"{data.label} has nested values in column {field.name!r}.",
                                  fix="Make it one column per value first.")
        if rows == 0:
            raise SourceError(f"{data.label} has columns but no rows.")
        return Source(data.label, "parquet", names, None, True, lambda: _batches(data), nulls=True)

    @staticmethod
    def write(batches: Iterator[Table], sink: IO[bytes], *, name: str = "", synthetic: bool = True) -> int:
        rows = 0
        writer: Any = None
        try:
            for batch in batches:
                table = batch.to_arrow()
                if writer is None:
                    schema = _marked(table.schema) if synthetic else table.schema
                    writer = pq.ParquetWriter(sink, schema, compression="zstd")
                writer.write_table(table.cast(schema) if table.schema != schema else table)
                rows += len(batch)
        finally:
            if writer is not None:
                writer.close()
        return rows


def _file(raw: IO[bytes], label: str) -> Any:
    try:
        return pq.ParquetFile(raw)
    except pa.ArrowInvalid:
        raise SourceError(f"{label} is not a Parquet file, or it is cut off.", fix="Copy or export it again.") from None


def _batches(data: Input) -> Iterator[pa.RecordBatch]:
    with data.errors(), data.open_raw() as raw:
        try:
            for batch in _file(raw, data.label).iter_batches(batch_size=BATCH_ROWS):
                for name, column in zip(batch.schema.names, batch.columns):
                    _refuse_damaged(column, name, data.label)
                yield batch
        except (pa.ArrowException, OSError) as error:
            # The library's message may quote cells: nothing of it is passed on.
            raise SourceError(f"{data.label} is damaged: its rows cannot be read.",
                              fix="Copy or export it again.") from error


def _refuse_damaged(column: pa.Array, name: str, label: str) -> None:
    """Texts that are not UTF-8 and the like would only show when a cell is looked at."""
    try:
        column.validate(full=True)
    except pa.ArrowException:
        raise SourceError(f"{label} has bytes in column {name!r} that are not of its type {column.type}.",
                          fix="Export it again.") from None


def _marked(schema: pa.Schema) -> pa.Schema:
    return schema.with_metadata({**(schema.metadata or {}), SYNTHETIC: b"true"})
