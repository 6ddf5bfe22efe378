"""The codec of yes and no: false, true, MISSING, INVALID, OTHER. There is nothing to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.base import Codec, Stats
from tabsynth.core.schema import Column
from tabsynth.core.table import MISSING, PRESENT, Cells, LogicalType


@final
@dataclass(frozen=True, eq=False)
class BooleanCodec(Codec):
    """Both values are public by kind, so that neither is pooled. False lies below true."""

    column: Column

    @property
    def size(self) -> int:
        return 5

    @property
    def ordered(self) -> int:
        return 2

    @property
    def holds(self) -> dict[str, int]:
        return {"values": 2}

    @property
    def pooled(self) -> Mapping[str, Any]:
        return {"levels": 0, "share": 0.0}

    def encode(self, cells: Cells) -> NDArray[np.int32]:
        codes = np.where(cells.state == MISSING, self.missing, self.invalid).astype(np.int32)
        codes[cells.present] = cells.values[cells.present]
        return codes

    def decode(self, codes: NDArray[np.int32], rng: np.random.Generator) -> Cells:
        drawn = np.array(codes, np.int32)
        lost = drawn >= 2
        if not self.column.nullable:
            drawn[lost] = rng.integers(0, 2, int(lost.sum()))
        state = np.where(drawn < 2, PRESENT, MISSING).astype(np.uint8)
        return Cells(drawn == 1, state, (), LogicalType.from_json(self.column.logical))

    def probes(self, values: Sequence[bool | int | float | str]) -> Cells:
        states = [PRESENT, PRESENT, *([MISSING] if self.column.nullable else [])]
        return Cells(np.array([False, True, False][:len(states)]), np.array(states, np.uint8))

    def representative(self) -> NDArray[np.float64]:
        return np.array([0.0, 1.0, np.nan, np.nan, np.nan])

    def labels(self) -> list[str]:
        return ["false", "true", "MISSING", "INVALID", "OTHER"]

    def state(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class NoStats(Stats):
    """A column of which nothing is learned."""

    def merge(self, other: NoStats) -> NoStats:
        return self
