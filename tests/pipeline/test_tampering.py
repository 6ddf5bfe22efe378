"""Whatever byte of a release is changed, `verify` finds it: share/ and internal/, signed and unsigned, with and without
a guarantee."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import SourceError, UsageError, VerificationError
from tabsynth.pipeline import face, release
from tabsynth.pipeline.evaluate import evaluate
from tabsynth.pipeline.keys import new_keys, read_public
from tabsynth.pipeline.verify import verify
from tabsynth.reports import provenance

SCHEMA = """\
population: {name: tampering, declared_units: 120}
columns:
  - {name: patient, kind: id, role: unit}
  - {name: age, kind: integer, bounds: [0, 120], source: form}
  - {name: sex, kind: category, levels: [f, m], source: form}
"""
WAYS = ("open", "signed", "private")


@pytest.fixture(scope="module")
def made(visits: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three releases of the visits, and the key of two of them."""
    folder = tmp_path_factory.mktemp("made")
    new_keys(folder / "key")
    (folder / "schema.yaml").write_text(SCHEMA, "utf-8")
    frame = visits[["patient", "age", "sex"]]
    for way in WAYS:
        wish: dict[str, Any] = {"no_dp": True, "unit": "patient", "model": "independent"}
        if way == "private":
            wish = {"epsilon": 1, "ledger": folder / "ledger", "schema": folder / "schema.yaml"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(release, "evaluate", partial(evaluate, sections=("validity",)))
            done = face.release(frame, folder / way, n=50, seed=1, policy="internal-test",
                                sign=None if way == "open" else folder / "key.key", **wish)
        assert done.outcome != "REFUSED"
    return folder


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def check_flip(path: Path, release: Path, position: int, bits: int) -> None:
    """One byte of `path` is changed, found, and put back."""
    before = path.read_bytes()
    changed = bytearray(before)
    changed[position % len(before)] ^= bits
    path.write_bytes(changed)
    try:
        with pytest.raises(VerificationError) as told:
            verify(release)
        assert told.value.exit_code == 6
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("way", WAYS)
def test_a_release_verifies_and_says_what_its_signature_says(made: Path, way: str) -> None:
    for folder in (made / way, made / way / "share", made / way / "internal"):
        found = verify(folder)["signature"]
        assert (found["fingerprint"] is None) is (way == "open")
        assert ("unsigned" if way == "open" else "whose it is remains open") in found["meaning"]
    if way != "open":
        found = verify(made / way, key=read_public(made / "key.pub"))["signature"]
        assert found["meaning"].startswith("signed by the owner")
        report = json.loads((made / way / "share" / "report.json").read_text("utf-8"))
        assert report["provenance"]["signature"] == found["fingerprint"]


@pytest.mark.parametrize("way", WAYS)
def test_a_changed_byte_of_any_file_is_found(made: Path, way: str) -> None:
    files = files_of(made / way)
    assert {path.parent.name for path in files} == {"share", "internal"}
    for path in files:
        for position in (0, path.stat().st_size // 2, path.stat().st_size - 1):
            check_flip(path, made / way, position, 1)


@given(st.integers(0, 1000), st.integers(0, 2**20), st.integers(1, 255))
@settings(max_examples=60)
def test_any_change_of_any_byte(made: Path, which: int, position: int, bits: int) -> None:
    files = files_of(made / "signed")
    check_flip(files[which % len(files)], made / "signed", position, bits)


@pytest.mark.parametrize("part", ["share", "internal"])
@pytest.mark.parametrize("way", WAYS)
def test_removed_added_and_renamed_files(made: Path, tmp_path: Path, way: str, part: str) -> None:
    for number, path in enumerate(files_of(made / way / part)):
        out = Path(shutil.copytree(made / way, tmp_path / str(number)))
        (out / part / path.name).unlink()
        with pytest.raises(VerificationError, match=r"removed|not in the folder"):
            verify(out)
        if "manifest" not in path.name:
            (out / part / f"{path.name}.bak").write_bytes(path.read_bytes())
            with pytest.raises(VerificationError, match=r"\.bak"):
                verify(out)


def test_parts_that_are_not_of_one_release(made: Path, tmp_path: Path) -> None:
    mixed = Path(shutil.copytree(made / "open", tmp_path / "mixed"))
    shutil.rmtree(mixed / "share")
    with pytest.raises(VerificationError, match="share/ was removed"):
        verify(mixed)
    shutil.copytree(made / "signed" / "share", mixed / "share")
    with pytest.raises(VerificationError, match="not of one release"):
        verify(mixed)
    shutil.rmtree(mixed / "share")
    shutil.copytree(made / "open" / "internal", mixed / "share")
    with pytest.raises(VerificationError, match="in the place of the other"):
        verify(mixed)


def test_what_lies_beside_the_parts_is_named(made: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(made / "open", tmp_path / "out"))
    (out / "better.csv").write_text("x")
    assert verify(out)["not_covered"] == ["better.csv"]
    assert verify(out / "share")["not_covered"] == []


def test_a_refused_release_is_refused_and_its_changes_are_told(made: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(made / "open" / "internal", tmp_path / "out" / "internal")).parent
    (out / "internal" / "manifest.json").rename(out / "internal" / "manifest.REFUSED.json")
    with pytest.raises(VerificationError, match="refused release.*as they were written"):
        verify(out)
    (out / "internal" / "report.json").write_text("{}")
    with pytest.raises(VerificationError, match=r"refused release.*report\.json.*changed"):
        verify(out)


def test_under_a_guarantee_no_hash_of_anything_real_is_shared(made: Path) -> None:
    for way in WAYS:
        manifest = json.loads((made / way / "share" / "manifest.json").read_text("utf-8"))
        keyed = [manifest["training_fingerprint"], manifest["evaluation_fingerprint"]]
        internal = [provenance.sha256_file(path) for path in files_of(made / way / "internal")
                    if path.name not in ("packages.txt", "model.tabsynth")]
        text = (made / way / "share" / "manifest.json").read_text("utf-8")
        assert not [digest for digest in internal if digest in text]
        assert (keyed == [None, None]) is (way == "private")
        assert (manifest["model_sha256"] is None) is (way != "private")
        assert (manifest["ledger"] is None) is (way != "private")
        assert json.loads((made / way / "internal" / "split.json").read_text("utf-8"))["key"] not in text


def test_a_key_is_for_releases_and_has_to_be_one(made: Path, tmp_path: Path) -> None:
    key = read_public(made / "key.pub")
    with pytest.raises(UsageError, match="--key is for a release"):
        verify(made / "open" / "internal" / "model.tabsynth", key=key)
    with pytest.raises(VerificationError, match="unsigned, so that no key"):
        verify(made / "open", key=key)
    for name in ("key.key", "schema.yaml"):
        with pytest.raises(SourceError, match="no public Ed25519 key"):
            read_public(made / name)
    with pytest.raises(SourceError, match="no key file"):
        read_public(tmp_path / "none.pub")
