"""What a person sees: help and messages that fit 80 columns, progress with ETA on a terminal, nothing when quiet."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tabsynth.cli.console import Console
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger import Ledger
from tests.end_to_end.conftest import Command

COMMANDS = ("inspect", "split", "plan", "fit", "sample", "impute", "answer", "evaluate", "attack", "report", "view",
            "release", "verify", "ledger", "log", "keys", "models", "doctor", "version")


def on_terminal(arguments: list[str], folder: Path, **variables: str) -> tuple[int, str]:
    """Run with stderr on a terminal of 80 columns; (exit code, what the terminal got)."""
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    process = subprocess.Popen([sys.executable, "-m", "tabsynth", *arguments], cwd=folder, env=environment,
                               stdout=subprocess.DEVNULL, stderr=side)
    os.close(side)
    seen, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([main], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            part = os.read(main, 65_536)
        except OSError:  # the other side was closed
            break
        seen += part
    os.close(main)
    return process.wait(timeout=60), seen.decode("utf-8", "replace")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_the_terminal(tabsynth: Command, command: str) -> None:
    run = tabsynth(command, "--help")
    assert run.code == 0
    assert run.out.startswith(f"Usage: tabsynth {command}")
    assert max(map(len, run.out.splitlines())) <= 80
    assert "list[str]" not in run.out


def test_the_list_of_commands_is_not_cut(tabsynth: Command) -> None:
    out = tabsynth("--help").out
    assert all(f"  {command}" in out for command in COMMANDS)
    assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize("group", [(), ("ledger",), ("log",), ("keys",)])
def test_a_command_alone_shows_its_help_and_nothing_else(tabsynth: Command, group: tuple[str, ...]) -> None:
    run = tabsynth(*group)
    assert run.code == 2
    assert run.err == tabsynth(*group, "--help").out
    assert "..." not in run.err.partition("Commands:")[2]


def test_messages_fit_the_terminal(tabsynth: Command, patients: Path) -> None:
    for arguments in (["doctor"], ["models"], ["inspect", patients, "--unit", "patient", "-o", "s.yaml"],
                      ["fit", patients, "--unit", "patient", "-o", "m.tabsynth"], ["inspect", "m.tabsynth"]):
        run = tabsynth(*arguments)
        assert run.code == 0, run.err
        long = [line for line in run.out.splitlines() if len(line) > 80 and str(patients.parent) not in line]
        assert not long, long
        assert arguments != ["doctor"] or "measures: singling_out_multivariate people" in run.out


@pytest.mark.parametrize("private", [True, False])
def test_a_dry_run_touches_nothing(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path,
                                   private: bool) -> None:
    before = sorted(p.name for p in tmp_path.iterdir())
    choice = ["--epsilon", "1"] if private else ["--no-dp"]
    run = tabsynth("release", patients, "--schema", schema, *choice, "-o", "out", "--dry-run", "--json")
    assert run.code == 0, run.err
    assert run.document["dry_run"] is True
    assert (run.document["privacy"] is not None) == private
    text = tabsynth("fit", patients, "--schema", schema, *choice[:2 * private], "-o", "m.tabsynth", "--dry-run").out
    assert "nothing booked or written" in " ".join(text.split())
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_progress_with_eta_on_a_terminal_and_plain_lines_in_a_pipe(tabsynth: Command, patients: Path,
                                                                   tmp_path: Path) -> None:
    fit = ["fit", str(patients), "-o", "m.tabsynth", "--force"]
    code, seen = on_terminal(fit, tmp_path)
    assert code == 0, seen
    assert "ETA" in seen
    assert "\x1b[3" in seen, "colours on a terminal"
    code, seen = on_terminal(fit, tmp_path, NO_COLOR="1")
    assert "ETA" in seen
    assert "\x1b[3" not in seen, "NO_COLOR is honoured"
    piped = tabsynth(*fit)
    assert piped.err.startswith("... read")
    assert "ETA" not in piped.err
    assert "\x1b" not in piped.err + piped.out
    assert tabsynth(*fit, "-q") == type(piped)(0, "", "")


def test_the_bars_of_many_measures_fit_a_terminal_of_24_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with Console().progress() as progress:
        for done in range(40):
            progress(f"evaluate: singling_out_multivariate{done}", done, 40)
    last_frame = screen.getvalue().rpartition("\x1b[2K")[2]
    assert "multivariate39" in last_frame
    assert "multivariate38" not in last_frame


def test_an_error_is_wrapped_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(",".join(f"column{i}" for i in range(40)) + "\n" + ",".join("1" * 40) + "\n")
    code, seen = on_terminal(["fit", "wide.csv", "--unit", "colum1", "-o", "m.tabsynth", "-q"], tmp_path)
    assert code == 2
    assert "Did you mean" in " ".join(seen.split())
    assert max(map(len, seen.splitlines())) <= 80


def test_pipes(tabsynth: Command, patients: Path) -> None:
    run = tabsynth("fit", "-", "--unit", "patient", "-o", "m.tabsynth", "--json", stdin=patients.read_text("utf-8"))
    assert run.code == 0, run.err
    assert run.document["unit"] == "patient"
    run = tabsynth("inspect", "-", "-o", "-", stdin=patients.read_text("utf-8"))
    assert run.out.startswith("# Schema of")
    run = tabsynth("sample", "m.tabsynth", "-n", 3, "-o", "-", "--format", "jsonl", "-q")
    assert [line[:1] for line in run.out.splitlines()] == ["{"] * 3


def test_a_ledger_is_read_at_80_columns(tabsynth: Command, tmp_path: Path) -> None:
    name = "cardiology registry of the university hospital"
    assert tabsynth("ledger", "reserve", name, "--epsilon", "3", "--unit", "patient_id").code == 0
    ledger = Ledger.open(tmp_path / "tabsynth-ledger", name)
    ledger.reserve(Budget.of("0.3", unit="patient_id"), purpose="fit marginal").start()
    ledger.reserve(Budget.of("0.3", unit="patient_id"), purpose="fit marginal").release_unused()
    for command in (("show",), ("verify",), ("close", name)):
        run = tabsynth("ledger", *command)
        assert run.code == 0, run.err
        assert max(map(len, run.out.splitlines())) <= 80
        said = " ".join(run.out.split())
        assert "over 1 fit, cap epsilon 3 at delta 1e-06" in said
    shown = tabsynth("ledger", "show").out
    assert "unused and given back" in shown
    assert re.search(r"^ +1  \d{4}-\d\d-\d\d  open", shown, re.MULTILINE)
