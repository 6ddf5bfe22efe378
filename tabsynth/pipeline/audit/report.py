"""What one check of the audit found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Layer = Literal["replay", "noise", "distinguish", "black box"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried. `says`: a line for a person; `figures`: the same for a program."""

    layer: Layer
    name: str
    ok: bool
    says: str
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"layer": self.layer, "name": self.name, "ok": self.ok, "says": self.says, **self.figures}
