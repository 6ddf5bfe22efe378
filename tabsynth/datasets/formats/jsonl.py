"""JSON Lines: one object a line. Numbers, true/false and null stay what they are; everything else is text.

Read as text like CSV (a number by its digits, an absent key as null), so that a schema alone decides what a cell
means. The columns are the keys of all lines, in order of first appearance.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import IO, Any, Final

import pyarrow as pa

from tabsynth.core import text as text_of
from tabsynth.core.errors import SourceError
from tabsynth.core.schema import Column, Dialect
from tabsynth.core.table import Cells, Table
from tabsynth.datasets.formats.source import Input, Source

FACTS = {
    "name": "jsonl",
    "entry": "JsonLinesFormat",
    "summary": "JSON Lines (newline-delimited JSON objects); gzip or zstd",
    "suffixes": [".jsonl", ".ndjson"],
}

BATCH_ROWS: Final = 8_192
NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
"""What JSON can hold as a number without a change of digits."""


class JsonLinesFormat:
    """Reads and writes JSON Lines."""

    @staticmethod
    def scan(data: Input, *, dialect: Dialect | None = None, names_only: bool = False) -> Source:
        types = _types(_rows(data))
        if not types:
            raise SourceError(f"{data.label} has no rows with a key.")
        names = tuple(types)
        storage = {n: stored for n, found in types.items() if (stored := _storage(found - {type(None)}))}
        return Source(data.label, "jsonl", names, None, False, lambda: _batches(data, names), nulls=True,
                      storage=storage)

    @staticmethod
    def pieces(*, name: str = "", marks: Mapping[str, str] | None = None) -> JsonLinesPieces:
        return JsonLinesPieces()


class JsonLinesPieces:
    """Lines, each by itself."""

    rows = BATCH_ROWS

    def piece(self, table: Table) -> bytes:
        keys = [json.dumps(n, ensure_ascii=False) + ": " for n in table.schema.names]
        columns = [_values(column, table[column.name]) for column in table.schema.columns]
        lines = ["{" + ", ".join(map(str.__add__, keys, row)) + "}\n" for row in zip(*columns)]
        return "".join(lines).encode("utf-8")

    def taken(self, piece: bytes) -> None:
        pass

    def end(self) -> bytes:
        return b""


def _types(rows: Iterator[dict[str, Any]]) -> dict[str, set[type]]:
    """The types of each key's values, keys in order of first appearance."""
    types: dict[str, set[type]] = {}
    while part := list(islice(rows, BATCH_ROWS)):
        # Most rows have one shape: the distinct ones are few.
        for keys, kinds in dict.fromkeys((tuple(row), tuple(map(type, row.values()))) for row in part):
            for key, kind in zip(keys, kinds):
                types.setdefault(key, set()).add(kind)
    return types


def _rows(data: Input) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(parse_int=_Whole, parse_float=_Fraction, parse_constant=str, object_pairs_hook=_pairs)
    with data.open() as stream:
        for number, line in enumerate(_lines(stream), start=1):
            if not line.strip():
                continue
            try:
                row = decoder.decode(line.decode("utf-8"))
            except UnicodeDecodeError:
                raise SourceError(f"{data.label} has bytes on line {number} that are not utf-8 text.") from None
            except _TwiceError:
                raise SourceError(f"{data.label} has one key twice on line {number}.") from None
            except ValueError:
                raise SourceError(f"{data.label} has no valid JSON on line {number}.") from None
            except RecursionError:
                raise SourceError(f"{data.label} has too deeply nested JSON on line {number}.") from None
            if not isinstance(row, dict):
                raise SourceError(f"{data.label} has no JSON object on line {number}.",
                                  fix="Expected one object a line.")
            if any(map(_has_surrogate, row)):
                raise SourceError(f"{data.label} has half of a Unicode surrogate pair in a key on line {number}.")
            yield row


class _Fraction(str):
    """A JSON number, as it is written."""

    __slots__ = ()


class _Whole(_Fraction):
    """A JSON number without a fraction."""

    __slots__ = ()


def _storage(types: set[type]) -> str | None:
    """The Arrow type of a key's values, where they are all numbers or all true and false."""
    if types == {bool}:
        return "bool"
    if types == {_Whole}:
        return "int64"
    return "double" if types and types <= {_Whole, _Fraction} else None


class _TwiceError(Exception):
    """One key twice in one object."""


def _has_surrogate(key: str) -> bool:
    return not key.isascii() and any("\ud800" <= char <= "\udfff" for char in key)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _TwiceError
    return row


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines of a stream, whatever kind of stream it is, without their line ends."""
    start = stream.read(len(codecs.BOM_UTF8))
    rest = b"" if start == codecs.BOM_UTF8 else start
    while part := stream.read(2**20):
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _batches(data: Input, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    rows = _rows(data)
    while part := list(islice(rows, BATCH_ROWS)):
        try:
            columns = [pa.array([_text(row.get(n)) for row in part], pa.string()) for n in names]
        except UnicodeEncodeError:
            raise SourceError(f"{data.label} has half of a Unicode surrogate pair in a text.") from None
        yield pa.RecordBatch.from_arrays([c.dictionary_encode() for c in columns], list(names))


def _values(column: Column, cells: Cells) -> Sequence[str]:
    """The JSON of each cell."""
    texts = text_of.render(column, cells, Dialect()).tolist()
    as_json = _literal(column, cells.logical.storage)
    known = {t: as_json(t) for t in dict.fromkeys(texts)}
    return [known[t] if there else "null" for t, there in zip(texts, cells.present.tolist())]


def _literal(column: Column, storage: str) -> Callable[[str], str]:
    """From a cell's text to its JSON: numbers and booleans by kind or by how they were stored, else text."""
    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    if column.kind == "boolean":
        plain = storage == "bool" or (column.format or "false|true").lower() == "false|true"
        if plain:
            truth = text_of.spelling(column)[1]
            return lambda t: "true" if t == truth else "false"
    if column.kind in ("number", "integer") or storage.startswith(("int", "uint", "float", "double", "decimal")):
        return lambda t: t if NUMBER.fullmatch(t) else quoted(t)
    return quoted
