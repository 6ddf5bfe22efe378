"""Who holds what: the distinct (thing, unit) pairs of a column's part, from which a codec learns.

A thing is the number of a distinct value or level. Sorting one whole number per pair is what makes this fast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distinct pairs, sorted by thing and then by unit.

    Args:
        things: int64, shape (p,): 0, 1, 2, ...
        units: int64, shape (p,): 0, 1, 2, ..., whose they are.
        mass: shape (p,): rows of each pair, or their weight.
    """

    things: NDArray[np.int64]
    units: NDArray[np.int64]
    mass: NDArray[Any]

    @classmethod
    def of(cls, things: NDArray[Any], units: NDArray[np.int64], mass: NDArray[Any] | None = None) -> Pairs:
        """Sort, and add up the mass of equal pairs in the order in which they come; without mass, each is one row."""
        n_units = int(units.max(initial=0)) + 1
        key = things.astype(np.int64) * n_units + units
        if mass is None:
            key, mass = np.sort(key), np.ones(len(key), np.int64)
        else:
            order = np.argsort(key, kind="stable")
            key, mass = key[order], mass[order]
        starts = _run_starts(key)
        if len(starts) < len(key):
            key, mass = key[starts], np.add.reduceat(mass, starts)
        return cls(*np.divmod(key, n_units), mass)

    def __len__(self) -> int:
        return len(self.things)

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """Where the pairs of each thing that occurs begin."""
        return _run_starts(self.things)

    def holders(self) -> NDArray[np.int64]:
        """How many units hold each thing that occurs."""
        return np.diff(self.starts, append=len(self.things))

    def sums(self) -> NDArray[Any]:
        """The mass of each thing that occurs."""
        return np.add.reduceat(self.mass, self.starts) if len(self.starts) else np.zeros(0)

    def n_units(self) -> int:
        """How many units occur."""
        return int(np.count_nonzero(np.bincount(self.units)))

    def as_weights(self) -> Pairs:
        """With the part of its unit's rows that each pair holds: a unit's mass sums to 1."""
        totals = np.bincount(self.units, weights=self.mass)
        return replace(self, mass=self.mass / totals[self.units])

    def only(self, things: NDArray[np.bool_]) -> Pairs:
        """The pairs of some things, numbered anew without gaps. things: by number of the thing."""
        if things.all():
            return self
        kept = things[self.things]
        number = np.cumsum(things) - 1
        return Pairs(number[self.things[kept]], self.units[kept], self.mass[kept])

    def used(self, n_things: int) -> tuple[NDArray[np.bool_], Pairs]:
        """Which of `n_things` things occur, and the pairs with these numbered without gaps."""
        occurs = np.zeros(n_things, bool)
        occurs[self.things[self.starts]] = True
        return occurs, self.only(occurs)


def _run_starts(values: NDArray[Any]) -> NDArray[np.intp]:
    """Where each run of equal values begins."""
    if not len(values):
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
