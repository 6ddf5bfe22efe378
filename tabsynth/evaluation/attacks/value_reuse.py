"""P0e, value reuse: values that one training person alone holds, given out again.

Columns resampled from training rows have no association left and still point at people: among values that occur once
in the output, nearly all are somebody's (figures: ``evaluation/measures.md``, "Checked against").
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.table import Table
from tabsynth.evaluation.identity import Ids, held_by_one, occurs, value_ids
from tabsynth.evaluation.protocol import Samples, pick, title_of, units_of
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
    "Values that one synthetic unit alone holds: the share that equals a value which one training person alone holds, "
    "minus the same share for holdout people, as many real rows on both sides. Each column with mostly distinct "
    "values and, supplementary, all columns together; the one with the strongest evidence is shown. Interval: "
    "Newcombe.")
ENOUGH: Final = 200
"""Fewest values to attack with."""
MOSTLY_DISTINCT: Final = 0.5


def value_reuse(samples: Samples) -> tuple[Finding, ...]:
    """Excess of reuse in the column with the strongest evidence. control: the same share for the holdout."""
    title = title_of(FACTS, "P0e")
    n = min(len(samples.train), len(samples.holdout))
    sides = [_sample(table, n, samples, name) for table, name in
             ((samples.train, "train"), (samples.holdout, "holdout"))] + [samples.synth]
    units = [units_of(table) for table in sides]
    found = {name: reused(value_ids([t[name] for t in sides]), units) for name in samples.columns}
    total = tuple(int(sum(column)) for column in zip(*(c[:3] for c in found.values())))
    rows = [counted(name, (used, n_values), (other, n_values)) for name, (n_values, used, other, distinct)
            in found.items() if distinct > MOSTLY_DISTINCT and n_values >= ENOUGH]
    if total[0] >= ENOUGH:
        rows.append(counted("all columns together", (total[1], total[0]), (total[2], total[0]), supplementary=True))
    if not rows:
        return (_too_few(title, total[0], n, any(c[3] > MOSTLY_DISTINCT for c in found.values())),)
    return (attack_finding(
        "P0e", title, rows, method=METHOD, unit_of_n="values",
        details={"values": total[0], "equal_to_train": total[1], "equal_to_holdout": total[2]}),)


def reused(ids: list[Ids], units: list[NDArray[np.int64]]) -> tuple[int, int, int, float]:
    """Of one column: values that one synthetic unit alone holds; how many of them one training person alone holds,
    and one holdout person; and the share of distinct values among the training people's values.

    Args:
        ids, units: of train, holdout and synth, see `value_ids` and `units_of`.
    """
    train, holdout, synth = (held_by_one(i[i >= 0], u[i >= 0])[0] for i, u in zip(ids, units))
    return len(synth), int(occurs(synth, train).sum()), int(occurs(synth, holdout).sum()), _distinct(ids[0], units[0])


def _distinct(ids: Ids, units: NDArray[np.int64]) -> float:
    """Distinct values over (value, person) pairs, of the cells that are given; 1 = no value is shared."""
    given = ids >= 0
    pairs = np.unique(ids[given] * (int(units.max(initial=0)) + 1) + units[given])
    return len(np.unique(ids[given])) / len(pairs) if len(pairs) else 0.0


def _sample(table: Table, n: int, samples: Samples, name: str) -> Table:
    return table.take(pick(units_of(table), n, samples.streams.stream(0, f"value reuse {name}")))


def _too_few(title: str, values: int, rows: int, mostly_distinct: bool) -> Finding:
    """No column to attack: nothing to find where values are shared, too little to say where they are not."""
    state, reason = ("insufficient_power", f"fewer than {ENOUGH} values to attack with") if mostly_distinct else (
        "uninformative", "no column holds mostly distinct values, and few values occur once")
    return Finding("P0e", title, "privacy", 0.0, "lower is safer", n=max(1, values or rows),
                   unit_of_n="values" if values else "rows", method=METHOD,
                   state=state, reason=reason)  # type: ignore[arg-type]
