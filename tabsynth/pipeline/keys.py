"""Key files: who signs releases, and who is to be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tabsynth.core.errors import SourceError
from tabsynth.core.files import refuse_existing, replace_file
from tabsynth.core.signing import PrivateKey, PublicKey

NAME: Final = "tabsynth"
"""Of the two files, where only their folder is named."""
OWNER_ONLY: Final = 0o600
LARGEST: Final = 2**16
"""Bytes that a key file can have."""


def new_keys(target: Path, *, passphrase: str | None = None, force: bool = False) -> tuple[Path, Path, PublicKey]:
    """Make a pair and write NAME.key (for its owner's eyes: mode 0600) and NAME.pub.

    Args:
        target: NAME, or a folder, in which the files are called tabsynth.key and tabsynth.pub.
        passphrase: encrypt the private key under it.

    Raises:
        SourceError: one of the files exists and `force` is not set.
    """
    stem = target / NAME if target.is_dir() else target
    private, public = (stem.with_name(stem.name + suffix) for suffix in (".key", ".pub"))
    for path in (private, public):
        refuse_existing(path, force=force)
    key = PrivateKey.new()
    for path, text, mode in ((private, key.pem(passphrase), OWNER_ONLY), (public, key.public.pem(), None)):
        with replace_file(path, force=force, mode=mode) as handle:
            handle.write(text)
    return private, public, key.public


def read_private(path: Path, *, passphrase: str | None = None) -> PrivateKey:
    """Raises SourceError where the file cannot be read, and what `PrivateKey.from_pem` raises."""
    return PrivateKey.from_pem(_content(path), path.name, passphrase=passphrase)


def read_public(path: Path) -> PublicKey:
    """Raises SourceError where the file cannot be read, or holds something else."""
    return PublicKey.from_pem(_content(path), path.name)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise SourceError(f"there is no key file {path}.", fix="Make one with: tabsynth keys new -o NAME")
    try:
        with path.open("rb") as handle:
            return handle.read(LARGEST)
    except OSError as error:
        raise SourceError(f"the key file {path} cannot be read: {error.strerror}.") from error
