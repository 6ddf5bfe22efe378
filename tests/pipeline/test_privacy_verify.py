"""Releases and models that were tampered with by somebody who makes every hash fit again."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabsynth.core import artifact
from tabsynth.core.errors import TabsynthError, VerificationError
from tabsynth.core.schema_file import load_schema
from tabsynth.core.table import Table
from tabsynth.datasets import formats
from tabsynth.pipeline.fit import Privacy, fit
from tabsynth.pipeline.inputs import Reading
from tabsynth.pipeline.release import Request, release
from tabsynth.pipeline.verify import verify
from tabsynth.reports import provenance

SCHEMA = """\
population: {name: tampering, declared_units: 80}
columns:
  - {name: patient, kind: id, role: unit}
  - {name: sex, kind: category, levels: [f, m], source: form}
  - {name: age, kind: integer, bounds: [0, 500], source: form}
  - {name: town, kind: category, open: true, source: register}
  - {name: cost, kind: integer, open: true, source: bill}
"""
Document = dict[str, Any]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release folder under epsilon 1, and beside it a model without a guarantee of the same rows."""
    folder = tmp_path_factory.mktemp("release")
    (folder / "schema.yaml").write_text(SCHEMA, "utf-8")
    rows = [f"P{i},{'fm'[i % 2]},{20 + 5 * (i % 60)},{('Ulm', 'Bonn')[i % 3 == 0]},{i}" for i in range(80)]
    (folder / "rows.csv").write_text("\n".join(["patient,sex,age,town,cost", *rows]) + "\n", "utf-8")
    done = release(Request(str(folder / "rows.csv"), folder / "out", Privacy("1", ledger=folder / "ledger"),
                           Reading(folder / "schema.yaml"), rows=200, policy="internal-test"))
    assert done.outcome != "REFUSED"
    table: Table = formats.read(folder / "rows.csv", schema=load_schema(folder / "schema.yaml"))
    fit(table, model="independent", rng=np.random.default_rng(0)).save(folder / "plain.tabsynth")
    return folder


@pytest.fixture
def out(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released / "out", tmp_path / "out"))


def forge(share: Path, manifest: Document) -> None:
    """Write a manifest with a hash that fits it, and have that of ``internal/`` name it."""
    for path, content in ((share / "manifest.json", manifest), (share.parent / "internal" / "manifest.json", None)):
        content = content or {**json.loads(path.read_text("utf-8")), "share_manifest_sha256": hashlib.sha256(
            (share / "manifest.json").read_bytes()).hexdigest()}
        body = {k: v for k, v in content.items() if k != "manifest_sha256"}
        path.write_bytes(provenance.written({**body, "manifest_sha256": provenance.sha256_json(body)}))


def rewrite(share: Path, change: Callable[[Document], Any], name: str = "manifest.json") -> None:
    """Change a document of ``share/`` and let the manifest vouch for it."""
    content = json.loads((share / name).read_text("utf-8"))
    change(content)
    (share / name).write_text(json.dumps(content), "utf-8")
    manifest = json.loads((share / "manifest.json").read_text("utf-8"))
    if name != "manifest.json":
        old = manifest["files"][name]["sha256"]
        manifest["files"][name]["sha256"] = new = hashlib.sha256((share / name).read_bytes()).hexdigest()
        manifest |= {k: new for k in ("statement_sha256", "report_sha256") if manifest[k] == old}
    forge(share, manifest)


def test_a_release_and_its_parts_verify(out: Path) -> None:
    checked = verify(out)["checked"]
    assert any("model file carries the same statement" in line for line in checked)
    claims = verify(out / "share")["claims"]
    assert claims == verify(out)["claims"]
    assert claims.keys() == {"dataset", "created", "outcome", "epsilon", "delta", "unit"}
    assert (claims["epsilon"], claims["delta"], claims["unit"]) == (1.0, 1e-06, "patient")
    assert "codes follow from the public schema" in verify(out / "internal" / "model.tabsynth")["checked"]


@pytest.mark.parametrize(("change", "message"), [
    (lambda m: m.update(statement_sha256=None), "holds no privacy statement"),
    (lambda m: m.update(report_sha256=m["statement_sha256"]), "vouch for report.json"),
    (lambda m: m.update(statement_sha256=m["report_sha256"]), "vouch for statement.json"),
    (lambda m: m.update(outcome="RELEASED" if m["outcome"] == "REVIEW" else "REVIEW"), "same outcome"),
    (lambda m: m.update(model_sha256="0" * 64), "is not the model"),
    (lambda m: m.pop("config"), "damaged"),
    (lambda m: m.update(config=[]), "damaged"),
    (lambda m: m["files"].update({"report.json": 1}), "damaged"),
    (lambda m: m.update(files={}), "not in the manifest"),
])
def test_a_manifest_that_fits_itself_alone(out: Path, change: Callable[[Document], Any], message: str) -> None:
    rewrite(out / "share", change)
    with pytest.raises(VerificationError, match=message):
        verify(out)


@pytest.mark.parametrize(("name", "change", "message"), [
    ("report.json", lambda r: r["privacy"]["statement"]["claim"].update(epsilon=0.1), "another privacy statement"),
    ("report.json", lambda r: r.update(outcome="x"), "outcome"),
    ("report.json", lambda r: r.pop("verdict"), "verdict"),
    ("report.json", lambda r: r["privacy"].update(guarantee=False), "contradicts itself"),
    ("statement.json", lambda s: s["claim"].update(epsilon=0.1), "another privacy statement"),
    ("statement.json", lambda s: s.clear(), "another privacy statement"),
])
def test_documents_that_do_not_say_the_same(out: Path, name: str, change: Callable[[Document], Any],
                                            message: str) -> None:
    rewrite(out / "share", change, name)
    with pytest.raises(VerificationError, match=message):
        verify(out)


@pytest.mark.parametrize("name", ["report.json", "statement.json", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b"[]", b"null", b"{}"])
def test_anything_in_place_of_a_document(out: Path, name: str, content: bytes) -> None:
    (out / "share" / name).write_bytes(content)
    if name != "manifest.json":
        manifest = json.loads((out / "share" / "manifest.json").read_text("utf-8"))
        manifest["files"][name]["sha256"] = hashlib.sha256(content).hexdigest()
        key = f"{name.removesuffix('.json')}_sha256"
        forge(out / "share", {**manifest, key: manifest["files"][name]["sha256"]})
    with pytest.raises(VerificationError):
        verify(out)


def test_a_disclosed_evaluation_withdraws_the_claim(released: Path, tmp_path: Path) -> None:
    release(Request(str(released / "rows.csv"), tmp_path / "out", Privacy("1", ledger=tmp_path / "ledger"),
                    Reading(released / "schema.yaml"), rows=200, policy="internal-test", disclose_evaluation=True))
    assert "folder as a whole" in verify(tmp_path / "out")["claims"]["withdrawn"]


def test_a_refused_release_is_told_by_its_internal_part_alone(out: Path) -> None:
    (out / "internal" / "manifest.REFUSED.json").write_text("{}", "utf-8")
    for folder in (out, out / "internal"):
        with pytest.raises(VerificationError, match="refused release"):
            verify(folder)


def header_of(path: Path) -> Document:
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("header.json")))


def with_header(path: Path, target: Path, change: Callable[[Document], Any]) -> Path:
    header = header_of(path)
    change(header)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as new:
        for name in archive.namelist():
            new.writestr(name, json.dumps(header) if name == "header.json" else archive.read(name))
    return target


def test_a_statement_glued_to_a_model_that_learned_from_rows(released: Path, tmp_path: Path) -> None:
    claim = header_of(released / "out" / "internal" / "model.tabsynth")["privacy"]
    forged = with_header(released / "plain.tabsynth", tmp_path / "f.tabsynth", lambda h: h.update(privacy=claim))
    with pytest.raises(VerificationError, match="learned from rows"):
        verify(forged)


@pytest.mark.parametrize("bounds", [[3, 71], [0, 71], [0, 2**70], None])
def test_bounds_that_no_scale_gives(released: Path, tmp_path: Path, bounds: list[int] | None) -> None:
    """The extremes of the rows, written where bought bounds belong."""
    stored = artifact.load(released / "out" / "internal" / "model.tabsynth")
    codec = replace(stored.coding.codecs["cost"], bounds=None if bounds is None else np.array(bounds, object))
    coding = replace(stored.coding, codecs={**stored.coding.codecs, "cost": codec})
    artifact.save(tmp_path / "f.tabsynth", replace(stored, coding=coding))
    with pytest.raises(TabsynthError, match="learned from rows|cannot be read"):
        verify(tmp_path / "f.tabsynth")


@pytest.mark.parametrize("privacy", [{"personal_data": False}, {"personal_data": True, "statement": {}}])
def test_a_header_that_contradicts_itself(released: Path, tmp_path: Path, privacy: Document) -> None:
    forged = with_header(released / "plain.tabsynth", tmp_path / "f.tabsynth", lambda h: h.update(privacy=privacy))
    with pytest.raises(TabsynthError, match="contradicts itself|not a privacy statement"):
        verify(forged)


def test_another_model_beside_the_release(released: Path, out: Path) -> None:
    shutil.copy(released / "plain.tabsynth", out / "internal" / "model.tabsynth")
    with pytest.raises(VerificationError, match="need not be the model that the synthetic rows came from"):
        verify(out)
    inside = out / "internal" / "manifest.json"
    content = json.loads(inside.read_text("utf-8"))
    content["files"]["model.tabsynth"]["sha256"] = hashlib.sha256(
        (out / "internal" / "model.tabsynth").read_bytes()).hexdigest()
    inside.write_text(json.dumps(content), "utf-8")
    forge(out / "share", json.loads((out / "share" / "manifest.json").read_text("utf-8")))
    with pytest.raises(VerificationError, match="is not the model"):
        verify(out)
