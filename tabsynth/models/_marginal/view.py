"""The coarse table that the engine sees: which columns take part, and how codes and groups translate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._marginal.coarsening import coarsen
from tabsynth.models._marginal.draws import draw_codes
from tabsynth.models._marginal.estimation import Measurement
from tabsynth.models._marginal.factor import Array
from tabsynth.models._marginal.one_way import OneWay

SIGNIFICANT = 4.0
"""A category is kept on its own if its noisy count is at least this many sigma."""


@dataclass(frozen=True)
class View:
    """Columns as groups of blocks of codes.

    Attributes:
        merges: column -> group of every block.
        groups: column -> group of every code.
        chances: column -> probability of every code inside its group; shape (groups, size).
        names: columns of more than one group, smallest first; the engine's attribute i is names[i].
    """

    merges: dict[str, NDArray[np.int64]]
    groups: dict[str, NDArray[np.int64]]
    chances: dict[str, Array]
    names: tuple[str, ...]

    @classmethod
    def of(cls, one_ways: Mapping[str, OneWay], levels: int) -> Self:
        """Groups of about equal noisy mass, at most about `levels` per column."""
        return cls.merged(one_ways, {name: coarsen(one.coarse, levels, significant=SIGNIFICANT)[0]
                                     for name, one in one_ways.items()})

    @classmethod
    def plain(cls, one_ways: Mapping[str, OneWay], significant: float) -> Self:
        """Every code on its own whose noisy count is at least `significant` sigma, in order or not; the rest pooled."""
        return cls.merged(one_ways, {
            name: coarsen(replace(one.coarse, ordered=0), one.coarse.size, significant=significant)[0]
            for name, one in one_ways.items()})

    @classmethod
    def merged(cls, one_ways: Mapping[str, OneWay], merges: dict[str, NDArray[np.int64]]) -> Self:
        """The view that a given merging of blocks makes; chances follow from the noisy counts."""
        groups = {name: merges[name][one.blocks] for name, one in one_ways.items()}
        chances = {}
        for name, one in one_ways.items():
            table = np.zeros((int(merges[name].max()) + 1, one.fine.size))
            table[groups[name], np.arange(one.fine.size)] = one.chances(merges[name])
            chances[name] = table
        # smallest first: the last axis of every table is its longest, which is what numpy reduces fastest
        names = sorted((name for name, table in chances.items() if len(table) > 1), key=lambda c: len(chances[c]))
        return cls(merges, groups, chances, tuple(names))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Groups of each engine attribute."""
        return tuple(len(self.chances[name]) for name in self.names)

    def measurements(self, one_ways: Mapping[str, OneWay]) -> list[Measurement]:
        """The columns' noisy counts as the engine's measurements of single attributes."""
        found = []
        for i, name in enumerate(self.names):
            histogram = one_ways[name].coarse.grouped(self.merges[name], ordered=0)
            found.append(Measurement((i,), histogram.counts, histogram.sigmas**2))
        return found

    def codes(self, name: str, groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int32]:
        """A code of every drawn group."""
        return draw_codes(self.chances[name], groups, rng).astype(np.int32)
