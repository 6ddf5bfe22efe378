"""P1b, singling out by several columns: conditions that only together one synthetic person meets, and one real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.evaluation.attacks._predicates import (
    ENOUGH,
    LAST,
    People,
    Population,
    Predicates,
    compared,
    population,
    the_one,
    too_few,
)
from tabsynth.evaluation.identity import Ids
from tabsynth.evaluation.protocol import Samples, title_of
from tabsynth.evaluation.variants import attack_finding

FACTS = {
    "name": "singling_out_multivariate",
    "entry": "singling_out_multivariate",
    "tier": 1,
    "section": "privacy",
    "summary": "people whom conditions on several columns, taken from a synthetic row, single out, beyond chance",
    "findings": {"P1b": "Singling out by several columns"},
}

METHOD: Final = (
    "Conditions on k random columns of a synthetic row (a number at least as large if above the synthetic median, else "
    "at most, with half the room that leaves the person alone; a category, a missing cell equal) that one synthetic "
    "person alone meets, one set a person: how many one training person alone meets among all real people, against "
    "holdout people, as residual risk (a - c) / (1 - c); c counts the holdout at its share of the people. Strongest "
    "over k. After Giomi et al. 2023.")
MOST_COLUMNS: Final = 6
WANTED: Final = 2_000
"""Predicates per number of columns."""
TRIES: Final = 30_000
"""Rows that are tried for them."""
ROUNDS: Final = 10
"""Most times that one person is tried."""
AT_ONCE: Final = 1_024


def singling_out_multivariate(samples: Samples) -> tuple[Finding, ...]:
    """Residual risk of the k with the strongest evidence. control: holdout people; baseline: blind guesses."""
    title = title_of(FACTS, "P1b")
    among = population(samples)
    rows = []
    for k in range(2, min(MOST_COLUMNS, len(samples.columns)) + 1):
        made = predicates(among, k, samples.streams.stream(k, "singling out predicates"))
        if len(made):
            rows.append(compared(f"{k} columns", the_one(widened(made, among), among.real), among,
                                 supplementary=len(made) < ENOUGH))
    if not rows:
        return (Finding("P1b", title, "privacy", 0.0, "lower is safer", n=among.synth.n, unit_of_n="synthetic people",
                        method=METHOD, state="uninformative", reason="no set of columns in which a synthetic person is "
                        "alone was found, so nothing points at anybody"),)
    return (attack_finding("P1b", title, rows, method=METHOD, unit_of_n="predicates",
                           few=too_few(max(row["n"] for row in rows), among) or samples.unsearched),)


def predicates(among: Population, k: int, rng: np.random.Generator, *, wanted: int = WANTED,
               tries: int = TRIES) -> Predicates:
    """At most `wanted` predicates on `k` columns, each met by one synthetic person alone, each by another one."""
    people = among.synth
    rounds = min(-(-tries // people.n), ROUNDS)
    queue = np.concatenate([rng.permutation(people.n) for _ in range(rounds)])[:tries]
    waiting, found = np.ones(people.n, np.bool_), []
    for start in range(0, len(queue), AT_ONCE):
        block = np.unique(queue[start:start + AT_ONCE])
        block = block[waiting[block]]
        made = of_rows(among, _a_row_of_each(people, block, rng), _column_sets(len(block), k, len(people.codes), rng))
        found.append(made.take(np.flatnonzero(the_one(made, people) == made.about)))
        waiting[found[-1].about] = False
        if people.n - waiting.sum() >= wanted:
            break
    every = Predicates.concat(found)
    return every.take(rng.permutation(len(every))[:wanted])


def of_rows(among: Population, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Predicates:
    """The predicate of each synthetic row on its columns.

    Args:
        rows: positions among the synthetic rows, shape (m,). columns: shape (m, k).
    """
    codes = among.synth.codes
    values = codes[columns, rows[:, None]]
    middle = among.synth.medians[columns]
    on_a_line = among.ordered[columns] & (values >= 0)
    above, below = on_a_line & (values > middle), on_a_line & (values <= middle)
    return Predicates(columns, np.where(below, 0, values).astype(np.int32),
                      np.where(above, LAST, values).astype(np.int32), among.synth.units[rows])


def widened(made: Predicates, among: Population) -> Predicates:
    """The same with the ends of numbers moved outwards, half the way to where they would meet another synthetic person.

    With its ends at the synthetic values a predicate misses a person whose numbers were moved a little on the way to
    the synthetic row: each condition one time in two. The way is counted in the order of all values, so that half of
    the real ones on it lie inside; the same one synthetic person alone meets the predicate.
    """
    far = _moved(made, among, _room(made, among) + 1)
    return replace(made, low=made.low - (made.low - far.low) // 2, high=made.high + (far.high - made.high) // 2)


def _room(made: Predicates, among: Population) -> NDArray[np.intp]:
    """By how many synthetic values all ends can move while the person stays alone, in powers of two; shape (m,)."""
    room, open_, by = np.zeros(len(made), np.intp), np.arange(len(made)), 1
    while len(open_) and by < among.synth.n:
        moved = _moved(made.take(open_), among, np.full(len(open_), by))
        open_ = open_[the_one(moved, among.synth) == moved.about]
        room[open_] = by
        by *= 2
    return room


def _moved(made: Predicates, among: Population, by: NDArray[np.intp]) -> Predicates:
    """Each end of a number on the synthetic value that is `by` places further out, or the last one; by: shape (m,)."""
    low, high = made.low.copy(), made.high.copy()
    for column in np.flatnonzero(among.ordered):
        values, here = among.synth.values[column], made.columns == column
        above, below = here & (made.high == LAST), here & (made.low == 0)
        down = np.searchsorted(values, low[above]) - by[np.nonzero(above)[0]]
        up = np.searchsorted(values, high[below]) + by[np.nonzero(below)[0]]
        low[above], high[below] = values[np.maximum(down, 0)], values[np.minimum(up, len(values) - 1)]
    return replace(made, low=low, high=high)


def _a_row_of_each(people: People, units: Ids, rng: np.random.Generator) -> NDArray[np.intp]:
    """One row of each of these people, at random."""
    start = np.searchsorted(people.units, units, "left")
    stop = np.searchsorted(people.units, units, "right")
    return start + (rng.random(len(units)) * (stop - start)).astype(np.intp)


def _column_sets(m: int, k: int, d: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`m` sets of `k` different columns among `d`, shape (m, k)."""
    return np.argsort(rng.random((m, d)), axis=1)[:, :k]
