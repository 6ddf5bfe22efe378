"""From a model's draws to finished rows: units, row counts, constants, mapped columns, rules, ids, blocks.

A synthetic unit is one joint draw: it fixes the unit's row count m, its constant columns and its first row.
Its other m - 1 rows are drawn from p(row | m, constants). Since a unit's real rows count 1/m each when a model
learns, the rows that come out follow the distribution of the real rows, and the units that of the real units.

Rules and conditions are kept by drawing again (``draws``). Everything is drawn from streams named by
(block, purpose), so that rows do not depend on how they are consumed, and the first n rows of a longer table are
the rows of the shorter one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.draws import Draw, Drawer, Drawn
from tabsynth.core.errors import ColumnNotFoundError, ModelError, RuleError, SchemaError, UsageError
from tabsynth.core.identifiers import Regenerator
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules.expression import Expression
from tabsynth.core.schema import Schema
from tabsynth.core.table import Cells, LogicalType, Table, concat_cells

PART_ROWS: Final = BLOCK_ROWS // 4
"""Rows of several units that are drawn together; part of the format, as the size of a block is."""
MAX_ROUNDS: Final = 64
"""Rounds of drawing the further rows of units, before the units of those still missing are given up."""
MAX_GIVEN_ROUNDS: Final = 60
"""The same for rows that complete given ones."""
MIN_DRAWN: Final = 64 * BLOCK_ROWS
"""Draws before too small an acceptance is reported."""
MIN_ACCEPTED: Final = 1e-4
"""Accepted units per draw below which sampling gives up."""


def rows(draw: Draw, coding: Coding, n: int, *, rng: np.random.Generator, given: Table | None = None,
         where: Expression | None = None, progress: Progress = silent) -> Iterator[Table]:
    """Yield finished tables, `n` rows in all, block by block.

    Raises:
        UsageError, SchemaError: at once, if `n`, `given` or `where` do not fit the model.
        ModelError: while drawing, if rules or `where` accept too few draws; says which share was accepted.
    """
    if n < 0:
        raise UsageError(f"n must be 0 or more, got {n}.")
    _check_where(where, coding)
    drawer = Drawer(draw, coding, Streams.from_rng(rng), where)
    finish = _Finisher(coding, Regenerator(coding.schema, drawer.streams.child("identifiers"), n))
    if given is None:
        parts = _free_parts(drawer, n)
    else:
        _check_given(given, coding, n)
        parts = _given_parts(drawer, given)
    return _counted(finish, parts, n, progress)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of whole units that are not finished yet. owner: 0, 0, 1, ... by unit within the part."""

    columns: Mapping[str, Cells]
    owner: NDArray[np.int64]


def _counted(finish: _Finisher, parts: Iterable[Part], n: int, progress: Progress) -> Iterator[Table]:
    """Finish parts until there are exactly `n` rows; one empty table for n = 0."""
    done = 0
    progress("sample", 0, n)
    for part in parts:
        table = finish(part, n - done)
        done += len(table)
        if len(table) or n == 0:
            yield table
        progress("sample", done, n)
        if done >= n:
            return


def _free_parts(drawer: Drawer, n: int) -> Iterator[Part]:
    """Rows of new units, a few thousand at a time, without end."""
    if n == 0:
        yield _first_rows(drawer.draw(0, 0, "units", rounds=0))
        return
    accepted = 0
    for block in count():
        units = drawer.draw(BLOCK_ROWS, block, "units", rounds=0)
        for part in _unit_parts(drawer, units, block):
            accepted += int(part.owner.max(initial=-1)) + 1
            yield part
        if drawer.n_drawn >= MIN_DRAWN and accepted < MIN_ACCEPTED * drawer.n_drawn:
            raise ModelError(
                f"rules and conditions accepted {accepted} of {drawer.n_drawn} draws, too few to go on.",
                fix="Loosen the condition, or check that the rules fit the model's data.")


def _unit_parts(drawer: Drawer, units: Drawn, block: int) -> Iterator[Part]:
    """The rows of one block's units. A unit whose further rows cannot be drawn is left out."""
    if ROWS not in drawer.coding.codecs:
        if len(units.kept):
            yield _first_rows(units)
        return
    n_rows = np.maximum(units.columns[ROWS].values, 1)
    ends = np.cumsum(n_rows)
    for number, members in enumerate(_runs((ends - n_rows) // PART_ROWS)):
        yield _with_further_rows(drawer, units.take(members), n_rows[members], block, f"part {number}")


def _with_further_rows(drawer: Drawer, units: Drawn, n_rows: NDArray[np.int64], block: int,
                       purpose: str) -> Part:
    """First rows and n_rows - 1 further rows of each unit, rows of one unit together."""
    owner = np.repeat(np.arange(len(n_rows)), n_rows - 1)
    codes = {name: units.codes[name][owner] for name in drawer.unit_columns}
    cells = {name: units.columns[name].take(owner) for name in drawer.unit_columns}
    more = drawer.draw(len(owner), block, purpose, rounds=MAX_ROUNDS, given=codes, cells=cells)
    whole = np.ones(len(n_rows), dtype=np.bool_)
    whole[np.delete(owner, more.kept)] = False
    all_owners = np.concatenate([np.arange(len(n_rows)), owner[more.kept]])
    order = np.argsort(all_owners, kind="stable")
    order = order[whole[all_owners[order]]]
    columns = {name: concat_cells([first, more.columns[name]]).take(order) for name, first in units.columns.items()}
    return Part(columns, _renumbered(all_owners[order]))


def _given_parts(drawer: Drawer, given: Table) -> Iterator[Part]:
    """One row, a unit of its own, per given row; the given cells are taken over exactly."""
    for block, batch in enumerate(given.batches(BLOCK_ROWS) if len(given) else [given]):
        n = len(batch)
        codes = {name: drawer.coding.codecs[name].encode(batch[name]) for name in batch.schema.names}
        drawn = drawer.draw(n, block, "given", rounds=MAX_GIVEN_ROUNDS, given=codes, cells=batch.columns)
        if len(drawn.kept) < n:
            raise ModelError(
                f"for {n - len(drawn.kept)} of {n} given rows no draw kept the rules and conditions.",
                fix="Check that the given cells themselves keep them.")
        yield _first_rows(drawn)


class _Finisher:
    """Adds derived and regenerated columns, and puts everything into the schema's order and types."""

    def __init__(self, coding: Coding, regenerate: Regenerator) -> None:
        self.coding, self.regenerate = coding, regenerate

    def __call__(self, part: Part, limit: int) -> Table:
        n = min(len(part.owner), limit)
        columns = {name: cells.take(slice(0, n)) for name, cells in part.columns.items() if name != ROWS}
        columns = self.coding.rules.derive(columns)
        columns |= self.regenerate(part.owner[:n])
        schema = self.coding.schema
        return Table(schema, {name: _declared(name, columns[name], schema) for name in schema.names})


def _declared(name: str, cells: Cells, schema: Schema) -> Cells:
    """Cells with the column's logical type, a category's levels in declared order."""
    column = schema[name]
    logical = LogicalType.from_json(column.logical)
    if column.kind != "category" or column.levels is None:
        return replace(cells, logical=logical)
    if not column.modelled:  # new levels: the old ones' labels would be wrong
        return replace(cells, logical=replace(logical, labels=None))
    declared = Cells(np.zeros(0, np.int32), np.zeros(0, np.uint8), column.levels, logical)
    return concat_cells([declared, cells])


def _first_rows(units: Drawn) -> Part:
    return Part(units.columns, np.arange(len(units.kept), dtype=np.int64))


def _runs(labels: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of equal consecutive labels."""
    cuts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for start, stop in pairwise(cuts):
        if stop > start:
            yield slice(start, stop)


def _renumbered(owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorted labels as 0, 0, 1, ... without gaps."""
    return np.unique(owner, return_inverse=True)[1].astype(np.int64)


def _check_where(where: Expression | None, coding: Coding) -> None:
    for name in where.columns if where else ():
        if name not in coding.schema.by_name:
            raise ColumnNotFoundError(name, source="the model", columns=coding.schema.names)
        if not coding.schema[name].modelled:
            raise RuleError(f"column {name!r} is regenerated, not modelled; no condition can be put on it.")


def _check_given(given: Table, coding: Coding, n: int) -> None:
    if n != len(given):
        raise UsageError(f"n is {n}, but {len(given)} rows are given; one output row is made per given row.",
                         fix="Leave n out.")
    for column in given.schema.columns:
        name = column.name
        if name not in coding.schema.by_name:
            raise ColumnNotFoundError(name, source="the model", columns=coding.names)
        if name in coding.rules.derived:
            raise SchemaError(f"column {name!r} is computed from other columns and cannot be given.",
                              fix="Give the columns that it is computed from.")
        if name not in coding.codecs:
            raise SchemaError(f"column {name!r} is regenerated, not modelled, and cannot be given.",
                              fix="Leave it out.")
        if column.kind != coding.schema[name].kind:
            raise SchemaError(
                f"given column {name!r} is of kind {column.kind}; the model has {coding.schema[name].kind}.",
                fix="Read the given rows with the model's schema.")
