"""Rows of whole units, block by block: what any process can draw for any block, without the blocks before it.

A synthetic unit is one joint draw: it fixes the unit's row count m, its constant columns and its first row.
Its other m - 1 rows are drawn from p(row | m, constants). Since a unit's real rows count 1/m each when a model
learns, the rows that come out follow the distribution of the real rows, and the units that of the real units.

Rules and conditions are kept by drawing again (``draws``). Everything is drawn from streams named by
(block, purpose), so that a block does not depend on who draws it, or when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.draws import CodeColumns, Draw, Drawer, Drawn
from tabsynth.core.errors import ModelError
from tabsynth.core.given import Given
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules.expression import Expression
from tabsynth.core.table import Cells, concat_cells

PART_ROWS: Final = BLOCK_ROWS
"""Rows of several units that are drawn together; part of the format, as the size of a block is."""
MAX_ROUNDS: Final = 64
"""Rounds of drawing the further rows of units, before the units of those still missing are given up."""
MAX_GIVEN_ROUNDS: Final = 60
"""The same for rows that complete given ones."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of whole units: every modelled or derived column. Ids and other regenerated columns are still missing.

    Args:
        columns: cells, shape (n,) each.
        owner: 0, 0, 1, ... by unit within the part.
        place: number of the block, and of the part in it.
        n_drawn: rows of codes that were drawn for it, thrown away ones included.
    """

    columns: Mapping[str, Cells]
    owner: NDArray[np.int64]
    place: tuple[int, int] = (0, 0)
    n_drawn: int = 0

    @property
    def n_units(self) -> int:
        return int(self.owner[-1]) + 1 if len(self.owner) else 0


class Blocks:
    """The blocks of one table. Block i follows from the model, the streams, `where`, `given` and i alone.

    Args:
        draw, coding: the model.
        streams: randomness.
        where: what every row keeps.
        given: cells of some columns; block i then completes its rows number BLOCK_ROWS i and following.
    """

    def __init__(self, draw: Draw, coding: Coding, streams: Streams, *, where: Expression | None = None,
                 given: Given | None = None) -> None:
        self.coding, self.given = coding, given
        self.drawer = Drawer(draw, coding, streams, where)

    def numbers(self, first: int = 0, step: int = 1) -> Iterator[int]:
        """Numbers of the blocks, every `step`-th from `first`; without end unless rows are given."""
        if self.given is None:
            return count(first, step)
        return iter(range(first, max(1, -(-len(self.given) // BLOCK_ROWS)), step))

    def __call__(self, number: int) -> Iterator[Part]:
        """The parts of one block, in order; at least one, if only to tell what was drawn in vain."""
        before = self.drawer.n_drawn
        parts = self._free(number) if self.given is None else [self._completed(number, self.given)]
        for place, (rows, owner) in enumerate(parts):
            yield self._part(rows, owner, (number, place), self.drawer.n_drawn - before)
            before = self.drawer.n_drawn

    def empty(self) -> Part:
        """A part without rows, with all columns."""
        return self._part(self.drawer.draw(0, 0, "units", rounds=0).columns, np.zeros(0, np.int64))

    def _part(self, columns: Mapping[str, Cells], owner: NDArray[np.int64], place: tuple[int, int] = (0, 0),
              n_drawn: int = 0) -> Part:
        derived = self.coding.rules.derive(columns)
        known = self.coding.schema.by_name
        return Part({name: cells for name, cells in derived.items() if name in known}, owner, place, n_drawn)

    def _free(self, block: int) -> Iterator[tuple[Mapping[str, Cells], NDArray[np.int64]]]:
        """Rows of new units. A unit whose further rows cannot be drawn is left out."""
        units = self.drawer.draw(BLOCK_ROWS, block, "units", rounds=0)
        if ROWS not in self.coding.codecs or not len(units.kept):
            yield units.columns, np.arange(len(units.kept), dtype=np.int64)
            return
        n_rows = np.maximum(units.columns[ROWS].values, 1)
        ends = np.cumsum(n_rows)
        for number, members in enumerate(_runs((ends - n_rows) // PART_ROWS)):
            yield self._with_further_rows(units.take(members), n_rows[members], block, f"part {number}")

    def _with_further_rows(self, units: Drawn, n_rows: NDArray[np.int64], block: int,
                           purpose: str) -> tuple[Mapping[str, Cells], NDArray[np.int64]]:
        """First rows and n_rows - 1 further rows of each unit, rows of one unit together."""
        owner = np.repeat(np.arange(len(n_rows)), n_rows - 1)
        codes = {name: units.codes[name][owner] for name in self.drawer.unit_columns}
        cells = {name: units.columns[name].take(owner) for name in self.drawer.unit_columns}
        more = self.drawer.draw(len(owner), block, purpose, rounds=MAX_ROUNDS, given=codes, cells=cells)
        whole = np.ones(len(n_rows), dtype=np.bool_)
        whole[np.delete(owner, more.kept)] = False
        all_owners = np.concatenate([np.arange(len(n_rows)), owner[more.kept]])
        order = np.argsort(all_owners, kind="stable")
        order = order[whole[all_owners[order]]]
        columns = {name: concat_cells([first, more.columns[name]]).take(order)
                   for name, first in units.columns.items()}
        return columns, _renumbered(all_owners[order])

    def _completed(self, block: int, given: Given) -> tuple[Mapping[str, Cells], NDArray[np.int64]]:
        """One row, a unit of its own, per given row; the given cells are taken over exactly."""
        batch = given.take(slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS))
        n, codecs = len(batch), self.coding.codecs
        codes: CodeColumns = {name: codecs[name].encode(batch[name]) for name in batch.schema.names}
        drawn = self.drawer.draw(n, block, "given", rounds=MAX_GIVEN_ROUNDS, given=codes, cells=batch.columns)
        if len(drawn.kept) < n:
            raise ModelError(
                f"for {n - len(drawn.kept)} of {n} given rows no draw kept the rules and conditions.",
                fix="Check that the given cells themselves keep them.")
        return drawn.columns, np.arange(n, dtype=np.int64)


def _runs(labels: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of equal consecutive labels."""
    cuts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for start, stop in pairwise(cuts):
        if stop > start:
            yield slice(start, stop)


def _renumbered(owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorted labels as 0, 0, 1, ... without gaps."""
    return np.unique(owner, return_inverse=True)[1].astype(np.int64)
