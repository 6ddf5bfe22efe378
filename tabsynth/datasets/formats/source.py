"""Where a table comes from: bytes that can be opened again and again, and a table seen through its batches."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast

import pyarrow as pa

from tabsynth.core.errors import SourceError, TabsynthError, looks_like_cell
from tabsynth.core.schema import Dialect
from tabsynth.core.table import Table

STDIO: Final = "-"
"""The path that means standard input or output."""

MEMORY: Final = 64 * 2**20
"""Bytes of standard input that are held in memory; what is longer goes to an unnamed temporary file."""

MAGIC: Final = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
SUFFIX: Final = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True, eq=False)
class Source:
    """A table that has been opened but not read: its structure is known, its rows come in batches.

    Args:
        label: what messages call it: the path, or "standard input".
        format: name of the format plug-in.
        names: column names in file order, no two equal.
        dialect: how a delimited text file is written; None for other formats.
        typed: True if batches carry Arrow types; False if every cell is text (dictionary-encoded, null = not
            given), to be read by a schema.
        open_batches: starts reading from the first row.
        nulls: True if a cell that is not given differs from an empty text.
        storage: Arrow type, as text, of an untyped source's columns that hold JSON numbers or booleans only.
        metadata: what the file says of itself beside its rows, as far as it is text.
    """

    label: str
    format: str
    names: tuple[str, ...]
    dialect: Dialect | None
    typed: bool
    open_batches: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False)
    nulls: bool = False
    storage: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in bounded memory, with columns named as in `names`; may be called again.

        Raises:
            SourceError: a fault of structure met on the way (ragged row, undecodable bytes, cut-off file).
        """
        return self.open_batches()


class Pieces(Protocol):
    """A table file as bytes, piece after piece. Equal tables give equal pieces, whatever was done in between.

    Attributes:
        rows: how many rows make a piece; a table is never divided.
    """

    rows: int

    def piece(self, table: Table) -> bytes:
        """The bytes that follow, with these rows."""

    def taken(self, piece: bytes) -> None:
        """A piece that was made earlier for the same file, and is in it already; in order."""

    def end(self) -> bytes:
        """The bytes after the last piece."""


class Format(Protocol):
    """A file format: one file in this folder with FACTS. Both functions work in bounded memory."""

    @staticmethod
    def scan(data: Input, *, dialect: Dialect | None, names_only: bool) -> Source:
        """Open a table. With `names_only` nothing is concluded from cells, only from header and types."""

    @staticmethod
    def pieces(*, name: str, marks: Mapping[str, str]) -> Pieces:
        """A new file, which is called `name`, for tables of one schema. marks: what its metadata say, if it has any."""


@dataclass(frozen=True, eq=False)
class Input:
    """Bytes of a file or of standard input, decompressed, readable from the start as often as wanted."""

    label: str
    name: str
    compression: str | None
    open_raw: Callable[[], IO[bytes]] = field(repr=False)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The decompressed bytes as a binary stream.

        Raises:
            SourceError: also for what goes wrong while reading inside the block.
        """
        with self.errors(), self.open_raw() as raw:
            if self.compression is None:
                yield raw
                return
            with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), self.compression) as stream:
                yield cast("IO[bytes]", stream)

    def head(self, n: int) -> bytes:
        """The first `n` bytes, fewer if there are not so many."""
        with self.open() as stream:
            parts = []
            while n > 0 and (part := stream.read(n)):
                parts.append(part)
                n -= len(part)
        return b"".join(parts)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn faults of the operating system and of decompression into one clear sentence."""
        try:
            yield
        except TabsynthError:
            raise
        except OSError as error:
            if self.compression is not None:
                raise SourceError(f"{self.label} is cut off or damaged: it does not decompress as {self.compression}.",
                                  fix="Copy or export the file again.") from None
            raise SourceError(f"{self.label} cannot be read: {error.strerror or 'input/output error'}.") from None


def open_input(path: Path | str) -> Input:
    """The bytes of `path`; "-" is standard input.

    Raises:
        SourceError: no such file, a folder, no permission, empty, or not compressed as its name says.
    """
    if str(path) == STDIO:
        held = _Held(sys.stdin.buffer)
        return _checked("standard input", "", lambda: cast("IO[bytes]", io.BufferedReader(_View(held))))
    file = Path(path)
    label = str(file)
    try:
        if file.is_dir():
            raise SourceError(f"{label} is a folder, not a table.", fix="Name one file.")
        if not file.exists():
            raise SourceError(f"{label} does not exist.", fix=_nearby(file))
    except OSError as error:
        raise SourceError(f"{label} cannot be read: {error.strerror}.") from None
    return _checked(label, file.name.lower(), lambda: file.open("rb"))


def _checked(label: str, name: str, open_raw: Callable[[], IO[bytes]]) -> Input:
    start = Input(label, name, None, open_raw).head(4)
    if not start:
        raise SourceError(f"{label} is empty.", fix="Expected a header line and at least one row.")
    found = next((kind for kind, magic in MAGIC.items() if start.startswith(magic)), None)
    suffix = Path(name).suffix
    if suffix in SUFFIX and found != SUFFIX[suffix]:
        raise SourceError(f"{label} is named {suffix} but is not {SUFFIX[suffix]}-compressed.",
                          fix="Rename the file, or compress it again.")
    return Input(label, name.removesuffix(suffix) if suffix in SUFFIX else name, found, open_raw)


def _nearby(path: Path) -> str:
    """A hint towards a file that the person may have meant."""
    import difflib

    have = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, have, n=1)
    return f"Did you mean {str(path.with_name(close[0]))!r}?" if close else "Check the path."


class _Held:
    """Everything that a stream gives, to be read more than once; freed with the last source that reads it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.file = tempfile.SpooledTemporaryFile(max_size=MEMORY)  # noqa: SIM115
        while part := stream.read(2**20):
            self.file.write(part)

    def __del__(self) -> None:
        self.file.close()


class _View(io.RawIOBase):
    """A reader of a shared seekable file with a position of its own."""

    def __init__(self, held: _Held) -> None:
        self._held = held
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._held.file.seek(0, io.SEEK_END)}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._held.file.seek(self._at)
        part = self._held.file.read(len(buffer))
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def check_names(names: list[str], label: str) -> tuple[str, ...]:
    """Column names as a tuple, or a SourceError that names every duplicate."""
    places: dict[str, list[int]] = {}
    for i, name in enumerate(names, start=1):
        places.setdefault(name, []).append(i)
    twice = {name: " and ".join(map(str, at)) for name, at in places.items() if len(at) > 1}
    if any(map(looks_like_cell, names)) and twice:
        raise SourceError(f"{label} has duplicate column names: columns {'; '.join(twice.values())}.",
                          fix="Some names look like values: is the first line a header?")
    if twice:
        found = "; ".join(f"{name!r} is columns {at}" for name, at in twice.items())
        raise SourceError(f"{label} has duplicate column names: {found}.", fix="Give every column its own name.")
    return tuple(names)
