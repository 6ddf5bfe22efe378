"""What the README shows in Python runs as it stands, top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_python_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    exec("\n".join(blocks), names)
    assert list(names["rows"].columns) == list(names["table"].columns)
    assert (names["rows"]["age"] >= 50).all()
    assert (tmp_path / "release" / "internal" / "report.html").is_file()
    assert (tmp_path / "tabsynth-ledger").is_dir()
