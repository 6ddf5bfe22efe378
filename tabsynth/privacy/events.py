"""What was released, as data. What it costs is computed in ``accountant.py``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isfinite
from typing import Any, Final, Literal

from tabsynth.core.errors import PrivacyError

GRID: Final = 1 << 20
"""Grid steps that one unit's whole mass is. Counts and noise are integers on this grid."""

MIN_SIGMA_STEPS: Final = 1 << 10
MAX_SIGMA_STEPS: Final = 1 << 40
"""Range of sigma that the sampler and the proof cover: about 0.001 to a million units."""

EPSILON_UNIT: Final = 1 << 40
MIN_EPSILON: Final = Fraction(1, 1 << 30)
MAX_EPSILON: Final = Fraction(64)
"""Range of the exponential mechanism's epsilon, a multiple of 1 / EPSILON_UNIT."""

Mechanism = Literal["counts", "errors", "discovery", "bounds", "selection"]


@dataclass(frozen=True, slots=True)
class Event:
    """One noisy integer vector, or one choice, that left the curator.

    Args:
        mechanism: "counts" (a marginal), "errors" (L1 distances of marginals to public tables), "discovery"
            (thresholded counts of an open column's values), "bounds" (counts of an open number on its public scale)
            or "selection" (one of several marginals, chosen by how far it is from a public table).
        columns: the marginal's columns; () for errors and selection, which concern many marginals.
        cells: length of the vector, or number of candidates, public; None for discovery, where it is private.
        squared_sensitivity: square of the L2 change that one unit can cause, in units of GRID squared; for selection
            of the change of the heaviest score.
        sigma_steps: sigma of the discrete Gaussian in grid steps; 0 for selection.
        delta_key: probability that discovery shows a value that only one unit has.
        epsilon: parameter of the exponential mechanism; 0 for all but selection.
    """

    mechanism: Mechanism
    columns: tuple[str, ...]
    cells: int | None
    squared_sensitivity: int
    sigma_steps: int
    delta_key: Fraction = Fraction(0)
    epsilon: Fraction = Fraction(0)

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise; 1 = the mass of one unit."""
        return self.sigma_steps / GRID

    def to_json(self) -> dict[str, Any]:
        return {"mechanism": self.mechanism, "columns": list(self.columns), "cells": self.cells,
                "squared_sensitivity": self.squared_sensitivity, "sigma_steps": self.sigma_steps,
                "delta_key": str(self.delta_key), "epsilon": str(self.epsilon)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Event:
        return cls(data["mechanism"], tuple(data["columns"]), data["cells"], data["squared_sensitivity"],
                   data["sigma_steps"], rational(data["delta_key"]), rational(data["epsilon"]))


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


def epsilon_steps(epsilon: float) -> Fraction:
    """`epsilon` of the exponential mechanism as an exact number, rounded down (towards privacy).

    Raises:
        PrivacyError: not a number in the range that the accountant covers.

    >>> epsilon_steps(0.5)
    Fraction(1, 2)
    """
    if not isfinite(epsilon) or not MIN_EPSILON <= epsilon <= MAX_EPSILON:
        raise PrivacyError(f"epsilon of a selection must lie between {float(MIN_EPSILON):.3g} and "
                           f"{float(MAX_EPSILON):.3g}, got {epsilon}.",
                           fix="Choose epsilon from the budget that remains.")
    return Fraction(floor(Fraction(epsilon) * EPSILON_UNIT), EPSILON_UNIT)
