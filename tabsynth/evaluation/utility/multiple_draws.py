"""Inference from synthetic rows: do intervals built for the population hold what the holdout says?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from tabsynth.core.errors import ModelError, RuleError
from tabsynth.core.finding import Finding
from tabsynth.evaluation.intervals import Z95, Floats
from tabsynth.evaluation.protocol import Samples, power, title_of
from tabsynth.evaluation.utility._declared import REGRESSIONS, Analysis, Failure, declared
from tabsynth.evaluation.utility._design import Design, learn_design
from tabsynth.evaluation.utility._regression import NO_STATSMODELS, Fit, fit, statsmodels_is_here

FACTS = {
    "name": "multiple_draws",
    "entry": "multiple_draws",
    "section": "utility",
    "summary": "confidence intervals for the population from one or several synthetic draws, and how many hold the "
               "holdout's estimate",
    "findings": {"inference.multiple_draws": "Do intervals for the population, made from synthetic rows, hold?"},
}

ID: Final = "inference.multiple_draws"
METHOD: Final = (
    "Target: the coefficients of the declared regressions in the population, not those that the training rows would "
    "give. Share of coefficients whose 95 % interval holds the holdout's estimate, which varies itself: see "
    "details.expected. Interval from m draws of one fitted model with variance v (k/n + 1/m), v the mean variance of a "
    "draw of k rows, n the training rows (Raab, Nowok and Dibben 2016); it takes the model as right, fitted without "
    "noise, and the dependence within a person as kept. Naive intervals on one synthetic table leave out the sampling "
    "of the training rows and are too narrow for this target: details.naive. The rule from the variance "
    "between draws (Raghunathan, Reiter and Rubin 2003, with Reiter 2002 where it is not positive) supposes a refit "
    "for every draw. Draws of one model show no variance of the fit, so that its variance is too small and often "
    "negative; what its intervals hold (details.between_draws) then rests on the fallback and on t with few degrees of "
    "freedom, of which at least 1 is taken, our choice. Ceiling: intervals from training rows; floor: from "
    "independently resampled rows. No interval: a share of a few coefficients jumps.")


@dataclass(frozen=True, eq=False)
class Pooled:
    """m fits of one analysis to draws of one model.

    Args:
        mean: of the estimates, shape (p,). within: mean of their variances. between: variance of the estimates
            over draws, None with one draw. draws: m. ratio: k / n, rows of a draw over rows the model was fitted to.
    """

    mean: Floats
    within: Floats
    between: Floats | None
    draws: int
    ratio: float


def pool(fits: Sequence[Fit], ratio: float) -> Pooled:
    """The draws of one model taken together."""
    estimates = np.stack([f.estimate for f in fits])
    return Pooled(estimates.mean(axis=0), np.mean([np.square(f.error) for f in fits], axis=0),
                  estimates.var(axis=0, ddof=1) if len(fits) > 1 else None, len(fits), ratio)


def population_variance(pooled: Pooled) -> Floats:
    """Variance around the population's value of the mean over draws of one fitted model, shape (p,).

    v k/n is the sampling of the n training rows, v/m that of m draws of k rows (Raab, Nowok and Dibben 2016, simple
    synthesis; the parameters of the model are estimates, not draws from a posterior).
    """
    return np.asarray(pooled.within * (pooled.ratio + 1 / pooled.draws), np.float64)


def between_draws_raw(pooled: Pooled) -> Floats:
    """T = (1 + 1/m) b - v, which may be negative, shape (p,)."""
    assert pooled.between is not None
    return np.asarray((1 + 1 / pooled.draws) * pooled.between - pooled.within, np.float64)


def between_draws_variance(pooled: Pooled) -> tuple[Floats, Floats]:
    """Variance and degrees of freedom after Raghunathan, Reiter and Rubin 2003: T = (1 + 1/m) b - v, shape (p,) each.

    Where T is not positive: T* = (k/n) v (Reiter 2002), here with large-sample degrees of freedom. T is unbiased where
    each draw comes from a model of its own (parameters drawn from their posterior). For draws of one model it is v/m
    on average, without the v k/n of the training rows. Degrees of freedom below 1 are set to 1: the published ones come
    close to 0 with few draws, where the quantile of t has no bound. At least two draws.
    """
    assert pooled.between is not None
    inflated = (1 + 1 / pooled.draws) * pooled.between
    variance = between_draws_raw(pooled)
    positive = variance > 0
    freedom = (pooled.draws - 1) * np.square(1 - pooled.within / np.where(positive, inflated, 1.0))
    return (np.where(positive, variance, pooled.ratio * pooled.within),
            np.where(positive, np.maximum(freedom, 1.0), 1e6))


def multiple_draws(samples: Samples) -> tuple[Finding, ...]:
    """Share of coefficients whose interval for the population, made from S and further draws, holds H's estimate."""
    plans, failures = declared(samples.schema, REGRESSIONS)
    if not plans and not failures:
        return (_not_run("no regression declared"),)
    if not statsmodels_is_here():
        return (_not_run(NO_STATSMODELS),)
    shares: list[dict[str, Floats]] = []
    names: list[str] = []
    for plan in plans:
        try:
            design, covered = _covered(samples, plan)
        except (ModelError, RuleError) as error:
            failures.append(Failure(plan.label, str(error)))
            continue
        shares.append(covered)
        names += [f"{plan.label}: {name}" for name in design.names]
    if not shares:
        reasons = "; ".join(dict.fromkeys(f.reason for f in failures))
        return (_not_run(f"no declared regression could be fitted: {reasons}"),)
    return (_finding(samples, names, {k: np.concatenate([s[k] for s in shares]) for k in shares[0]}, failures),)


def _covered(samples: Samples, plan: Analysis) -> tuple[Design, dict[str, Floats]]:
    """Whether each kind of interval holds the holdout's estimate, 1 or 0 a coefficient, and `expected` chances."""
    design = learn_design(plan, samples.T.table)
    holdout, real, floor = (_fit(design, samples, side) for side in ("H", "T", "F"))
    first = _fit(design, samples, "S")
    ratio = len(samples.S) / max(len(samples.train), 1)
    synth = pool([first, *(fit(design, draw) for draw in samples.draws)], ratio)
    width = Z95 * np.sqrt(population_variance(synth))
    away = np.abs(synth.mean - holdout.estimate)
    floor_width = Z95 * np.sqrt(population_variance(pool([floor], ratio)))
    noise = np.sqrt(np.square(width / Z95) + np.square(holdout.error))
    return design, {
        "value": _holds(away, width), "ceiling": _holds(np.abs(real.estimate - holdout.estimate), Z95 * real.error),
        "floor": _holds(np.abs(floor.estimate - holdout.estimate), floor_width),
        "naive": _holds(np.abs(first.estimate - holdout.estimate), Z95 * first.error),
        "expected": np.asarray(2 * stats.norm.cdf(width / noise) - 1, np.float64),
        "allowing_for_holdout": _holds(away, Z95 * noise),
        "naive_width": Z95 * first.error / width, **_between(synth, holdout)}


def _fit(design: Design, samples: Samples, side: str) -> Fit:
    return fit(design, getattr(samples, side))


def _between(synth: Pooled, holdout: Fit) -> dict[str, Floats]:
    if synth.between is None:
        return {}
    variance, freedom = between_draws_variance(synth)
    return {"between_draws": _holds(np.abs(synth.mean - holdout.estimate),
                                    np.asarray(stats.t.ppf(0.975, freedom) * np.sqrt(variance), np.float64)),
            "between_draws_variance": np.asarray(between_draws_raw(synth) / population_variance(synth), np.float64),
            "negative_variances": np.asarray(between_draws_raw(synth) <= 0, np.float64)}


def _holds(distance: Floats, half_width: Floats) -> Floats:
    return np.asarray(distance <= half_width, np.float64)


def _finding(samples: Samples, names: Sequence[str], covered: dict[str, Floats],
             failures: Sequence[Failure]) -> Finding:
    mean = {kind: float(each.mean()) for kind, each in covered.items()}
    doubt = "independent columns do as well as real rows" if mean["ceiling"] <= mean["floor"] else None
    named = ("naive", "expected", "allowing_for_holdout", "naive_width", "between_draws",
             "between_draws_variance", "negative_variances")
    return Finding(
        ID, title_of(FACTS, ID), "utility", mean["value"], "higher is better", n=samples.n, floor=mean["floor"],
        ceiling=mean["ceiling"], method=METHOD, **power(samples.n, doubt),
        breakdown=(*({"key": name, **{kind: float(covered[kind][j]) for kind in ("value", "ceiling", "floor", "naive")},
                      "n": samples.n} for j, name in enumerate(names)), *(f.row() for f in failures)),
        details={"target": "the population", "draws": 1 + len(samples.draws), "coefficients": len(names),
                 **{kind: mean[kind] for kind in named if kind in mean}})


def _not_run(reason: str) -> Finding:
    return Finding.not_run(ID, title_of(FACTS, ID), "utility", reason, direction="higher is better", method=METHOD)
