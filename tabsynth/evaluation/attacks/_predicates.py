"""Predicates that point at one synthetic person, and whom of the real people they point at.

Singling out is to know a condition that exactly one person of the data meets (Cohen and Nissim 2020; WP216). The
attacker takes conditions that one synthetic person alone meets. Cells are codes whose order is the order of the values,
so that every condition on a column, be it equality, a tail or "is missing", is an interval of codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.schema import NUMERIC
from tabsynth.evaluation.identity import Ids, value_ids
from tabsynth.evaluation.protocol import Samples, pick, units_of
from tabsynth.evaluation.variants import counted

ENOUGH: Final = 500
"""Fewest predicates, and people on each side, for the attack to say anything."""
NOT_ONE: Final = -1
"""In place of a person: a predicate that nobody meets, or more than one."""
MISSING: Final = -1
"""Code of a missing cell, as `value_ids` gives it; unreadable is -2."""
LAST: Final = int(np.iinfo(np.int32).max)
"""Beyond every code."""
BLOCK: Final = 512
"""Predicates that are evaluated together: at 1,000,000 rows 61 MiB of bits."""
MAX_REAL: Final = 500_000
"""Most rows of T, and of H, among which people are singled out: the codes of 50 columns take 200 MB. A longer table
is sampled, which leaves out in equal measure who was copied and who was not."""

Codes = NDArray[np.int32]
Bits = NDArray[np.uint8]

_ONES = [[i for i in range(8) if byte >> (7 - i) & 1] or [0] for byte in range(256)]
FIRST_BIT: Final = np.array([ones[0] for ones in _ONES])
LAST_BIT: Final = np.array([ones[-1] for ones in _ONES])
"""Place of the first and of the last one in a byte, most significant bit first, as `np.packbits` lays them."""


@dataclass(frozen=True, eq=False)
class People:
    """Rows in the order of their people.

    Args:
        codes: one code per cell, shape (d, n).
        units: whose row it is, shape (n,), rising from 0.
    """

    codes: Codes
    units: Ids

    @property
    def n(self) -> int:
        """Number of people."""
        return int(self.units[-1]) + 1 if len(self.units) else 0

    @cached_property
    def medians(self) -> NDArray[np.float64]:
        """Median code of the present cells of each column, shape (d,); 0 where there is none."""
        return np.array([np.median(c[c >= 0]) if (c >= 0).any() else 0.0 for c in self.codes])

    @cached_property
    def values(self) -> list[Codes]:
        """Distinct codes of the present cells of each column, rising."""
        return [np.unique(c[c >= 0]) for c in self.codes]


@dataclass(frozen=True, eq=False)
class Population:
    """Synthetic people, and real ones: those who were used first, then `n_holdout` who were not.

    Args:
        ordered: which columns hold values on a line, shape (d,).
    """

    synth: People
    real: People
    n_train: int
    n_holdout: int
    ordered: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Predicates:
    """Conjunctions of `k` conditions ``low <= code <= high``, each on another column.

    Args:
        columns, low, high: shape (m, k).
        about: the synthetic person that each was made from, shape (m,).
    """

    columns: NDArray[np.intp]
    low: Codes
    high: Codes
    about: Ids

    def __len__(self) -> int:
        return len(self.about)

    def take(self, which: NDArray[Any] | slice) -> Predicates:
        """The predicates at these positions."""
        return Predicates(self.columns[which], self.low[which], self.high[which], self.about[which])

    @classmethod
    def concat(cls, parts: list[Predicates]) -> Predicates:
        """Predicates of one length one after another."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts])
                     for name in ("columns", "low", "high", "about")))


def population(samples: Samples, max_rows: int = MAX_REAL) -> Population:
    """The synthetic people that an attacker holds and all real ones, at most `max_rows` rows a table, coded together.

    The training people are not cut down to the number of the holdout's: whom a synthetic row was copied from would
    mostly be left out, and the attack would seem harmless where the holdout is small.
    """
    real = [t.take(pick(units_of(t), max_rows, samples.streams.stream(0, f"singling out {what}")))
            for t, what in ((samples.train, "train"), (samples.holdout, "holdout"))]
    tables = [samples.released.table, *real]
    columns = [[ids.astype(np.int32) for ids in value_ids([table[name] for table in tables])]
               for name in samples.columns]
    synth, train, holdout = (units_of(table) for table in tables)
    n_train, n_holdout = (int(units.max(initial=-1)) + 1 for units in (train, holdout))
    return Population(
        _by_person([ids[0] for ids in columns], synth),
        _by_person([np.concatenate(ids[1:]) for ids in columns], np.concatenate([train, holdout + n_train])),
        n_train, n_holdout, np.array([samples.schema[name].kind in NUMERIC for name in samples.columns]))


def the_one(predicates: Predicates, people: People) -> Ids:
    """The person who alone meets each predicate, in any row, or `NOT_ONE`; shape (m,).

    A condition is evaluated once for all its predicates and kept as a row of bits, eight table rows a byte.
    """
    out = np.empty(len(predicates), np.int64)
    for start in range(0, len(predicates), BLOCK):
        part = slice(start, start + BLOCK)
        out[part] = _sole_unit(_matches(predicates.take(part), people.codes), people.units)
    return out


def chance_to_single_out(n: int, low: float = 0.0, high: float = 1.0) -> float:
    """Integral of ``n w (1 - w)^(n - 1)`` over weights from `low` to `high`.

    The chance that exactly one of `n` people meets a predicate which each of them meets with a probability w that is
    anybody's guess; 1 / (n + 1) over all weights (Cohen and Nissim 2020; Giomi et al. 2023).

    >>> chance_to_single_out(4) == 1 / 5
    True

    Raises:
        ValueError: not 0 <= low <= high <= 1.
    """
    if not 0 <= low <= high <= 1:
        raise ValueError("weights need 0 <= low <= high <= 1")
    below, above = ((n * w + 1) * (1 - w) ** n for w in (low, high))
    return float((below - above) / (n + 1))


def compared(key: str, who: Ids, among: Population, *, supplementary: bool = False) -> dict[str, Any]:
    """The breakdown row of predicates that single out these people among all real ones, `NOT_ONE` included.

    A person counts once, however many predicates point there. People who were used and people who were not stand in one
    population: without a leak the predicates point at each of them equally often, so that the number of those who were
    used is hypergeometric. The holdout, n_H / n_T times as large, stands for that share of the predicates.
    """
    found = np.unique(who[who != NOT_ONE])
    used = int((found < among.n_train).sum())
    control_n = max(1, round(len(who) * among.n_holdout / among.n_train))
    return counted(key, (used, len(who)), (min(len(found) - used, control_n), control_n), statistic="residual",
                   supplementary=supplementary, baseline=chance_to_single_out(among.n_train + among.n_holdout))


def too_few(n_predicates: int, among: Population) -> str | None:
    """Why the attack cannot tell, or None."""
    if min(among.n_train, among.n_holdout) < ENOUGH:
        return f"fewer than {ENOUGH} training or holdout people"
    return f"fewer than {ENOUGH} predicates single out a synthetic person" if n_predicates < ENOUGH else None


def _by_person(columns: list[Codes], units: Ids) -> People:
    order = np.argsort(units, kind="stable")
    return People(np.array([codes[order] for codes in columns]), units[order])


def _matches(predicates: Predicates, codes: Codes) -> Bits:
    """Which rows meet each predicate, as bits, shape (m, n / 8)."""
    found = np.full((len(predicates), -(-codes.shape[1] // 8)), 255, np.uint8)
    for column in np.unique(predicates.columns):
        rows, places = np.nonzero(predicates.columns == column)
        ends = np.stack([predicates.low[rows, places], predicates.high[rows, places]], axis=1)
        conditions, which = np.unique(ends, axis=0, return_inverse=True)
        bits = np.stack([np.packbits(_between(codes[column], low, high)) for low, high in conditions])
        found[rows] &= bits[which.reshape(-1)]
    return found


def _between(codes: Codes, low: int, high: int) -> NDArray[np.bool_]:
    return codes >= low if high == LAST else (codes <= high) & (codes >= low)


def _sole_unit(bits: Bits, units: Ids) -> Ids:
    """The unit of the first matching row if it is that of the last, too; rows stand in the order of units."""
    given = bits != 0
    first, last = given.argmax(axis=1), given.shape[1] - 1 - given[:, ::-1].argmax(axis=1)
    every = np.arange(len(bits))
    one = units[8 * first + FIRST_BIT[bits[every, first]]]
    other = units[8 * last + LAST_BIT[bits[every, last]]]
    return np.where((one == other) & given.any(axis=1), one, NOT_ONE)
