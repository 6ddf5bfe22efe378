"""The four questions that may be asked of private rows. Each states its sensitivity and builds its own event.

Three are an integer vector on the grid plus independent discrete Gaussian noise, one is a choice by integer scores;
adding or removing one unit changes a marginal by at most GRID steps in L1, hence in L2 (``bounding.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor, inf
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy.events import GRID, Event, epsilon_steps, sigma_steps

IntArray = NDArray[np.int64]
MAX_CELLS: Final = 1 << 27
MAX_MODEL_MASS: Final = float(1 << 40)
WEIGHT_UNIT: Final = 1 << 16
SCORE_SENSITIVITY: Final = WEIGHT_UNIT * GRID
"""How far one unit can move the score of a candidate of a selection."""


# --- noisy counts ------------------------------------------------------------------------------------------------


def counts_event(columns: tuple[str, ...], cells: int, sigma: float) -> Event:
    """A marginal: one unit moves it by at most GRID steps in L2, spread over as many cells as the unit has rows."""
    return Event("counts", columns, cells, squared_sensitivity=1, sigma_steps=sigma_steps(sigma))


def grid_counts(codes: Sequence[NDArray[np.integer]], sizes: Sequence[int], weights: NDArray[np.float64]) -> IntArray:
    """Sums of weights per combination of codes, flattened in C order; shape (product of sizes,).

    Args:
        codes: one array of shape (n,) per column, values in [0, size).
        sizes: the columns' numbers of codes.
        weights: whole grid steps as float64, summing to less than 2^53, so that every sum is exact.
    """
    cells = int(np.prod(sizes, dtype=np.int64)) if len(sizes) else 1
    flat = np.zeros(len(weights), dtype=np.intp)
    for column, size in zip(codes, sizes, strict=True):
        flat *= size
        flat += column
    return np.bincount(flat, weights=weights, minlength=cells).astype(np.int64)


# --- noisy L1 errors ---------------------------------------------------------------------------------------------


def errors_event(models: int, sigma: float) -> Event:
    """`models` L1 distances, each moved by one unit by at most GRID steps: L2 sensitivity sqrt(models)."""
    return Event("errors", (), models, squared_sensitivity=models, sigma_steps=sigma_steps(sigma))


def model_steps(model: NDArray[np.float64], shape: tuple[int, ...]) -> IntArray:
    """A public model table in whole grid steps, flattened. Any table is a valid reference.

    Raises:
        PrivacyError: wrong shape, or not finite, or a total mass (of absolute values) above 2^40 units.
    """
    table = np.asarray(model, dtype=np.float64)
    if table.shape != shape:
        raise PrivacyError(f"a model table has shape {table.shape}, but its marginal has shape {shape}.")
    if not np.abs(table).sum() <= MAX_MODEL_MASS:
        raise PrivacyError("a model table has values that are not finite, or a mass above 2^40 units.")
    return np.rint(table.reshape(-1) * GRID).astype(np.int64)


def l1_distance(counts: IntArray, model: IntArray) -> int:
    """Sum of |counts - model| in grid steps; changes by at most the L1 change of `counts`."""
    return int(np.abs(counts - model).sum())


# --- selection ---------------------------------------------------------------------------------------------------


def selection_event(candidates: int, epsilon: float) -> Event:
    """One choice among `candidates` by scores that one unit moves by at most SCORE_SENSITIVITY each."""
    return Event("selection", (), candidates, squared_sensitivity=1, sigma_steps=0, epsilon=epsilon_steps(epsilon))


def public_weights(weights: Sequence[float]) -> list[int]:
    """Weights of scores as integers: the heaviest is WEIGHT_UNIT, the others in proportion, rounded down.

    Raises:
        PrivacyError: a weight is negative or not finite, or none is above 0.
    """
    if not all(0 <= w < inf for w in weights) or max(weights) == 0:
        raise PrivacyError("the weights of a selection must be finite numbers from 0 up, and one above 0.")
    heaviest = Fraction(max(weights))
    return [floor(Fraction(w) * WEIGHT_UNIT / heaviest) for w in weights]


def penalty_steps(penalty: float) -> int:
    """A public amount that is taken off a distance, in grid steps.

    Raises:
        PrivacyError: not finite, or beyond 2^40 units.
    """
    if not abs(penalty) <= MAX_MODEL_MASS:
        raise PrivacyError("a penalty of a selection must be a finite number of at most 2^40 units.")
    return round(penalty * GRID)


def score(counts: IntArray, model: IntArray, weight: int, penalty: int) -> int:
    """weight * (L1 distance - penalty); one unit moves it by at most weight * GRID <= SCORE_SENSITIVITY."""
    return weight * (l1_distance(counts, model) - penalty)


# --- discovery of open categories --------------------------------------------------------------------------------


def discovery_event(column: str, sigma: float, delta_key: Fraction) -> Event:
    """Counts of the values that occur. How many there are is private, so the event does not say."""
    return Event("discovery", (column,), None, squared_sensitivity=1, sigma_steps=sigma_steps(sigma),
                 delta_key=delta_key)


def discovery_threshold(event: Event, max_rows_per_unit: int) -> int:
    """Grid steps that a noisy count must reach to be shown.

    A value that only one unit has weighs at most GRID; the unit has at most k such values, so each may pass with
    probability delta_key / k. P(noise >= m) <= P(N(0, sigma^2) >= m - 1) for integers m >= 1
    (``privacy/open-categories.md``), hence the extra step.
    """
    tail = float(event.delta_key / max_rows_per_unit) * (1 - 1e-9)
    quantile = -NormalDist().inv_cdf(tail) * (1 + 1e-12)
    return GRID + 1 + ceil(quantile * event.sigma_steps)


def shown(noisy: Mapping[str, int], threshold: int) -> tuple[str, ...]:
    """The values that reach the threshold, in alphabetical order."""
    return tuple(sorted(value for value, count in noisy.items() if count >= threshold))
