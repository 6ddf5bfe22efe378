"""Where a ledger's lines are kept: a locked, fsynced file, or memory for scratch ledgers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from tabsynth.core.errors import PrivacyError, SourceError

LOCK_SECONDS: Final = 10.0
LONGEST_NAME: Final = 200


class Lines(Protocol):
    """Complete lines, appended one at a time."""

    name: str

    def locked(self) -> AbstractContextManager[None]: ...

    def read(self) -> list[bytes]: ...

    def append(self, line: bytes) -> None: ...


class MemoryLines:
    """Lines that vanish with the process."""

    name = "in memory"

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def read(self) -> list[bytes]:
        return list(self._lines)

    def append(self, line: bytes) -> None:
        self._lines.append(line)


class FileLines:
    """Lines of one file. A line counts when its newline, or its whole text, has reached the disk.

    A line without newline at the end is an append that a crash cut short. If it is intact, only the newline was lost
    and it counts. If it is not, whoever wrote it was never told that it was booked, so no query ran under it: the
    fragment is moved to a file ending in ``.torn`` and the chain goes on before it.
    """

    def __init__(self, path: Path, population: str) -> None:
        self._path = path
        self.name = f"{path.name} of population {population!r}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger alone; heals a torn end first.

        Raises:
            PrivacyError: another process holds it for more than ten seconds.
        """
        import fcntl

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise SourceError(f"the ledger folder {self._path.parent} cannot be written: {error.strerror}.") from error
        try:
            deadline = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise PrivacyError(f"the ledger {self.name} is locked by another process.",
                                           fix="Wait until it has finished.") from error
                    time.sleep(0.02)
            try:
                self._heal()
            except OSError as error:
                raise SourceError(f"the ledger {self.name} cannot be written: {error.strerror}.") from error
            yield
        finally:
            os.close(handle)

    def read(self) -> list[bytes]:
        """Complete lines, the last one also without its newline if it is intact."""
        lines, fragment = self._split()
        return [*lines, fragment] if _intact(fragment) else lines

    def append(self, line: bytes) -> None:
        """Write one line and wait until the disk has it."""
        new = not self._path.exists()
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                _write_all(handle, line)
            finally:
                os.close(handle)
            if new:
                _sync_folder(self._path.parent)
        except OSError as error:
            raise SourceError(f"the ledger {self.name} cannot be written: {error.strerror}.") from error

    def _split(self) -> tuple[list[bytes], bytes]:
        try:
            *lines, fragment = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return [], b""
        except OSError as error:
            raise SourceError(f"the ledger {self.name} cannot be read: {error.strerror}.") from error
        return lines, fragment

    def _heal(self) -> None:
        lines, fragment = self._split()
        if not fragment:
            return
        if _intact(fragment):
            self.append(b"\n")
            return
        torn = os.open(self._path.with_suffix(".torn"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _write_all(torn, fragment + b"\n")
        finally:
            os.close(torn)
        handle = os.open(self._path, os.O_WRONLY)
        try:
            os.ftruncate(handle, sum(len(line) + 1 for line in lines))
            os.fsync(handle)
        finally:
            os.close(handle)


def file_of(folder: Path, population: str) -> Path:
    """The file of a population: its name made safe, and a hash so that two names never share a file.

    >>> file_of(Path("ledger"), "Cardio / Registry").name
    'cardio-registry-68bc1daf.jsonl'
    """
    if not population.strip():
        raise PrivacyError("a ledger needs the name of its population.")
    if len(population) > LONGEST_NAME or not population.isprintable():
        raise PrivacyError(f"the name of a population has at most {LONGEST_NAME} characters, all of them printable.",
                           fix="Choose another name.")
    slug = re.sub(r"[^a-z0-9]+", "-", population.lower()).strip("-")[:60] or "population"
    digest = hashlib.sha256(population.encode()).hexdigest()[:8]
    return folder / f"{slug}-{digest}.jsonl"


def populations_in(folder: Path) -> tuple[str, ...]:
    """Names in the first lines of the ledgers of a folder, sorted."""
    names = set()
    for path in sorted(folder.glob("*.jsonl")):
        try:
            names.add(str(json.loads(path.read_bytes().split(b"\n", 1)[0])["body"]["population"]))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            names.add(path.name)
    return tuple(sorted(names))


def _intact(fragment: bytes) -> bool:
    """True if the text is a whole JSON object: its closing brace is the last byte that is written."""
    try:
        return isinstance(json.loads(fragment), dict)
    except (ValueError, RecursionError):
        return False


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data):]
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
