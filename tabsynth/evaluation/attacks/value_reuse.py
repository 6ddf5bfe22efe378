"""P0e, value reuse: values that one training person alone holds, given out again.

Columns resampled from training rows have no association left and still point at people: among values that occur once
in the output, nearly all are somebody's (figures: ``evaluation/measures.md``, "Checked against").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.evaluation.identity import Ids, held_by_one, occurs, value_ids
from tabsynth.evaluation.protocol import Samples, title_of, units_of
from tabsynth.evaluation.variants import attack_finding, counted

FACTS = {
    "name": "value_reuse",
    "entry": "value_reuse",
    "tier": 0,
    "section": "privacy",
    "summary": "values of one training person that the synthetic table gives out again, beyond chance",
    "findings": {"P0e": "Values that one person alone holds, given out again"},
}

METHOD: Final = (
    "Values that one synthetic person alone holds, one a person: the share that one training person alone holds among "
    "all real people, minus the same for holdout people at their share of the people; a real person counts once. Each "
    "column with mostly distinct values and, supplementary, all columns together; the one with the strongest evidence "
    "is shown. Interval: Newcombe.")
ENOUGH: Final = 200
"""Fewest values to attack with."""
MOSTLY_DISTINCT: Final = 0.5
TOGETHER: Final = "all columns together"

Held = tuple[Ids, NDArray[np.int64]]
"""Values that one person alone holds, and that person."""


def value_reuse(samples: Samples) -> tuple[Finding, ...]:
    """Excess of reuse in the column with the strongest evidence. control: the same share for the holdout.

    Training and holdout people stand in one population, so that none of them is left out where the holdout is small.
    """
    title = title_of(FACTS, "P0e")
    tables = (samples.train, samples.holdout, samples.synth)
    train, holdout, synth = (units_of(table) for table in tables)
    n_train, n_holdout = (int(units.max(initial=-1)) + 1 for units in (train, holdout))
    real = np.concatenate([train, holdout + n_train])
    alone: dict[str, tuple[Held, Held]] = {}
    mostly_distinct = []
    for name in samples.columns:
        ids = value_ids([table[name] for table in tables])
        alone[name] = _alone(ids[2], synth), _alone(np.concatenate(ids[:2]), real)
        if distinct_share(ids[0], train) > MOSTLY_DISTINCT:
            mostly_distinct.append(name)
    compared = {**{name: alone[name] for name in mostly_distinct}, TOGETHER: together(list(alone.values()))}
    rows = []
    for key, (of_synth, of_real) in compared.items():
        n, hits = reused(of_synth, of_real, samples.streams.stream(0, f"value reuse {key}"))
        used, n_control = int((hits < n_train).sum()), round(n * n_holdout / max(1, n_train))
        if n >= ENOUGH and n_control:
            rows.append(counted(key, (used, n), (min(len(hits) - used, n_control), n_control),
                                supplementary=key == TOGETHER))
    if not rows:
        return (_nothing_to_attack(title, len(samples.synth), mostly_distinct=bool(mostly_distinct)),)
    return (attack_finding("P0e", title, rows, method=METHOD, unit_of_n="values"),)


def reused(synth: Held, real: Held, rng: np.random.Generator) -> tuple[int, NDArray[np.int64]]:
    """How many values were tried, one of each synthetic person, and the real people who alone hold one of them.

    Args:
        rng: which of a synthetic person's values is taken.
    """
    (values, holders), (of_real, owners) = synth, real
    order = rng.permutation(len(values))
    tried = values[order[np.unique(holders[order], return_index=True)[1]]]
    return len(tried), np.unique(owners[occurs(of_real, tried)])


def together(columns: Sequence[tuple[Held, Held]]) -> tuple[Held, Held]:
    """The values of all columns as if they stood in one, those of different columns apart."""
    sides = [[(ids * len(columns) + j, people) for j, (ids, people) in enumerate(side)] for side in zip(*columns)]
    synth, real = ((np.concatenate([ids for ids, _ in side]), np.concatenate([people for _, people in side]))
                   for side in sides)
    return synth, real


def _alone(ids: Ids, units: NDArray[np.int64]) -> Held:
    given = ids >= 0
    return held_by_one(ids[given], units[given])


def distinct_share(ids: Ids, units: NDArray[np.int64]) -> float:
    """Distinct values over (value, person) pairs, of the cells that are given; 1 = no value is shared."""
    given = ids >= 0
    pairs = np.unique(ids[given] * (int(units.max(initial=0)) + 1) + units[given])
    return len(np.unique(ids[given])) / len(pairs) if len(pairs) else 0.0


def _nothing_to_attack(title: str, rows: int, *, mostly_distinct: bool) -> Finding:
    """Nothing to find where values are shared, too little to say where they are not."""
    state, reason = ("insufficient_power", f"fewer than {ENOUGH} values to attack with") if mostly_distinct else (
        "uninformative", "no column holds mostly distinct values")
    return Finding("P0e", title, "privacy", 0.0, "lower is safer", n=rows, method=METHOD,
                   state=state, reason=reason)  # type: ignore[arg-type]
