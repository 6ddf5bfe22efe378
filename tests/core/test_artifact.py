"""The model file as something a stranger sends: whatever is in it, one clear sentence, and nothing of it runs."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from tabsynth.core import artifact
from tabsynth.core.coding import Coding
from tabsynth.core.errors import ArtifactError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.synthesizer import State

SCHEMA = Schema((Column("sex", "category", levels=("f", "m"), source="form"),
                 Column("age", "integer", bounds=(0, 200), source="form")))
Parts = dict[str, bytes]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.tabsynth"
    artifact.save(path, artifact.Artifact(
        "marginal", Coding.public(SCHEMA), State({"tree": []}, {"a": np.arange(6.0)}),
        {"personal_data": True, "notice": artifact.PERSONAL_DATA}, {"tabsynth": "0"}))
    return path


def parts_of(path: Path) -> Parts:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, parts: Parts, *, rehash: bool = True) -> None:
    """A model file of these members; with `rehash` its checksums fit, as a forger's would."""
    if rehash:
        header = json.loads(parts["header.json"])
        header["sha256"] = {n: hashlib.sha256(part).hexdigest() for n, part in parts.items() if n != "header.json"}
        parts = {**parts, "header.json": json.dumps(header).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def test_round_trip(file: Path) -> None:
    loaded = artifact.load(file)
    assert loaded.model == "marginal"
    assert loaded.schema == SCHEMA
    assert loaded.coding.state() == Coding.public(SCHEMA).state()
    assert loaded.state.arrays["a"].tolist() == [0, 1, 2, 3, 4, 5]
    assert artifact.read_header(file)["privacy"]["personal_data"] is True


def test_equal_models_are_equal_bytes(file: Path, tmp_path: Path) -> None:
    artifact.save(tmp_path / "again.tabsynth", artifact.load(file))
    assert (tmp_path / "again.tabsynth").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("field", "value"), [
    ("version", "x"), ("version", None), ("version", [1]), ("version", 1e300), ("model", ["a"]), ("model", None),
    ("privacy", None), ("privacy", []), ("privacy", {}), ("privacy", {"personal_data": "no"}), ("info", None),
    ("format", "other"), ("format", None)])
def test_a_header_of_another_shape(file: Path, field: str, value: Any) -> None:
    parts = parts_of(file)
    write(file, {**parts, "header.json": json.dumps({**json.loads(parts["header.json"]), field: value}).encode()})
    with pytest.raises(ArtifactError, match=r"m\.tabsynth"):
        artifact.load(file)


def test_checksums_of_another_shape(file: Path) -> None:
    parts = parts_of(file)
    header = {**json.loads(parts["header.json"]), "sha256": [1]}
    write(file, {**parts, "header.json": json.dumps(header).encode()}, rehash=False)
    with pytest.raises(ArtifactError, match="sha256"):
        artifact.load(file)


@pytest.mark.parametrize(("member", "content"), [
    ("schema.json", b"[]"), ("schema.json", b"{"), ("schema.json", b'{"columns":' + b"[" * 100_000),
    ("schema.json", b'{"columns": [{"name": "sex", "kind": "code"}]}'), ("coding.json", b"{}"), ("coding.json", b"[1]"),
    ("coding.json", b'{"codecs": {"sex": 1, "age": 2}, "rules": {"learned": []}, "public": true}'),
    ("state.json", b"\xff"), ("arrays.safetensors", b"junk"), ("arrays.safetensors", b"\xff" * 64),
    ("arrays.safetensors", b"")])
def test_content_of_another_shape_under_checksums_that_fit(file: Path, member: str, content: bytes) -> None:
    write(file, {**parts_of(file), member: content})
    with pytest.raises(ArtifactError, match=r"m\.tabsynth cannot be read"):
        artifact.load(file)


@pytest.mark.parametrize("member", ["header.json", *artifact.MEMBERS])
def test_a_missing_and_a_changed_member(file: Path, member: str) -> None:
    parts = parts_of(file)
    write(file, {name: part for name, part in parts.items() if name != member}, rehash=False)
    with pytest.raises(ArtifactError, match=member):
        artifact.load(file)
    write(file, {**parts, member: parts[member] + b" "}, rehash=False)
    if member != "header.json":
        with pytest.raises(ArtifactError, match=f"checksum of {member}"):
            artifact.load(file)


def test_a_header_that_nests_without_end(file: Path) -> None:
    write(file, {**parts_of(file), "header.json": b"[" * 100_000}, rehash=False)
    with pytest.raises(ArtifactError, match="header is not JSON"):
        artifact.load(file)


def test_a_small_file_that_unpacks_to_a_large_one_is_refused_unread(file: Path) -> None:
    write(file, {**parts_of(file), "header.json": b" " * (17 << 20) + b"{}"}, rehash=False)
    assert file.stat().st_size < 1 << 20
    with pytest.raises(ArtifactError, match="over 16 MiB"):
        artifact.read_header(file)


def test_members_with_paths_are_never_written(file: Path, tmp_path: Path) -> None:
    write(file, {**parts_of(file), "../../escaped": b"x", "/absolute": b"x"}, rehash=False)
    artifact.load(file)
    assert {p.name for p in tmp_path.iterdir()} == {"m.tabsynth"}


def test_arrays_are_data(file: Path) -> None:
    """A pickle among the arrays is a name that safetensors does not know."""
    arrays = safetensors.numpy.save({"a": np.arange(2.0)}).replace(b'"F64"', b'"PKL"')
    write(file, {**parts_of(file), "arrays.safetensors": arrays})
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifact.load(file)
