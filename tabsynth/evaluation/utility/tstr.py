"""Task utility: a model trained on synthetic rows, tested on real people whom nothing has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.evaluation.disclosure import fewest_records
from tabsynth.evaluation.intervals import Floats, finite, jackknife, jackknife_error
from tabsynth.evaluation.protocol import GROUPS, Samples, power, title_of
from tabsynth.evaluation.utility._groups import ENOUGH, Group, declared_groups, why_none
from tabsynth.evaluation.utility._prediction import Mask, Task, learn_task, learners, with_target
from tabsynth.evaluation.utility._recalibration import Line, bins, recalibrate_chances, recalibrate_values

FACTS = {
    "name": "tstr",
    "entry": "tstr",
    "section": "utility",
    "summary": "models trained on synthetic rows, tested on holdout rows, for the declared target: how well they rank, "
               "whether their chances are right, and for whom they are worst",
    "findings": {
        "tstr": "Prediction of the declared target, trained on synthetic rows",
        "tstr.calibration": "Are the predictions trained on synthetic rows too sure of themselves?",
        "tstr.subgroup": "For which declared subgroup does training on synthetic rows cost most?",
    },
    "numbers": {"tstr": ("delta",), "tstr.subgroup": ("mean_delta", "delta_of_all")},
}

METHOD: Final = (
    "Gradient boosting on all columns that no mapped rule ties to the target, trained on as many synthetic, training "
    "(ceiling) or independently resampled (floor) rows, tested on holdout rows: mean one-against-rest AUC of a "
    "category, R2 of a number; beside it logistic or ridge regression on bins. Interval: delete-group jackknife over "
    "the people tested.")
CALIBRATION: Final = (
    "Calibration slope among the people tested: logistic regression of what happened on the predicted log-odds (Cox "
    "1958) for one class against the rest, \"true\" or the rarest, or least squares of the truth on the prediction of "
    "a number. Below 1: predictions too extreme. Ceiling and floor: the same model trained on training and on "
    "independently resampled rows. Interval: delete-group jackknife over the people tested.")
SUBGROUP: Final = (
    "Score of the model trained on synthetic rows minus that of the model trained on training rows, within each "
    f"declared subgroup of at least {ENOUGH} people tested; the lowest is shown. Ceiling: 0 by definition; floor: "
    "trained on independently resampled rows. Interval: delete-group jackknife for that subgroup, not widened for "
    "having chosen it.")
NO_SIGNAL: Final = "real rows predict the target no better than chance"

Guesses = Mapping[str, Floats]
"""Predictions for the test rows by what was trained on: S, T, F."""


@dataclass(frozen=True, eq=False)
class Scored:
    """One learner's scores over all test rows, and without each jackknife group, by what it was trained on."""

    whole: Mapping[str, float]
    without: Mapping[str, Floats]

    @property
    def clear(self) -> bool:
        """Whether floor and ceiling can be told apart."""
        error = jackknife_error(self.without["T"] - self.without["F"])
        return error is not None and self.whole["T"] - self.whole["F"] > 2 * error


def tstr(samples: Samples) -> tuple[Finding, ...]:
    """Train on S, test on H. Ceiling: train on T. Floor: train on F. `details.delta` is value - ceiling.

    The headline is gradient boosting's, the breakdown has both learners.
    """
    target = samples.schema.evaluation.target
    if target is None or target not in samples.columns:
        reason = "no target declared" if target is None else f"the target {target!r} is not a compared column"
        return tuple(_not_run(id, reason) for id in _ABOUT)
    task = learn_task(samples, target)
    sides = {name: with_target(side, target) for name, side in
             (("S", samples.S), ("T", samples.T), ("F", samples.F))}
    by_learner = {learner: {name: predict(samples, task, side) for name, side in sides.items()}
                  for learner, predict in learners(task).items() if task.linear or learner == _FIRST}
    scored = {learner: _scored(task, guesses) for learner, guesses in by_learner.items()}
    return (_headline(samples, task, scored, trained_on=len(sides["S"])),
            _calibration(samples, task, by_learner, clear=scored[_FIRST].clear),
            _worst_subgroup(samples, task, by_learner[_FIRST], scored[_FIRST]))


_FIRST: Final = "gradient boosting"
_ABOUT: Final[dict[str, tuple[Any, str]]] = {
    "tstr": ("higher is better", METHOD), "tstr.calibration": ("closer to 1 is better", CALIBRATION),
    "tstr.subgroup": ("closer to 0 is better", SUBGROUP)}


def _scored(task: Task, guesses: Guesses) -> Scored:
    return Scored({name: task.score(guess, task.everyone) for name, guess in guesses.items()},
                  {name: _each_left_out(task, lambda rows, guess=guess: task.score(guess, rows))  # type: ignore[misc]
                   for name, guess in guesses.items()})


def _each_left_out(task: Task, statistic: Callable[[Mask], float], rows: Mask | None = None) -> Floats:
    """The statistic over test rows (all, or those of a mask) without each jackknife group, shape (GROUPS,)."""
    kept = task.everyone if rows is None else rows
    return np.array([statistic(kept & (task.test.groups != g)) for g in range(GROUPS)])


def _headline(samples: Samples, task: Task, scored: Mapping[str, Scored], trained_on: int) -> Finding:
    best = scored[_FIRST]
    value, ceiling, floor = (best.whole[name] for name in "STF")
    return Finding(
        "tstr", title_of(FACTS, "tstr"), "utility", value, "higher is better", n=len(task.test),
        interval=jackknife(value, best.without["S"], high=1.0), floor=floor, ceiling=ceiling, method=METHOD,
        normalised=(value - floor) / (ceiling - floor) if best.clear else None,
        **_standing(samples, best.clear),
        breakdown=tuple({"key": learner, "value": s.whole["S"], "ceiling": s.whole["T"], "floor": s.whole["F"],
                         "n": len(task.test)} for learner, s in scored.items()),
        details={"target": task.target, "metric": "R2" if task.number else "AUC", "delta": value - ceiling,
                 "predictors": len(task.features.columns), "trained_on": trained_on, "learner": _FIRST})


def _calibration(samples: Samples, task: Task, by_learner: Mapping[str, Guesses], *, clear: bool) -> Finding:
    """Slope of the first learner; the other one's in the breakdown."""
    lines = {learner: {name: _line(task, guess, task.everyone) for name, guess in guesses.items()}
             for learner, guesses in by_learner.items()}
    own, floor = lines[_FIRST]["S"], finite(lines[_FIRST]["F"].slope)
    real = lines[_FIRST]["T"]
    if finite(own.slope) is None:
        return _not_run("tstr.calibration", "predictions trained on synthetic rows have no calibration line: they are "
                        "all alike, or what happened is")
    guess = by_learner[_FIRST]["S"]
    replicates = _each_left_out(task, lambda rows: _line(task, guess, rows).slope)
    return Finding(
        "tstr.calibration", title_of(FACTS, "tstr.calibration"), "utility", own.slope, "closer to 1 is better",
        n=len(task.test), interval=jackknife(own.slope, replicates), floor=floor, ceiling=finite(real.slope),
        method=CALIBRATION, **_standing(samples, clear),
        breakdown=tuple({"key": learner, "value": finite(each["S"].slope), "ceiling": finite(each["T"].slope),
                         "floor": finite(each["F"].slope), "n": len(task.test)} for learner, each in lines.items()),
        points=tuple({"key": trained, **point} for trained, name in (("synthetic", "S"), ("training", "T"))
                     for point in bins(*_predicted(task, by_learner[_FIRST][name], task.everyone),
                                       fewest=fewest_records(task.test.units))),
        details={"target": task.target, "learner": _FIRST,
                 "intercept": finite(own.intercept), "ceiling_intercept": finite(real.intercept),
                 "in_the_large": finite(own.in_the_large), "ceiling_in_the_large": finite(real.in_the_large)})


def _line(task: Task, guess: Floats, rows: Mask) -> Line:
    predicted, happened = _predicted(task, guess, rows)
    return (recalibrate_values(predicted, happened) if task.positive is None
            else recalibrate_chances(predicted, happened == 1))


def _predicted(task: Task, guess: Floats, rows: Mask) -> tuple[Floats, Floats]:
    """What was predicted and what happened: chance and event (1 or 0) of the class looked at, or numbers."""
    if task.positive is None:
        return guess[rows], np.asarray(task.truth[rows], np.float64)
    return guess[rows, task.positive], np.asarray(task.truth[rows] == task.positive, np.float64)


def _worst_subgroup(samples: Samples, task: Task, guesses: Guesses, scored: Scored) -> Finding:
    groups = declared_groups(samples)
    if not groups:
        return _not_run("tstr.subgroup", why_none(samples))
    people = [(group, group.rows(task.test)) for group in groups]
    counted = [(group, rows) for group, rows in people if rows.sum() >= ENOUGH and _can_score(task, rows)]
    if not counted:
        return _not_run("tstr.subgroup", f"no declared subgroup has {ENOUGH} people tested and a target that varies")
    rows_of_report = [_subgroup(task, guesses, group, rows) for group, rows in counted]
    place = int(np.argmin([row["value"] for row in rows_of_report]))
    worst, members = rows_of_report[place], counted[place][1]
    classes = task.classes_in(members)
    replicates = _each_left_out(task, lambda rows: task.score(guesses["S"], rows, classes)
                                - task.score(guesses["T"], rows, classes), members)
    return Finding(
        "tstr.subgroup", title_of(FACTS, "tstr.subgroup"), "utility", worst["value"], "closer to 0 is better",
        n=worst["n"], interval=jackknife(worst["value"], replicates), floor=worst["floor"], ceiling=0.0,
        method=SUBGROUP, **_standing(samples, scored.clear), breakdown=tuple(rows_of_report),
        details={"subgroup": worst["key"], "mean_delta": float(np.mean([row["value"] for row in rows_of_report])),
                 "delta_of_all": scored.whole["S"] - scored.whole["T"], "subgroups": len(rows_of_report),
                 "insufficient": sum(bool(rows.any()) for _, rows in people) - len(counted)})


def _can_score(task: Task, rows: Mask) -> bool:
    return bool(np.ptp(task.truth[rows]) > 0) if task.number else bool(task.classes_in(rows))


def _subgroup(task: Task, guesses: Guesses, group: Group, rows: Mask) -> dict[str, Any]:
    classes = task.classes_in(rows)
    synth, train, floor = (task.score(guesses[name], rows, classes) for name in "STF")
    return {"key": group.name, "value": synth - train, "floor": floor - train, "score": synth, "n": int(rows.sum())}


def _standing(samples: Samples, clear: bool) -> dict[str, Any]:
    return power(samples.n, None if clear else NO_SIGNAL)


def _not_run(finding_id: str, reason: str) -> Finding:
    direction, method = _ABOUT[finding_id]
    return Finding.not_run(finding_id, title_of(FACTS, finding_id), "utility", reason, direction=direction,
                           method=method)
