"""Survival curves: do synthetic people stay without the event, and under observation, as long as real ones?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Direction, Finding
from tabsynth.evaluation.disclosure import MIN_CELL, fewest_records, wide_steps
from tabsynth.evaluation.intervals import Z95, Floats, jackknife, jackknife_error
from tabsynth.evaluation.protocol import GROUPS, Samples, Side, power, title_of
from tabsynth.evaluation.utility._declared import CURVES, Analysis, Failure, declared
from tabsynth.evaluation.utility._groups import ENOUGH, bins_as_groups
from tabsynth.evaluation.utility._kaplan_meier import area, areas_between, kaplan_meier
from tabsynth.evaluation.utility._regression import follow_up

FACTS = {
    "name": "survival",
    "entry": "survival",
    "section": "utility",
    "summary": "declared survival curves of synthetic rows against the holdout's: distance, restricted mean time, and "
               "the curve of censoring",
    "findings": {
        "survival.km": "Distance of the survival curves",
        "survival.rmst": "Difference of the mean time without the event",
        "survival.censoring": "Distance of the curves of leaving observation",
    },
}

MIN_AT_RISK: Final = MIN_CELL
"""Curves stop where fewer are at risk: beyond, a step is one person."""
CURVE_POINTS: Final = 20
"""Most points of a drawing of a curve."""
CURVE: Final = (
    "Kaplan-Meier curves up to the declared horizon, or to the last time, rounded down to two figures, at which at "
    f"least {MIN_AT_RISK} are at risk on every side; the curve with the largest difference is shown. Ceiling: "
    "training against holdout rows; floor: independently resampled rows. Interval: delete-group jackknife by person, "
    "both sides.")
METHODS: Final[dict[str, tuple[Direction, str]]] = {
    "survival.km": ("lower is better", "Mean absolute difference of the curves over time, integral |S_S - S_H| dt / "
                    "horizon. optimism, absolute_optimism and sightedness are those of Norcliffe et al. 2023 "
                    f"(SurvivalGAN), with the last time that {MIN_AT_RISK} people reach in place of the very last. "
                    + CURVE),
    "survival.rmst": ("closer to 0 is better", "Difference of the areas under the curves, synthetic minus holdout, in "
                      "units of time (Royston and Parmar 2013). " + CURVE),
    "survival.censoring": ("lower is better", "As for the survival curves, with events and censorings swapped. "
                           + CURVE),
}
NO_DIFFERENCE: Final = "independently resampled rows have this curve, too"


@dataclass(frozen=True, eq=False)
class Observed:
    """Follow-up of the people of one side who count for one curve.

    Args:
        time, event: shape (n,), see `follow_up`. groups: jackknife groups. units: whose follow-up it is.
    """

    time: Floats
    event: Floats
    groups: NDArray[np.int64]
    units: NDArray[np.int64]

    def without(self, group: int) -> Observed:
        keep = self.groups != group
        return Observed(self.time[keep], self.event[keep], self.groups[keep], self.units[keep])

    @property
    def censoring(self) -> Observed:
        """The same people with events and censorings swapped."""
        return Observed(self.time, 1 - self.event, self.groups, self.units)


@dataclass(frozen=True, eq=False)
class Question:
    """One curve to compare: its label, who is observed on each side (S, H, T, F), and where it stops."""

    label: str
    sides: dict[str, Observed]
    horizon: float


Distance = Callable[[Observed, Observed, float], float]
"""A side against the holdout up to a horizon."""


def survival(samples: Samples) -> tuple[Finding, ...]:
    """Declared curves of S against H. Ceiling: T against H. Floor: F against H."""
    plans, unreadable = declared(samples.schema, {CURVES})
    if not plans and not unreadable:
        return tuple(_not_run(id, "no survival curve declared") for id in METHODS)
    asked = [one for plan in plans for one in _questions(samples, plan)]
    questions = [one for one in asked if isinstance(one, Question)]
    failures = [*unreadable, *(one for one in asked if isinstance(one, Failure))]
    if not questions:
        reasons = "; ".join(dict.fromkeys(f.reason for f in failures))
        return tuple(_not_run(id, f"no declared curve can be compared: {reasons}") for id in METHODS)
    return (_finding(samples, questions, failures, "survival.km", curve_distance),
            _finding(samples, questions, failures, "survival.rmst", mean_time_difference),
            _finding(samples, questions, failures, "survival.censoring", censoring_distance))


def curve_distance(side: Observed, holdout: Observed, horizon: float) -> float:
    """Mean absolute difference of the two curves over [0, horizon], in [0, 1]."""
    return areas_between(kaplan_meier(side.time, side.event), kaplan_meier(holdout.time, holdout.event),
                         horizon)[1] / horizon


def mean_time_difference(side: Observed, holdout: Observed, horizon: float) -> float:
    """Difference of the restricted means, in units of time."""
    return area(kaplan_meier(side.time, side.event), horizon) - area(kaplan_meier(holdout.time, holdout.event), horizon)


def censoring_distance(side: Observed, holdout: Observed, horizon: float) -> float:
    """`curve_distance` of the time until observation ended without the event."""
    return curve_distance(side.censoring, holdout.censoring, horizon)


def _questions(samples: Samples, plan: Analysis) -> Sequence[Question | Failure]:
    """A curve, or one for each level of `by` that enough people hold on every side."""
    if plan.by is None:
        return [_question(samples, plan, plan.label, None)]
    groups = bins_as_groups(samples, plan.by)
    return [_question(samples, plan, f"{plan.label}: {group.name}", group.rows) for group in groups
            if any(group.rows(getattr(samples, side)).any() for side in "SHT")]


def _question(samples: Samples, plan: Analysis, label: str,
              members: Callable[[Side], NDArray[np.bool_]] | None) -> Question | Failure:
    sides = {name: _observed(plan, getattr(samples, name), members) for name in "SHTF"}
    if any(len(side.time) < ENOUGH for side in sides.values()):
        return Failure(label, f"fewer than {ENOUGH} rows on one side")
    if any(side.event.sum() < MIN_AT_RISK for name, side in sides.items() if name in "HT"):
        return Failure(label, f"fewer than {MIN_AT_RISK} events in real rows")
    horizon = min(kaplan_meier(side.time, side.event).followed_to(MIN_AT_RISK) for side in sides.values())
    horizon = _rounded_down(horizon) if plan.horizon is None else min(plan.horizon, _rounded_down(horizon))
    if horizon <= 0:
        return Failure(label, "nobody is followed for any time")
    return Question(label, sides, horizon)


def _observed(plan: Analysis, side: Side, members: Callable[[Side], NDArray[np.bool_]] | None) -> Observed:
    time, event = follow_up(plan, side.table)
    keep = np.isfinite(time) & np.isfinite(event)
    if members is not None:
        keep &= members(side)
    return Observed(time[keep], event[keep], side.groups[keep], side.units[keep])


def _finding(samples: Samples, questions: Sequence[Question], failures: Sequence[Failure], finding_id: str,
             distance: Distance) -> Finding:
    direction, method = METHODS[finding_id]
    values = [{name: distance(q.sides[name], q.sides["H"], q.horizon) for name in "STF"} for q in questions]
    share = [abs(v["S"]) / (q.horizon if finding_id == "survival.rmst" else 1) for v, q in zip(values, questions)]
    place = int(np.argmax(share))
    worst, value = questions[place], values[place]
    replicates = {name: np.array([distance(worst.sides[name].without(g), worst.sides["H"].without(g), worst.horizon)
                                  for g in range(GROUPS)]) for name in "STF"}
    tells = finding_id == "survival.rmst" or _clear(value, replicates)
    low, high = (-math.inf, math.inf) if finding_id == "survival.rmst" else (0.0, 1.0)
    return Finding(
        finding_id, title_of(FACTS, finding_id), "utility", value["S"], direction, n=len(worst.sides["H"].time),
        interval=jackknife(value["S"], replicates["S"], low=low, high=high), floor=value["F"], ceiling=value["T"],
        method=method, **power(samples.n, None if tells else NO_DIFFERENCE),
        breakdown=(*map(_row, questions, values), *(f.row() for f in failures)),
        points=tuple(p for q in questions for p in curve_points(q)) if finding_id == "survival.km" else (),
        details={"curve": worst.label, "horizon": worst.horizon, "curves": len(questions),
                 **(_synthcity(worst) if finding_id == "survival.km" else {})})


def _clear(value: dict[str, float], replicates: dict[str, Floats]) -> bool:
    """Whether independent columns are clearly farther from the holdout than real rows are."""
    error = jackknife_error(replicates["F"] - replicates["T"])
    return error is not None and abs(value["F"]) - abs(value["T"]) > 2 * error


def _row(question: Question, value: dict[str, float]) -> dict[str, Any]:
    return {"key": question.label, "value": value["S"], "floor": value["F"], "ceiling": value["T"],
            "horizon": question.horizon, "n": len(question.sides["H"].time)}


def curve_points(question: Question) -> Sequence[dict[str, Any]]:
    """Both curves at rounded times, the holdout's with its 95 % limits (Greenwood 1926).

    Times between which 1 to 10 people of the holdout had the event are left out.
    """
    synth, holdout = (kaplan_meier(question.sides[s].time, question.sides[s].event) for s in "SH")
    real = question.sides["H"]
    times = np.array([_rounded_down(t) for t in np.linspace(0, question.horizon, CURVE_POINTS + 1)[1:]])
    rising = np.sort(real.time[real.event == 1])
    counts = np.searchsorted(rising, times, side="right")[:, None]
    kept = times[wide_steps(counts, (len(rising),), fewest=fewest_records(real.units))]
    half = Z95 * holdout.error(kept)
    low, share, high = (holdout.at(kept) + shift for shift in (-half, 0, half))
    return [{"key": question.label, "time": float(t), "synthetic": float(s), "holdout": float(h),
             "low": max(0.0, float(a)), "high": min(1.0, float(b)), "n": len(real.time)}
            for t, s, h, a, b in zip(kept, synth.at(kept), share, low, high)]


def _synthcity(question: Question) -> dict[str, float]:
    """synthcity's three numbers: areas are divided by the end of follow-up and not by its range."""
    synth, holdout = (kaplan_meier(question.sides[s].time, question.sides[s].event) for s in "SH")
    ends = [curve.followed_to(MIN_AT_RISK) for curve in (synth, holdout)]
    optimism, distance = areas_between(synth, holdout, max(ends))
    return {"optimism": optimism / max(ends), "absolute_optimism": distance / max(ends),
            "sightedness": (ends[1] - ends[0]) / max(ends)}


def _rounded_down(x: float) -> float:
    """Two significant figures, so that no exact time of a person is shown.

    >>> _rounded_down(1234.5), _rounded_down(0.0)
    (1200.0, 0.0)
    """
    if x <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(x)) - 1)
    return float(f"{math.floor(x / unit * (1 + 1e-12)) * unit:.2g}")


def _not_run(finding_id: str, reason: str) -> Finding:
    direction, method = METHODS[finding_id]
    return Finding.not_run(finding_id, title_of(FACTS, finding_id), "utility", reason, direction=direction,
                           method=method)
