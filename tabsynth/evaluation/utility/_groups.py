"""The declared subgroups of people, and how a report may name them.

A level that the schema lists is public and may be named. Any other level is a value of real rows: it gets a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.schema import Column
from tabsynth.evaluation.bins import Bins, LevelBins
from tabsynth.evaluation.protocol import Samples, Side

ENOUGH: Final = 100
"""Fewest rows of a subgroup for a number of its own."""


@dataclass(frozen=True, slots=True)
class Group:
    """People who share one bin of one declared column.

    Args:
        column: position among `Samples.columns`.
        code: bin of that column.
        name: what a report may call it.
    """

    column: int
    code: int
    name: str

    def rows(self, side: Side) -> NDArray[np.bool_]:
        """Which rows of the side belong to the subgroup, shape (n,)."""
        return np.asarray(side.codes[:, self.column] == self.code)


def declared_groups(samples: Samples) -> tuple[Group, ...]:
    """Every bin of every declared subgroup column, apart from unreadable cells."""
    return tuple(group for name in dict.fromkeys(samples.schema.evaluation.subgroups) if name in samples.columns
                 for group in bins_as_groups(samples, name))


def bins_as_groups(samples: Samples, name: str) -> Iterator[Group]:
    """A group for each bin of a compared column."""
    place, bins = samples.columns.index(name), samples.bins[name]
    for code in range(bins.size - 1):  # the last one is unreadable
        yield Group(place, code, _called(samples.schema[name], bins, code))


def why_none(samples: Samples) -> str:
    """Why there is no subgroup to look at."""
    if not samples.schema.evaluation.subgroups:
        return "no subgroup declared"
    return "no declared subgroup is a compared column"


def _called(column: Column, bins: Bins, code: int) -> str:
    if code == bins.size - 2:
        return f"{column.name}: not given"
    if isinstance(bins, LevelBins) and code == len(bins.top):
        return f"{column.name}: all others"
    if isinstance(bins, LevelBins) and is_public(column, bins.top[code]):
        return f"{column.name} = {bins.top[code]}"
    return f"{column.name}, group {code + 1}"


def is_public(column: Column, level: str) -> bool:
    """True if the schema lists the level, or the kind itself does (booleans)."""
    return column.kind == "boolean" or (column.levels is not None and level in column.levels)
