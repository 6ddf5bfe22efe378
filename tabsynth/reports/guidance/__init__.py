"""Dated packs of what law and guidance say, so that no legal text is hard-coded and each report names its pack."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

CURRENT: Final = "2026-11"


def pack(name: str = CURRENT) -> dict[str, Any]:
    """One pack as JSON values: id, date, status, sources."""
    import yaml

    text = files(__name__).joinpath(f"{name}.yaml").read_text("utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
