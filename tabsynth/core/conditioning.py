"""How exactly a model's rows are conditional on given cells: the effective sample size of the draws that it weighed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import Coding
from tabsynth.core.given import Given

Sizes = NDArray[np.float64]

FEW: Final = 3.0
"""Effective draws of a row, below which the choice among them hardly follows the condition."""
PROBED: Final = 1000
"""Rows whose effective sample size is looked at."""


@runtime_checkable
class Weighing(Protocol):
    """A model that conditions by weighing draws, and can tell how many of them count."""

    particles: ClassVar[int]

    def is_exact(self, given: Collection[str]) -> bool:
        """True where rows are drawn exactly given these columns."""

    def effective_sizes(self, given: Mapping[str, NDArray[np.int32]], *, rng: np.random.Generator) -> Sizes:
        """How many draws of each row count, shape (n,), in 1 .. particles."""


@dataclass(frozen=True)
class Conditioning:
    """How exactly rows follow what is given.

    Args:
        columns: the given ones.
        particles: draws per row.
        sizes: how many of them count, shape (rows,); empty where every row is exact.
    """

    columns: tuple[str, ...]
    particles: int
    sizes: Sizes

    @cached_property
    def is_exact(self) -> bool:
        return not len(self.sizes)

    @cached_property
    def median(self) -> float:
        return float(np.median(self.sizes)) if len(self.sizes) else float(self.particles)

    @property
    def is_weak(self) -> bool:
        """So few draws count that rows hardly follow what is given."""
        return self.median < FEW

    def to_json(self) -> dict[str, Any]:
        exact = {"columns": list(self.columns), "exact": self.is_exact}
        return exact if self.is_exact else {
            **exact, "particles": self.particles, "median": round(self.median, 2),
            "least": round(float(self.sizes.min()), 2), "share_under_3": round(float((self.sizes < FEW).mean()), 4)}

    @property
    def text(self) -> str:
        what = f"conditioning on {', '.join(self.columns)}: "
        if self.is_exact:
            return what + "exact"
        few = float((self.sizes < FEW).mean())
        return what + (f"approximate: median effective sample size {self.median:.1f} of {self.particles}, least "
                       f"{self.sizes.min():.1f}" + (f", under {FEW:g} in {100 * few:.1f} % of rows" if few else ""))


def conditioning(model: object, coding: Coding, given: Given, rng: np.random.Generator) -> Conditioning | None:
    """How exactly a model follows given rows, seen on at most PROBED of them; None where it cannot tell."""
    if not isinstance(model, Weighing) or not len(given):
        return None
    names = given.schema.names
    if model.is_exact(names):
        return Conditioning(names, model.particles, np.zeros(0))
    probe = given.take(np.unique(np.linspace(0, len(given) - 1, PROBED).astype(np.intp)))
    codes = {name: coding.codecs[name].encode(probe[name]) for name in names}
    return Conditioning(names, model.particles, model.effective_sizes(codes, rng=rng))
