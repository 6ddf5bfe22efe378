"""``tabsynth attack`` through the real command line: a copy is caught, a model is refitted, looks are counted."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command

SCHEMA = """\
columns:
  - {name: person, kind: id, role: unit}
  - {name: age, kind: integer, bounds: [18, 99], source: form}
  - {name: cost, kind: number, bounds: [0, 100000], decimals: 2, source: ledger}
  - {name: ward, kind: category, levels: [icu, surgery, medicine], source: ward list}
"""


def write(path: Path, n: int, seed: int) -> None:
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as handle:
        out = csv.writer(handle)
        out.writerow(["person", "age", "cost", "ward"])
        for i in range(n):
            out.writerow([f"{path.stem}{i}", draw.randint(18, 99), f"{draw.lognormvariate(5, 1):.2f}",
                          draw.choice(["icu", "surgery", "medicine"])])


@pytest.fixture
def three(tmp_path: Path) -> list[str]:
    """A copy of the training table as "synthetic", and the options that name the real ones."""
    for name, n, seed in (("train", 300, 1), ("holdout", 150, 2)):
        write(tmp_path / f"{name}.csv", n, seed)
    (tmp_path / "copy.csv").write_bytes((tmp_path / "train.csv").read_bytes())
    (tmp_path / "schema.yaml").write_text(SCHEMA, "utf-8")
    return ["--train", "train.csv", "--holdout", "holdout.csv", "--schema", "schema.yaml"]


def test_a_copy_is_refused_and_looks_are_counted(tabsynth: Command, three: list[str], tmp_path: Path) -> None:
    run = tabsynth("attack", "copy.csv", *three, "--tier", 0)
    assert run.code == 1, run.err
    assert max(map(len, run.out.splitlines())) <= 80
    assert "P0a" in run.out
    run = tabsynth("attack", "copy.csv", *three, "--tier", 0, "--json", "-q")
    document = run.document
    assert document["provenance"]["selection"] == {"evaluations": 2, "models_compared": 1}
    assert {f["section"] for f in document["findings"]} <= {"privacy", "diagnostic", "fidelity"}
    judged = {j["finding_id"]: j["verdict"] for j in document["verdict"]["judgements"]}
    assert judged["P0a"] == "finding"
    assert "validity" not in {*judged, *document["verdict"]["because"]}
    book = tmp_path / "tabsynth-log" / "log.jsonl"
    assert len(book.read_text("utf-8").splitlines()) == 2
    book.write_text(book.read_text("utf-8").replace("REFUSED", "RELEASED"), "utf-8")
    tabsynth("attack", "copy.csv", *three, "--tier", 0).refused(3, "was changed or damaged", "--no-log")


def test_tier_2_refits_the_model(tabsynth: Command, three: list[str], tmp_path: Path) -> None:
    tabsynth("attack", "copy.csv", *three, "--tier", 2).refused(2, "--fitted MODEL")
    assert tabsynth("fit", "train.csv", "--schema", "schema.yaml", "--epsilon", 1, "--ledger", "book", "-o",
                    "m.tabsynth").code == 0
    assert tabsynth("sample", "m.tabsynth", "-n", 300, "--seed", 2, "-o", "s.csv").code == 0
    booked = {p.name: p.read_bytes() for p in tmp_path.glob("book/*")}
    run = tabsynth("attack", "s.csv", *three, "--fitted", "m.tabsynth", "--tier", 2, "--seed", 3, "--policy",
                   "internal-test", "--json")
    assert run.code in (0, 1), run.err
    found = {f["id"]: f for f in run.document["findings"]}
    for finding in ("P3a", "P3a.worst", "P3c"):
        assert found[finding]["state"] in ("ok", "insufficient_power"), found[finding]["reason"]
    assert found["P3a"]["details"]["refits"] == 64
    assert abs(found["P3a"]["value"] - 0.5) < 0.1
    assert "... attack: refit" in run.err
    assert {p.name: p.read_bytes() for p in tmp_path.glob("book/*")} == booked, "refits are booked nowhere"


def test_bad_wishes(tabsynth: Command, three: list[str], tmp_path: Path) -> None:
    assert tabsynth("attack", "copy.csv", *three, "--tier", 3).code == 2
    tabsynth("attack", "copy.csv", *three, "--tier", 0, "--log", "copy.csv/log").refused(3, "--log", "--no-log")
    tabsynth("attack", "none.csv", *three).refused(3, "none.csv")
    assert not (tmp_path / "tabsynth-log").exists()
