"""Tables as the bytes of a file, in pieces that depend on nothing but the rows."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import pyarrow as pa

from tabsynth.core.table import Table
from tabsynth.datasets.formats.source import Pieces

Mark = TypeVar("Mark")


@dataclass(frozen=True, slots=True)
class Piece(Generic[Mark]):
    """Consecutive bytes of a file. rows: how many rows they hold; mark: what came with the last of their tables."""

    data: bytes
    rows: int
    mark: Mark


class Writing:
    """A format and its compression. Every piece is compressed by itself, which readers take as one stream."""

    def __init__(self, format: Pieces, compression: str | None = None) -> None:
        self.format, self.compression = format, compression

    def pieces(self, tables: Iterable[tuple[Table, Mark]]) -> Iterator[Piece[Mark]]:
        """The tables, taken one at a time, with what is to be known of each."""
        held: list[Table] = []
        for table, mark in tables:
            held.append(table)
            if sum(map(len, held)) >= self.format.rows:
                yield self._piece(held, mark)
                held = []
        if held:
            yield self._piece(held, mark)

    def taken(self, data: bytes) -> None:
        """A piece that was made earlier for the same file."""
        self.format.taken(_plain(data, self.compression))

    def end(self) -> bytes:
        """The bytes after the last piece."""
        data = self.format.end()
        return _compressed(data, self.compression) if data else data

    def _piece(self, held: list[Table], mark: Mark) -> Piece[Mark]:
        table = held[0] if len(held) == 1 else Table.concat(held)
        return Piece(_compressed(self.format.piece(table), self.compression), len(table), mark)


def _compressed(data: bytes, compression: str | None) -> bytes:
    if compression is None:
        return data
    if compression == "gzip":  # no file name and no time in the header: equal tables give equal bytes
        return gzip.compress(data, 6, mtime=0)
    return bytes(pa.compress(data, codec=compression, asbytes=True))


def _plain(data: bytes, compression: str | None) -> bytes:
    if compression is None:
        return data
    with pa.CompressedInputStream(pa.BufferReader(data), compression) as stream:
        return bytes(stream.read())
