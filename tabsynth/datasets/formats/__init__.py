"""Tables in files: open (`scan`), read (`read`, `whole`), read in parts (`batches`), write (`write`).

A format is one plug-in file in this folder, chosen by suffix. Cells of text formats are parsed by a schema; without
one, ``datasets.guess`` proposes a schema first. What can be wrong with a file's structure is a `SourceError` with
one clear sentence and no cell in it; what can be wrong with a cell never raises: it becomes INVALID.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Final, cast

import numpy as np
import pyarrow as pa

from tabsynth.core import registry
from tabsynth.core.compact import Batch, Packed, as_stored, pack
from tabsynth.core.errors import ColumnNotFoundError, SchemaError, SourceError, UsageError
from tabsynth.core.files import replace_file
from tabsynth.core.schema import Column, Dialect, Schema
from tabsynth.core.table import EVERY_ROW, LogicalType, Table
from tabsynth.datasets.formats import parsing
from tabsynth.datasets.formats.source import STDIO, SUFFIX, Format, Source, open_input
from tabsynth.datasets.formats.writing import Writing

__all__ = ["Source", "batches", "extra_columns", "format_of", "has_metadata", "metadata", "read", "scan", "whole",
           "write", "writing"]

PARQUET_MAGIC: Final = b"PAR1"
SYNTHETIC: Final = "tabsynth.synthetic"
"""Key of a file's metadata: "true" for synthetic rows, "false" for real ones that were completed."""


def scan(path: Path | str, *, format: str = "auto", dialect: Dialect | None = None,
         names_only: bool = False) -> Source:
    """Open a table without reading its rows.

    Args:
        path: a file, or "-" for standard input.
        format: name of a format, or "auto" to go by the suffix, else by the first bytes.
        dialect: how a delimited text file is written; found out if not given.
        names_only: find it out from byte-order mark and header line alone, so that no decision depends on a cell.

    Raises:
        SourceError: the file is missing, empty, without rows, has duplicate column names, or the like.
    """
    data = open_input(path)
    name = format if format != "auto" else format_of(data.name) or _format_of_bytes(data.head(4))
    return _plugin(name).scan(data, dialect=dialect, names_only=names_only)


def read(path: Path | str, *, schema: Schema | None = None, format: str = "auto",
         dialect: Dialect | None = None) -> Table:
    """Read a whole table.

    With a schema: its columns are taken and parsed as it says, other columns of the file are left out (see
    `extra_columns`), and nothing is guessed from cells. Without: the schema is guessed.

    Raises:
        ColumnNotFoundError: a column of the schema is not in the file; says what may have been meant.
        SourceError: a fault of the file's structure.
    """
    if schema is None:
        # guess.py reads sources, so it imports this package; here it is needed only now.
        from tabsynth.datasets.guess import guess_schema

        source = scan(path, format=format, dialect=dialect)
        return whole(source, guess_schema(source, sample_rows=None))
    source = scan(path, format=format, dialect=dialect or schema.dialect, names_only=True)
    return whole(source, schema)


def whole(source: Source, schema: Schema) -> Table:
    """All rows of a source as a table of a schema; see `read`."""
    schema = _fitted(schema, source)
    names = list(schema.names)
    rows = [batch.select(names) for batch in source.batches()]
    if not rows:
        raise SourceError(f"{source.label} has a header but no rows.")
    return parsed(pa.Table.from_batches(rows), schema, source)


def batches(source: Source, schema: Schema) -> Iterator[Batch]:
    """The rows of a source as a model learns from them, batch by batch, in bounded memory; see `read`."""
    schema = _fitted(schema, source)
    names = [column.name for column in schema.columns if column.modelled or column.name == schema.unit]
    for batch in source.batches():
        rows = pa.Table.from_batches([batch])
        yield _packed_typed(rows, schema, names) if source.typed else _packed_texts(rows, schema, names, source)


def extra_columns(source: Source, schema: Schema) -> tuple[str, ...]:
    """Columns of the source that the schema does not name; `read` leaves them out.

    >>> extra_columns(Source("x.csv", "csv", ("a", "b"), None, False, lambda: iter(())), Schema(()))
    ('a', 'b')
    """
    return tuple(name for name in source.names if name not in schema.by_name)


def write(batches: Iterable[Table] | Table, path: Path | str, *, format: str = "auto", force: bool = False,
          synthetic: bool = True, marks: Mapping[str, str] | None = None) -> int:
    """Write tables of one schema, one after another, as one file; it appears only when complete.

    Args:
        batches: the tables, taken one at a time; or one table.
        path: the file, or "-" for standard output (CSV unless `format` says otherwise).
        format: name of a format, or "auto" to go by the suffix; ".gz" and ".zst" after it compress.
        force: replace a file that exists.
        synthetic: mark the file as synthetic where the format can hold such a mark.
        marks: what its metadata say besides, where the format has some.

    Returns:
        The number of rows written.

    Raises:
        SourceError: the file exists, or cannot be written. UsageError: no format goes by this suffix.
    """
    parts = batches.batches() if isinstance(batches, Table) else iter(batches)
    made = writing(path, format=format, synthetic=synthetic, marks=marks)
    with stdout() if str(path) == STDIO else replace_file(Path(path), force=force) as sink:
        rows = 0
        for piece in made.pieces((part, None) for part in parts):
            sink.write(piece.data)
            rows += piece.rows
        sink.write(made.end())
    return rows


def writing(path: Path | str, *, format: str = "auto", synthetic: bool = True,
            marks: Mapping[str, str] | None = None) -> Writing:
    """How tables become the bytes of this file; see `write`."""
    told = {**({SYNTHETIC: "true"} if synthetic else {}), **(marks or {})}
    if str(path) == STDIO:
        return Writing(_plugin("csv" if format == "auto" else format).pieces(name="", marks=told))
    file = Path(path)
    compression = SUFFIX.get(file.suffix.lower())
    name = (file.stem if compression else file.name).lower()
    plugin = _plugin(_output_format(file, name) if format == "auto" else format)
    return Writing(plugin.pieces(name=name, marks=told), compression)


def is_delimited(path: Path | str, format: str = "auto") -> bool:
    """True if `write` makes delimited text of this file."""
    return _written_as(path, format) == "csv"


def has_metadata(path: Path | str, format: str = "auto") -> bool:
    """True if a file that `write` makes under this name says by itself what it is."""
    return bool(registry.find("formats", _written_as(path, format)).facts.get("metadata"))


def metadata(path: Path) -> dict[str, str]:
    """What a file says of itself beside its rows; nothing, where its format has no place for it."""
    data = open_input(path)
    name = format_of(data.name) or _format_of_bytes(data.head(4))
    return dict(scan(path, format=name).metadata) if registry.find("formats", name).facts.get("metadata") else {}


def _written_as(path: Path | str, format: str) -> str:
    if format != "auto":
        return format
    file = Path(path)
    return "csv" if str(path) == STDIO else _output_format(
        file, (file.stem if file.suffix.lower() in SUFFIX else file.name).lower())


@contextmanager
def stdout() -> Iterator[IO[bytes]]:
    """Standard output, for bytes."""
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def format_of(name: str) -> str | None:
    """The format that a file name's suffix stands for, or None.

    >>> format_of("rows.csv"), format_of("rows.parquet"), format_of("rows.xyz")
    ('csv', 'parquet', None)
    """
    return next((plugin.name for plugin in registry.plugins("formats").values()
                 for suffix in plugin.facts.get("suffixes", ()) if name.endswith(suffix)), None)


def _format_of_bytes(start: bytes) -> str:
    if start == PARQUET_MAGIC:
        return "parquet"
    return "jsonl" if start.lstrip()[:1] == b"{" else "csv"


def _output_format(path: Path, name: str) -> str:
    found = format_of(name)
    if found is None:
        known = sorted(s for p in registry.plugins("formats").values() for s in p.facts.get("suffixes", ()))
        raise UsageError(f"no format goes by the name {path.name!r}; suffixes are: {', '.join(known)}.",
                         fix="Use one of them, or pass --format.")
    return found


def _plugin(name: str) -> Format:
    return cast(Format, registry.load("formats", name))


def _fitted(schema: Schema, source: Source) -> Schema:
    """The schema, checked against the source's columns; it remembers how the source was written."""
    import pandas  # noqa: F401  pyarrow would import it later, in code that swallows an interrupt

    if schema.names and not set(schema.names) & set(source.names):
        raise SchemaError(f"none of the {len(schema.names)} columns of the schema is in {source.label}.",
                          fix="Is its first line a header, and is it the right schema?")
    for name in schema.names:
        if name not in source.names:
            raise ColumnNotFoundError(name, source=source.label, columns=source.names)
    return schema if source.dialect is None else replace(schema, dialect=source.dialect)


def parsed(rows: pa.Table, schema: Schema, source: Source) -> Table:
    """Rows of a source as a table of a schema, all columns of which they have."""
    if source.typed:
        return Table.from_arrow(rows.select(list(schema.names)), schema)
    return Table(schema, {c.name: _packed(rows.column(c.name), c, source).spread() for c in schema.columns})


def _packed_typed(rows: pa.Table, schema: Schema, names: list[str]) -> Batch:
    table = Table.from_arrow(rows.select(list(schema.names)), schema)
    stored = as_stored(table.schema, {name: cells.logical for name, cells in table.columns.items()})
    return Batch(stored, {name: pack(table[name]) if stored[name].modelled else Packed(table[name], EVERY_ROW)
                          for name in names})


def _packed_texts(rows: pa.Table, schema: Schema, names: list[str], source: Source) -> Batch:
    stored = as_stored(schema, {c.name: LogicalType.from_json(c.logical) for c in schema.columns})
    return Batch(stored, {name: _packed(rows.column(name), schema[name], source) for name in names})


def _packed(texts: pa.ChunkedArray, column: Column, source: Source) -> Packed:
    """Parse each distinct text once."""
    coded = texts.unify_dictionaries().combine_chunks()
    index, distinct = coded.indices, coded.dictionary
    if coded.null_count:
        index, distinct = index.fill_null(len(distinct)), pa.concat_arrays([distinct, pa.nulls(1, distinct.type)])
    # Numbers of JSON have a decimal point, whatever the schema's dialect says of delimited text.
    cells = parsing.parse(column, distinct, source.dialect or Dialect())
    return Packed(cells, index.to_numpy(zero_copy_only=False).astype(np.min_scalar_type(len(distinct))))
