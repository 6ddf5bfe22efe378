"""k-way accuracy: how well the joint distributions of one, two and three columns agree with the holdout's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.evaluation.agreement import Agreement, Subset, compare, position, subsets
from tabsynth.evaluation.protocol import Samples, power, title_of

FACTS = {
    "name": "kway",
    "entry": "kway",
    "section": "fidelity",
    "summary": "overlap of one-, two- and three-column distributions with the holdout, between floor and ceiling",
    "findings": {
        "kway.1": "Agreement of single columns",
        "kway.2": "Agreement of column pairs",
        "kway.3": "Agreement of column triples",
    },
}

METHOD: Final = (
    "Mean over subsets of k columns of 1 - total variation distance, synthetic against holdout rows; numbers in "
    "deciles with atoms of their own, categories in the ten most frequent and the others. Interval: delete-group "
    "jackknife by person.")
WORST: Final = 10


def kway(samples: Samples) -> tuple[Finding, ...]:
    """A_k = 1 - mean over k-subsets of half the L1 distance between S and H, for k = 1, 2, 3.

    Floor: A_k of the floor F. Ceiling: A_k of the training rows T. A table with fewer than k columns has no A_k.
    """
    return tuple(_kway(samples, k) for k in (1, 2, 3))


def _kway(samples: Samples, k: int) -> Finding:
    finding_id = f"kway.{k}"
    title = title_of(FACTS, finding_id)
    if len(samples.columns) < k:
        return Finding.not_run(finding_id, title, "fidelity", f"fewer than {k} columns can be compared",
                               direction="higher is better", method=METHOD)
    over, exact = subsets(len(samples.columns), k, samples.streams)
    sides = [samples.S, samples.F, samples.T, *samples.draws]
    value, floor, ceiling, *draws = compare([(side, samples.H) for side in sides], samples.sizes, over)
    place = position(value, floor, ceiling)
    return Finding(
        finding_id, title, "fidelity", value.mean, "higher is better", n=samples.n, interval=value.interval,
        floor=floor.mean, ceiling=ceiling.mean, normalised=place.normalised, method=METHOD,
        **power(samples.n, place.reason), breakdown=_worst(samples, over, value, floor, ceiling),
        details={"subsets": len(over), "all_subsets": exact, "seed": samples.seed,
                 "normalised_interval": None if place.interval is None else list(place.interval),
                 **_spread([value, *draws])})


def _worst(samples: Samples, over: Sequence[Subset], value: Agreement, floor: Agreement,
           ceiling: Agreement) -> tuple[dict[str, Any], ...]:
    """The subsets that fall farthest below their ceiling, names of columns only."""
    order = np.argsort(value.values - ceiling.values, kind="stable")[:WORST]
    return tuple(
        {"key": " x ".join(samples.columns[j] for j in over[i]), "value": float(value.values[i]),
         "floor": float(floor.values[i]), "ceiling": float(ceiling.values[i]), "n": samples.n} for i in order)


def _spread(draws: Sequence[Agreement]) -> dict[str, Any]:
    """Spread between the released rows and further draws of the model, where the model is at hand."""
    if len(draws) < 2:
        return {}
    return {"draws": len(draws), "draw_sd": float(np.std([d.mean for d in draws], ddof=1))}
