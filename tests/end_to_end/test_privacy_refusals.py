"""Every refusal of a privacy budget, through the real command line: exit code, cause, fix, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest
from safetensors.numpy import load

from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger import Ledger
from tests.end_to_end.conftest import SCHEMA, Command

ONE = ("--epsilon", "1")


@dataclass(frozen=True)
class Refusal:
    """What is asked for, and what must be answered.

    Args:
        options: of ``fit``.
        words: of the message: what is wrong, and the next step.
        edits: (old, new) in the schema.
        book: what the population's ledger is like before: "cap", "closed", "broken" or "" (not there).
        code: 5 a budget or a ledger, 2 usage or schema.
    """

    options: tuple[str, ...]
    words: tuple[str, ...]
    edits: tuple[tuple[str, str], ...] = ()
    book: str = ""
    code: int = 5


UNIT = ("role: unit, ", "")
REFUSALS = {
    "epsilon 0": Refusal(("--epsilon", "0"), ("epsilon must be positive", "1 is a good start")),
    "epsilon below 0": Refusal(("--epsilon", "-1"), ("epsilon must be positive", "1 is a good start")),
    "epsilon no number": Refusal(("--epsilon", "nan"), ("epsilon must be a finite number", "such as 1")),
    "epsilon 11 without its flag": Refusal(("--epsilon", "11"), ("above 10", "--allow-large-epsilon")),
    "epsilon 101 with its flag": Refusal(("--epsilon", "101", "--allow-large-epsilon"), ("above 100", "say so")),
    "epsilon too small": Refusal(("--epsilon", "1e-5"), ("too small a budget", "larger epsilon")),
    "delta 1 / declared units": Refusal((*ONE, "--delta", "1/120"), ("not below 1 / 120", "Use at most 1e-06")),
    "delta above it": Refusal((*ONE, "--delta", "0.01"), ("not below 1 / 120", "Use at most 1e-06")),
    "delta 0": Refusal((*ONE, "--delta", "0"), ("delta must lie between 0 and 1", "Leave it out")),
    "delta no number": Refusal((*ONE, "--delta", "small"), ("delta must be a finite number",)),
    "one declared unit": Refusal(ONE, ("one unit alone cannot be hidden",),
                                 (("declared_units: 120", "declared_units: 1"),)),
    "no unit": Refusal(ONE, ("needs a unit", "--unit COLUMN", "--unit row"), (UNIT,)),
    "no unit, dry run": Refusal((*ONE, "--dry-run"), ("needs a unit", "--unit COLUMN", "--unit row"), (UNIT,)),
    "unit not in the table": Refusal((*ONE, "--unit", "person"), ("'person'", "it has"), code=2),
    "number without bounds": Refusal(ONE, ("bounds of 'weight'", "'bounds: [low, high]' or 'open: true'"),
                                     (("bounds: [20, 250], ", ""),)),
    "date without bounds": Refusal(ONE, ("bounds of 'admitted'", "or 'open: true'"),
                                   (('admitted, kind: date, bounds: ["2024-01-01", "2024-12-31"]',
                                     "admitted, kind: date"),)),
    "category without levels": Refusal(ONE, ("levels of 'ward'", "'code_list: NAME' or 'open: true'"),
                                       (("levels: [icu, surgery, medicine], ", ""),)),
    "bounds and open": Refusal(ONE, ("weight", "either bounds or open: true"),
                               (("bounds: [20, 250], ", "bounds: [20, 250], open: true, "),), code=2),
    "no schema": Refusal(ONE, ("needs --schema", "tabsynth inspect"), code=2),
    "a model without a guarantee": Refusal((*ONE, "--model", "copula"), ("copula", "--epsilon"), code=2),
    "cap exceeded": Refusal(ONE, ("cap of epsilon 0.5",), book="cap"),
    "closed ledger": Refusal(ONE, ("is closed", "--population"), book="closed"),
    "broken ledger": Refusal(ONE, ("broken at line 2", "Restore it from a backup"), book="broken"),
    "another unit than the ledger's": Refusal((*ONE, "--unit", "row"), ("'patient'", "'row'"), book="spent"),
}


def prepare(folder: Path, state: str) -> Path:
    """A ledger in which the population stands as described."""
    budget = Budget.of("0.5", "1e-6", unit="patient")
    ledger = Ledger.open(folder, "test-ward", cap=budget if state == "cap" else None)
    ledger.reserve(Budget.of("0.4", "1e-6", unit="patient"), purpose="before")
    if state == "closed":
        ledger.close()
    (path,) = folder.glob("*.jsonl")
    if state == "broken":
        path.write_text(path.read_text("utf-8").replace('"before"', '"later"'), "utf-8")
    return path


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*")
            if p.is_file() and p.suffix not in (".pyc", ".lock")}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_with_cause_and_fix_and_nothing_left_behind(tabsynth_here: Command, patients: Path, tmp_path: Path,
                                                            name: str) -> None:
    refusal = REFUSALS[name]
    text = SCHEMA
    for old, new in refusal.edits:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "s.yaml").write_text(text, "utf-8")
    if refusal.book:
        prepare(tmp_path / "tabsynth-ledger", refusal.book)
    before = everything(tmp_path)
    schema = () if name == "no schema" else ("--schema", "s.yaml")
    run = tabsynth_here("fit", patients, *schema, *refusal.options, "-o", "m.tabsynth")
    run.refused(refusal.code)
    said = " ".join(run.err.split())  # the message is wrapped
    for word in refusal.words:
        assert word in said, run.err
    assert run.out == ""
    assert everything(tmp_path) == before
    assert bool(refusal.book) == (tmp_path / "tabsynth-ledger").exists()


def test_a_ledger_that_another_process_holds(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    path = prepare(tmp_path / "tabsynth-ledger", "spent")
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom pathlib import Path\nfrom tabsynth.privacy.ledger import Ledger\n"
         "with Ledger.open(Path('tabsynth-ledger'), 'test-ward', create=False)._lines.locked():\n"
         "    print('held', flush=True)\n    sys.stdin.read()"],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)})
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = path.read_bytes()
        run = tabsynth("fit", patients, "--schema", schema, *ONE, "-o", "m.tabsynth")
        run.refused(5, "locked by another process")
        assert path.read_bytes() == before
        assert not (tmp_path / "m.tabsynth").exists()
    finally:
        holder.communicate("")
    assert holder.returncode == 0


def test_a_release_is_refused_like_a_fit(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    schema.write_text(SCHEMA.replace(*UNIT), "utf-8")
    tabsynth("release", patients, "--schema", schema, *ONE, "-o", "out").refused(5, "needs a unit", "--unit row")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "tabsynth-ledger").exists()


def test_every_row_another_person_must_be_said(tabsynth: Command, patients: Path, schema: Path) -> None:
    schema.write_text(SCHEMA.replace("role: unit, ", ""), "utf-8")
    run = tabsynth("fit", patients, "--schema", schema, *ONE, "--unit", "row", "-o", "m.tabsynth", "--json")
    assert run.code == 0, run.err
    assert run.document["statement"]["budget"]["unit"] == "row"


def test_a_seed_is_accepted_and_reaches_no_noise(tabsynth: Command, patients: Path, schema: Path,
                                                 tmp_path: Path) -> None:
    """Correction 5: `--seed` drives candidates and sampling; two fits with one seed differ in every noisy count."""
    arrays = []
    for name in ("a", "b"):
        run = tabsynth("fit", patients, "--schema", schema, *ONE, "--seed", 7, "-o", f"{name}.tabsynth", "-q")
        assert run.code == 0, run.err
        with ZipFile(tmp_path / f"{name}.tabsynth") as archive:
            arrays.append(load(archive.read("arrays.safetensors")))
    counts = [key for key in arrays[0] if key.startswith("fine.")]
    assert counts
    assert not any((arrays[0][key][0] == arrays[1][key][0]).any() for key in counts)
