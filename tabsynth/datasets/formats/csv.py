"""Delimited text: read as text and nothing else, so that the schema alone decides what a cell means.

Every cell comes out as the file has it. Reading is by ``pyarrow.csv`` in blocks, dictionary-encoded, so that each
distinct text of a block is held (and later parsed) once. Writing quotes only where a reader needs it, leaves
texts that look like formulas alone, and gives back the bytes of a file that was written in one way throughout.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any, Final

import pyarrow as pa
from pyarrow import csv as arrow_csv

from tabsynth.core import text
from tabsynth.core.errors import SourceError
from tabsynth.core.schema import Dialect
from tabsynth.core.table import Table
from tabsynth.datasets.formats import dialect as dialects
from tabsynth.datasets.formats.source import Input, Source, check_names

FACTS = {
    "name": "csv",
    "entry": "CsvFormat",
    "summary": "delimited text: comma, semicolon, tab or bar; any encoding; gzip or zstd",
    "suffixes": [".csv", ".tsv", ".txt", ".tab"],
}

BLOCK: Final = 16 * 2**20
"""Bytes parsed at once; no row can be longer."""

TEXT: Final = pa.dictionary(pa.int32(), pa.string())
RAGGED: Final = re.compile(r"Expected (\d+) columns, got (\d+)")


class CsvFormat:
    """Reads and writes delimited text."""

    @staticmethod
    def scan(data: Input, *, dialect: Dialect | None = None, names_only: bool = False) -> Source:
        head = data.head(dialects.SAMPLE_BYTES)
        tab = "\t" if data.name.endswith((".tsv", ".tab")) else None
        if dialect is not None:
            dialect = dialects.with_mark(dialect, head)
        else:
            find = dialects.of_header if names_only else dialects.of_sample
            dialect = find(head, label=data.label, delimiter=tab)
        start = dialects.decode(head, dialect.encoding, label=data.label)
        header = dialects.header_line(start)
        if not start[len(header):].strip("\r\n"):
            raise SourceError(f"{data.label} has a header but no rows.")
        names = check_names(_cells(header, dialect, data.label), data.label)
        found = dialect
        skip = len(header.encode(found.encoding)) + (len(dialects.byte_order_mark(found.encoding)) if found.bom else 0)
        return Source(data.label, "csv", names, found, False, lambda: _batches(data, names, found, skip))

    @staticmethod
    def pieces(*, name: str = "", marks: Mapping[str, str] | None = None) -> CsvPieces:
        return CsvPieces(name)


class CsvPieces:
    """The header with the first rows, then rows."""

    rows = 8_192

    def __init__(self, name: str) -> None:
        self.name, self.begun = name, False

    def piece(self, table: Table) -> bytes:
        dialect = _output_dialect(table, self.name)
        body = _encoded(rendered(table, dialect), dialect)
        if self.begun:
            return body
        self.begun = True
        mark = dialects.byte_order_mark(dialect.encoding) if dialect.bom else b""
        return mark + _encoded([[name] for name in table.schema.names], dialect) + body

    def taken(self, piece: bytes) -> None:
        self.begun = True

    def end(self) -> bytes:
        return b""


def rendered(batch: Table, dialect: Dialect) -> list[Sequence[str]]:
    """The texts of each column, as the dialect writes them."""
    return [text.render(column, batch[column.name], dialect).tolist() for column in batch.schema.columns]


def _output_dialect(batch: Table, name: str) -> Dialect:
    dialect = batch.schema.dialect or Dialect()
    return replace(dialect, delimiter="\t") if name.endswith((".tsv", ".tab")) else dialect


def _cells(header: str, dialect: Dialect, label: str) -> list[str]:
    try:
        rows = csv.reader(io.StringIO(header, newline=""), delimiter=dialect.delimiter)
        return next((cells for cells in rows if cells), [])
    except csv.Error:
        raise SourceError(f"{label} has a header line that cannot be read.", fix="Check its quotes.") from None


def _encoded(columns: list[Sequence[str]], dialect: Dialect) -> bytes:
    """Rows of a delimited file. A text is quoted if it holds the delimiter, a quote or a line break.

    A row that is one empty cell is written as a pair of quotes, since readers skip empty lines.
    """
    quoted = [_quoted(column, dialect.delimiter) for column in columns]
    if len(quoted) == 1:
        quoted = [[cell or '""' for cell in quoted[0]]]
    lines = map(dialect.delimiter.join, zip(*quoted))
    body = "".join([line + dialect.newline for line in lines])
    try:
        return body.encode(dialect.encoding)
    except UnicodeEncodeError:
        raise SourceError(f"the table has characters that {dialect.encoding} cannot write.",
                          fix="Choose another encoding, such as utf-8.") from None


def _quoted(cells: Sequence[str], delimiter: str) -> Sequence[str]:
    # One search over all cells together is cheap; most columns need no quotes at all.
    everything = "".join(cells)
    if not any(char in everything for char in (delimiter, '"', "\n", "\r")):
        return cells
    needs = re.compile(f'[{re.escape(delimiter)}"\r\n]').search
    return ['"' + cell.replace('"', '""') + '"' if needs(cell) else cell for cell in cells]


def _batches(data: Input, names: tuple[str, ...], dialect: Dialect, skip: int) -> Iterator[pa.RecordBatch]:
    """Blocks of rows; `skip` is the length of the header in bytes."""
    columns = [str(i) for i in range(len(names))]
    last: pa.RecordBatch | None = None
    with data.open() as stream:
        while skip > 0 and (part := stream.read(skip)):
            skip -= len(part)
        try:
            for batch in _reader(stream, columns, dialect):
                if batch.num_rows:
                    last = batch
                    yield pa.RecordBatch.from_arrays(batch.columns, list(names))
        except (pa.ArrowInvalid, UnicodeError) as error:
            # The library's message may quote cells: nothing of it but two counts is passed on.
            raise _structure_error(data, dialect, len(names), str(error)) from None
    if last is None:
        raise SourceError(f"{data.label} has a header but no rows.")
    if _ends_in_line_break(last) and (line := _open_quote(data, dialect)) is not None:
        raise SourceError(f"{data.label} has a quote on line {line} that is never closed.")


def _reader(stream: IO[bytes], columns: list[str], dialect: Dialect) -> Any:
    return arrow_csv.open_csv(
        stream,
        read_options=arrow_csv.ReadOptions(block_size=BLOCK, use_threads=False, column_names=columns,
                                           encoding=dialect.encoding),
        parse_options=arrow_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(strings_can_be_null=False,
                                                 column_types=dict.fromkeys(columns, TEXT)),
    )


def _structure_error(data: Input, dialect: Dialect, width: int, message: str) -> SourceError:
    """Which fault it is and on which line, found by reading once more, slowly."""
    if counts := RAGGED.search(message):
        line, got = _ragged_line(data, dialect, width) or (None, int(counts[2]))
        where = "a row" if line is None else f"line {line}"
        return SourceError(f"{data.label} is ragged: {where} has {got} cell{'s' * (got != 1)}, expected {width}.",
                           fix="Check the delimiter and the quotes there.")
    if "straddling" in message:
        return SourceError(f"{data.label} has a row longer than {BLOCK // 2**20} MiB, most likely after a quote "
                           "that is never closed.")
    if "UTF8" in message or "decode" in message or "UTF-16" in message:
        return dialects.undecodable(data.label, dialect.encoding, _undecodable_line(data, dialect))
    return SourceError(f"{data.label} cannot be read as delimited text.", fix="Check delimiter and encoding.")


@contextmanager
def _reader_of_lines(data: Input, dialect: Dialect, *, strict: bool) -> Iterator[Any]:
    """The standard library's reader over the same bytes: slow, but it knows line numbers."""
    with data.open() as stream:
        lines = io.TextIOWrapper(stream, dialect.encoding, errors="replace", newline="")
        yield csv.reader(lines, delimiter=dialect.delimiter, strict=strict)
        lines.detach()


def _ragged_line(data: Input, dialect: Dialect, width: int) -> tuple[int, int] | None:
    """(line, number of cells) of the first record that has not `width` cells."""
    with _reader_of_lines(data, dialect, strict=False) as reader:
        line = 1
        try:
            for cells in reader:
                if cells and len(cells) != width:
                    return line, len(cells)
                line = reader.line_num + 1
        except csv.Error:
            pass
    return None


def _undecodable_line(data: Input, dialect: Dialect) -> int | None:
    decoder = codecs.getincrementaldecoder(dialect.encoding)()
    line = 1
    with data.open() as stream:
        while part := stream.read(2**16):
            try:
                line += decoder.decode(part).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].decode(dialect.encoding).count("\n")
    return None


def _ends_in_line_break(batch: pa.RecordBatch) -> bool:
    """True if the very last cell holds a line break, as it does when a quote before it was never closed."""
    cell = batch.column(batch.num_columns - 1)[-1].as_py()
    return "\n" in cell or "\r" in cell


def _open_quote(data: Input, dialect: Dialect) -> int | None:
    """The line where the last record starts, if that record ends inside a quote."""
    with _reader_of_lines(data, dialect, strict=True) as reader:
        line = 1
        try:
            for _ in reader:
                line = reader.line_num + 1
        except csv.Error as error:
            return line if "unexpected end" in str(error) else None
    return None
