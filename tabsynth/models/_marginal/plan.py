"""How the budget and the levels are planned: functions of the noisy number of patients, mu and the schema alone.

The constants were found on census and health-insurance tables (card: models/marginal.md) and are not secret.
"""

from __future__ import annotations

from math import sqrt

PILOT_SHARE = 0.005
"""Share of the budget for a first look at the number of patients, where the schema does not declare it."""

SCORE_SHARE = 0.05
"""Share of each round's budget for scoring candidate pairs; the rest measures the chosen ones."""

ACCEPTED_NOISE = 0.06
"""Total variation distance that noise may add to one measured pair; it decides how finely columns are cut."""

FINE_SHARE = 0.6
"""Share of the one-way budget that counts every code; the rest counts blocks of codes."""

ACCEPTED_BLOCK_NOISE = 0.03
"""Total variation distance that noise may add to one column's blocks."""

LEFTOVER = 1e-6
"""Share of the budget below which what is left is not spent on another look at the columns."""

MIN_LEVELS = 3
MAX_LEVELS = 32
MIN_BLOCKS, MAX_BLOCKS = 8, 64


def one_way_share(patients: float, mu: float) -> float:
    """Share of the budget for one-way counts: the better pairs can be seen, the less goes to single columns.

    >>> [round(one_way_share(39_000, mu), 2) for mu in (0.02, 0.08, 0.24, 2.0)]
    [0.65, 0.48, 0.31, 0.13]
    """
    signal = max(1.0, patients * mu)
    return min(0.65, max(0.1, 0.65 * float((1_500 / signal) ** 0.4)))


def round_share(index: int, count: int) -> float:
    """Share of what remains that round `index` of `count` may spend; later rounds get twice the one before.

    >>> [round(round_share(r, 3), 3) for r in range(3)]
    [0.143, 0.333, 1.0]
    """
    weights = [2.0**r for r in range(index, count)]
    return weights[0] / sum(weights)


def levels(patients: float, mu: float, columns: int) -> int:
    """Levels per column at which the noise of a measured pair stays accepted, if 1.5 pairs per column are measured."""
    pairs = 1.5 * max(1, columns)
    affordable = sqrt(ACCEPTED_NOISE * max(0.0, patients) * mu / (0.4 * sqrt(pairs)))
    return int(min(MAX_LEVELS, max(MIN_LEVELS, affordable)))


def block_levels(patients: float, mu: float, share: float, columns: int) -> int:
    """Blocks per column at which their noise stays accepted, when all columns share the one-way budget evenly."""
    sigma = sqrt(columns / ((1 - FINE_SHARE) * share)) / mu
    return int(min(MAX_BLOCKS, max(MIN_BLOCKS, ACCEPTED_BLOCK_NOISE * patients / (0.4 * sigma))))
