"""P0c, k and l: how many synthetic people share a cell of the quasi-identifiers, and how many secrets the cell holds.

Distributions and not the minimum, which one cell decides. Context for a reader who thinks in these terms, and no
evidence: k of a synthetic table says who looks alike in it, not whether anybody was copied. So no policy holds a limit.
Shares of real rows are left out where a class of the distribution rests on 1 to 10 people, all of them: one that is
missing would follow from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.evaluation.attacks._quasi_identifiers import (
    NO_QUASI_IDENTIFIER,
    numbers_among,
    people_per_cell,
    quasi_identifiers,
)
from tabsynth.evaluation.attacks._secrets import secrets
from tabsynth.evaluation.disclosure import MIN_CELL, is_small
from tabsynth.evaluation.identity import Ids, row_ids, value_ids
from tabsynth.evaluation.intervals import Interval, jackknife
from tabsynth.evaluation.protocol import GROUPS, Samples, Side, power, title_of, units_of

FACTS = {
    "name": "k_anonymity",
    "entry": "k_anonymity",
    "tier": 0,
    "section": "diagnostic",
    "summary": "how many synthetic people share their quasi-identifiers, and how many secrets such a cell holds",
    "findings": {
        "P0c.k": "Synthetic rows that are alone in their cell of quasi-identifiers",
        "P0c.l": "Synthetic rows whose cell of quasi-identifiers holds one secret only",
    },
}

CAUTION: Final = " Context, not evidence: nothing here says whether a person was copied."
METHODS: Final = {
    "P0c.k": "Share of synthetic rows whose cell of the quasi-identifiers one synthetic person alone holds (k = 1); "
             "ceiling: the same for as many training rows. Breakdown: distribution of k, exact and with numbers in "
             "bins, and of the number of training and holdout people in the row's cell (k-map, those rows standing in "
             "for the population). Interval: delete-group jackknife by person." + CAUTION,
    "P0c.l": "Among synthetic rows whose cell two or more synthetic people hold: share whose cell holds one value of "
             "the secret (l = 1), numbers in bins; ceiling: the same for as many training rows. The secret with the "
             "largest share; breakdown: distribution of l. Interval: delete-group jackknife by person." + CAUTION,
}
K_CLASSES: Final = {"k = 1": 1, "k = 2 to 4": 2, f"k = 5 to {MIN_CELL - 1}": 5, f"k = {MIN_CELL} or more": MIN_CELL}
MAP_CLASSES: Final = {"no real person in the cell": 0, f"1 to {MIN_CELL - 1} real people in the cell": 1,
                      f"{MIN_CELL} or more real people in the cell": MIN_CELL}
L_CLASSES: Final = {"l = 1": 1, "l = 2": 2, "l = 3 or 4": 3, "l = 5 or more": 5}
"""Name -> smallest number of the class."""

Shares = list[float] | None
Spans = dict[str, tuple[Ids, Ids]]
"""Kind of cell -> ids of the synthetic rows and of as many training rows."""


def k_anonymity(samples: Samples) -> tuple[Finding, ...]:
    """P0c.k and P0c.l on matched samples. ceiling: the same number of the training rows."""
    names = quasi_identifiers(samples)
    if not names:
        return tuple(_not_run(id, NO_QUASI_IDENTIFIER) for id in METHODS)
    cells = {"exact values": row_ids([value_ids([samples.S.table[n], samples.T.table[n]]) for n in names])}
    if numbers_among(samples, names):
        cells["numbers in bins"] = row_ids([_coarse(samples, name) for name in names])
    pairs: Spans = {span: (ids[0], ids[1]) for span, ids in cells.items()}
    return _k(samples, names, pairs), _l(samples, pairs["exact values"])


# --- k ---------------------------------------------------------------------------------------------------


def _k(samples: Samples, names: tuple[str, ...], cells: Spans) -> Finding:
    rows: list[Mapping[str, Any]] = []
    for span, (synth, train) in cells.items():
        given, real = _sharing(synth, samples.S.units), _sharing(train, samples.T.units)
        rows += _rows(span, K_CLASSES, given, _shown(K_CLASSES, real, samples.T.units))
    rows += _map_rows(samples, names)
    synth, train = cells["exact values"]
    alone = rows[0]
    return _finding(samples, "P0c.k", alone["value"], n=len(synth), ceiling=alone.get("train"), breakdown=tuple(rows),
                    interval=_interval(samples.S, lambda keep: _share_alone(synth[keep], samples.S.units[keep])))


def _map_rows(samples: Samples, names: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """k-map: people among all training and holdout rows who hold the cell of a synthetic row."""
    tables = (samples.train, samples.holdout, samples.S.table, samples.T.table)
    train, holdout, synth, again = row_ids([value_ids([t[name] for t in tables]) for name in names])
    used = units_of(samples.train)
    units = np.concatenate([used, units_of(samples.holdout) + int(used.max(initial=-1)) + 1])
    size = max(int(ids.max(initial=-1)) for ids in (train, holdout, synth)) + 1
    people = people_per_cell(np.concatenate([train, holdout]), units, size)
    # these counts of synthetic rows say how many real people stand in their cells, so small ones do not leave either
    if _shown(MAP_CLASSES, people[synth], np.arange(len(synth))) is None:
        return []
    return _rows("exact values", MAP_CLASSES, people[synth], _shown(MAP_CLASSES, people[again], samples.T.units))


def _sharing(cells: Ids, units: NDArray[np.int64]) -> NDArray[np.int64]:
    """People who hold the row's cell, shape (n,)."""
    return people_per_cell(cells, units, int(cells.max(initial=-1)) + 1)[cells]


def _share_alone(cells: Ids, units: NDArray[np.int64]) -> float | None:
    return float((_sharing(cells, units) == 1).mean()) if len(cells) else None


# --- l ---------------------------------------------------------------------------------------------------


def _l(samples: Samples, cells: tuple[Ids, Ids]) -> Finding:
    names = secrets(samples)
    if not names:
        return _not_run("P0c.l", "the schema declares no sensitive column and no target besides the quasi-identifiers")
    synth, train = cells
    shared, real = (_sharing(ids, side.units) >= 2 for ids, side in ((synth, samples.S), (train, samples.T)))
    if not shared.any():
        return _finding(samples, "P0c.l", 0.0, n=len(synth), state="uninformative", interval=None,
                        reason="no two synthetic people share a cell of the quasi-identifiers")
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for name in names:
        given, reference = _coarse(samples, name)
        rows[name] = _rows(name, L_CLASSES, _distinct(synth, given)[shared],
                           _shown(L_CLASSES, _distinct(train, reference)[real], samples.T.units[real]))
    worst = max(names, key=lambda name: float(rows[name][0]["value"]))
    secret, head = _coarse(samples, worst)[0], rows[worst][0]
    return _finding(
        samples, "P0c.l", head["value"], n=int(shared.sum()), ceiling=head.get("train"), details={"secret": worst},
        breakdown=tuple(row for part in rows.values() for row in part),
        interval=_interval(samples.S, lambda keep: _share_of_one(synth[keep], secret[keep], samples.S.units[keep])))


def _distinct(cells: Ids, secret: Ids) -> NDArray[np.int64]:
    """Values of the secret in the row's cell, shape (n,)."""
    return people_per_cell(cells, secret - secret.min(initial=0), int(cells.max(initial=-1)) + 1)[cells]


def _share_of_one(cells: Ids, secret: Ids, units: NDArray[np.int64]) -> float | None:
    shared = _sharing(cells, units) >= 2
    return float((_distinct(cells, secret)[shared] == 1).mean()) if shared.any() else None


# --- both ------------------------------------------------------------------------------------------------


def _coarse(samples: Samples, name: str) -> list[Ids]:
    """Ids of a column in the synthetic sample and the training sample, numbers in bins."""
    sides = (samples.S, samples.T)
    if samples.schema[name].kind in NUMERIC:
        j = samples.columns.index(name)
        return [side.codes[:, j].astype(np.int64) for side in sides]
    return value_ids([side.table[name] for side in sides])


def _shares(classes: Mapping[str, int], numbers: NDArray[np.int64]) -> list[float]:
    which = np.searchsorted(list(classes.values()), numbers, side="right") - 1
    return [float(x) for x in np.bincount(which, minlength=len(classes)) / max(1, len(numbers))]


def _shown(classes: Mapping[str, int], numbers: NDArray[np.int64], units: NDArray[np.int64]) -> Shares:
    """Share of rows per class, or None where a class rests on 1 to 10 people (or rows, which are no fewer)."""
    which = np.searchsorted(list(classes.values()), numbers, side="right") - 1
    people = people_per_cell(which, units, len(classes))
    return None if not len(numbers) or any(is_small(int(count)) for count in people) else _shares(classes, numbers)


def _rows(what: str, classes: Mapping[str, int], numbers: NDArray[np.int64],
          train: Sequence[float] | None) -> list[Mapping[str, Any]]:
    """One row per class: share of the synthetic rows, and of the training rows where it may be told."""
    return [{"key": f"{what}: {name}", "value": value, "n": len(numbers)}
            | ({} if train is None else {"train": train[i]})
            for i, (name, value) in enumerate(zip(classes, _shares(classes, numbers), strict=True))]


def _interval(side: Side, statistic: Callable[[NDArray[np.bool_]], float | None]) -> Interval | None:
    """Delete-group jackknife of a share. statistic: of the rows that are kept, None where there is none."""
    estimate = statistic(np.ones(len(side), np.bool_))
    without = [statistic(side.groups != g) for g in range(GROUPS) if (side.groups == g).any()]
    replicates = [r for r in without if r is not None]
    if estimate is None or len(replicates) < len(without):
        return None
    return jackknife(estimate, replicates, low=0.0, high=1.0)


def _finding(samples: Samples, finding_id: str, value: float, **fields: Any) -> Finding:
    return Finding(finding_id, title_of(FACTS, finding_id), "diagnostic", value, "none", method=METHODS[finding_id],
                   **{**power(samples.n), **fields})


def _not_run(finding_id: str, reason: str) -> Finding:
    return Finding.not_run(finding_id, title_of(FACTS, finding_id), "diagnostic", reason, method=METHODS[finding_id])
