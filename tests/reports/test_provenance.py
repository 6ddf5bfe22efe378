"""The manifest: complete, without secrets, and every kind of tampering is found and named in words."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tabsynth.core.errors import SourceError, UsageError, VerificationError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.signing import PrivateKey, PublicKey
from tabsynth.reports import provenance
from tabsynth.reports.manifest import MEANING, Manifest
from tabsynth.reports.provenance import FileFact, Origin

FACTS: dict[str, Any] = {
    "dataset": "ward", "outcome": "RELEASED", "created": "2026-11-22", "schema_sha256": "a" * 64,
    "lock_sha256": "b" * 64, "split": {"method": "keyed hash", "holdout_share": 0.2, "commitment": "c" * 64},
    "report": "report/report.json"}
ORIGIN = Origin(**FACTS, config={"epsilon": "1", "model": {"max_bins": 32}}, sampling_seed=7,
                statement="statement.json", training_fingerprint="d" * 64)


def make(folder: Path, signer: PrivateKey | None = None, *, outcome: str = "RELEASED",
         name: str = provenance.MANIFEST_NAME) -> Path:
    """A release's share part with a manifest."""
    share = folder / "share"
    (share / "report").mkdir(parents=True)
    (share / "synthetic.csv").write_text("age,sex\n30,f\n", "utf-8")
    (share / "statement.json").write_text("{}", "utf-8")
    (share / "notes.txt").write_text("x", "utf-8")
    (share / "report" / "report.json").write_text("{}\n", "utf-8")
    signed = {} if signer is None else {"signature": signer.public.fingerprint}
    origin = Origin(**{**{f: getattr(ORIGIN, f) for f in ORIGIN.__dataclass_fields__}, "outcome": outcome, **signed})
    content = provenance.manifest(share, origin, facts={"synthetic.csv": FileFact(1, 2, "e" * 64)})
    provenance.write_manifest(share, content, name=name, signer=signer)
    return share


@pytest.fixture
def share(tmp_path: Path) -> Path:
    return make(tmp_path)


@pytest.fixture(scope="module")
def signer() -> PrivateKey:
    return PrivateKey.new()


@pytest.fixture
def signed(tmp_path: Path, signer: PrivateKey) -> Path:
    return make(tmp_path, signer)


def rewrite(share: Path, **changes: object) -> None:
    """Change the manifest and give it a matching hash, as a careful forger would."""
    path = share / "manifest.json"
    body = {**json.loads(path.read_text("utf-8")), **changes}
    body.pop("manifest_sha256")
    path.write_bytes(provenance.written({**body, "manifest_sha256": provenance.sha256_json(body)}))


def forge_table(share: Path) -> None:
    """Another table, and a manifest that vouches for it."""
    (share / "synthetic.csv").write_text("age,sex\n31,f\n", "utf-8")
    files = json.loads((share / "manifest.json").read_text("utf-8"))["files"]
    files["synthetic.csv"]["sha256"] = hashlib.sha256((share / "synthetic.csv").read_bytes()).hexdigest()
    rewrite(share, files=files)


def test_a_manifest_says_what_every_file_is(share: Path) -> None:
    content = provenance.verify_manifest(share)
    table = content["files"]["synthetic.csv"]
    assert table["sha256"] == hashlib.sha256((share / "synthetic.csv").read_bytes()).hexdigest()
    assert (table["rows"], table["columns"], table["bytes"], table["kind"]) == (1, 2, 13, "synthetic table")
    assert sorted(content["files"]) == ["notes.txt", "report/report.json", "statement.json", "synthetic.csv"]
    assert content["synthetic"] is True
    assert content["report_sha256"] == content["files"]["report/report.json"]["sha256"]
    assert content["environment"]["python"]
    assert content["signature"] == "unsigned"
    assert set(content) == set(Manifest.model_fields)


@pytest.mark.parametrize(("name", "meaning"), [
    ("synthetic.csv", MEANING["synthetic table"]), ("statement.json", MEANING["privacy statement"]),
    ("report/report.json", MEANING["report"]), ("notes.txt", "not the file that was released")])
def test_one_changed_byte_is_found_and_told_in_words(share: Path, name: str, meaning: str) -> None:
    path = share / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(VerificationError, match=f"{name}.*{meaning}"):
        provenance.verify_manifest(share)


def test_everything_that_was_changed_is_told_at_once(share: Path) -> None:
    (share / "statement.json").unlink()
    (share / "extra.csv").write_text("x", "utf-8")
    (share / "synthetic.csv").write_text("y", "utf-8")
    with pytest.raises(VerificationError) as told:
        provenance.verify_manifest(share)
    for words in ("'share/extra.csv' is in the folder but not in the manifest", "'share/synthetic.csv' was changed",
                  "'share/statement.json' is in the manifest but not in the folder"):
        assert words in told.value.message


def test_swapped_names_are_told(share: Path) -> None:
    one, two = share / "statement.json", share / "notes.txt"
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)
    with pytest.raises(VerificationError, match="swapped"):
        provenance.verify_manifest(share)


@pytest.mark.parametrize("name", ["extra.csv", "report/extra.html", ".hidden", "report/manifest.json",
                                  "manifest.REFUSED.sig"])
def test_a_file_that_is_not_listed_is_an_error(share: Path, name: str) -> None:
    (share / name).write_text("x", "utf-8")
    with pytest.raises(VerificationError, match="not in the manifest"):
        provenance.verify_manifest(share)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_folder_that_shows_nothing_is_an_error(share: Path, hidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (share / "Ward 7").mkdir()
    if hidden:
        (share / "Ward 7" / "rows.csv").write_text("x")
        whole, listed = Path.rglob, Path.iterdir
        monkeypatch.setattr(Path, "rglob", lambda p, *a: (f for f in whole(p, *a) if f.name != "rows.csv"))

        def closed(path: Path) -> Iterator[Path]:
            if path.name == "Ward 7":
                raise PermissionError
            return listed(path)

        monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(VerificationError, match="'Ward 7' is empty, or cannot be looked into"):
        provenance.verify_manifest(share)


def test_a_link_is_an_error(share: Path, tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("x", "utf-8")
    os.symlink(tmp_path / "real.csv", share / "link.csv")
    with pytest.raises(VerificationError, match=r"link\.csv.*plain file"):
        provenance.verify_manifest(share)


@pytest.mark.parametrize(("key", "value"), [
    ("outcome", "REVIEW"), ("sampling_seed", 8), ("config", {"forged": 1}), ("generation_depth", 2),
    ("training_fingerprint", None)])
def test_a_changed_manifest_is_found(share: Path, key: str, value: object) -> None:
    path = share / "manifest.json"
    path.write_bytes(provenance.written({**json.loads(path.read_text("utf-8")), key: value}))
    with pytest.raises(VerificationError, match="its own hash"):
        provenance.verify_manifest(share)


@pytest.mark.parametrize(("key", "value"), [("synthetic", False), ("files", {"x": "y"}), ("config", []), ("more", 1),
                                            ("generation_depth", 0), ("lock_sha256", "x")])
def test_a_manifest_of_another_shape_is_damaged_whatever_its_hash(share: Path, key: str, value: object) -> None:
    rewrite(share, **{key: value})
    with pytest.raises(VerificationError, match=f"damaged.*{key}"):
        provenance.verify_manifest(share)


@pytest.mark.parametrize("change", [lambda data: data + b"\n", lambda data: data.replace(b"  ", b"\t", 1),
                                    lambda data: json.dumps(json.loads(data)).encode(),
                                    lambda data: data.replace(b'"part": "share"', b'"part": "x", "part": "share"')])
def test_other_bytes_that_say_the_same_are_found(share: Path, change: Any) -> None:
    path = share / "manifest.json"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(VerificationError, match="not in the bytes"):
        provenance.verify_manifest(share)


def test_a_manifest_with_a_new_hash_still_has_to_fit_its_files(share: Path) -> None:
    rewrite(share, report_sha256="0" * 64)
    with pytest.raises(VerificationError, match="report_sha256"):
        provenance.verify_manifest(share)
    files = json.loads((share / "manifest.json").read_text("utf-8"))["files"]
    rewrite(share, files={**files, "../../etc/passwd": files["notes.txt"]})
    with pytest.raises(VerificationError, match="passwd.*not in the folder"):
        provenance.verify_manifest(share)


@pytest.mark.parametrize("content", ["{", "[]", '{"type": "other"}', '{"type": "tabsynth.manifest/1"}', "\xff",
                                     "[" * 100_000])
def test_a_damaged_manifest_is_an_error_without_a_traceback(share: Path, content: str) -> None:
    (share / "manifest.json").write_text(content, "latin-1")
    with pytest.raises(VerificationError, match="damaged"):
        provenance.verify_manifest(share)


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"manifest\.json"):
        provenance.verify_manifest(tmp_path)


def test_a_forger_who_rewrites_everything_is_stopped_by_a_signature_alone(
        share: Path, tmp_path: Path, signer: PrivateKey) -> None:
    forge_table(share)
    provenance.verify_manifest(share)
    assert "whoever can change a file can write a new manifest" in provenance.what_a_signature_says(
        "unsigned", expected=False)
    other = make(tmp_path / "signed", signer)
    forge_table(other)
    with pytest.raises(VerificationError, match="signature does not fit"):
        provenance.verify_manifest(other)


def test_a_signature_says_who_only_with_a_key_from_elsewhere(signed: Path, signer: PrivateKey, tmp_path: Path) -> None:
    assert provenance.verify_manifest(signed)["signature"] == signer.public.fingerprint
    provenance.verify_manifest(signed, key=signer.public)
    forger = PrivateKey.new()
    forged = make(tmp_path / "forged", forger)
    provenance.verify_manifest(forged)
    assert "whose it is remains open" in provenance.what_a_signature_says(forger.public.fingerprint, expected=False)
    with pytest.raises(VerificationError, match="another key"):
        provenance.verify_manifest(forged, key=signer.public)


def test_what_can_be_done_to_a_signature(signed: Path, signer: PrivateKey, tmp_path: Path) -> None:
    path = signed / "manifest.sig"
    good = json.loads(path.read_text("utf-8"))
    other = PrivateKey.new()
    for change, message in (
            ({"signature": good["signature"][::-1]}, "does not fit"),
            ({"public_key": other.public.raw.hex()}, "different keys"),
            ({"public_key": other.public.raw.hex(), "fingerprint": other.public.fingerprint}, "different keys"),
            ({"fingerprint": "0" * 64}, "different keys"), ({"algorithm": "none"}, "damaged"),
            ({"more": 1}, "damaged")):
        path.write_bytes(provenance.written({**good, **change}))
        with pytest.raises(VerificationError, match=message):
            provenance.verify_manifest(signed)
    path.write_bytes(provenance.written(good) + b" ")
    with pytest.raises(VerificationError, match="not in the bytes"):
        provenance.verify_manifest(signed)
    path.unlink()
    for key in (None, signer.public):
        with pytest.raises(VerificationError, match="was removed"):
            provenance.verify_manifest(signed, key=key)
    rewrite(signed, signature="unsigned")
    provenance.verify_manifest(signed)
    with pytest.raises(VerificationError, match="unsigned"):
        provenance.verify_manifest(signed, key=signer.public)
    shutil.copy(make(tmp_path / "again", signer) / "manifest.sig", path)
    with pytest.raises(VerificationError, match="says it is unsigned"):
        provenance.verify_manifest(signed)


def test_a_signature_over_other_bytes_is_refused_also_where_both_were_signed(signed: Path, signer: PrivateKey) -> None:
    assert not PublicKey(signer.public.raw).signed(b"x", signer.sign(b"y"))
    assert not PublicKey(b"\0" * 32).signed(b"x", signer.sign(b"x"))


@pytest.mark.parametrize("config", [{"noise_seed": 3}, {"dp": {"split_key": "x"}}, {"password": "x"},
                                    {"a": {"b": {"hmac-key": 1}}}])
def test_secrets_are_never_written(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="secret"):
        provenance.manifest(tmp_path, Origin(**FACTS, config=config))


def test_a_name_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"report\.json"):
        provenance.manifest(tmp_path, Origin(**FACTS))


def test_a_fingerprint_needs_its_key(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("a\n1\n", "utf-8")
    one, other = provenance.fingerprint(path, b"k" * 32), provenance.fingerprint(path, b"l" * 32)
    assert one != other
    assert one == provenance.fingerprint(path, b"k" * 32)
    assert hashlib.sha256(path.read_bytes()).hexdigest() not in (one, other)
    with pytest.raises(UsageError, match="32 bytes"):
        provenance.fingerprint(path, b"short")


def test_a_schema_hash_follows_the_schema() -> None:
    one = Schema((Column("a", "integer", bounds=(0, 9)),))
    assert provenance.schema_sha256(one) == provenance.schema_sha256(Schema((Column("a", "integer", bounds=(0, 9)),)))
    assert provenance.schema_sha256(one) != provenance.schema_sha256(Schema((Column("a", "integer", bounds=(0, 8)),)))


def test_the_lock_lists_what_is_installed() -> None:
    lines = provenance.lock_text().decode().splitlines()
    assert lines == sorted(set(lines))
    assert [line for line in lines if line.startswith("scikit-learn==")]
    assert provenance.lock_text() == provenance.lock_text()


def test_an_existing_manifest_stays_without_force(share: Path) -> None:
    content = provenance.verify_manifest(share)
    with pytest.raises(SourceError, match="exists already"):
        provenance.write_manifest(share, content)
    provenance.write_manifest(share, content, force=True)


@pytest.mark.parametrize("signed_by", [None, PrivateKey.new()], ids=["unsigned", "signed"])
def test_a_refused_release_stays_refused_under_another_name(tmp_path: Path, signed_by: PrivateKey | None) -> None:
    share = make(tmp_path, signed_by, outcome="REFUSED", name=provenance.REFUSED_NAME)
    assert provenance.verify_manifest(share, name=provenance.REFUSED_NAME)["outcome"] == "REFUSED"
    for suffix in ("json", "sig"):
        if (share / f"manifest.REFUSED.{suffix}").exists():
            (share / f"manifest.REFUSED.{suffix}").rename(share / f"manifest.{suffix}")
    with pytest.raises(VerificationError, match="was refused, and was renamed"):
        provenance.verify_manifest(share)


def test_what_is_checked_is_what_was_signed(
        signed: Path, signer: PrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    path = signed / "manifest.json"
    honest, read = path.read_bytes(), Path.read_bytes
    rewrite(signed, dataset="another")
    forged = iter([path.read_bytes()])
    monkeypatch.setattr(Path, "read_bytes", lambda p: next(forged, honest) if p == path else read(p))
    with pytest.raises(VerificationError, match="does not fit the manifest"):
        provenance.verify_manifest(signed, key=signer.public)
