"""P1a, singling out by one column: what one synthetic person alone has, and one real person, too."""

from __future__ import annotations

from typing import Final

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.evaluation.attacks._predicates import (
    LAST,
    MISSING,
    NOT_ONE,
    Codes,
    People,
    Population,
    Predicates,
    compared,
    population,
    too_few,
)
from tabsynth.evaluation.identity import Ids, held_by_one
from tabsynth.evaluation.protocol import Samples, title_of
from tabsynth.evaluation.variants import attack_finding

FACTS = {
    "name": "singling_out_univariate",
    "entry": "singling_out_univariate",
    "tier": 1,
    "section": "privacy",
    "summary": "people whom one condition on one column, taken from the synthetic table, singles out, beyond chance",
    "findings": {"P1a": "Singling out by one column"},
}

METHOD: Final = (
    "Conditions that one synthetic person alone meets (equal to a value, at most the smallest, at least the largest, "
    "missing), one a synthetic person: how many of them one training person alone meets among all real people, against "
    "holdout people, as residual risk (a - c) / (1 - c); c counts the holdout at its share of the people. After Giomi "
    "et al. 2023, over the conditions that were made instead of those that were asked for.")


def singling_out_univariate(samples: Samples) -> tuple[Finding, ...]:
    """Residual risk of predicates on one column. control: the rate for holdout people; baseline: of blind guessing."""
    title = title_of(FACTS, "P1a")
    among = population(samples)
    made = predicates(among)
    if not len(made):
        return (Finding("P1a", title, "privacy", 0.0, "lower is safer", n=among.synth.n, unit_of_n="synthetic people",
                        method=METHOD, state="uninformative",
                        reason="no synthetic person is alone in any column, so nothing points at anybody"),)
    one_each = made.take(_one_each(made, samples.streams.stream(0, "singling out predicates")))
    row = compared("all predicates", the_one_in_a_column(one_each, among.real), among)
    return (attack_finding("P1a", title, [row], method=METHOD, unit_of_n="predicates",
                           few=too_few(row["n"], among) or samples.unsearched,
                           details={"predicates_of_all_columns": len(made)}),)


def predicates(among: Population) -> Predicates:
    """All conditions on one column that one synthetic person alone meets (k = 1)."""
    parts = [_of_column(codes, among.synth.units, j, bool(among.ordered[j]))
             for j, codes in enumerate(among.synth.codes)]
    return Predicates.concat(parts)


def the_one_in_a_column(made: Predicates, people: People) -> Ids:
    """`the_one` for predicates on one column: by bisection, since there may be one for every cell. Shape (m,)."""
    out = np.full(len(made), NOT_ONE, np.int64)
    for column in np.unique(made.columns):
        which = np.flatnonzero(made.columns[:, 0] == column)
        order = np.lexsort((people.units, people.codes[column]))
        codes, units = people.codes[column][order], people.units[order]
        changes = np.cumsum(np.diff(units, prepend=units[:1]) != 0)
        start = np.searchsorted(codes, made.low[which, 0], "left")
        last = np.searchsorted(codes, made.high[which, 0], "right") - 1
        alone = (start <= last) & (changes[np.minimum(start, len(units) - 1)] == changes[last])
        out[which[alone]] = units[start[alone]]
    return out


def _of_column(codes: Codes, units: Ids, column: int, ordered: bool) -> Predicates:
    """Equal to a value that one person holds, the tail beyond an end that one person holds, missing if one's is."""
    present = codes >= 0
    values, holders = held_by_one(codes[present].astype(np.int64), units[present])
    parts = [(values, values, holders)]
    if ordered and present.any():
        smallest, largest = codes[present].min(), codes[present].max()
        for end, low, high in ((smallest, 0, smallest), (largest, largest, LAST)):
            alone = holders[values == end]
            parts.append((np.full_like(alone, low), np.full_like(alone, high), alone))
    without = np.unique(units[codes == MISSING])
    if len(without) == 1:
        parts.append((np.array([MISSING]), np.array([MISSING]), without))
    low, high, about = (np.concatenate(part) for part in zip(*parts))
    return Predicates(np.full((len(about), 1), column), low.astype(np.int32)[:, None], high.astype(np.int32)[:, None],
                      about)


def _one_each(made: Predicates, rng: np.random.Generator) -> Ids:
    """One predicate of each synthetic person, at random: what several columns say of one person is no new success."""
    order = rng.permutation(len(made))
    _, first = np.unique(made.about[order], return_index=True)
    return np.asarray(order[first], np.int64)
