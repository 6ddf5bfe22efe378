"""D1-D3, distances: how close synthetic rows lie to training rows. Diagnostics, never evidence.

Twenty training outliers copied with a little noise leave every number below as it was (``evaluation/PROTOCOL.md``): a
policy may not use them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.evaluation.agreement import Agreement, compare, subsets
from tabsynth.evaluation.features import Embedding, nearest
from tabsynth.evaluation.identity import occurs, row_ids, value_ids
from tabsynth.evaluation.intervals import Floats, jackknife, wilson
from tabsynth.evaluation.protocol import GROUPS, Samples, Side, power, title_of

FACTS = {
    "name": "distances",
    "entry": "distances",
    "section": "diagnostic",
    "summary": "distance to the closest record, nearest-neighbour ratio, identical rows and the accuracy gap",
    "findings": {
        "D1.dcr": "Share of synthetic rows closer to a training row than to a holdout row",
        "D2.nndr": "Nearest over second-nearest distance to training rows, median",
        "D3.identical": "Synthetic rows identical to a training row",
        "gap.2": "Agreement of pairs with training rows minus agreement with holdout rows",
    },
}

QUERIES: Final = 5_000
CAUTION: Final = "A diagnostic: files that hold copies of real rows have passed it."
METHODS: Final = {
    "D1.dcr": "Ranks of numbers and indicators of categories, as many training as holdout rows; ties count one half; "
              "0.5 = no difference. Interval: Wilson, given these real rows. ",
    "D2.nndr": "Median over synthetic rows; control: over holdout rows. Interval: delete-group jackknife. ",
    "D3.identical": "All columns, equal sizes; control: holdout rows identical to a training row. Interval: Wilson. ",
    "gap.2": "A_2(S, T) - A_2(S, H); floor: of independent columns; details: of a bootstrap of the training rows. "
             "Interval: delete-group jackknife by person. ",
}


def distances(samples: Samples) -> tuple[Finding, ...]:
    """DCR share, NNDR, identical rows and gap G, each with its reference from real rows."""
    embedding = Embedding.learn(samples)
    train, holdout = (embedding.points(side.table) for side in (samples.T, samples.H))
    query = samples.side(samples.synth, "queries", min(QUERIES, samples.n))
    points = embedding.points(query.table)
    to_train, to_holdout = nearest(points, train, 2), nearest(points, holdout, 2)
    control = nearest(holdout[:QUERIES], train, 2)
    return (_dcr(samples, to_train[:, 0], to_holdout[:, 0]), _nndr(samples, query, to_train, control),
            _identical(samples), _gap(samples))


def _dcr(samples: Samples, to_train: Floats, to_holdout: Floats) -> Finding:
    tie = np.isclose(to_train, to_holdout, rtol=1e-5, atol=1e-6)
    closer = (to_train < to_holdout) & ~tie
    share = float(closer.mean() + tie.mean() / 2)
    low, high = wilson(round(share * len(tie)), len(tie))
    return _finding(samples, "D1.dcr", share, "closer to 0.5 is better", n=len(tie),
                    interval=(min(low, share), max(high, share)), control=0.5)


def _nndr(samples: Samples, query: Side, synth: Floats, control: Floats) -> Finding:
    ratios = _ratio(synth)
    value = float(np.median(ratios))
    without = [float(np.median(ratios[query.groups != g])) for g in range(GROUPS) if (query.groups != g).any()]
    return _finding(samples, "D2.nndr", value, "none", n=len(ratios), control=float(np.median(_ratio(control))),
                    interval=jackknife(value, without, low=0.0, high=1.0))


def _ratio(two: Floats) -> Floats:
    """Nearest over second-nearest distance; 1 where both are zero."""
    near, second = np.sqrt(two).T
    ratios: Floats = np.divide(near, second, out=np.ones_like(near), where=second > 0)
    return ratios


def _identical(samples: Samples) -> Finding:
    sides = (samples.T, samples.H, samples.S)
    ids = row_ids([value_ids([side.table[name] for side in sides]) for name in samples.columns])
    train, holdout, synth = ids
    counts = {"synthetic_in_train": int(occurs(synth, train).sum()),
              "synthetic_in_holdout": int(occurs(synth, holdout).sum()),
              "holdout_in_train": int(occurs(holdout, train).sum())}
    hits = counts["synthetic_in_train"]
    return _finding(samples, "D3.identical", hits / len(synth), "none", n=len(synth), interval=wilson(hits, len(synth)),
                    control=counts["holdout_in_train"] / len(holdout), details=counts)


def _gap(samples: Samples) -> Finding:
    """Memorising shows as agreement with T beyond agreement with H; a bootstrap of T is the worked example."""
    if len(samples.columns) < 2:
        return Finding.not_run("gap.2", title_of(FACTS, "gap.2"), "diagnostic", "fewer than 2 columns can be compared",
                               direction="closer to 0 is better", method=METHODS["gap.2"] + CAUTION)
    over, _ = subsets(len(samples.columns), 2, samples.streams)
    again = samples.T.take(samples.streams.stream(0, "bootstrap of T").integers(0, samples.n, samples.n))
    pairs = [(side, real) for side in (samples.S, samples.F, again) for real in (samples.T, samples.H)]
    a = compare(pairs, samples.sizes, over)
    value = a[0].mean - a[1].mean
    return _finding(samples, "gap.2", value, "closer to 0 is better", n=samples.n, floor=_difference(a[2], a[3]),
                    interval=jackknife(value, a[0].replicates - a[1].replicates),
                    details={"bootstrap_of_train": _difference(a[4], a[5])})


def _difference(train: Agreement, holdout: Agreement) -> float:
    return train.mean - holdout.mean


def _finding(samples: Samples, finding_id: str, value: float, direction: Any, **fields: Any) -> Finding:
    return Finding(finding_id, title_of(FACTS, finding_id), "diagnostic", value, direction,
                   method=METHODS[finding_id] + CAUTION, **power(samples.n), **fields)
