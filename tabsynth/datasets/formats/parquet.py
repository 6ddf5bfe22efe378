"""Parquet: column types, categories and zones survive exactly, both ways."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tabsynth.core.arrow import to_arrow
from tabsynth.core.arrow_write import stored_type
from tabsynth.core.errors import SourceError
from tabsynth.core.schema import Dialect
from tabsynth.core.table import Cells, Table
from tabsynth.datasets.formats._footer import Struct, footer_of, joined
from tabsynth.datasets.formats.source import Input, Source, check_names

FACTS = {
    "name": "parquet",
    "entry": "ParquetFormat",
    "summary": "Apache Parquet, with exact types",
    "suffixes": [".parquet", ".pq"],
    "metadata": True,
}

BATCH_ROWS: Final = 65_536
PROBED: Final = 4_096
"""Rows in which repeated numbers are looked for."""
ARROW_SCHEMA: Final = b"ARROW:schema"
"""Key of the file's metadata by which Arrow knows the types that it was given."""


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
        return Source(data.label, "parquet", names, None, True, lambda: _batches(data), nulls=True,
                      metadata=_texts(schema.metadata or {}))

    @staticmethod
    def pieces(*, name: str = "", marks: Mapping[str, str] | None = None) -> ParquetPieces:
        return ParquetPieces(marks or {})


class ParquetPieces:
    """Parquet files of one row group each, one after another, then a footer that knows them all.

    So pieces stand by themselves: one is complete when it is written, and none is ever written twice. Readers go by the
    last footer; the others are about 2 KB each that they never look at.
    """

    rows = BATCH_ROWS

    def __init__(self, marks: Mapping[str, str]) -> None:
        self.marks, self.size = marks, 0
        self.declared: pa.Schema | None = None
        self.footers: list[tuple[int, Struct]] = []

    def piece(self, table: Table) -> bytes:
        data = to_arrow(table, coded=True)
        if self.declared is None:
            self.declared = _declared(data, table, self.marks)
        stored = _stored(self.declared, data)
        file = io.BytesIO()
        with pq.ParquetWriter(file, stored, compression="zstd", store_schema=False,
                              use_dictionary=_repeating(table)) as writer:
            writer.add_key_value_metadata(_told(self.declared))
            writer.write_table(data.cast(stored) if data.schema != stored else data, row_group_size=max(1, len(data)))
        self._add(file.getvalue())
        return file.getvalue()

    def taken(self, piece: bytes) -> None:
        self.declared = pq.read_schema(pa.BufferReader(piece))
        self._add(piece)

    def end(self) -> bytes:
        return joined(self.footers) if self.footers else b""

    def _add(self, piece: bytes) -> None:
        self.footers.append((self.size, footer_of(piece)))
        self.size += len(piece)


def _declared(data: pa.Table, table: Table, marks: Mapping[str, str]) -> pa.Schema:
    """What readers are told: strings, also where the texts are handed over as dictionaries."""
    wanted = [stored_type(column, table[column.name].logical) for column in table.schema.columns]
    fields = [field.with_type(field.type.value_type) if _only_coded(field.type, kind) else field
              for field, kind in zip(data.schema, wanted)]
    return pa.schema(fields, {key: text.encode() for key, text in marks.items()} or None)


def _stored(declared: pa.Schema, data: pa.Table) -> pa.Schema:
    """The declared schema with dictionaries where the data has them."""
    return pa.schema([told.with_type(field.type) if _only_coded(field.type, told.type) else told
                      for field, told in zip(data.schema, declared)])


def _only_coded(found: pa.DataType, wanted: pa.DataType) -> bool:
    return pa.types.is_dictionary(found) and not pa.types.is_dictionary(wanted)


def _told(declared: pa.Schema) -> dict[bytes, bytes]:
    """The file's metadata: the declared schema, in the form in which Arrow keeps it, and its own metadata."""
    return {**(declared.metadata or {}), ARROW_SCHEMA: base64.b64encode(declared.serialize().to_pybytes())}


def _repeating(table: Table) -> list[str]:
    """Columns worth a dictionary: all but those whose numbers seldom repeat, where it would be larger than they are."""
    return [column.name for column in table.schema.columns
            if column.kind in ("category", "boolean", "id", "text") or _repeats(table[column.name])]


def _repeats(cells: Cells) -> bool:
    some = cells.values[:PROBED]
    return len(np.unique(some)) <= len(some) // 2


def _texts(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    return {key.decode("utf-8", "replace"): text.decode("utf-8", "replace") for key, text in metadata.items()}


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
