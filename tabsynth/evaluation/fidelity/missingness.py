"""Missingness: do cells go missing together as they do among real people?"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.evaluation.agreement import Agreement, compare, position, subsets
from tabsynth.evaluation.protocol import Samples, Side, power, title_of

FACTS = {
    "name": "missingness",
    "entry": "missingness",
    "section": "fidelity",
    "summary": "distance between the patterns of missing cells, column pairs",
    "findings": {"missingness": "Distance between the patterns of missing cells"},
}

METHOD: Final = (
    "Mean total variation distance of the pair patterns present / missing / unreadable, synthetic against holdout "
    "rows, over columns that have such cells in any table. Interval: delete-group jackknife by person.")
STATES: Final = 3


def missingness(samples: Samples) -> tuple[Finding, ...]:
    """1 - A_2 of the cells' states (A_1 where only one column has missing cells); 0 = same patterns."""
    masks = [_states(side, samples) for side in (samples.S, samples.F, samples.T, samples.H)]
    some = np.flatnonzero(np.any([side.codes.any(axis=0) for side in masks], axis=0))
    title = title_of(FACTS, "missingness")
    if not len(some):
        return (Finding("missingness", title, "fidelity", 0.0, "lower is better", n=samples.n, floor=0.0, ceiling=0.0,
                        state="uninformative", reason="no cell is missing in any table", method=METHOD),)
    synth, floor, train, holdout = (replace(side, codes=side.codes[:, some]) for side in masks)
    over, _ = subsets(len(some), min(2, len(some)), samples.streams)
    agreements = compare([(side, holdout) for side in (synth, floor, train)], [STATES] * len(some), over)
    return (_finding(samples, title, *agreements, columns=len(some)),)


def _finding(samples: Samples, title: str, value: Agreement, floor: Agreement, ceiling: Agreement, *,
             columns: int) -> Finding:
    place = position(value, floor, ceiling)
    interval = value.interval
    return Finding(
        "missingness", title, "fidelity", 1 - value.mean, "lower is better", n=samples.n, floor=1 - floor.mean,
        ceiling=1 - ceiling.mean, normalised=place.normalised, method=METHOD,
        **power(samples.n, place.reason),
        interval=None if interval is None else (1 - interval[1], 1 - interval[0]),
        details={"columns_with_missing_cells": columns})


def _states(side: Side, samples: Samples) -> Side:
    """The side with a cell's state in place of its bin."""
    codes = np.stack([side.table[name].state for name in samples.columns], axis=1)
    return replace(side, codes=codes.astype(np.int32))
