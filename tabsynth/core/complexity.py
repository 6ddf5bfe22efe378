"""How closely a model may follow its training rows: the settings between which a calibration chooses.

A model only lists them. It never scores itself: `pipeline.calibration` does, on people whom no candidate has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Complexity:
    """Candidates, as keyword arguments of the model's constructor.

    Args:
        levels: from the closest fit, which copies most, to the simplest one.
        variants: what is decided first, at the middle level: the first one, unless another is clearly better.
        few: what a table gets that is too small to hold people back.
    """

    levels: tuple[Settings, ...]
    variants: tuple[Settings, ...]
    few: Settings


@runtime_checkable
class Calibrated(Protocol):
    """A model class whose FACTS say ``"calibrated": True``."""

    complexity: ClassVar[Complexity]
