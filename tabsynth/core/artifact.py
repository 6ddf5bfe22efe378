"""The model file: a zip of JSON and safetensors, versioned and checksummed. Loading runs no code.

Layout: ``header.json`` (format, version, model, privacy, checksums), ``schema.json``, ``coding.json``,
``state.json``, ``arrays.safetensors``. Members are stored with a fixed date, so equal models are equal bytes.

Under a passphrase (version 2) that whole file is the one encrypted member ``content.sealed`` beside a ``header.json``
that names model, privacy and encryption, stays readable, and is authenticated together with the content.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

from tabsynth.core import sealing
from tabsynth.core.coding import Coding
from tabsynth.core.errors import ArtifactError, TabsynthError, UsageError
from tabsynth.core.files import replace_file
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import schema_from_json, schema_to_json
from tabsynth.core.synthesizer import State

FORMAT: Final = "tabsynth.model"
PLAIN: Final = 1
SEALED: Final = 2
"""Versions of the format; a reader that knows only the first says of the second that it is newer."""
CONTENT: Final = "content.sealed"
MEMBERS: Final = ("schema.json", "coding.json", "state.json", "arrays.safetensors")
MAX_MIB: Final = {"header.json": 16, "schema.json": 64, "coding.json": 512, "state.json": 512,
                  "arrays.safetensors": 4096, CONTENT: 2048}
"""What a member may unpack to: a small file can be made to fill any memory."""
FIELDS: Final = {PLAIN: {"model": str, "privacy": dict, "info": dict, "sha256": dict},
                 SEALED: {"model": str, "privacy": dict, "encryption": dict}}
"""What a header of each version holds."""
PERSONAL_DATA: Final = "This file was fitted without differential privacy: treat it as personal data."


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file's content.

    Args:
        model: registry name of the model.
        coding: schema, codecs and rules.
        state: the model's parameters.
        privacy: {"personal_data": True, "notice": ...} without DP, else {"personal_data": False,
            "statement": {...}} with the privacy statement.
        info: further public facts (tabsynth version, settings of the model).
    """

    model: str
    coding: Coding
    state: State
    privacy: Mapping[str, Any]
    info: Mapping[str, Any]

    @property
    def schema(self) -> Schema:
        return self.coding.schema


@dataclass(frozen=True, slots=True)
class Contents:
    """A model file opened and checked, nothing of it put together yet.

    Args:
        header: of the plain file, also where that was encrypted.
        parts: bytes of each of MEMBERS.
        encryption: cipher, key derivation and its cost; None for a plain file.
    """

    header: Mapping[str, Any]
    parts: Mapping[str, bytes]
    encryption: Mapping[str, Any] | None = None


def save(path: Path, artifact: Artifact, *, passphrase: str | None = None, force: bool = False) -> None:
    """Write the file under a temporary name and rename it; an existing file stays unless `force`.

    Args:
        passphrase: encrypt the file under it; None = readable by whoever has it, and equal bytes for equal models.
    """
    if passphrase is not None:
        sealing.check_passphrase(passphrase)
    members = _members(artifact)
    with replace_file(path, force=force) as handle:
        if passphrase is None:
            _write(handle, members)
        else:
            _write(handle, _sealed(members, artifact, passphrase), compression=zipfile.ZIP_STORED)


def read_header(path: Path) -> dict[str, Any]:
    """What the file says without a passphrase: what it is, without loading the model."""
    with _open(path, path) as archive:
        return _header(archive, path)


def is_sealed(header: Mapping[str, Any]) -> bool:
    """True if the header belongs to an encrypted file."""
    return bool(header["version"] == SEALED)


def read(path: Path, *, passphrase: str | None = None) -> Contents:
    """Open and check a model file.

    Raises:
        ArtifactError: not a model file, corrupt, written by a newer version of tabsynth, encrypted and no passphrase
            given, or not to be opened with it. UsageError: a passphrase for a file that is not encrypted.
    """
    with _open(path, path) as archive:
        header = _header(archive, path)
        if is_sealed(header):
            content = _unsealed(archive, header, passphrase, path)
        elif passphrase is None:
            return Contents(header, _checked(archive, header, path))
        else:  # else a plain file in the place of an encrypted one would pass for it
            raise UsageError(f"model file {path.name} is not encrypted, but a passphrase is given for it.",
                             fix="Leave the passphrase out if you trust this file as it is.")
    with _open(path, BytesIO(content)) as archive:
        inner = _header(archive, path)
        if is_sealed(inner) or any(inner[name] != header[name] for name in ("model", "privacy")):
            raise ArtifactError(f"model file {path.name} contradicts itself: its header is not that of its content.",
                                fix="Do not use it; ask who made it.")
        return Contents(inner, _checked(archive, inner, path), header["encryption"])


def load(path: Path, *, passphrase: str | None = None) -> Artifact:
    """Read, check and put together a model file; raises what `read` raises."""
    return assemble(read(path, passphrase=passphrase), path)


def assemble(contents: Contents, path: Path) -> Artifact:
    """The model from the contents of the file `path`.

    Raises:
        ArtifactError: the contents do not fit the format.
    """
    import safetensors.numpy

    header, parts = contents.header, contents.parts
    with fitting(path):
        schema = schema_from_json(json.loads(parts["schema.json"]))
        return Artifact(
            model=header["model"],
            coding=Coding.from_state(schema, json.loads(parts["coding.json"])),
            state=State(json.loads(parts["state.json"]), safetensors.numpy.load(parts["arrays.safetensors"])),
            privacy=header["privacy"], info=header["info"],
        )


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while content is put together into one clear sentence.

    A file whose checksums match can still hold anything, and every wrong shape fails in its own way.
    """
    try:
        yield
    except ArtifactError:
        raise
    except Exception as error:
        reason = error.message if isinstance(error, TabsynthError) else "its content does not fit the format."
        raise ArtifactError(f"model file {path.name} cannot be read: {reason}",
                            fix="Fit again with this version.") from error


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces, so that equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _members(artifact: Artifact) -> dict[str, bytes]:
    """The header and the members of a plain file."""
    import safetensors.numpy

    parts: dict[str, bytes] = {
        "schema.json": canonical_json(schema_to_json(artifact.schema)),
        "coding.json": canonical_json(artifact.coding.state()),
        "state.json": canonical_json(artifact.state.values),
        "arrays.safetensors": safetensors.numpy.save(
            {k: v.copy(order="C") for k, v in sorted(artifact.state.arrays.items())}),
    }
    header = {
        "format": FORMAT, "version": PLAIN, "model": artifact.model, "privacy": dict(artifact.privacy),
        "info": dict(artifact.info),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
    }
    return {"header.json": canonical_json(header), **parts}


def _sealed(members: Mapping[str, bytes], artifact: Artifact, passphrase: str) -> dict[str, bytes]:
    """The two members of an encrypted file. Checksums stay inside: they would tell a guess at the content."""
    facts = sealing.new_facts()
    header = canonical_json({"format": FORMAT, "version": SEALED, "model": artifact.model,
                             "privacy": dict(artifact.privacy), "encryption": facts})
    plain = BytesIO()
    _write(plain, members)
    return {"header.json": header, CONTENT: sealing.seal(plain.getvalue(), passphrase, facts, associated=header)}


def _unsealed(archive: zipfile.ZipFile, header: Mapping[str, Any], passphrase: str | None, path: Path) -> bytes:
    """The plain file inside an encrypted one."""
    if passphrase is None:
        raise ArtifactError(f"model file {path.name} is encrypted.",
                            fix="Name the environment variable that holds its passphrase with --passphrase-env NAME "
                                "(in Python: passphrase=...).")
    sealing.check_passphrase(passphrase)
    try:
        return sealing.unseal(_member(archive, CONTENT, path), passphrase, header["encryption"],
                              associated=_member(archive, "header.json", path))
    except sealing.CannotBeOpened as error:
        raise ArtifactError(f"model file {path.name} cannot be opened: the passphrase is wrong, or the file was "
                            "changed.", fix="Check the passphrase, or restore the file from a backup.") from error


def _checked(archive: zipfile.ZipFile, header: Mapping[str, Any], path: Path) -> dict[str, bytes]:
    """The members of a plain file, whose checksums match."""
    parts = {name: _member(archive, name, path) for name in MEMBERS}
    for name, data in parts.items():
        if hashlib.sha256(data).hexdigest() != header["sha256"].get(name):
            raise ArtifactError(f"model file {path.name} is corrupt: the checksum of {name} does not match.",
                                fix="Restore it from a backup or fit again.")
    return parts


def _write(handle: IO[bytes], members: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(handle, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, compression)


def _open(path: Path, source: Path | BytesIO) -> zipfile.ZipFile:
    """The zip in `source`, which is the file `path` or what was encrypted in it."""
    if not path.is_file():
        raise ArtifactError(f"model file {path} does not exist.", fix="Check the path.")
    try:
        return zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError) as error:
        raise ArtifactError(f"{path.name} is not a tabsynth model file, or it is damaged.",
                            fix="Restore it from a backup or fit again.") from error


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        if archive.getinfo(name).file_size > MAX_MIB[name] << 20:
            raise ArtifactError(f"model file {path.name} is refused: {name} would unpack to over {MAX_MIB[name]} MiB.")
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"model file {path.name} is damaged: {name} is missing or unreadable.",
                            fix="Restore it from a backup or fit again.") from error
    except Exception as error:  # zlib.error is not an OSError
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"model file {path.name} is damaged: {name} cannot be unpacked.",
                            fix="Restore it from a backup or fit again.") from error


def _header(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        header = json.loads(_member(archive, "header.json", path))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"model file {path.name} is damaged: its header is not JSON.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ArtifactError(f"{path.name} is not a tabsynth model file.")
    version = header.get("version")
    if isinstance(version, int) and version > SEALED:
        raise ArtifactError(f"model file {path.name} has format version {version}; this tabsynth reads up to "
                            f"{SEALED}.", fix="Update tabsynth.")
    fields = FIELDS.get(version) if isinstance(version, int) else None
    lacking = ["version"] if fields is None else [
        name for name, kind in fields.items() if not isinstance(header.get(name), kind)]
    if lacking:
        raise ArtifactError(f"model file {path.name} is damaged: its header has no readable {lacking[0]!r}.",
                            fix="Restore it from a backup or fit again.")
    if not isinstance(header["privacy"].get("personal_data"), bool):
        raise ArtifactError(f"model file {path.name} is damaged: its header does not say whether it is personal data.",
                            fix="Restore it from a backup or fit again.")
    if is_sealed(header) and not sealing.readable(header["encryption"]):
        raise ArtifactError(f"model file {path.name} cannot be opened: its header asks for an encryption that this "
                            "tabsynth does not have.", fix="Restore it from a backup, or update tabsynth.")
    return header
