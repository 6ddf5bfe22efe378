"""Equivalent sample fraction: how small a random sample of the real rows would agree with the holdout as well?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from sklearn.isotonic import isotonic_regression

from tabsynth.core.finding import Finding
from tabsynth.evaluation.agreement import Agreement, Position, Subset, compare, position, subsets
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import Samples, in_random_order, power, title_of

FACTS = {
    "name": "sample_fraction",
    "entry": "sample_fraction",
    "section": "fidelity",
    "summary": "smallest random share of the training rows that agrees with the holdout as well as the synthetic rows",
    "findings": {"sample_fraction": "Share of the real rows that would be as good a sample"},
}

METHOD: Final = (
    "Smallest f such that f n random training rows (whole people) reach the pair agreement A_2 that n synthetic rows "
    "have with n holdout rows; ladder of 1 to 100 %, mean of eight subsamples a step, made monotone and interpolated "
    "in log f (after SDNist, Task et al., which compares with the training rows). It equates all errors of S with the "
    "sampling error of a smaller n. Interval: the jackknife interval of A_2(S, H), by person, read off the ladder.")
STEPS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
REPEATS: Final = 8
"""Subsamples a step."""
MAX_PAIRS: Final = 150
"""Column pairs that are looked at; a seeded sample of them beyond that."""


def sample_fraction(samples: Samples) -> tuple[Finding, ...]:
    """f in (0, 1]. Ceiling: all training rows, 1. Floor: the fraction at which independent columns F fall."""
    title = title_of(FACTS, "sample_fraction")
    if len(samples.columns) < 2:
        return (Finding.not_run("sample_fraction", title, "fidelity", "fewer than 2 columns can be compared",
                                direction="higher is better", method=METHOD),)
    over, exact = _pairs(samples)
    agreements = compare([(side, samples.H) for side in (samples.S, samples.F, samples.T)], samples.sizes, over)
    fractions, ladder = _ladder(samples, over, agreements[2].mean)
    found = _finding(samples, title, agreements, fractions, ladder)
    return (replace(found, details={
        **found.details, "pairs": len(over), "all_pairs": exact, "seed": samples.seed,
        "ladder": [{"fraction": f, "agreement": a} for f, a in zip(fractions.tolist(), ladder.tolist())]}),)


def fraction_at(agreement: float, fractions: Floats, ladder: Floats) -> float:
    """Smallest fraction whose agreement is reached, between steps by log f; the end steps beyond the ladder.

    Args:
        fractions: rising, in (0, 1], shape (m,). ladder: their agreement, not falling, shape (m,).

    >>> round(fraction_at(0.7, np.array([0.01, 0.1, 1.0]), np.array([0.5, 0.6, 0.8])), 3)
    0.316
    """
    i = int(np.searchsorted(ladder, agreement, side="left"))
    if i == 0 or i == len(ladder):
        return float(fractions[min(i, len(ladder) - 1)])
    weight = (agreement - ladder[i - 1]) / (ladder[i] - ladder[i - 1])
    between = fractions[i - 1] * (fractions[i] / fractions[i - 1]) ** weight
    return float(min(between, fractions[i]))  # rounding may pass the step


def _finding(samples: Samples, title: str, agreements: Sequence[Agreement], fractions: Floats,
             ladder: Floats) -> Finding:
    value, floor, ceiling = agreements
    at, at_floor = (fraction_at(a.mean, fractions, ladder) for a in (value, floor))
    interval = value.interval
    below = bool(value.mean < ladder[0])
    where = position(value, floor, ceiling)
    return Finding(
        "sample_fraction", title, "fidelity", at, "higher is better", n=samples.n, floor=at_floor, ceiling=1.0,
        interval=None if interval is None else (fraction_at(interval[0], fractions, ladder),
                                                fraction_at(interval[1], fractions, ladder)),
        normalised=None if where.normalised is None or at_floor >= 1 else (at - at_floor) / (1 - at_floor),
        method=METHOD, **_standing(samples.n, where, float(fractions[0]) if below else None),
        details={"below_first_step": below, "agreement": value.mean})


def _standing(n: int, where: Position, below: float | None) -> dict[str, Any]:
    standing = power(n, where.reason)
    if standing["state"] != "ok" or below is None:
        return standing
    return {"state": "ok", "reason": f"below {below:.2g}, the first step of the ladder"}


def _pairs(samples: Samples) -> tuple[list[Subset], bool]:
    """The column pairs that are compared, and whether these are all."""
    over, exact = subsets(len(samples.columns), 2, samples.streams)
    if len(over) <= MAX_PAIRS:
        return over, exact
    chosen = samples.streams.stream(0, "pairs of the sample fraction").choice(len(over), MAX_PAIRS, replace=False)
    return [over[i] for i in np.sort(chosen)], False


def _ladder(samples: Samples, over: Sequence[Subset], all_rows: float) -> tuple[Floats, Floats]:
    """Fractions and their agreement with the holdout, made monotone; the last step is all rows."""
    steps = sorted({max(1, round(f * samples.n)) for f in STEPS} - {samples.n})
    repeats = [_agreements(samples, over, steps, samples.streams.stream(i, "sample fraction"))
               for i in range(REPEATS)]
    raw = np.append(np.mean(repeats, axis=0), all_rows)
    return np.array([*steps, samples.n], np.float64) / samples.n, np.asarray(isotonic_regression(raw), np.float64)


def _agreements(samples: Samples, over: Sequence[Subset], steps: Sequence[int],
                rng: np.random.Generator) -> list[float]:
    """Agreement of training rows with the holdout, people added in random order up to each number of rows."""
    order = in_random_order(samples.T.units, rng)
    pairs = [(samples.T.take(order[:rows]), samples.H) for rows in steps]
    return [a.mean for a in compare(pairs, samples.sizes, over)]
