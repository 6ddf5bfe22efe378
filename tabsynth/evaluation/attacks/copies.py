"""P0a, copies: rows that one training person alone holds and that stand in the synthetic table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.core.table import Cells, concat_cells
from tabsynth.evaluation.bins import learn_bins
from tabsynth.evaluation.disclosure import CEILING_COUNT
from tabsynth.evaluation.identity import Ids, held_by_one, occurs, row_ids, value_ids
from tabsynth.evaluation.protocol import Samples, title_of, units_of
from tabsynth.evaluation.variants import attack_finding, counted

FACTS = {
    "name": "copies",
    "entry": "copies",
    "tier": 0,
    "section": "privacy",
    "summary": "rows of one training person that stand in the synthetic table, beyond chance",
    "findings": {"P0a": "Copies of rows that one person alone holds"},
}

METHOD: Final = (
    "Rows held by one person alone among training and holdout rows together, one a person at random: the share of the "
    "training people's that occurs in the synthetic table, minus the same share for holdout people, who were not used. "
    "On all columns, without numbers that are nearly unique to a row and, supplementary, with numbers rounded to "
    "percentiles; the one with the strongest evidence is shown. Floats are compared to 12 digits. Interval: Newcombe.")
ENOUGH: Final = 500
"""Fewest training and holdout people for the attack to say anything."""
NEAR_KEY: Final = 0.5
"""Numbers with more distinct values than this share of their cells can hide a copy behind a small change."""
PERCENTILES: Final = 100
ROUNDED: Final = "numbers rounded"


def copies(samples: Samples) -> tuple[Finding, ...]:
    """c_T - c_H of the variant with the strongest evidence. control: c_H. ceiling: real rows found among real rows."""
    title = title_of(FACTS, "P0a")
    tables = (samples.train, samples.holdout, samples.synth)
    exact = {name: value_ids([t[name] for t in tables]) for name in samples.columns}
    variants = {what: row_ids(ids) for what, ids in _variants(samples, exact).items() if ids}
    rows = [row for what, ids in variants.items() if (row := _attack(what, ids, samples)) is not None]
    if not rows:
        return (Finding("P0a", title, "privacy", 0.0, "lower is safer", n=len(samples.train), method=METHOD,
                        state="uninformative", reason="no row is held by one person alone, so none can be copied "
                        "from one"),)
    people = [int(units_of(table).max(initial=-1)) + 1 for table in (samples.train, samples.holdout)]
    return (attack_finding("P0a", title, rows, method=METHOD, unit_of_n="unique rows",
                           few=f"fewer than {ENOUGH} training or holdout people" if min(people) < ENOUGH else None,
                           **_natural(variants["all columns"], samples)),)


def _variants(samples: Samples, exact: Mapping[str, list[Ids]]) -> dict[str, list[list[Ids]]]:
    """Name -> value ids of the columns that are compared, per column and table."""
    numbers = [name for name in samples.columns if samples.schema[name].kind in NUMERIC]
    keys = [name for name in numbers if _near_key(samples.train[name], exact[name][0])]
    variants = {"all columns": list(exact.values())}
    if keys:
        variants[f"without {', '.join(keys)}"] = [ids for name, ids in exact.items() if name not in keys]
    if numbers:
        variants[ROUNDED] = [_rounded(samples, name) if name in numbers else ids
                                       for name, ids in exact.items()]
    return variants


def _attack(what: str, ids: list[Ids], samples: Samples) -> dict[str, Any] | None:
    """Copies among rows of one person, of those who were used and of those who were not; None without such rows."""
    train, holdout, synth = ids
    used = units_of(samples.train)
    first_control = int(used.max(initial=-1)) + 1
    units = np.concatenate([used, units_of(samples.holdout) + first_control])
    rows, owner = held_by_one(np.concatenate([train, holdout]), units)
    order = samples.streams.stream(0, f"one row a person {what}").permutation(len(rows))
    people, first = np.unique(owner[order], return_index=True)
    copied, of_train = occurs(rows[order[first]], synth), people < first_control
    used_people, others = int(of_train.sum()), int((~of_train).sum())
    if not used_people or not others:
        return None
    return counted(what, (int(copied[of_train].sum()), used_people), (int(copied[~of_train].sum()), others),
                   supplementary=what == ROUNDED)


def _natural(ids: list[Ids], samples: Samples) -> dict[str, Any]:
    """The rate at which real people coincide: rows of one holdout person that occur among training rows."""
    train, holdout, _ = ids
    rows, _ = held_by_one(holdout, units_of(samples.holdout))
    if not len(rows):
        return {}
    hits = int(occurs(rows, train).sum())
    return {"ceiling": hits / len(rows), "details": {CEILING_COUNT: hits}}


def _near_key(cells: Cells, ids: Ids) -> bool:
    present = ids[cells.present]
    return len(present) > 0 and len(np.unique(present)) > NEAR_KEY * len(present)


def _rounded(samples: Samples, name: str) -> list[Ids]:
    """Value ids of a number cut at percentiles of the real rows."""
    real = concat_cells([samples.train[name], samples.holdout[name]])
    bins = learn_bins(samples.schema[name], real, bins=PERCENTILES)
    return [bins.codes(table[name]).astype(np.int64) for table in (samples.train, samples.holdout, samples.synth)]
