"""Writing so that nothing is lost: a temporary file beside the target, flushed, then renamed over it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from tabsynth.core.errors import SourceError

CHUNK: Final = 2**20
"""Bytes read at once."""


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise unless `path` is free or `force` allows to replace it."""
    if path.exists() and not force:
        raise SourceError(f"{path} exists already.", fix="Choose another name, or pass --force to replace it.")


def check_writable(path: Path) -> None:
    """Raise now, before hours of work, if `path` could not be written later."""
    parent = path.parent if path.parent != Path("") else Path(".")
    if not parent.is_dir():
        raise SourceError(f"{path} cannot be written: the folder {parent} does not exist.", fix="Create it first.")
    if not os.access(parent, os.W_OK):
        raise SourceError(f"{path} cannot be written: no permission to write in {parent}.")


def check_folder(folder: Path) -> None:
    """Raise now if `folder` could not be made, or nothing could be written in it, later."""
    if folder.exists() and not folder.is_dir():
        raise SourceError(f"{folder} is a file, not a folder.", fix="Choose another name.")
    check_writable(folder / "probe" if folder.is_dir() else folder)


def prepare_folder(folder: Path) -> None:
    """Make `folder` (not its parents) unless it is there, and raise now if nothing can be written in it."""
    check_folder(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise SourceError(f"folder {folder} cannot be made: {error.strerror}.", fix="Make its parent first.") from error


def chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes in parts."""
    try:
        with path.open("rb") as handle:
            while chunk := handle.read(CHUNK):
                yield chunk
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


def name_told(path: Path) -> str:
    """A file's name as text that can be written down: bytes that are no UTF-8 become U+FFFD."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    for chunk in chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def replace_file(path: Path, *, force: bool = False, mode: int | None = None) -> Iterator[IO[bytes]]:
    """A binary file that appears under its name only when the block ends without an error.

    Args:
        mode: who may read it; None = as for any new file. No byte is ever readable by more.
    """
    refuse_existing(path, force=force)
    check_writable(path)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise SourceError(f"{path} cannot be written: {error.strerror}.") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask if mode is None else mode)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise SourceError(f"{path} cannot be written: {error.strerror}.") from error
        raise
