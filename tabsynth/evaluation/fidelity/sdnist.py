"""SDNist's k-marginal score under its own name, for comparison with published figures."""

from __future__ import annotations

from typing import Final

from tabsynth.core.finding import Finding
from tabsynth.evaluation.agreement import compare, position, subsets
from tabsynth.evaluation.protocol import Samples, power, title_of

FACTS = {
    "name": "sdnist",
    "entry": "kmarginal",
    "section": "fidelity",
    "summary": "SDNist's k-marginal score of column pairs against the training rows, 0 to 1000",
    "findings": {"sdnist.kmarginal": "SDNist k-marginal score, pairs, against the training rows"},
}

METHOD: Final = (
    "k-marginal score of SDNist (Task et al., NIST): (2 - mean over column pairs of sum |p_T - p_S|) * 500, without "
    "group feature, on the bins of this protocol. As in SDNist the reference is the TRAINING rows, so that copies of "
    "them score 1000: the score against the holdout is in the details. Ceiling: training against holdout rows; floor: "
    "independent columns against holdout rows, for against T they would have its single columns for nothing. "
    "Interval: delete-group jackknife by person.")
SCALE: Final = 1000


def kmarginal(samples: Samples) -> tuple[Finding, ...]:
    """1000 A_2(S, T). Floor: 1000 A_2(F, H). Ceiling: 1000 A_2(H, T), what new real rows score.

    F is made of T: scored against T it would match all single columns and could pass the ceiling.
    """
    title = title_of(FACTS, "sdnist.kmarginal")
    if len(samples.columns) < 2:
        return (Finding.not_run("sdnist.kmarginal", title, "fidelity", "fewer than 2 columns can be compared",
                                direction="higher is better", method=METHOD),)
    over, exact = subsets(len(samples.columns), 2, samples.streams)
    value, floor, ceiling, against_holdout = compare(
        [(samples.S, samples.T), (samples.F, samples.H), (samples.T, samples.H), (samples.S, samples.H)],
        samples.sizes, over)
    where = position(value, floor, ceiling)
    interval = value.interval
    return (Finding(
        "sdnist.kmarginal", title, "fidelity", SCALE * value.mean, "higher is better", n=samples.n,
        interval=None if interval is None else (SCALE * interval[0], SCALE * interval[1]), floor=SCALE * floor.mean,
        ceiling=SCALE * ceiling.mean, normalised=where.normalised, method=METHOD, **power(samples.n, where.reason),
        details={"against_holdout": SCALE * against_holdout.mean, "pairs": len(over), "all_pairs": exact}),)
