"""Fair representation: are declared subgroups there in the right share, with the right outcomes and right chances?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import ModelError
from tabsynth.core.finding import Direction, Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.core.table import Table
from tabsynth.evaluation.bins import LevelBins
from tabsynth.evaluation.intervals import Floats, jackknife, jackknife_error
from tabsynth.evaluation.protocol import GROUPS, Samples, Side, power, title_of
from tabsynth.evaluation.utility._groups import ENOUGH, Group, declared_groups, why_none
from tabsynth.evaluation.utility._prediction import Mask, Task, learn_task, linear_model, with_target

FACTS = {
    "name": "subgroups",
    "entry": "subgroups",
    "section": "utility",
    "summary": "declared subgroups: their share, differences of the outcome between them, and calibration within them",
    "findings": {
        "subgroup.representation": "Which declared subgroup shrank most?",
        "subgroup.parity": "Differences of the outcome between declared subgroups",
        "subgroup.calibration": "For which declared subgroup do chances learned from synthetic rows go wrong most?",
    },
}

METHODS: Final[dict[str, tuple[Direction, str]]] = {
    "subgroup.representation": ("closer to 1 is better", (
        f"Smallest ratio of a declared subgroup's share in the synthetic rows to its share in the training rows, over "
        f"subgroups of at least {ENOUGH} training rows; ceiling: the smallest ratio of holdout to training rows. No "
        "floor: independently resampled columns keep every share. Interval: delete-group jackknife by person for the "
        "subgroup shown, not widened for having chosen it.")),
    "subgroup.parity": ("closer to 0 is better", (
        "Largest change, synthetic against holdout rows, of the difference in outcome rate between two subgroups of "
        f"one declared column (demographic parity), both with at least {ENOUGH} rows on every side. Outcome: the "
        "target is true, is the most frequent class, or is above the training median. Ceiling: training against "
        "holdout rows; floor: independently resampled rows. Interval: delete-group jackknife by person for the pair "
        "shown, not widened for having chosen it.")),
    "subgroup.calibration": ("closer to 0 is better", (
        "Expected calibration error (ten bins of equally many people) of logistic regression trained on synthetic "
        "rows, minus that of the same trained on training rows, for holdout people of each declared subgroup of at "
        f"least {ENOUGH}; the largest is shown. Ceiling: 0 by definition; floor: trained on independently resampled "
        "rows. Interval: delete-group jackknife by person for the subgroup shown, not widened for having chosen it.")),
}
CALIBRATION_BINS: Final = 10


@dataclass(frozen=True, eq=False)
class Tally:
    """Rows of one side by subgroup and jackknife group.

    Args:
        members: shape (subgroups, GROUPS). hits: of them with the outcome. rows: of the side, shape (GROUPS,).
    """

    members: Floats
    hits: Floats
    rows: Floats

    def share(self, without: int | None = None) -> Floats:
        """Share of the rows in each subgroup, shape (subgroups,)."""
        return np.asarray(_left(self.members, without) / np.maximum(_left(self.rows, without), 1), np.float64)

    def rate(self, without: int | None = None) -> Floats:
        """Rate of the outcome in each subgroup, shape (subgroups,)."""
        return np.asarray(_left(self.hits, without) / np.maximum(_left(self.members, without), 1), np.float64)


def subgroups(samples: Samples) -> tuple[Finding, ...]:
    """Share, outcome and calibration of the declared subgroups."""
    groups = declared_groups(samples)
    if not groups:
        return tuple(_not_run(id, why_none(samples)) for id in METHODS)
    return (_representation(samples, groups), *(
        _or_why_not(samples, groups, id, measure)
        for id, measure in (("subgroup.parity", _parity), ("subgroup.calibration", _calibration))))


def tally(side: Side, groups: Sequence[Group], outcome: NDArray[np.bool_] | None = None) -> Tally:
    """Counts behind shares and rates. outcome: shape (n,)."""
    inside = [group.rows(side) for group in groups]
    happened = np.zeros(len(side), np.bool_) if outcome is None else outcome
    members, hits = (np.array([np.bincount(side.groups[rows], minlength=GROUPS) for rows in part], np.float64)
                     for part in (inside, [rows & happened for rows in inside]))
    return Tally(members, hits, np.bincount(side.groups, minlength=GROUPS).astype(np.float64))


def _left(counts: Floats, without: int | None) -> Floats:
    total = counts.sum(axis=-1)
    return np.asarray(total if without is None else total - counts[..., without], np.float64)


def _representation(samples: Samples, groups: Sequence[Group]) -> Finding:
    synth, train, holdout = (tally(side, groups) for side in (samples.S, samples.T, samples.H))
    sizes = train.members.sum(axis=1)
    counted = [i for i in range(len(groups)) if sizes[i] >= ENOUGH]
    if not counted:
        return _not_run("subgroup.representation", f"no declared subgroup has {ENOUGH} training rows")
    ratio, real = (side.share() / np.maximum(train.share(), 1e-12) for side in (synth, holdout))
    worst = counted[int(np.argmin(ratio[counted]))]
    replicates = [synth.share(g)[worst] / max(train.share(g)[worst], 1e-12) for g in range(GROUPS)]
    against_holdout = synth.share() / np.maximum(holdout.share(), 1 / len(samples.H))
    return Finding(
        "subgroup.representation", title_of(FACTS, "subgroup.representation"), "utility", float(ratio[worst]),
        "closer to 1 is better", n=samples.n, interval=jackknife(float(ratio[worst]), replicates, low=0.0),
        ceiling=float(real[counted].min()), method=METHODS["subgroup.representation"][1], **power(samples.n),
        breakdown=tuple({"key": groups[i].name, "value": float(ratio[i]), "ceiling": float(real[i]),
                         "against_holdout": float(against_holdout[i]), "n": int(sizes[i])} for i in counted),
        details={"subgroup": groups[worst].name, "against_holdout": float(against_holdout[worst]),
                 "subgroups": len(counted), "insufficient": int((sizes > 0).sum()) - len(counted)})


def _or_why_not(samples: Samples, groups: Sequence[Group], finding_id: str,
                measure: Callable[[Samples, Sequence[Group], str], Finding]) -> Finding:
    target = samples.schema.evaluation.target
    if target is None or target not in samples.columns:
        return _not_run(finding_id, "no target declared" if target is None else
                        f"the target {target!r} is not a compared column")
    try:
        return measure(samples, [g for g in groups if samples.columns[g.column] != target], target)
    except ModelError as error:
        return _not_run(finding_id, str(error))


def _parity(samples: Samples, groups: Sequence[Group], target: str) -> Finding:
    sides = {name: with_target(getattr(samples, name), target) for name in "SHTF"}
    happened = outcome_of(samples, target)
    counts = {name: tally(side, groups, happened(side.table)) for name, side in sides.items()}
    smallest = np.min([c.members.sum(axis=1) for c in counts.values()], axis=0) if groups else np.zeros(0)
    pairs = [pair for pair in _columns(groups, smallest) if len(pair) > 1]
    if not pairs:
        raise ModelError(f"no declared column has two subgroups of {ENOUGH} rows on every side.")
    found = [_widest(counts, members) for members in pairs]
    high, low = max(found, key=lambda pair: _parity_change(counts, "S", *pair))
    value = _parity_change(counts, "S", high, low)
    change = {name: np.array([_parity_change(counts, name, high, low, g) for g in range(GROUPS)]) for name in "STF"}
    floor, ceiling = (max(_parity_change(counts, name, *_widest(counts, m, name)) for m in pairs) for name in "FT")
    error = jackknife_error(change["F"] - change["T"])
    clear = error is not None and floor - ceiling > 2 * error
    doubt = None if clear else "subgroups do not clearly differ in the outcome"
    return Finding(
        "subgroup.parity", title_of(FACTS, "subgroup.parity"), "utility", value, "closer to 0 is better",
        n=int(min(smallest[high], smallest[low])), interval=jackknife(value, change["S"], low=0.0), floor=floor,
        ceiling=ceiling, normalised=(value - floor) / (ceiling - floor) if clear else None,
        method=METHODS["subgroup.parity"][1], **power(samples.n, doubt),
        breakdown=tuple(_pair_row(counts, groups, smallest, *pair) for pair in found),
        details={"subgroups": f"{groups[high].name} against {groups[low].name}", "target": target,
                 "columns": len(pairs), "insufficient": int(((smallest > 0) & (smallest < ENOUGH)).sum())})


def outcome_of(samples: Samples, target: str) -> Callable[[Table], NDArray[np.bool_]]:
    """Whether a row has the outcome: true, the most frequent training class, or above the training median."""
    bins = samples.bins[target]
    if samples.schema[target].kind in NUMERIC:
        values = samples.train[target].values[samples.train[target].present]
        median = np.median(values) if len(values) else 0
        return lambda table: np.asarray(table[target].values > median)
    assert isinstance(bins, LevelBins)
    code = bins.top.index("true") if samples.schema[target].kind == "boolean" and "true" in bins.top else 0
    return lambda table: np.asarray(bins.codes(table[target]) == code)


def _columns(groups: Sequence[Group], smallest: Floats) -> list[list[int]]:
    """Positions of the large enough subgroups of each column."""
    enough = [i for i in range(len(groups)) if smallest[i] >= ENOUGH]
    return [[i for i in enough if groups[i].column == column] for column in dict.fromkeys(g.column for g in groups)]


def _widest(counts: dict[str, Tally], members: Sequence[int], side: str = "S") -> tuple[int, int]:
    """The two subgroups of a column between which the difference of rates changed most."""
    change = (counts[side].rate() - counts["H"].rate())[list(members)]
    return members[int(np.argmax(change))], members[int(np.argmin(change))]


def _parity_change(counts: dict[str, Tally], side: str, high: int, low: int, without: int | None = None) -> float:
    """Change of (rate of high - rate of low) from the holdout to the side."""
    change = counts[side].rate(without) - counts["H"].rate(without)
    return float(change[high] - change[low])


def _pair_row(counts: dict[str, Tally], groups: Sequence[Group], smallest: Floats, high: int,
              low: int) -> dict[str, Any]:
    rates = {name: counts[name].rate() for name in "SH"}
    return {"key": f"{groups[high].name} against {groups[low].name}",
            "value": _parity_change(counts, "S", high, low), "synthetic": float(rates["S"][high] - rates["S"][low]),
            "holdout": float(rates["H"][high] - rates["H"][low]), "n": int(min(smallest[high], smallest[low]))}


def _calibration(samples: Samples, groups: Sequence[Group], target: str) -> Finding:
    if samples.schema[target].kind in NUMERIC:
        raise ModelError("the target is a number and has no chances.")
    task = learn_task(samples, target)
    guesses = {name: linear_model(samples, task, with_target(getattr(samples, name), target)) for name in "STF"}
    people = [(group, group.rows(task.test)) for group in groups]
    counted = [(group, rows) for group, rows in people if rows.sum() >= ENOUGH]
    if not counted:
        raise ModelError(f"no declared subgroup has {ENOUGH} people tested.")
    each = [{name: _error_of(task, guess, rows) for name, guess in guesses.items()} for _, rows in counted]
    worst = int(np.argmax([e["S"] - e["T"] for e in each]))
    group, members = counted[worst]
    value = each[worst]["S"] - each[worst]["T"]
    kept = [members & (task.test.groups != g) for g in range(GROUPS)]
    replicates = [_error_of(task, guesses["S"], rows) - _error_of(task, guesses["T"], rows) for rows in kept]
    return Finding(
        "subgroup.calibration", title_of(FACTS, "subgroup.calibration"), "utility", value, "closer to 0 is better",
        n=int(members.sum()), interval=jackknife(value, replicates), floor=each[worst]["F"] - each[worst]["T"],
        ceiling=0.0, method=METHODS["subgroup.calibration"][1], **power(samples.n),
        breakdown=tuple({"key": g.name, "value": e["S"] - e["T"], "floor": e["F"] - e["T"], "error": e["S"],
                         "error_of_real": e["T"], "n": int(rows.sum())} for (g, rows), e in zip(counted, each)),
        details={"subgroup": group.name, "target": target, "subgroups": len(counted),
                 "insufficient": sum(bool(rows.any()) for _, rows in people) - len(counted)})


def _error_of(task: Task, guess: Floats, rows: Mask) -> float:
    assert task.positive is not None
    return calibration_error(guess[rows, task.positive], task.truth[rows] == task.positive)


def calibration_error(chances: Floats, happened: NDArray[np.bool_]) -> float:
    """Expected calibration error: mean over people of |mean chance - rate| in their bin of ten. Shapes (n,).

    >>> calibration_error(np.array([0.0, 1.0]), np.array([False, True]))
    0.0
    """
    if not len(chances):
        return float("nan")
    order = np.argsort(chances, kind="stable")
    bin_of = np.arange(len(chances)) * CALIBRATION_BINS // len(chances)
    gaps = np.bincount(bin_of, weights=chances[order] - happened[order], minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(chances))


def _not_run(finding_id: str, reason: str) -> Finding:
    direction, method = METHODS[finding_id]
    return Finding.not_run(finding_id, title_of(FACTS, finding_id), "utility", reason, direction=direction,
                           method=method)
