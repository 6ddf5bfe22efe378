"""Calibration of predictions: the line that best maps what was predicted onto what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.evaluation.disclosure import wide_steps
from tabsynth.evaluation.intervals import Floats

CERTAIN: Final = 1e-6
"""Chances are kept this far from 0 and 1, so that their log-odds are numbers."""
STEPS: Final = 50
BINS: Final = 10
"""Most bins of a drawing, of equally many people."""


@dataclass(frozen=True, slots=True)
class Line:
    """Slope 1 and intercept 0 = calibrated. A slope below 1: predictions too far apart; NaN: there is no line.

    `intercept` belongs to `slope`; `in_the_large` is the intercept when the slope is held at 1.
    """

    slope: float
    intercept: float
    in_the_large: float


def recalibrate_chances(chances: Floats, happened: NDArray[np.bool_]) -> Line:
    """Logistic regression of what happened on the log-odds predicted for it (Cox 1958). Shapes (n,)."""
    odds = _log_odds(chances)
    if not 0 < happened.sum() < len(happened) or np.ptp(odds) < 1e-9:
        return Line(np.nan, np.nan, np.nan)
    intercept, slope = _newton(np.stack([np.ones(len(odds)), odds], axis=1), happened, np.zeros(len(odds)))
    (in_the_large,) = _newton(np.ones((len(odds), 1)), happened, odds)
    return Line(float(slope), float(intercept), float(in_the_large))


def recalibrate_values(guess: Floats, truth: Floats) -> Line:
    """Least squares of the truth on the prediction. Shapes (n,)."""
    away = guess - guess.mean() if len(guess) else guess
    spread = float(away @ away)
    if spread <= 1e-18 * max(1.0, float(guess @ guess)):
        return Line(np.nan, np.nan, np.nan)
    slope = float(away @ (truth - truth.mean())) / spread
    gap = float(truth.mean() - guess.mean())
    return Line(slope, float(truth.mean() - slope * guess.mean()), gap)


def bins(guess: Floats, truth: Floats, *, fewest: int) -> tuple[dict[str, Any], ...]:
    """Mean prediction and mean of what happened, in bins of rising predictions. Shapes (n,).

    Args:
        truth: 1 or 0 of an event, or numbers.
        fewest: records in a bin, and of an event both of those that had it and of those that had not, unless none.
            Narrower bins are joined.
    """
    order = np.argsort(guess, kind="stable")
    edges = np.unique(np.arange(1, BINS + 1) * len(order) // BINS)
    event = bool(np.isin(truth, (0, 1)).all())
    happened = np.concatenate([[0], np.cumsum(truth[order] == 1)])[edges] if event else edges
    counts = np.stack([happened, edges - happened], axis=1) if event else edges[:, None]
    if ((counts[-1] >= 1) & (counts[-1] < fewest)).any():
        return ()
    ends = sorted({*(int(edges[i]) for i in wide_steps(counts, counts[-1], fewest=fewest)), len(order)})
    parts = [order[low:high] for low, high in zip([0, *ends], ends)]
    return tuple({"predicted": float(guess[rows].mean()), "observed": float(truth[rows].mean()), "n": len(rows)}
                 for rows in parts if len(rows))


def _log_odds(chances: Floats) -> Floats:
    inside = np.clip(chances, CERTAIN, 1 - CERTAIN)
    return np.asarray(np.log(inside / (1 - inside)), np.float64)


def _newton(x: Floats, happened: NDArray[np.bool_], offset: Floats) -> Floats:
    """Maximum-likelihood coefficients, shape of a row of `x`; NaN without a finite maximum."""
    beta = np.zeros(x.shape[1])
    nothing = np.full(x.shape[1], np.nan)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ beta + offset, -30, 30)))
        information = (x * (chance * (1 - chance))[:, None]).T @ x
        if np.linalg.cond(information) > 1e12:
            return nothing
        step = np.linalg.solve(information, x.T @ (happened - chance))
        beta = beta + np.clip(step, -2, 2)  # short first steps: far from the maximum Newton overshoots
        if np.abs(step).max() < 1e-8:
            return np.asarray(beta, np.float64)
    return nothing
