"""``tabsynth audit`` at the command line, and what it says when something is caught."""

from __future__ import annotations

import json

import pytest
import typer

from tabsynth.cli.commands import audit as command
from tabsynth.pipeline.audit import run
from tabsynth.pipeline.audit.report import Check
from tests.end_to_end.conftest import Command


def test_the_installed_program_passes(tabsynth: Command) -> None:
    done = tabsynth("audit", "--json")
    assert done.code == 0, done.err
    replay, noise = done.document["checks"]
    assert done.document["ok"] is replay["ok"] is noise["ok"] is True
    assert replay["pairs"] >= 1_800
    assert replay["divergent"] == 0
    assert 95_000 < noise["draws"] / len(noise["samplers"]) < 105_000
    assert "divergent transcripts 0" in " ".join(done.err.split())


def test_what_belongs_to_a_long_audit_is_refused_without_it(tabsynth: Command) -> None:
    tabsynth("audit", "--runs", 1_000).refused(2, "--long")
    tabsynth("audit", "--long", "--epsilon", 50).refused(2, "up to 10")


def test_something_caught_is_exit_code_6(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = [Check("replay", "transcripts", True, "fine"), Check("noise", "sampler", False, "variance", {"tests": 1})]
    monkeypatch.setattr(run, "steps", lambda plan: [lambda progress: found])
    with pytest.raises(typer.Exit) as end:
        command.command(long=False, epsilon=None, runs=None, fits=None, jobs=1, as_json=True, quiet=False)
    assert end.value.exit_code == 6
    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] is False
    assert "CAUGHT  noise: variance" in err
