"""An encrypted model file: it opens unchanged under its passphrase, or not at all, and gives nothing away closed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabsynth.core import artifact, sealing
from tabsynth.core.coding import Coding
from tabsynth.core.errors import ArtifactError, UsageError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.synthesizer import State

WORDS = "correct horse battery staple"
SCHEMA = Schema((Column("diagnosis", "category", levels=("sarcoidosis", "asthma"), source="form"),))
MODEL = artifact.Artifact(
    "copula", Coding.public(SCHEMA), State({"tree": ["zwyxqv"]}, {"weights": np.arange(6.0)}),
    {"personal_data": True, "notice": artifact.PERSONAL_DATA}, {"tabsynth": "0", "reason": "evidence"})
SECRETS = (b"diagnosis", b"sarcoidosis", b"zwyxqv", b"weights", b"evidence", WORDS.encode())
Parts = dict[str, bytes]


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least cost that a file may ask for, for many runs."""
    monkeypatch.setattr(sealing, "COST", {"n": 2**15, "r": 8, "p": 1})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.tabsynth"
    artifact.save(path, MODEL, passphrase=WORDS)
    return path


def parts_of(path: Path) -> Parts:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, parts: Parts) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def refusal(path: Path, passphrase: str | None) -> str:
    with pytest.raises(ArtifactError) as error:
        artifact.load(path, passphrase=passphrase)
    return str(error.value)


def test_a_file_opens_under_its_passphrase(file: Path) -> None:
    loaded = artifact.load(file, passphrase=WORDS)
    assert (loaded.model, loaded.schema, loaded.info) == (MODEL.model, MODEL.schema, MODEL.info)
    assert loaded.state.arrays["weights"].tolist() == [0, 1, 2, 3, 4, 5]


def test_what_is_encrypted_is_the_plain_file_byte_for_byte(file: Path, tmp_path: Path) -> None:
    artifact.save(tmp_path / "plain.tabsynth", MODEL)
    parts, header = parts_of(file), artifact.read_header(file)
    content = sealing.unseal(parts[artifact.CONTENT], WORDS, header["encryption"], associated=parts["header.json"])
    assert content == (tmp_path / "plain.tabsynth").read_bytes()


def test_closed_it_tells_what_it_is_and_nothing_else(file: Path, tmp_path: Path) -> None:
    artifact.save(tmp_path / "plain.tabsynth", MODEL)
    plain, closed = (b"".join(parts_of(path).values()) for path in (tmp_path / "plain.tabsynth", file))
    assert [secret for secret in SECRETS if secret in plain] == list(SECRETS[:-1])
    assert not [secret for secret in SECRETS if secret in closed]
    header = artifact.read_header(file)
    assert set(header) == {"format", "version", "model", "privacy", "encryption"}
    assert header["privacy"]["personal_data"] is True


def test_no_two_files_share_key_or_nonce(file: Path, tmp_path: Path) -> None:
    artifact.save(tmp_path / "again.tabsynth", MODEL, passphrase=WORDS)
    a, b = (artifact.read_header(path)["encryption"] for path in (file, tmp_path / "again.tabsynth"))
    assert a["salt"] != b["salt"]
    assert a["nonce"] != b["nonce"]
    assert parts_of(file)[artifact.CONTENT] != parts_of(tmp_path / "again.tabsynth")[artifact.CONTENT]


@pytest.mark.parametrize(("path_to", "value"), [
    (("model",), "independent"), (("privacy", "personal_data"), False), (("privacy", "notice"), ""),
    (("encryption", "parameters", "n"), 2**16), (("encryption", "salt"), "0" * 32),
    (("encryption", "nonce"), "0" * 24)])
def test_a_changed_header_reads_like_a_wrong_passphrase(file: Path, path_to: tuple[str, ...], value: Any) -> None:
    wrong = refusal(file, "another horse altogether")
    assert "passphrase is wrong, or the file was changed" in wrong
    header: Any = json.loads((parts := parts_of(file))["header.json"])
    inner = header
    for name in path_to[:-1]:
        inner = inner[name]
    inner[path_to[-1]] = value
    write(file, {**parts, "header.json": artifact.canonical_json(header)})
    assert refusal(file, WORDS) == wrong


@pytest.mark.parametrize("change", [
    lambda c: bytes([c[0] ^ 1]) + c[1:], lambda c: c[:100] + bytes([c[100] ^ 128]) + c[101:],
    lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: c[:-1], lambda c: c + b"\0", lambda c: c[16:], lambda c: b""])
def test_a_changed_content_reads_like_a_wrong_passphrase(file: Path, change: Any) -> None:
    wrong, parts = refusal(file, "another horse altogether"), parts_of(file)
    write(file, {**parts, artifact.CONTENT: change(parts[artifact.CONTENT])})
    assert refusal(file, WORDS) == wrong


def test_no_flipped_bit_anywhere_in_the_file_changes_the_model(file: Path) -> None:
    whole = file.read_bytes()
    for place in range(0, len(whole), 23):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
        try:
            loaded = artifact.load(file, passphrase=WORDS)
        except ArtifactError:
            continue
        assert (loaded.privacy, loaded.info) == (MODEL.privacy, MODEL.info), place
        assert loaded.coding.state() == MODEL.coding.state(), place
        assert loaded.state.arrays["weights"].tolist() == [0, 1, 2, 3, 4, 5], place


def test_a_header_that_is_not_that_of_its_content(file: Path) -> None:
    """Whoever knows the passphrase can seal anything; the readable header must still not lie."""
    facts = sealing.new_facts()
    plain = file.with_name("plain.tabsynth")
    artifact.save(plain, MODEL)
    header = artifact.canonical_json({**artifact.read_header(file), "privacy": {"personal_data": False},
                                      "encryption": facts})
    for content in (plain.read_bytes(), file.read_bytes()):
        write(file, {"header.json": header, artifact.CONTENT: sealing.seal(content, WORDS, facts, associated=header)})
        assert "contradicts itself" in refusal(file, WORDS)


@pytest.mark.parametrize(("name", "value"), [
    ("cipher", "ROT13"), ("kdf", "md5"), ("parameters", {"n": 2**30, "r": 8, "p": 1}), ("parameters", None),
    ("parameters", {"n": 2.0**17, "r": 8, "p": 1}), ("parameters", {"n": 2**17, "r": 8, "p": True}),
    ("parameters", {"n": 2, "r": 8, "p": 1}), ("salt", "zz"), ("nonce", 10**23), ("extra", 1)])
def test_an_encryption_that_is_not_ours_is_refused_before_anything_is_computed(
        file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    header = json.loads((parts := parts_of(file))["header.json"])
    write(file, {**parts, "header.json": json.dumps({**header, "encryption": {
        **header["encryption"], name: value}}).encode()})
    monkeypatch.setattr(sealing, "_cipher", None)
    assert "does not have" in refusal(file, WORDS)


def test_a_passphrase_is_asked_for_and_only_where_it_matters(file: Path, tmp_path: Path) -> None:
    assert "--passphrase-env" in refusal(file, None)
    artifact.save(tmp_path / "plain.tabsynth", MODEL)
    with pytest.raises(UsageError, match="not encrypted"):
        artifact.load(tmp_path / "plain.tabsynth", passphrase=WORDS)


@pytest.mark.parametrize("passphrase", ["", " " * 20, "eleven char"])
def test_a_passphrase_that_can_be_guessed_writes_nothing(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(UsageError, match="passphrase") as error:
        artifact.save(tmp_path / "m.tabsynth", MODEL, passphrase=passphrase)
    assert not passphrase.strip() or passphrase not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_letters_with_accents_are_equal_however_they_are_typed(tmp_path: Path) -> None:
    artifact.save(tmp_path / "m.tabsynth", MODEL, passphrase="Zw\u00f6lf gr\u00fcne B\u00e4ume")
    assert artifact.load(tmp_path / "m.tabsynth", passphrase="Zwo\u0308lf gru\u0308ne Ba\u0308ume").model == "copula"


def test_a_guess_costs_what_is_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert sealing.new_facts()["parameters"] == {"n": 2**17, "r": 8, "p": 1}
    assert sealing.readable(sealing.new_facts())


def test_the_key_is_that_of_rfc_7914_and_the_cipher_that_of_the_standard() -> None:
    """Against hashlib's scrypt and the cipher's low-level interface, so that another program can open the file."""
    import hashlib

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    facts = sealing.new_facts()
    sealed = sealing.seal(b"content", WORDS, facts, associated=b"header")
    key = hashlib.scrypt(WORDS.encode(), salt=bytes.fromhex(facts["salt"]), n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    opened = Cipher(algorithms.AES256(key), modes.GCM(bytes.fromhex(facts["nonce"]), sealed[-16:])).decryptor()
    opened.authenticate_additional_data(b"header")
    assert opened.update(sealed[:-16]) + opened.finalize() == b"content"
