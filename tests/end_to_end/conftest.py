"""The real command line on real input, in a process of its own or, where many are wanted, in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tabsynth.cli import main

SECRET = "Zwyxqv"
"""A name that is in the private table of these tests and must appear in no message."""


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def refused(self, code: int, *words: str) -> None:
        """Ended with this exit code and one clear sentence that has these words, without traceback or cell."""
        assert self.code == code, (self.code, self.out, self.err)
        assert "Traceback" not in self.err
        assert SECRET not in self.err + self.out
        assert "internal error" not in self.err, self.err
        for word in words:
            assert word in self.err, self.err


Command = Callable[..., Run]


@pytest.fixture
def tabsynth(tmp_path: Path) -> Command:
    """Run ``tabsynth ARGUMENTS`` in an empty folder."""

    def call(*arguments: object, stdin: str | None = None) -> Run:
        done = subprocess.run([sys.executable, "-m", "tabsynth", *map(str, arguments)], cwd=tmp_path, text=True,
                              capture_output=True, check=False, input=stdin, timeout=600,
                              env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1",
                                   "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])})
        return Run(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def tabsynth_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The same without a process of its own, for many short runs: from the arguments to exit code and messages."""

    def call(*arguments: object) -> Run:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(sys, "argv", ["tabsynth", *map(str, arguments)])
        monkeypatch.setattr(main.app, "registered_commands", [])
        monkeypatch.setattr(main.app, "registered_groups", [])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main.run()
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Run(end.value.code, out, err)

    return call


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """A small table of visits: 120 people, one to three visits each, a secret name, a gap here and there."""
    lines = ["patient,name,sex,age,weight,ward,admitted,discharged"]
    for person in range(120):
        sex, age = "fm"[person % 2], 20 + person % 60
        for visit in range(1 + person % 3):
            weight = "" if (person + visit) % 17 == 0 else f"{55 + (person * 7 + visit) % 40}.{person % 10}"
            ward = ("icu", "surgery", "medicine")[(person + visit) % 3]
            day = 1 + (person + 3 * visit) % 20
            lines.append(f"P{person:04d},{SECRET}{person},{sex},{age},{weight},{ward},2024-03-{day:02d},"
                         f"2024-03-{day + person % 8:02d}")
    path = tmp_path / "patients.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


SCHEMA = """\
name: patients
population: {name: test-ward, declared_units: 120}
columns:
  - {name: patient, kind: id, role: unit, pattern: "P####"}
  - {name: name, kind: text, role: direct-identifier}
  - {name: sex, kind: category, levels: [f, m], source: form, constant_per_unit: true}
  - {name: age, kind: integer, bounds: [18, 110], source: form, constant_per_unit: true}
  - {name: weight, kind: number, bounds: [20, 250], decimals: 1, source: scale}
  - {name: ward, kind: category, levels: [icu, surgery, medicine], source: ward list}
  - {name: admitted, kind: date, bounds: ["2024-01-01", "2024-12-31"], source: study period}
  - {name: discharged, kind: date, bounds: ["2024-01-01", "2024-12-31"], source: study period}
rules:
  - compare: "admitted <= discharged"
"""


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """The public schema of `patients`."""
    path = tmp_path / "schema.yaml"
    path.write_text(SCHEMA, "utf-8")
    return path
