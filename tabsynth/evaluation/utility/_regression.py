"""Declared regressions: estimates, errors that know who shares a person, and leave-outs.

Everything beyond the estimate follows from each row's influence on it, psi = inverse information times score: the
sandwich covariance is the sum over people of psi psi' (Huber 1967; Liang and Zeger 1986), and leaving a group of people
out moves the estimate by minus their psi (infinitesimal jackknife, Jaeckel 1972), without a refit.
"""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import ModelError
from tabsynth.core.table import Table
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import GROUPS, Side
from tabsynth.evaluation.utility._declared import COX, Analysis
from tabsynth.evaluation.utility._design import Design, first_level, flags, has_levels, numbers

NO_STATSMODELS: Final = "install tabsynth-dp[analysis]"
SEPARATED: Final = 10.0
"""Model-based error of a coefficient per standard deviation of its column, from which there is no finite estimate."""
NEWTON_STEPS: Final = 50
SINGULAR: Final = 1e12
"""Condition number from which an information matrix says nothing in some direction."""
SPARE_ROWS: Final = 10
"""Rows beyond the number of coefficients that a fit needs."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients without the intercept, per unit of the table.

    Args:
        estimate, error: shape (p,).
        estimates_without, errors_without: without each jackknife group of people, shape (GROUPS, p).
        rows: complete rows that were used.
    """

    estimate: Floats
    error: Floats
    estimates_without: Floats
    errors_without: Floats
    rows: int


def statsmodels_is_here() -> bool:
    """Whether declared regressions can be fitted."""
    return importlib.util.find_spec("statsmodels") is not None


def fit(design: Design, side: Side) -> Fit:
    """Fit the design to one side.

    Raises:
        ModelError: too few complete rows, dependent columns, no finite estimate, or an impossible outcome.
    """
    x = design.matrix(side.table)
    if design.analysis.family == COX:
        time, event = follow_up(design.analysis, side.table)
        complete = np.isfinite(x).all(axis=1) & np.isfinite(time) & np.isfinite(event)
        _check(x[complete])
        estimate, influence = _cox(x[complete], time[complete], event[complete])
    else:
        y = design.outcome(side.table)
        complete = np.isfinite(x).all(axis=1) & np.isfinite(y)
        _check(np.column_stack([np.ones(int(complete.sum())), x[complete]]))
        estimate, influence = _glm(design.analysis.family, x[complete], y[complete])
    return _summed(estimate / design.scales, influence / design.scales, side.units[complete], side.groups[complete])


def follow_up(analysis: Analysis, table: Table) -> tuple[Floats, Floats]:
    """Follow-up time (0 or more) and whether it ended in the event (1 or 0), NaN where not given, shape (n,) each."""
    assert analysis.time is not None
    assert analysis.event is not None
    time, cells, column = table[analysis.time], table[analysis.event], table.schema[analysis.event]
    times = numbers(time, table.schema[analysis.time].kind)
    happened = flags(cells, first_level(column, cells)) if has_levels(cells) else numbers(cells, column.kind)
    return (np.where(times >= 0, times, np.nan),
            np.where(np.isin(happened, (0.0, 1.0)), happened, np.nan))


def _check(x: Floats) -> None:
    """Raises ModelError where the columns do not determine the coefficients."""
    if len(x) < x.shape[1] + SPARE_ROWS:
        raise ModelError("too few complete rows.")
    lengths = np.sqrt(np.square(x).sum(axis=0))
    if not (lengths > 0).all() or np.linalg.matrix_rank(x / lengths, tol=1e-6) < x.shape[1]:
        raise ModelError("columns of the model are constant or depend on one another.")


def _glm(family: str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Coefficients without the intercept, shape (p,), and each row's influence on them, shape (n, p)."""
    import statsmodels.api as sm

    _check_outcome(family, y)
    spread = (float(y.std()) or 1.0) if family == "gaussian" else 1.0
    families: dict[str, Any] = {
        "gaussian": sm.families.Gaussian, "binomial": sm.families.Binomial, "poisson": sm.families.Poisson,
        "gamma": lambda: sm.families.Gamma(link=sm.families.links.Log())}
    with_one = np.column_stack([np.ones(len(x)), x])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what they warn of is checked below
        try:
            model = sm.GLM(y / spread, with_one, family=families[family]())
            result = model.fit(maxiter=100)
            score = model.score_obs(result.params)
            inverse = np.linalg.inv(-model.hessian(result.params))
        except Exception as error:  # a foreign message may quote a value
            raise ModelError("the model has no finite estimate.") from error
    _check_estimate(bool(result.converged), result.params, inverse, with_one)
    return result.params[1:] * spread, (score @ inverse)[:, 1:] * spread


def _cox(x: Floats, time: Floats, event: Floats) -> tuple[Floats, Floats]:
    """Coefficients of proportional hazards (Cox 1972), ties after Breslow, and each row's influence on them.

    Newton's method on sums over risk sets: statsmodels loops over event times, a hundred times slower.
    """
    if event.sum() < SPARE_ROWS:
        raise ModelError("too few events.")
    estimate = np.zeros(x.shape[1])
    for _ in range(NEWTON_STEPS):
        with np.errstate(all="ignore"):  # what overflows is found to be not finite
            sets = _risk_sets(x, time, event, estimate)
            residuals, information = score_residuals(x, event, sets), _information(x, sets)
        if not np.isfinite(information).all() or np.linalg.cond(information) > SINGULAR:
            break
        inverse = np.asarray(np.linalg.inv(information), np.float64)
        step = inverse @ residuals.sum(axis=0)
        if np.abs(step).max() < 1e-9:
            _check_estimate(True, estimate, inverse, x)
            return estimate, residuals @ inverse
        estimate = estimate + np.clip(step, -2, 2)  # in standard deviations of a column
    raise ModelError("the model has no finite estimate.")


@dataclass(frozen=True, eq=False)
class RiskSets:
    """Who is at risk at each of the rising distinct times, at given coefficients.

    Args:
        place: which time is a row's own, shape (n,). risk: relative risk of a row, shape (n,).
        deaths: events at a time, shape (k,). increase: of the cumulative hazard, shape (k,).
        mean: of x among those at risk, weighted by risk, shape (k, p).
    """

    place: NDArray[np.int64]
    risk: Floats
    deaths: Floats
    increase: Floats
    mean: Floats


def _risk_sets(x: Floats, time: Floats, event: Floats, estimate: Floats) -> RiskSets:
    line = x @ estimate
    risk = np.exp(line - line.max())
    times, place = np.unique(time, return_inverse=True)
    per_time = _sums(risk[:, None] * np.column_stack([np.ones(len(x)), x]), place, len(times))
    at_risk = np.cumsum(per_time[::-1], axis=0)[::-1]
    deaths = np.bincount(place, weights=event, minlength=len(times))
    return RiskSets(place, risk, np.asarray(deaths, np.float64), deaths / at_risk[:, 0],
                    at_risk[:, 1:] / at_risk[:, :1])


def score_residuals(x: Floats, event: Floats, sets: RiskSets) -> Floats:
    """Each row's part of the Cox score, shape (n, p) (Therneau and Grambsch 2000, 4.6; ties after Breslow).

    event (x - mean at risk) - hazard-weighted integral of (x - mean at risk) up to the row's own time.
    """
    hazard = np.cumsum(sets.increase)[sets.place]
    weighted = np.cumsum(sets.increase[:, None] * sets.mean, axis=0)[sets.place]
    return np.asarray(event[:, None] * (x - sets.mean[sets.place])
                      - sets.risk[:, None] * (hazard[:, None] * x - weighted), np.float64)


def _information(x: Floats, sets: RiskSets) -> Floats:
    """Sum over events of the covariance of x among those at risk, shape (p, p)."""
    hazard = sets.risk * np.cumsum(sets.increase)[sets.place]
    return np.asarray((x * hazard[:, None]).T @ x - (sets.mean * sets.deaths[:, None]).T @ sets.mean, np.float64)


def _sums(rows: Floats, of: NDArray[np.int64], size: int) -> Floats:
    """Sums of rows, shape (n, p), by what they belong to, shape (size, p)."""
    return np.stack([np.bincount(of, weights=column, minlength=size) for column in rows.T], axis=1)


def _check_outcome(family: str, y: Floats) -> None:
    wrong = {"binomial": ((y < 0) | (y > 1)), "poisson": y < 0, "gamma": y <= 0}.get(family)
    if wrong is not None and wrong.any():
        raise ModelError(f"family {family} does not take every value of the outcome.")
    if np.ptp(y) == 0:
        raise ModelError("the outcome does not vary.")


def _check_estimate(converged: bool, estimate: Floats, inverse: Floats, x: Floats) -> None:
    """Raises ModelError where an outcome is separated by the covariates, so that the maximum lies at infinity."""
    variance = np.diag(inverse)
    if not converged or not np.isfinite(estimate).all() or not np.isfinite(variance).all() or (variance <= 0).any():
        raise ModelError("the model has no finite estimate.")
    if (np.sqrt(variance) * x.std(axis=0) > SEPARATED).any():
        raise ModelError("covariates separate the outcome, so that there is no finite estimate.")


def _summed(estimate: Floats, influence: Floats, units: NDArray[np.int64], groups: NDArray[np.int64]) -> Fit:
    """Errors and leave-outs from row influences, shape (n, p), summed by person and by group."""
    _, first, person = np.unique(units, return_index=True, return_inverse=True)
    people, n = len(first), len(influence)
    if people < 2:
        raise ModelError("all rows are one person's.")
    by_person = _sums(influence, person, people)
    shift, square = (_sums(part, groups[first], GROUPS) for part in (by_person, np.square(by_person)))
    left = n / np.maximum(n - np.bincount(groups, minlength=GROUPS), 1)[:, None]
    small_sample = people / (people - 1)
    variance = small_sample * np.square(by_person).sum(axis=0)
    if not (variance > 0).all():
        raise ModelError("a standard error is zero.")
    return Fit(estimate, np.sqrt(variance), estimate - left * shift,
               left * np.sqrt(np.maximum(variance - small_sample * square, 1e-12 * variance)), n)
