"""What was released, as data. What it costs is computed in ``accountant.py``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, isfinite
from typing import Any, Final, Literal

from tabsynth.core.errors import PrivacyError

GRID: Final = 1 << 20
"""Grid steps that one unit's whole mass is. Counts and noise are integers on this grid."""

MIN_SIGMA_STEPS: Final = 1 << 10
MAX_SIGMA_STEPS: Final = 1 << 40
"""Range of sigma that the sampler and the proof cover: about 0.001 to a million units."""

Mechanism = Literal["counts", "errors", "discovery", "bounds"]


@dataclass(frozen=True, slots=True)
class Event:
    """One noisy integer vector that left the curator.

    Args:
        mechanism: "counts" (a marginal), "errors" (L1 distances of marginals to public tables), "discovery"
            (thresholded counts of an open column's values) or "bounds" (counts of an open column on a public scale).
        columns: the marginal's columns; () for errors, which concern many marginals.
        cells: length of the vector, a public number; None for discovery, where it is private.
        squared_sensitivity: square of the L2 change that one unit can cause, in units of GRID squared.
        sigma_steps: sigma of the discrete Gaussian in grid steps.
        delta_key: probability that discovery shows a value that only one unit has.
    """

    mechanism: Mechanism
    columns: tuple[str, ...]
    cells: int | None
    squared_sensitivity: int
    sigma_steps: int
    delta_key: Fraction = Fraction(0)

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise; 1 = the mass of one unit."""
        return self.sigma_steps / GRID

    def to_json(self) -> dict[str, Any]:
        return {"mechanism": self.mechanism, "columns": list(self.columns), "cells": self.cells,
                "squared_sensitivity": self.squared_sensitivity, "sigma_steps": self.sigma_steps,
                "delta_key": str(self.delta_key)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Event:
        return cls(data["mechanism"], tuple(data["columns"]), data["cells"], data["squared_sensitivity"],
                   data["sigma_steps"], rational(data["delta_key"]))


def rational(text: str) -> Fraction:
    """The exact number that `str` of a Fraction wrote; 0 or more.

    Raises:
        ValueError: anything else, such as an exponent, whose powers of ten would take for ever.

    >>> rational("1/1000000")
    Fraction(1, 1000000)
    """
    if not isinstance(text, str) or re.fullmatch(r"\d{1,4000}(/\d{1,4000})?", text, re.ASCII) is None:
        raise ValueError("an exact number is written like 3 or 1/8")
    return Fraction(text)


def sigma_steps(sigma: float) -> int:
    """`sigma` in grid steps, rounded up (towards privacy).

    Raises:
        PrivacyError: sigma is not a number in the range that the sampler and the proof cover.

    >>> sigma_steps(2.0) == 2 * GRID
    True
    """
    if not isfinite(sigma) or not MIN_SIGMA_STEPS <= sigma * GRID <= MAX_SIGMA_STEPS:
        low, high = MIN_SIGMA_STEPS / GRID, MAX_SIGMA_STEPS / GRID
        raise PrivacyError(f"sigma must lie between {low:.6f} and {high:.0f}, got {sigma}.",
                           fix="Choose sigma from the budget that remains.")
    return ceil(Fraction(sigma) * GRID)
