"""Rare categories: are values that few people have still there, and about as often?"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.evaluation.bins import level_counts
from tabsynth.evaluation.intervals import wilson
from tabsynth.evaluation.protocol import Samples, Side, power, title_of

FACTS = {
    "name": "tails",
    "entry": "tails",
    "section": "fidelity",
    "summary": "share of the holdout's rare categories that the synthetic rows hold about as often",
    "findings": {"tails.categories": "Rare categories that are kept"},
}

METHOD: Final = (
    "Among categories held by at least 11 and at most 1 % of the holdout rows: the share that the synthetic rows hold "
    "half to twice as often, equal sizes. Interval: Wilson over categories.")
FEWEST: Final = 11
RARE: Final = 0.01


def tails(samples: Samples) -> tuple[Finding, ...]:
    """Coverage of rare (column, category) pairs by S. Ceiling: by T. Floor: by F, which keeps every marginal."""
    title = title_of(FACTS, "tails.categories")
    columns = [name for name in samples.columns if samples.schema[name].kind not in NUMERIC]
    rare = {(name, level): count for name in columns for level, count in _counts(samples.H, name).items()
            if FEWEST <= count <= RARE * len(samples.H)}
    if not rare:
        return (Finding.not_run("tails.categories", title, "fidelity",
                                "no category is held by 11 or more and at most 1 % of the holdout rows",
                                direction="higher is better", method=METHOD),)
    synth, train, floor = (_kept(side, rare) for side in (samples.S, samples.T, samples.F))
    hits = int(synth.sum())
    return (Finding(
        "tails.categories", title, "fidelity", hits / len(rare), "higher is better", n=len(rare),
        unit_of_n="rare categories", interval=wilson(hits, len(rare)), floor=float(floor.mean()),
        ceiling=float(train.mean()), method=METHOD, **power(samples.n)),)


def _counts(side: Side, name: str) -> dict[str, int]:
    levels, counts = level_counts(side.table[name])
    return dict(zip(levels, counts.tolist()))


def _kept(side: Side, rare: dict[tuple[str, str], int]) -> NDArray[np.bool_]:
    """Which of the rare categories occur half to twice as often on this side, shape (len(rare),)."""
    counts = {name: _counts(side, name) for name, _ in rare}
    ratios = np.array([counts[name].get(level, 0) / count for (name, level), count in rare.items()])
    return np.asarray((ratios >= 0.5) & (ratios <= 2.0), np.bool_)
