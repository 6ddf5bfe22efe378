"""A file that is being written and can be gone on with: ``FILE.partial`` and ``FILE.partial.json`` beside it.

The first holds the finished pieces of the file. The second says in its first line what the file is going to be, and in
one more line for every piece how long it is, its checksum, and the cursor after its rows. Both are gone when the file
is complete. A piece that is cut off or damaged, and what comes after it, is made again.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from tabsynth.core.assemble import START, Cursor
from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.files import check_writable, refuse_existing

FORMAT: Final = "tabsynth.partial/1"


def partial_of(path: Path) -> tuple[Path, Path]:
    """The names of an unfinished file and of what is known about it."""
    return path.with_name(path.name + ".partial"), path.with_name(path.name + ".partial.json")


class Partial:
    """The open pair of files.

    Attributes:
        cursor: where the rows go on after the last finished piece.
    """

    def __init__(self, data: IO[bytes], journal: IO[bytes]) -> None:
        self.data, self.journal, self.cursor = data, journal, START
        self._sizes: list[int] = []

    def begin(self, path: Path, what: Mapping[str, Any]) -> None:
        """Go on with what is there, without what is not whole; or start, where nothing is.

        Raises:
            UsageError: what is there belongs to another command.
        """
        begun = _parsed(self.journal.readline())
        if begun is not None:
            _refuse_other(path, begun, what)
            self._verify()
            return
        for file in (self.data, self.journal):
            file.seek(0)
            file.truncate()
        self.journal.write(_line(what))
        self.journal.flush()

    def _verify(self) -> None:
        """Find the pieces that are whole, and cut off what comes after them."""
        while True:
            after = self.data.tell(), self.journal.tell()
            entry = _parsed(self.journal.readline())
            piece = self.data.read(entry["bytes"]) if entry else b""
            if entry is None or len(piece) < entry["bytes"] or zlib.crc32(piece) != entry["crc32"]:
                break
            self._sizes.append(len(piece))
            self.cursor = Cursor(**entry["cursor"])
        for file, size in zip((self.data, self.journal), after, strict=True):
            file.seek(size)
            file.truncate()

    def finished(self) -> Iterator[bytes]:
        """The pieces that are there, in order; taken before any is added."""
        self.data.seek(0)
        for size in self._sizes:
            yield self.data.read(size)

    def add(self, piece: bytes, cursor: Cursor) -> None:
        """A finished piece. It is told of only when it is written."""
        self.data.write(piece)
        self.data.flush()
        self.journal.write(_line({"bytes": len(piece), "crc32": zlib.crc32(piece), "cursor": asdict(cursor)}))
        self.journal.flush()
        self.cursor = cursor


@contextmanager
def partial_file(path: Path, what: Mapping[str, Any], *, resume: bool = False,
                 force: bool = False) -> Iterator[Partial]:
    """A file that appears under its name only when the block ends without an error; else its pieces stay.

    Args:
        path: the file.
        what: JSON values that decide its bytes.
        resume: go on with what was left behind, if anything was.
        force: replace the file, or what was left behind of it.

    Raises:
        SourceError: the file exists or cannot be written; or something was left behind and neither `resume` nor `force`
            says what to do with it.
        UsageError: what was left behind belongs to another command.
    """
    what = {"partial": FORMAT, **what}
    refuse_existing(path, force=force)
    check_writable(path)
    names = partial_of(path)
    if not resume and not force and any(name.exists() for name in names):
        raise SourceError(f"{names[0]} exists already: it was left by a command that did not end.",
                          fix="Pass --resume to go on with it, or --force to start again.")
    mode = "r+b" if resume and all(name.exists() for name in names) else "w+b"
    made = None
    try:
        with names[0].open(mode) as data, names[1].open(mode) as journal:
            begun = Partial(data, journal)
            begun.begin(path, what)
            made = begun
            yield made
            data.flush()
            os.fsync(data.fileno())
        os.replace(names[0], path)
        names[1].unlink()
    except BaseException as error:
        rows = made.cursor.rows if made else 0
        if made and not rows:
            for name in names:
                name.unlink(missing_ok=True)
        if isinstance(error, OSError):
            kept = f"{names[0]} holds {rows:,} rows; the same command with --resume goes on from there." if rows else ""
            raise SourceError(f"{path} cannot be written: {error.strerror}.", fix=kept) from error
        raise


def _refuse_other(path: Path, begun: Mapping[str, Any], what: Mapping[str, Any]) -> None:
    other = [name for name, value in what.items() if begun.get(name) != value]
    if other:
        was = "; ".join(f"{name} was {begun.get(name)!r}, not {what[name]!r}" for name in other)
        raise UsageError(f"{partial_of(path)[0]} was begun by another command: {was}.",
                         fix="Repeat that command with --resume, or start again with --force instead.")


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    """One line, or None where it is cut off."""
    try:
        found = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
