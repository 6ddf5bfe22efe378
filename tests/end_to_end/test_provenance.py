"""Keys, signed releases, tampering, labels and the log, through the real command line on the bundled table."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

import tabsynth as tabsynth_package
from tests.end_to_end.conftest import Command

WORDS = "correct horse battery staple"


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_PASSPHRASE", WORDS)
    monkeypatch.setenv("OTHER", WORDS[::-1])


@pytest.fixture
def people(tmp_path: Path) -> list[object]:
    """Some of the bundled people, and how to read them."""
    table = tabsynth_package.load_demo("rand_hie").take(slice(0, 700))
    tabsynth_package.write(table, tmp_path / "people.csv", synthetic=False)
    (tmp_path / "schema.yaml").write_text(tabsynth_package.dump_schema(table.schema), "utf-8")
    return [tmp_path / "people.csv", "--schema", tmp_path / "schema.yaml"]


def test_a_signed_release(tabsynth_here: Command, people: list[object], tmp_path: Path) -> None:
    run = tabsynth_here("keys", "new", "-o", "house", "--passphrase-env", "KEY_PASSPHRASE", "--json")
    fingerprint = run.document["fingerprint"]
    assert stat.S_IMODE((tmp_path / "house.key").stat().st_mode) == 0o600
    tabsynth_here("keys", "new", "-o", "house").refused(3, "exists already", "--force")
    assert "fingerprint" in tabsynth_here("keys", "new", "-o", "stranger", "--json").document
    for locked in ((), ("--passphrase-env", "KEY_PASSPHRASE")):
        told = " ".join(tabsynth_here("keys", "new", "-o", "other", "--force", *locked).out.split())
        assert ("--sign other.key --key-passphrase-env KEY_PASSPHRASE" in told) is bool(locked)

    release = ("release", *people, "--no-dp", "--model", "independent", "--seed", 1, "--policy", "internal-test", "-o",
               "out", "-q", "--sign", "house.key")
    tabsynth_here(*release).refused(2, "encrypted", "--key-passphrase-env")
    tabsynth_here(*release, "--key-passphrase-env", "OTHER").refused(3, "passphrase is wrong")
    tabsynth_here(*release[:-1], "house.pub").refused(3, "no private Ed25519 key")
    assert not (tmp_path / "out").exists(), "a key is opened before any work"
    run = tabsynth_here(*release, "--key-passphrase-env", "KEY_PASSPHRASE")
    assert run.code == 0, run.err

    run = tabsynth_here("verify", "out")
    assert run.code == 0, run.err
    assert "whose it is remains open" in " ".join(run.out.split())
    run = tabsynth_here("verify", "out", "--key", "house.pub", "--json")
    assert run.document["signature"]["fingerprint"] == fingerprint
    assert run.document["signature"]["checked_with_given_key"] is True
    tabsynth_here("verify", "out", "--key", "stranger.pub").refused(6, "another key", fingerprint)
    tabsynth_here("verify", "out", "--key", "house.key").refused(3, "no public Ed25519 key")

    shutil.copytree(tmp_path / "out" / "share", tmp_path / "received")
    assert tabsynth_here("verify", "received", "--key", "house.pub").code == 0
    table = tmp_path / "received" / "synthetic.csv"
    table.write_bytes(table.read_bytes().replace(b"1", b"2", 1))
    tabsynth_here("verify", "received").refused(6, "synthetic.csv", "the figures of the report no longer describe it")

    assert tabsynth_here("log", "verify").code == 0
    acts = tabsynth_here("log", "show", "--json").document["entries"]
    assert [entry["act"] for entry in acts] == ["evaluation", "release"]


def test_every_file_is_watched_through_the_command(tabsynth_here: Command, patients: Path, schema: Path,
                                                   tmp_path: Path) -> None:
    run = tabsynth_here("release", patients, "--schema", schema, "--epsilon", 1, "--seed", 5, "--policy",
                        "internal-test", "-o", "out", "-q")
    assert run.code == 0, run.err
    run = tabsynth_here("verify", "out")
    assert (run.code, "unsigned" in run.out) == (0, True)
    files = [path for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()]
    assert {"share", "internal"} == {path.parent.name for path in files}
    for path in files:
        before = path.read_bytes()
        path.write_bytes(before[:-2] + bytes([before[-2] ^ 1]) + before[-1:])
        tabsynth_here("verify", "out").refused(6)
        path.write_bytes(before)
    assert tabsynth_here("verify", "out").code == 0


def test_synthetic_tables_are_told_and_acts_are_logged(tabsynth_here: Command, patients: Path, schema: Path,
                                                       tmp_path: Path) -> None:
    fit = ("fit", "--schema", schema, "--model", "independent", "-q")
    assert tabsynth_here(*fit, patients, "-o", "m.tabsynth").code == 0
    for name in ("s.csv", "s.jsonl", "s.parquet"):
        assert tabsynth_here("sample", "m.tabsynth", "-n", 120, "--seed", 1, "-o", name, "-q").code == 0
        for extra in ((), ("--dry-run",)):
            tabsynth_here(*fit, name, "-o", "n.tabsynth", *extra).refused(2, name, "--allow-synthetic-parent")
    assert {p.name for p in tmp_path.glob("s.*")} == {"s.csv", "s.csv.synthetic.json", "s.jsonl",
                                                      "s.jsonl.synthetic.json", "s.parquet"}
    tabsynth_here("sample", "m.tabsynth", "-n", 120, "-o", "s.csv").refused(3, "exists already")
    (tmp_path / "s.csv").rename(tmp_path / "kept.csv")
    tabsynth_here("sample", "m.tabsynth", "-n", 120, "-o", "s.csv").refused(3, "s.csv.synthetic.json exists already")
    for name, words in (("s.parquet", "its own metadata say so"), ("kept.csv", "s.csv.synthetic.json beside it")):
        run = tabsynth_here("inspect", name, "-o", "guess.yaml", "--force")
        assert "SYNTHETIC" in run.out
        assert words in " ".join(run.out.split())
        assert "SYNTHETIC" in (tmp_path / "guess.yaml").read_text("utf-8").splitlines()[0]
    run = tabsynth_here(*fit[:-1], "kept.csv", "-o", "n.tabsynth", "--allow-synthetic-parent")
    assert run.code == 0, run.err
    assert "generation 2" in run.out
    assert "generation 2" in tabsynth_here("inspect", "n.tabsynth").out
    document = tabsynth_here("sample", "n.tabsynth", "-n", 9, "-o", "second.parquet", "--json").document
    assert document["generation_depth"] == 2
    for extra in ((), ("--dry-run",)):
        tabsynth_here("release", "kept.csv", "--schema", schema, "--no-dp", "-o", "out", *extra).refused(2, "synthetic")

    run = tabsynth_here("log", "show", "--json")
    acts = run.document["entries"]
    assert [entry["act"] for entry in acts] == ["fit", *["sample"] * 3, "fit", "sample"]
    assert acts[1]["output"] == acts[4]["input"], "the digests of two acts meet in the table between them"
    assert acts[0]["model"] == acts[1]["model"]
    assert tabsynth_here("log", "show").code == 0
    book = tmp_path / "tabsynth-log" / "log.jsonl"
    book.write_text(book.read_text("utf-8").replace('"act":"fit"', '"act":"sample"', 1), "utf-8")
    tabsynth_here("log", "verify").refused(6, "line 1", "changed or damaged")
    tabsynth_here("log", "show").refused(3, "line 1")
    tabsynth_here(*fit, patients, "-o", "o.tabsynth").refused(3, "--no-log")
    assert tabsynth_here(*fit, patients, "-o", "o.tabsynth", "--no-log").code == 0
    tabsynth_here("log", "verify", "--log", "none").refused(3, "no log")


def test_a_refused_release_is_listed_too(tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    tabsynth_here("keys", "new", "-o", ".")
    run = tabsynth_here("release", patients, "--schema", schema, "--no-dp", "--seed", 5, "--policy", "public", "-o",
                        "out", "--sign", "tabsynth.key", "-q")
    assert run.code == 1, "120 people are too few for what this policy asks"
    manifest = json.loads((tmp_path / "out" / "internal" / "manifest.REFUSED.json").read_text("utf-8"))
    assert (manifest["outcome"], manifest["part"]) == ("REFUSED", "internal")
    assert set(manifest["files"]) == {p.name for p in (tmp_path / "out" / "internal").iterdir()} - {
        "manifest.REFUSED.json", "manifest.REFUSED.sig"}
    tabsynth_here("verify", "out", "--key", "tabsynth.pub").refused(6, "refused release", "as they were written")
    tabsynth_here("fit", "out/internal/synthetic.REFUSED.csv", "-o", "m.tabsynth").refused(2, "synthetic table")
    assert tabsynth_here("log", "show", "--json").document["entries"][-1]["outcome"] == "REFUSED"
