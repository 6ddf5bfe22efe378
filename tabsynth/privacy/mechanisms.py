"""The five questions that may be asked of private rows. Each states its sensitivity and builds its own event.

Four are an integer vector on the grid plus independent discrete Gaussian noise, one is a choice by integer scores;
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
SURE: Final = 5
LIKELY: Final = 2
"""Sigmas that a bin must reach to hold values for sure, and beside one that does."""
NEGLIGIBLE: Final = 200
GUARDS: Final = 2
"""The next GUARDS bins are not left out where the noise can hide more than 1 / NEGLIGIBLE of the mass in them."""


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


# --- bounds of open numbers --------------------------------------------------------------------------------------


def bounds_event(column: str, bins: int, sigma: float) -> Event:
    """Counts of a column on its public scale: a marginal like any other, of the bins that ``Scale`` has."""
    return Event("bounds", (column,), bins, squared_sensitivity=1, sigma_steps=sigma_steps(sigma))


def outermost(noisy: IntArray, zero: int, sigma: int) -> tuple[int, int]:
    """First and last bin of a column by its noisy counts alone (``privacy/bought-bounds.md``); zero if none is sure.

    Args:
        noisy: counts on the scale, in grid steps. zero: the bin of zero. sigma: grid steps.
    """
    sure = np.flatnonzero(noisy >= SURE * sigma)
    if not len(sure):
        return zero, zero
    return _outward(noisy, int(sure[0]), -1, zero, sigma), _outward(noisy, int(sure[-1]), 1, zero, sigma)


def _outward(noisy: IntArray, start: int, step: int, zero: int, sigma: int) -> int:
    """Past likely bins, and over some that may hold more than is negligible; never across zero."""
    towards_zero = (zero - start) * step
    stop = start + step * towards_zero if towards_zero >= 0 else (len(noisy) - 1 if step > 0 else 0)
    place = start
    while place != stop and noisy[place + step] >= LIKELY * sigma:
        place += step
    for _ in range(GUARDS):
        if place != stop and NEGLIGIBLE * (noisy[place + step] + LIKELY * sigma) >= noisy.sum():
            place += step
    return place
