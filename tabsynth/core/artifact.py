"""The model file: a zip of JSON and safetensors, versioned and checksummed. Loading runs no code.

Layout: ``header.json`` (format, version, model, privacy, checksums), ``schema.json``, ``coding.json``,
``state.json``, ``arrays.safetensors``. Members are stored with a fixed date, so equal models are equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tabsynth.core.coding import Coding
from tabsynth.core.errors import ArtifactError
from tabsynth.core.files import replace_file
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import schema_from_json, schema_to_json
from tabsynth.core.synthesizer import State

FORMAT: Final = "tabsynth.model"
VERSION: Final = 1
MEMBERS: Final = ("schema.json", "coding.json", "state.json", "arrays.safetensors")
MAX_MEMBER_BYTES: Final = 4 << 30
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


def save(path: Path, artifact: Artifact, *, force: bool = False) -> None:
    """Write the file under a temporary name and rename it; an existing file stays unless `force`."""
    import safetensors.numpy

    parts: dict[str, bytes] = {
        "schema.json": canonical_json(schema_to_json(artifact.schema)),
        "coding.json": canonical_json(artifact.coding.state()),
        "state.json": canonical_json(artifact.state.values),
        "arrays.safetensors": safetensors.numpy.save(
            {k: v.copy(order="C") for k, v in sorted(artifact.state.arrays.items())}),
    }
    header = {
        "format": FORMAT, "version": VERSION, "model": artifact.model, "privacy": dict(artifact.privacy),
        "info": dict(artifact.info),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
    }
    with replace_file(path, force=force) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"header.json": canonical_json(header), **parts}.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def read_header(path: Path) -> dict[str, Any]:
    """The header alone: what the file is, without loading the model."""
    with _open(path) as archive:
        return _header(archive, path)


def load(path: Path) -> Artifact:
    """Read and check a model file.

    Raises:
        ArtifactError: not a model file, corrupt, or written by a newer version of tabsynth.
    """
    import safetensors.numpy

    with _open(path) as archive:
        header = _header(archive, path)
        parts = {name: _member(archive, name, path) for name in MEMBERS}
    for name, data in parts.items():
        if hashlib.sha256(data).hexdigest() != header.get("sha256", {}).get(name):
            raise ArtifactError(f"model file {path.name} is corrupt: the checksum of {name} does not match.",
                                fix="Restore it from a backup or fit again.")
    try:
        schema = schema_from_json(json.loads(parts["schema.json"]))
        return Artifact(
            model=header["model"],
            coding=Coding.from_state(schema, json.loads(parts["coding.json"])),
            state=State(json.loads(parts["state.json"]), safetensors.numpy.load(parts["arrays.safetensors"])),
            privacy=header["privacy"], info=header["info"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"model file {path.name} cannot be read: its {type(error).__name__} says that the "
                            "content does not fit the format.", fix="Fit again with this version.") from error


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces, so that equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _open(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise ArtifactError(f"model file {path} does not exist.", fix="Check the path.")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise ArtifactError(f"{path.name} is not a tabsynth model file, or it is damaged.",
                            fix="Restore it from a backup or fit again.") from error


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        if archive.getinfo(name).file_size > MAX_MEMBER_BYTES:
            raise ArtifactError(f"model file {path.name} is refused: {name} would unpack to over 4 GiB.")
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
    except ValueError as error:
        raise ArtifactError(f"model file {path.name} is damaged: its header is not JSON.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ArtifactError(f"{path.name} is not a tabsynth model file.")
    if int(header.get("version", 0)) > VERSION:
        raise ArtifactError(f"model file {path.name} has format version {header['version']}; this tabsynth reads up "
                            f"to {VERSION}.", fix="Update tabsynth.")
    return header
