"""Encryption of a file's content under a passphrase: AES-256-GCM, with a key that scrypt makes slowly and at a cost.

A sealed content can be opened and is unchanged, or it cannot be opened: nothing tells a wrong passphrase from a
changed byte. What stands beside it in the clear is bound to it as associated data.

Sources: RFC 7914 (scrypt), NIST SP 800-38D (GCM), OWASP's password storage recommendation (n = 2^17, r = 8, p = 1).
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tabsynth.core.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CIPHER: Final = "AES-256-GCM"
KDF: Final = "scrypt"
COST: Final = {"n": 2**17, "r": 8, "p": 1}
"""What one guess costs: 128 MiB of memory and about a third of a second."""
READABLE: Final = tuple({**COST, "n": 2**k} for k in range(15, 21))
"""Costs that a file may ask its reader for: none that is cheap to guess, none above 1 GiB of memory."""
SHORTEST: Final = 12
LARGEST: Final = 2**31 - 1
"""Bytes that one call of the cipher takes."""
_SALT: Final = re.compile("[0-9a-f]{32}")
_NONCE: Final = re.compile("[0-9a-f]{24}")


class CannotBeOpened(Exception):
    """The passphrase is not the one that sealed the content, or content or associated data were changed."""


def check_passphrase(passphrase: str) -> None:
    """Refuse a passphrase that could be guessed, or is not there at all.

    Raises:
        UsageError: fewer than 12 characters.
    """
    if not passphrase.strip():
        raise UsageError("the passphrase is empty.", fix=f"Choose one of at least {SHORTEST} characters.")
    if len(passphrase) < SHORTEST:
        raise UsageError(f"the passphrase is too short: it needs at least {SHORTEST} characters.",
                         fix="Several words that do not belong together make a good one.")


def new_facts() -> dict[str, Any]:
    """How a content will be sealed: public, and needed to open it. The salt is new each time, and so is the key."""
    return {"cipher": CIPHER, "kdf": KDF, "parameters": dict(COST), "salt": secrets.token_hex(16),
            "nonce": secrets.token_hex(12)}


def readable(facts: Any) -> bool:
    """True for facts of the shape of `new_facts` that ask for a cipher and a cost that this version has.

    >>> readable(new_facts()), readable({**new_facts(), "parameters": {"n": 2**30, "r": 8, "p": 1}})
    (True, False)
    """
    if not isinstance(facts, dict) or set(facts) != {"cipher", "kdf", "parameters", "salt", "nonce"}:
        return False
    known = facts["cipher"] == CIPHER and facts["kdf"] == KDF and facts["parameters"] in READABLE
    return known and all(type(number) is int for number in facts["parameters"].values()) and all(
        isinstance(text, str) and shape.fullmatch(text) is not None
        for text, shape in ((facts["salt"], _SALT), (facts["nonce"], _NONCE)))


def seal(content: bytes, passphrase: str, facts: Mapping[str, Any], *, associated: bytes) -> bytes:
    """The content under the passphrase, with the 16 bytes of its tag at the end.

    Args:
        content: at most 2 GiB.
        facts: from `new_facts`; to be used once.
        associated: bytes that stay readable and cannot be changed without `unseal` telling.

    Raises:
        UsageError: the content is too large.
    """
    if len(content) > LARGEST:
        raise UsageError(f"{len(content):,} bytes are too many to encrypt; the most is {LARGEST:,}.",
                         fix="Write the file without a passphrase and encrypt the disk.")
    return _cipher(passphrase, facts).encrypt(bytes.fromhex(facts["nonce"]), content, associated)


def unseal(sealed: bytes, passphrase: str, facts: Mapping[str, Any], *, associated: bytes) -> bytes:
    """The content that `seal` was given.

    Raises:
        CannotBeOpened: one of the arguments is not what it was.
    """
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(passphrase, facts).decrypt(bytes.fromhex(facts["nonce"]), sealed, associated)
    except InvalidTag as error:
        raise CannotBeOpened from error


def _cipher(passphrase: str, facts: Mapping[str, Any]) -> AESGCM:
    """The cipher under the passphrase's key. Letters with accents count as equal however they were typed."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return AESGCM(Scrypt(salt=bytes.fromhex(facts["salt"]), length=32, **facts["parameters"]).derive(typed))
