"""The manifest: complete, without secrets, and every kind of tampering is found and named."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from tabsynth.core.errors import SourceError, UsageError, VerificationError
from tabsynth.core.schema import Column, Schema
from tabsynth.reports import provenance
from tabsynth.reports.provenance import FileFact, Origin

ORIGIN = Origin("ward", "RELEASED", "2026-11-22", config={"epsilon": "1", "model": {"max_bins": 32}},
                sampling_seed=7, statement="statement.json", report="report/report.json", training_fingerprint="ab")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release folder with a manifest in its share part."""
    share = tmp_path / "release" / "share"
    (share / "report").mkdir(parents=True)
    (tmp_path / "release" / "internal").mkdir()
    (share / "synthetic.csv").write_text("age,sex\n30,f\n", "utf-8")
    (share / "statement.json").write_text("{}", "utf-8")
    (share / "report" / "report.json").write_text("{}\n", "utf-8")
    content = provenance.manifest(share, ORIGIN, facts={"synthetic.csv": FileFact(1, 2, "cd", "table")})
    provenance.write_manifest(share, content)
    return tmp_path / "release"


def rewrite(release: Path, **changes: object) -> None:
    """Change the manifest and give it a matching hash, as a careful forger would."""
    path = release / "share" / "manifest.json"
    body = {**json.loads(path.read_text("utf-8")), **changes}
    body.pop("manifest_sha256")
    path.write_text(json.dumps({**body, "manifest_sha256": provenance.sha256_json(body)}), "utf-8")


def test_a_manifest_says_what_every_file_is(release):
    content = provenance.verify_manifest(release)
    table = content["files"]["synthetic.csv"]
    assert table["sha256"] == hashlib.sha256((release / "share" / "synthetic.csv").read_bytes()).hexdigest()
    assert (table["rows"], table["columns"], table["bytes"]) == (1, 2, 13)
    assert sorted(content["files"]) == ["report/report.json", "statement.json", "synthetic.csv"]
    assert content["synthetic"] is True
    assert content["report_sha256"] == content["files"]["report/report.json"]["sha256"]
    assert content["environment"]["python"]


def test_a_recipient_verifies_the_share_part_alone(release):
    assert provenance.verify_manifest(release / "share") == provenance.verify_manifest(release)


@pytest.mark.parametrize("name", ["synthetic.csv", "statement.json", "report/report.json"])
def test_one_changed_byte_is_found_and_named(release, name):
    path = release / "share" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(VerificationError, match=name):
        provenance.verify_manifest(release)


def test_a_missing_file_is_found_and_named(release):
    (release / "share" / "statement.json").unlink()
    with pytest.raises(VerificationError, match=r"statement\.json.*not in the folder"):
        provenance.verify_manifest(release)


@pytest.mark.parametrize("name", ["extra.csv", "report/extra.html", ".hidden"])
def test_a_file_that_is_not_listed_is_an_error(release, name):
    (release / "share" / name).write_text("x", "utf-8")
    with pytest.raises(VerificationError, match="not in the manifest"):
        provenance.verify_manifest(release)


def test_a_link_is_an_error(release):
    outside = release / "internal" / "real.csv"
    outside.write_text("x", "utf-8")
    os.symlink(outside, release / "share" / "link.csv")
    with pytest.raises(VerificationError, match=r"link\.csv.*plain file"):
        provenance.verify_manifest(release)


@pytest.mark.parametrize("key", ["outcome", "sampling_seed", "files", "config", "generation_depth"])
def test_a_changed_manifest_is_found(release, key):
    path = release / "share" / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    content[key] = {"forged": {"sha256": "0" * 64}} if key in ("files", "config") else "forged"
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(VerificationError, match="its own hash"):
        provenance.verify_manifest(release)


def test_a_manifest_with_a_new_hash_still_has_to_fit_its_files(release):
    rewrite(release, report_sha256="0" * 64)
    with pytest.raises(VerificationError, match="report_sha256"):
        provenance.verify_manifest(release)
    rewrite(release, files={"../../etc/passwd": {"sha256": "0" * 64}})
    with pytest.raises(VerificationError, match="passwd.*not in the folder"):
        provenance.verify_manifest(release)
    rewrite(release, files={"synthetic.csv": "not a mapping"})
    with pytest.raises(VerificationError, match=r"synthetic\.csv|report"):
        provenance.verify_manifest(release)


@pytest.mark.parametrize("content", ["{", "[]", '{"type": "other"}', '{"type": "tabsynth.manifest/1"}'])
def test_a_damaged_manifest_is_an_error_without_a_traceback(release, content):
    (release / "share" / "manifest.json").write_text(content, "utf-8")
    with pytest.raises(VerificationError):
        provenance.verify_manifest(release)


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"manifest\.json"):
        provenance.verify_manifest(tmp_path)


@pytest.mark.parametrize("config", [{"noise_seed": 3}, {"dp": {"split_key": "x"}}, {"password": "x"},
                                    {"a": {"b": {"hmac-key": 1}}}])
def test_secrets_are_never_written(tmp_path, config):
    with pytest.raises(UsageError, match="secret"):
        provenance.manifest(tmp_path, Origin("ward", "RELEASED", "2026-11-22", config=config))


def test_a_name_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"statement\.json"):
        provenance.manifest(tmp_path, Origin("ward", "RELEASED", "2026-11-22", statement="statement.json"))


def test_a_fingerprint_needs_its_key(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("a\n1\n", "utf-8")
    one, other = provenance.fingerprint(path, b"k" * 32), provenance.fingerprint(path, b"l" * 32)
    assert one != other
    assert one == provenance.fingerprint(path, b"k" * 32)
    assert hashlib.sha256(path.read_bytes()).hexdigest() not in (one, other)
    with pytest.raises(UsageError, match="32 bytes"):
        provenance.fingerprint(path, b"short")


def test_a_schema_hash_follows_the_schema():
    one = Schema((Column("a", "integer", bounds=(0, 9)),))
    assert provenance.schema_sha256(one) == provenance.schema_sha256(Schema((Column("a", "integer", bounds=(0, 9)),)))
    assert provenance.schema_sha256(one) != provenance.schema_sha256(Schema((Column("a", "integer", bounds=(0, 8)),)))


def test_an_existing_manifest_stays_without_force(release):
    share = release / "share"
    content = provenance.verify_manifest(release)
    with pytest.raises(SourceError, match="exists already"):
        provenance.write_manifest(share, content)
    provenance.write_manifest(share, content, force=True)
