"""The model file: a zip of JSON and safetensors, versioned and checksummed. Loading runs no code.

Layout: ``header.json`` (format, version, model, privacy, checksums), ``schema.json``, ``coding.json``,
``state.json``, ``arrays.safetensors``. Members are stored with a fixed date, so equal models are equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tabsynth.core.coding import Coding
from tabsynth.core.errors import ArtifactError, TabsynthError
from tabsynth.core.files import replace_file
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import schema_from_json, schema_to_json
from tabsynth.core.synthesizer import State

FORMAT: Final = "tabsynth.model"
VERSION: Final = 1
MEMBERS: Final = ("schema.json", "coding.json", "state.json", "arrays.safetensors")
MAX_MIB: Final = {"header.json": 16, "schema.json": 64, "coding.json": 512, "state.json": 512,
                  "arrays.safetensors": 4096}
"""What a member may unpack to: a small file can be made to fill any memory."""
FIELDS: Final = {"version": int, "model": str, "privacy": dict, "info": dict, "sha256": dict}
"""What every header holds."""
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
        if hashlib.sha256(data).hexdigest() != header["sha256"].get(name):
            raise ArtifactError(f"model file {path.name} is corrupt: the checksum of {name} does not match.",
                                fix="Restore it from a backup or fit again.")
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
    if isinstance(version, int) and version > VERSION:
        raise ArtifactError(f"model file {path.name} has format version {version}; this tabsynth reads up to "
                            f"{VERSION}.", fix="Update tabsynth.")
    for name, kind in FIELDS.items():
        if not isinstance(header.get(name), kind):
            raise ArtifactError(f"model file {path.name} is damaged: its header has no readable {name!r}.",
                                fix="Restore it from a backup or fit again.")
    if not isinstance(header["privacy"].get("personal_data"), bool):
        raise ArtifactError(f"model file {path.name} is damaged: its header does not say whether it is personal data.",
                            fix="Restore it from a backup or fit again.")
    return header
