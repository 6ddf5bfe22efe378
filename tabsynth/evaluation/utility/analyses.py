"""Analysis agreement: the declared regressions, rerun on synthetic rows, against the same on holdout rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from tabsynth.core.errors import ModelError, RuleError
from tabsynth.core.finding import Direction, Finding
from tabsynth.evaluation.intervals import Z95, Floats, Interval, finite, jackknife, jackknife_error
from tabsynth.evaluation.protocol import Samples, power, title_of
from tabsynth.evaluation.utility._declared import Analysis, Failure, all_but_curves, declared
from tabsynth.evaluation.utility._design import RARE, Design, learn_design
from tabsynth.evaluation.utility._regression import NO_STATSMODELS, Fit, fit, statsmodels_is_here

FACTS = {
    "name": "analyses",
    "entry": "analyses",
    "section": "utility",
    "summary": "declared regressions rerun on synthetic rows: do coefficients agree with the holdout's in sign, "
               "significance, size and interval",
    "findings": {
        "analysis.sign": "Effects of the declared analyses that keep their direction",
        "analysis.significance": "Effects of the declared analyses that stay significant, or stay not",
        "analysis.difference": "How far coefficients of the declared analyses move, in standard errors",
        "analysis.overlap": "Overlap of the confidence intervals of the declared analyses",
    },
}

FITTED: Final = (
    "Declared regressions fitted to synthetic and to holdout rows, complete cases, categories against a reference "
    f"level, levels of fewer than {RARE} training rows pooled, standard errors by person (sandwich). Ceiling: training "
    "against holdout rows, as far as two real samples agree; floor: independently resampled rows.")
SIGN: Final = (
    "Share of the coefficients whose 95 % interval in the holdout excludes 0 that have the same sign in the synthetic "
    "rows. No interval: a share of a few coefficients jumps, and no jackknife holds for it. " + FITTED)
SIGNIFICANCE: Final = (
    "Share of all coefficients that have p < .05 on both sides or on neither. No interval: a share of a few "
    "coefficients jumps, and no jackknife holds for it. " + FITTED)
DIFFERENCE: Final = (
    "Mean over coefficients of |synthetic - holdout estimate| / standard error in the holdout; two real samples differ "
    "by 1.1 on average. Interval: delete-group jackknife by person, both sides. " + FITTED)
OVERLAP: Final = (
    "Mean over coefficients of the overlap of the two 95 % intervals, as the mean of its shares in both (Karr et al. "
    "2006), negative where they are disjoint; two real samples do not reach 1. Interval: delete-group jackknife by "
    "person, both sides. " + FITTED)
NO_DIFFERENCE: Final = "rows without associations agree with the holdout as well as real rows do"

SIDES: Final[dict[str, Literal["S", "H", "T", "F"]]] = {
    "synthetic": "S", "holdout": "H", "training": "T", "independently resampled": "F"}


@dataclass(frozen=True, eq=False)
class Estimates:
    """Coefficients of one side over all analyses: estimate and error, shape (p,) or (GROUPS, p)."""

    estimate: Floats
    error: Floats


@dataclass(frozen=True, eq=False)
class Compared:
    """All coefficients that could be estimated on every side, as they are and without each group of people.

    support: per coefficient the fewest real rows that it rests on, see `Design.support`.
    """

    names: tuple[str, ...]
    support: tuple[int, ...]
    whole: dict[str, Estimates]
    without: dict[str, Estimates]
    failures: tuple[Failure, ...]
    analyses: int


Statistic = Callable[[Estimates, Estimates], Floats]
"""Agreement per coefficient of a side with the holdout, NaN where it does not count."""


def analyses(samples: Samples) -> tuple[Finding, ...]:
    """Agreement of S with H over all coefficients but intercepts. Ceiling: T with H. Floor: F with H."""
    families = all_but_curves(samples.schema)
    if not families:
        return tuple(_not_run(id, "no analysis declared") for id in MEASURES)
    if not statsmodels_is_here():
        return tuple(_not_run(id, NO_STATSMODELS) for id in MEASURES)
    plans, unreadable = declared(samples.schema, families)
    compared = _compare(samples, plans, unreadable)
    if not compared.names:
        reasons = "; ".join(dict.fromkeys(f.reason for f in compared.failures))
        return tuple(_not_run(id, f"no declared analysis could be fitted: {reasons}") for id in MEASURES)
    return tuple(_finding(samples, compared, id) for id in MEASURES)


def same_sign(side: Estimates, holdout: Estimates) -> Floats:
    """1 or 0; NaN where the holdout's interval holds 0."""
    agree = np.sign(side.estimate) == np.sign(holdout.estimate)
    return np.where(_significant(holdout), agree.astype(np.float64), np.nan)


def same_significance(side: Estimates, holdout: Estimates) -> Floats:
    """1 or 0."""
    return np.asarray(_significant(side) == _significant(holdout), np.float64)


def standardised_difference(side: Estimates, holdout: Estimates) -> Floats:
    """Distance of the estimates in standard errors of the holdout's."""
    return np.asarray(np.abs(side.estimate - holdout.estimate) / holdout.error, np.float64)


def interval_overlap(side: Estimates, holdout: Estimates) -> Floats:
    """Karr's overlap of the two 95 % intervals, 1 = the same interval, below 0 = disjoint.

    >>> one, two = (Estimates(np.array([x]), np.array([1.0])) for x in (0.0, 1.0))
    >>> interval_overlap(one, two).round(3).tolist()
    [0.745]
    """
    (low_a, high_a), (low_b, high_b) = ((e.estimate - Z95 * e.error, e.estimate + Z95 * e.error)
                                        for e in (side, holdout))
    shared = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    return np.asarray((shared / (high_a - low_a) + shared / (high_b - low_b)) / 2, np.float64)


MEASURES: Final[dict[str, tuple[Statistic, Direction, str]]] = {
    "analysis.sign": (same_sign, "higher is better", SIGN),
    "analysis.significance": (same_significance, "higher is better", SIGNIFICANCE),
    "analysis.difference": (standardised_difference, "closer to 0 is better", DIFFERENCE),
    "analysis.overlap": (interval_overlap, "higher is better", OVERLAP),
}
SMOOTH: Final = frozenset({"analysis.difference", "analysis.overlap"})
"""Statistics for which the jackknife holds."""


def _compare(samples: Samples, plans: Sequence[Analysis], unreadable: Sequence[Failure]) -> Compared:
    failures, names, support = list(unreadable), [], []
    fits: dict[str, list[Fit]] = {side: [] for side in SIDES.values()}
    for plan in plans:
        try:
            design, fitted = fit_everywhere(samples, plan)
        except ModelError as error:
            failures.append(Failure(plan.label, str(error)))
            continue
        names += [f"{plan.label}: {name}" for name in design.names]
        support += np.minimum(design.support(samples.T.table), design.support(samples.H.table)).tolist()
        for side, one in fitted.items():
            fits[side].append(one)
    joined = fits if names else {}
    return Compared(
        tuple(names), tuple(support),
        {side: Estimates(np.concatenate([f.estimate for f in each]), np.concatenate([f.error for f in each]))
         for side, each in joined.items()},
        {side: Estimates(np.concatenate([f.estimates_without for f in each], axis=1),
                         np.concatenate([f.errors_without for f in each], axis=1)) for side, each in joined.items()},
        tuple(failures), len(plans) + len(unreadable) - len(failures))


def fit_everywhere(samples: Samples, plan: Analysis) -> tuple[Design, dict[str, Fit]]:
    """The design of an analysis, and its fits to S, H, T and F.

    Raises:
        ModelError: it cannot be fitted to one of them; says to which.
    """
    try:
        design = learn_design(plan, samples.T.table)
    except RuleError as error:
        raise ModelError(str(error)) from error
    fits: dict[str, Fit] = {}
    for name, side in SIDES.items():
        try:
            fits[side] = fit(design, getattr(samples, side))
        except ModelError as error:
            raise ModelError(f"{name} rows: {error}") from error
    return design, fits


def _finding(samples: Samples, compared: Compared, finding_id: str) -> Finding:
    statistic, direction, method = MEASURES[finding_id]
    whole = {s: statistic(compared.whole[s], compared.whole["H"]) for s in "STF"}
    if np.isnan(whole["S"]).all():
        return _not_run(finding_id, "no coefficient differs clearly from 0 in the holdout")
    value, ceiling, floor = (float(np.nanmean(whole[s])) for s in "STF")
    better = -1 if direction == "closer to 0 is better" else 1
    clear = _clear(compared) and better * (ceiling - floor) > 0
    return Finding(
        finding_id, title_of(FACTS, finding_id), "utility", value, direction, n=samples.n,
        interval=_interval(compared, statistic, value) if finding_id in SMOOTH else None, floor=floor, ceiling=ceiling,
        normalised=(value - floor) / (ceiling - floor) if clear else None, method=method,
        **power(samples.n, None if clear else NO_DIFFERENCE),
        breakdown=_rows(compared, whole), details=_details(compared, finding_id, whole["S"]),
        points=_coefficients(compared) if finding_id == "analysis.overlap" else ())


def _clear(compared: Compared) -> bool:
    """Whether real rows are clearly closer to the holdout than independent columns, in standard errors of estimates."""
    replicates = {s: _left_out(compared, standardised_difference, s) for s in "TF"}
    whole = {s: float(standardised_difference(compared.whole[s], compared.whole["H"]).mean()) for s in "TF"}
    error = jackknife_error(replicates["F"] - replicates["T"])
    return error is not None and whole["F"] - whole["T"] > 2 * error


def _interval(compared: Compared, statistic: Statistic, value: float) -> Interval | None:
    return jackknife(value, _left_out(compared, statistic, "S"))


def _left_out(compared: Compared, statistic: Statistic, side: str) -> Floats:
    """Mean over coefficients without each group of people on both sides, shape (GROUPS,)."""
    return np.asarray(statistic(compared.without[side], compared.without["H"]).mean(axis=-1), np.float64)


def _rows(compared: Compared, whole: dict[str, Floats]) -> tuple[dict[str, Any], ...]:
    """One row a coefficient, and one an analysis that failed."""
    return (*({"key": name, "value": finite(whole["S"][j]), "ceiling": finite(whole["T"][j]),
               "floor": finite(whole["F"][j]), "n": compared.support[j]}
              for j, name in enumerate(compared.names)),
            *(failure.row() for failure in compared.failures))


def _coefficients(compared: Compared) -> tuple[dict[str, Any], ...]:
    """Estimate and standard error of each coefficient on both sides."""
    synth, holdout = compared.whole["S"], compared.whole["H"]
    return tuple({"key": name, "synthetic": float(synth.estimate[j]), "synthetic_error": float(synth.error[j]),
                  "holdout": float(holdout.estimate[j]), "holdout_error": float(holdout.error[j]),
                  "n": compared.support[j]} for j, name in enumerate(compared.names))


def _details(compared: Compared, finding_id: str, each: Floats) -> dict[str, Any]:
    synth, holdout = (_significant(compared.whole[s]) for s in "SH")
    details: dict[str, Any] = {"coefficients": len(compared.names), "analyses": compared.analyses,
                               "failed_analyses": len(compared.failures)}
    if finding_id == "analysis.sign":
        signs = np.sign(compared.whole["S"].estimate) == np.sign(compared.whole["H"].estimate)
        details |= {"counted": int(holdout.sum()), "agreeing": int(np.nansum(each)),
                    "agreeing_of_all": int(signs.sum())}
    elif finding_id == "analysis.significance":
        details |= {"significant_in_both": int((synth & holdout).sum()),
                    "only_in_synthetic": int((synth & ~holdout).sum()),
                    "only_in_holdout": int((~synth & holdout).sum())}
    else:
        details |= {"median": float(np.median(each)),
                    "worst": float(each.max() if finding_id == "analysis.difference" else each.min())}
    return details


def _significant(side: Estimates) -> Any:
    return np.abs(side.estimate) > Z95 * side.error


def _not_run(finding_id: str, reason: str) -> Finding:
    _, direction, method = MEASURES[finding_id]
    return Finding.not_run(finding_id, title_of(FACTS, finding_id), "utility", reason, direction=direction,
                           method=method)
