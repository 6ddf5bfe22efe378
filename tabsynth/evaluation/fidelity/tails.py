"""Rare categories and rare rows: are values and people that are unlike the others still there?"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.evaluation.bins import level_counts
from tabsynth.evaluation.disclosure import MIN_CELL
from tabsynth.evaluation.fidelity._anchored import anchored, share
from tabsynth.evaluation.fidelity._neighbours import NEIGHBOURS, clouds, nearest, real_balls
from tabsynth.evaluation.intervals import Floats, wilson
from tabsynth.evaluation.protocol import Samples, Side, power, title_of

FACTS = {
    "name": "tails",
    "entry": "tails",
    "section": "fidelity",
    "summary": "share of the holdout's rare categories and of its rare rows that the synthetic rows have, too",
    "findings": {"tails.categories": "Rare categories that are kept",
                 "tails.beta": "Real rows unlike others that have a synthetic row close by"},
}

FEWEST: Final = MIN_CELL
"""Fewest rows of a rare category: what fewer hold is anybody's guess, and may not be shown."""
METHOD: Final = (
    f"Among categories held by at least {FEWEST} and at most 1 % of the holdout rows: the share that the synthetic "
    "rows hold half to twice as often, equal sizes. Interval: Wilson over categories.")
RARE: Final = 0.01
BETA_METHOD: Final = (
    f"Coverage (Naeem et al. 2020) of the 5 % of holdout rows with the farthest {NEIGHBOURS}th neighbour: share with a "
    "synthetic row nearer than that; ranks of numbers, indicators of categories, equal sizes. Interval: delete-group "
    "jackknife by person.")
SPARSE: Final = 0.05
FEW_TAIL_ROWS: Final = 50


def tails(samples: Samples) -> tuple[Finding, ...]:
    """Rare categories and the sparsest rows of H, in S. Ceiling: in T. Floor: in F."""
    return _categories(samples), _beta(samples)


def _beta(samples: Samples) -> Finding:
    """Rows that tie with the last of the 5 % count, too; where these are many there is no tail to speak of."""
    cloud, reach = samples.once(clouds), samples.once(real_balls).reach
    tail = sparsest(reach, cloud.H.kept)
    numbers = [share((nearest(cloud.H, side)[0] < reach).astype(np.float64), tail)
               for side in (cloud.S, cloud.F, cloud.T)]
    rows = int(tail[:, 0].sum())
    doubt = None
    if rows > 2 * SPARSE * len(cloud.H):
        doubt = ("uninformative", "too many rows are equally far from their neighbours to speak of a tail")
    elif rows < FEW_TAIL_ROWS:
        doubt = ("insufficient_power", f"fewer than {FEW_TAIL_ROWS} rows in the tail")
    return anchored(samples, FACTS, "tails.beta", numbers, "higher is better", n=rows, method=BETA_METHOD, doubt=doubt)


def sparsest(reach: Floats, kept: Floats) -> Floats:
    """1 for the 5 % of the kept rows whose balls reach farthest, and those that tie with the last of them.

    Args:
        reach, kept: shape (n, GROUPS + 1); each column has a tail of its own.
    """
    among = np.where(kept > 0, reach, -np.inf)
    rows = np.ceil(SPARSE * kept.sum(axis=0)).astype(np.int64)
    falling = -np.sort(-among, axis=0)
    last = np.take_along_axis(falling, np.maximum(rows - 1, 0)[None], axis=0)
    return np.asarray((among >= last) * kept, np.float64)


def _categories(samples: Samples) -> Finding:
    """Coverage of rare (column, category) pairs by S. Ceiling: by T. Floor: by F, which keeps every marginal."""
    title = title_of(FACTS, "tails.categories")
    columns = [name for name in samples.columns if samples.schema[name].kind not in NUMERIC]
    rare = {(name, level): count for name in columns for level, count in _counts(samples.H, name).items()
            if FEWEST <= count <= RARE * len(samples.H)}
    if not rare:
        return Finding.not_run("tails.categories", title, "fidelity",
                               f"no category is held by {FEWEST} or more and at most 1 % of the holdout rows",
                               direction="higher is better", method=METHOD)
    synth, train, floor = (_kept(side, rare) for side in (samples.S, samples.T, samples.F))
    hits = int(synth.sum())
    return Finding(
        "tails.categories", title, "fidelity", hits / len(rare), "higher is better", n=len(rare),
        unit_of_n="rare categories", interval=wilson(hits, len(rare)), floor=float(floor.mean()),
        ceiling=float(train.mean()), method=METHOD, **power(samples.n))


def _counts(side: Side, name: str) -> dict[str, int]:
    levels, counts = level_counts(side.table[name])
    return dict(zip(levels, counts.tolist()))


def _kept(side: Side, rare: dict[tuple[str, str], int]) -> NDArray[np.bool_]:
    """Which of the rare categories occur half to twice as often on this side, shape (len(rare),)."""
    counts = {name: _counts(side, name) for name, _ in rare}
    ratios = np.array([counts[name].get(level, 0) / count for (name, level), count in rare.items()])
    return np.asarray((ratios >= 0.5) & (ratios <= 2.0), np.bool_)
