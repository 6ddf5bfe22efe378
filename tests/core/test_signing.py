"""Keys and signatures: the published test vector, what a file may hold, and that nothing of a key is shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.signing import PrivateKey, PublicKey
from tabsynth.pipeline.keys import new_keys, read_private, read_public

WORDS = "correct horse battery staple"


def test_a_published_vector() -> None:
    """RFC 8032, section 7.1, test 2."""
    key = PublicKey(bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
    signature = bytes.fromhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                              "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
    assert key.signed(b"\x72", signature)
    assert not key.signed(b"\x73", signature)
    assert not key.signed(b"\x72", signature[:-1])


def test_a_pair_in_files(tmp_path: Path) -> None:
    private, public, key = new_keys(tmp_path / "me")
    assert (private.name, public.name) == ("me.key", "me.pub")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert b"BEGIN PRIVATE KEY" in private.read_bytes()
    assert read_public(public) == read_private(private).public == key
    assert key.signed(b"x", read_private(private).sign(b"x"))
    assert repr(read_private(private)) == "PrivateKey()"
    before = private.read_bytes()
    for gone in (private, public):  # one of them is enough
        gone.rename(tmp_path / "held")
        with pytest.raises(SourceError, match="exists already"):
            new_keys(tmp_path / "me")
        (tmp_path / "held").rename(gone)
    assert private.read_bytes() == before
    assert new_keys(tmp_path / "me", force=True)[2] != key
    assert new_keys(tmp_path)[0].name == "tabsynth.key"


def test_a_private_key_under_a_passphrase(tmp_path: Path) -> None:
    private, _, key = new_keys(tmp_path / "me", passphrase=WORDS)
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in private.read_bytes()
    assert read_private(private, passphrase=WORDS).public == key
    with pytest.raises(UsageError, match="--key-passphrase-env"):
        read_private(private)
    with pytest.raises(SourceError, match="passphrase is wrong"):
        read_private(private, passphrase=WORDS + "x")
    with pytest.raises(UsageError, match="too short"):
        new_keys(tmp_path / "other", passphrase="short")
    assert not (tmp_path / "other.key").exists()
    plain, _, _ = new_keys(tmp_path / "plain")
    with pytest.raises(UsageError, match="not encrypted"):
        read_private(plain, passphrase=WORDS)


def test_other_files_and_other_keys_are_refused(tmp_path: Path) -> None:
    other = x25519.X25519PrivateKey.generate()
    texts = (b"", b"\xff" * 100, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
             other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
             other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for text in texts:
        (tmp_path / "x").write_bytes(text)
        for read, which in ((read_private, "private"), (read_public, "public")):
            with pytest.raises(SourceError, match=f"no {which} Ed25519 key"):
                read(tmp_path / "x")
    with pytest.raises(SourceError, match="keys new"):
        PrivateKey.from_pem(new_keys(tmp_path / "me")[1].read_bytes(), "me.pub")
