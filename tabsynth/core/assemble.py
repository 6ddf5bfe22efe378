"""From a model's draws to a finished table: exactly n rows, new ids, declared types.

Blocks of rows (``blocks``) are drawn one by one, here or by other processes, and finished here in their order: ids
count on from block to block, and the last block is cut short. So the first n rows of a longer table are the rows of
the shorter one, whoever drew them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Final

import numpy as np

from tabsynth.core.blocks import Blocks, Part
from tabsynth.core.coding import Coding
from tabsynth.core.draws import Draw
from tabsynth.core.errors import ColumnNotFoundError, ModelError, RuleError, SchemaError, UsageError
from tabsynth.core.given import Given
from tabsynth.core.identifiers import Regenerator
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules.expression import Expression
from tabsynth.core.schema import Schema
from tabsynth.core.table import Cells, LogicalType, Table, concat_cells

MIN_DRAWN: Final = 64 * BLOCK_ROWS
"""Draws before too small an acceptance is reported."""
MIN_ACCEPTED: Final = 1e-4
"""Accepted units per draw below which sampling gives up."""

Parts = Callable[[Streams, int], Iterator[Part]]
"""All parts of the blocks that these streams give, in order, from a block on."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a table goes on: after so many parts of a block, with so many rows and units before."""

    block: int = 0
    parts: int = 0
    rows: int = 0
    units: int = 0


START: Final = Cursor()


def rows(draw: Draw, coding: Coding, n: int, *, rng: np.random.Generator, given: Given | None = None,
         where: Expression | None = None, start: Cursor = START, progress: Progress = silent,
         parts: Parts | None = None) -> Iterator[tuple[Table, Cursor]]:
    """Yield finished tables, `n` rows in all, part by part, and where the next one begins.

    Args:
        draw, coding: the model.
        n: rows.
        rng: gives the key of all streams.
        given, where: see ``Generative.sample``.
        start: leave out what comes before; the same rng goes on with the same rows.
        progress: told after every part.
        parts: draws the blocks somewhere else; it must follow the same model, `given` and `where`.

    Raises:
        UsageError, SchemaError: at once, if `n`, `given` or `where` do not fit the model.
        ModelError: while drawing, if rules or `where` accept too few draws; says which share was accepted.
    """
    if n < 0:
        raise UsageError(f"n must be 0 or more, got {n}.")
    _check_where(where, coding)
    if given is not None:
        _check_given(given, coding, n)
    streams = Streams.from_rng(rng)
    blocks = Blocks(draw, coding, streams, where=where, given=given)
    finish = _Finisher(coding.schema, Regenerator(coding.schema, streams.child("identifiers"), n, start.rows,
                                                  start.units))
    if n == 0:
        found: Iterable[Part] = [blocks.empty()]
    elif parts is not None:
        found = parts(streams, start.block)
    else:
        found = (part for number in blocks.numbers(start.block) for part in blocks(number))
    found = dropwhile(lambda part: part.place < (start.block, start.parts), found)
    return _counted(finish, found if given is not None else _accepted(found), n, start, progress)


def _counted(finish: _Finisher, parts: Iterable[Part], n: int, start: Cursor,
             progress: Progress) -> Iterator[tuple[Table, Cursor]]:
    """Finish parts until there are exactly `n` rows; one empty table for n = 0."""
    done = start.rows
    progress("sample", done, n)
    if 0 < n <= done:
        return
    for part in parts:
        table = finish(part, n - done)
        done += len(table)
        if len(table) or n == 0:
            block, place = part.place
            yield table, Cursor(block, place + 1, done, finish.regenerate.n_units)
        progress("sample", done, n)
        if done >= n:
            return


def _accepted(parts: Iterable[Part]) -> Iterator[Part]:
    """The same parts, as long as enough of what is drawn is accepted."""
    accepted = drawn = 0
    for part in parts:
        accepted += part.n_units
        drawn += part.n_drawn
        yield part
        if drawn >= MIN_DRAWN and accepted < MIN_ACCEPTED * drawn:
            raise ModelError(
                f"rules and conditions accepted {accepted} of {drawn} draws, too few to go on.",
                fix="Loosen the condition, or check that the rules fit the model's data.")


class _Finisher:
    """Cuts a part to length, adds regenerated columns, and puts all into the schema's order and types."""

    def __init__(self, schema: Schema, regenerate: Regenerator) -> None:
        self.schema, self.regenerate = schema, regenerate

    def __call__(self, part: Part, limit: int) -> Table:
        n = min(len(part.owner), limit)
        columns = {name: cells.take(slice(0, n)) for name, cells in part.columns.items()}
        columns |= self.regenerate(part.owner[:n])
        return Table(self.schema, {name: _declared(name, columns[name], self.schema) for name in self.schema.names})


def _declared(name: str, cells: Cells, schema: Schema) -> Cells:
    """Cells with the column's logical type, a category's levels in declared order."""
    column = schema[name]
    logical = LogicalType.from_json(column.logical)
    if column.kind != "category" or column.levels is None:
        return replace(cells, logical=logical)
    if not column.modelled:  # new levels: the old ones' labels would be wrong
        return replace(cells, logical=replace(logical, labels=None))
    if cells.levels == column.levels:
        return replace(cells, logical=logical)
    declared = Cells(np.zeros(0, np.int32), np.zeros(0, np.uint8), column.levels, logical)
    return concat_cells([declared, cells])


def _check_where(where: Expression | None, coding: Coding) -> None:
    for name in where.columns if where else ():
        if name not in coding.schema.by_name:
            raise ColumnNotFoundError(name, source="the model", columns=coding.schema.names)
        if not coding.schema[name].modelled:
            raise RuleError(f"column {name!r} is regenerated, not modelled; no condition can be put on it.")


def _check_given(given: Given, coding: Coding, n: int) -> None:
    if n != len(given):
        raise UsageError(f"n is {n}, but {len(given)} rows are given; one output row is made per given row.",
                         fix="Leave n out.")
    for column in given.schema.columns:
        name = column.name
        if name not in coding.schema.by_name:
            raise ColumnNotFoundError(name, source="the model", columns=coding.schema.names)
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
