"""Signatures with Ed25519: a key pair as PEM texts, its fingerprint, a detached signature over exact bytes.

Sources: RFC 8032 (Ed25519), RFC 8410 (its PKCS #8 and SubjectPublicKeyInfo), RFC 7468 (PEM). An encrypted private key
is under PBES2 as the library's best available choice makes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.sealing import check_passphrase

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHM: Final = "Ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who may have signed. raw: 32 bytes."""

    raw: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the raw key in hexadecimal digits: what two people compare by telephone."""
        return hashlib.sha256(self.raw).hexdigest()

    def signed(self, content: bytes, signature: bytes) -> bool:
        """True if the key's owner signed exactly these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True

    def pem(self) -> bytes:
        """The key as others are given it."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @classmethod
    def from_pem(cls, text: bytes, name: str) -> Self:
        """Raises SourceError where the file called `name` holds no public Ed25519 key."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise SourceError(f"{name} holds no public Ed25519 key in PEM.",
                              fix="Name the .pub file that tabsynth keys new has written, not the private key.")
        return cls(key.public_bytes_raw())


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Who signs. Shows nothing of itself."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """A key from the operating system's entropy."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, content: bytes) -> bytes:
        """64 bytes; the same for the same content."""
        return self._key.sign(content)

    def pem(self, passphrase: str | None = None) -> bytes:
        """The key as it is kept: PKCS #8, encrypted under the passphrase if there is one."""
        from cryptography.hazmat.primitives import serialization

        if passphrase is not None:
            check_passphrase(passphrase)
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption() if passphrase is None
            else serialization.BestAvailableEncryption(passphrase.encode()))

    @classmethod
    def from_pem(cls, text: bytes, name: str, *, passphrase: str | None = None) -> Self:
        """Read the key from the content of the file called `name`.

        Raises:
            SourceError: it holds no private Ed25519 key, or the passphrase is wrong. UsageError: a passphrase is
                lacking, or given for nothing.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        sealed = b"BEGIN ENCRYPTED PRIVATE KEY" in text
        if sealed and passphrase is None:
            raise UsageError(f"the key {name} is encrypted.",
                             fix="Name the environment variable that holds its passphrase with "
                                 "--key-passphrase-env NAME.")
        if passphrase is not None and not sealed:
            raise UsageError(f"the key {name} is not encrypted, but a passphrase is given for it.",
                             fix="Leave --key-passphrase-env out.")
        try:
            key = load_pem_private_key(text, None if passphrase is None else passphrase.encode())
        except (ValueError, TypeError, UnsupportedAlgorithm):
            if sealed:
                raise SourceError(f"the key {name} cannot be opened: the passphrase is wrong, or the file was changed.",
                                  fix="Check the passphrase, or restore the file from a backup.") from None
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise SourceError(f"{name} holds no private Ed25519 key in PEM.",
                              fix="Name the .key file that tabsynth keys new has written.")
        return cls(key)
