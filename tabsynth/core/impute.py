"""Missing cells of real rows, filled by draws given what is known of each row.

Rows of which the same columns are known are drawn together. A draw that breaks a rule is no candidate; of the others
the first that fills every hole of its row is taken, but for holes that a rule wants then. So what is filled follows
the model's distribution of rows without these holes, given what is known. Where no draw of MAX_TRIES fills all, the
one that fills most is taken; where all break rules, the row stays as it is. A rule that the known cells break already
is not held against draws.

What a person's rows share is drawn with the person's first row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import Coding
from tabsynth.core.draws import ROUND_ROWS, Draw
from tabsynth.core.holes import Holes, Mask, Positions, derived, put, unwanted
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules.mapped import Mapped
from tabsynth.core.rules.ruleset import Check
from tabsynth.core.table import MISSING, Cells, Table, concat_cells

MAX_TRIES: Final = 64
"""Draws of one row, before what could not be filled stays missing: 1 row in 27, if every 20th draw has a value."""
UNFIT: Final = 2**31
"""Holes that a draw leaves, if it breaks a rule: more than any other."""


@dataclass(frozen=True)
class Completed:
    """A table whose missing cells were filled.

    Args:
        table: what was known is the same, cell by cell.
        filled: column -> shape (n,): cells that were missing and are not any more; columns without one are left out.
        by_rule: column -> how many cells are missing because a rule wants it.
        left: column -> how many cells could not be filled within the rules.
    """

    table: Table
    filled: Mapping[str, Mask]
    by_rule: Mapping[str, int]
    left: Mapping[str, int]


def impute(draw: Draw, coding: Coding, table: Table, *, streams: Streams, progress: Progress = silent) -> Completed:
    """Fill what is missing in the modelled and the computed columns of a table.

    Args:
        draw, coding: the model.
        table: real rows with at least the model's columns; others come back as they are.
        streams: randomness. Same streams, same cells.
        progress: told how many of the incomplete rows are done.

    Raises:
        ColumnNotFoundError, SchemaError: a column of the model is not in the table, or is of another kind.
    """
    holes = Holes.of(table, coding)
    wanted = dict(holes.open)
    for name in wanted:
        if not sum(coding.codecs[name].holds.values()):      # no value was learned: no draw can fill it
            holes.open[name] = np.zeros(len(table), np.bool_)
    filling = _Filling(draw, holes, streams)
    total, done = int(holes.incomplete().sum()), 0
    for stage in ("first rows", "rows"):
        rows = holes.firsts() if stage == "first rows" else np.flatnonzero(holes.incomplete())
        for known, members in holes.patterns(rows):
            filling.fill(stage, known, members)
            done += len(members)
            progress("impute", min(done, total), total)
        filling.settle()
    for rule in coding.rules.maps:
        holes.columns[rule.to.name] = derived(rule, holes.columns)
    return _completed(table, holes, wanted)


def _completed(table: Table, holes: Holes, wanted: Mapping[str, Mask]) -> Completed:
    columns = holes.columns
    filled = {name: (cells.state == MISSING) & columns[name].present for name, cells in table.columns.items()}
    holes.open = {name: mask & ~columns[name].present for name, mask in wanted.items()}
    holes.settle()
    return Completed(Table(table.schema, columns), {name: mask for name, mask in filled.items() if mask.any()},
                     _counts(holes.ruled), _counts(holes.open))


def _counts(masks: Mapping[str, Mask]) -> dict[str, int]:
    return {name: int(mask.sum()) for name, mask in masks.items() if mask.any()}


class _Filling:
    """Draws for the holes of one table, kept aside until `settle` puts them in."""

    def __init__(self, draw: Draw, holes: Holes, streams: Streams) -> None:
        self.draw, self.holes, self.streams = draw, holes, streams
        self.rules = _RulesOfHoles(holes)
        self.pieces: dict[str, list[tuple[Positions, Cells]]] = {}
        self.codes = {name: holes.codes(name) for name in holes.names}

    def settle(self) -> None:
        """Put in what was drawn and share it with the person's other rows, unless it breaks a rule there.

        What a person's first row lacks then, all lack.
        """
        holes, before = self.holes, dict(self.holes.columns)
        for name, pieces in self.pieces.items():
            rows, cells = zip(*pieces, strict=True)
            holes.columns[name] = put(holes.columns[name], np.concatenate(rows), concat_cells(cells))
        self.pieces = {}
        if not holes.shared:
            return
        holes.share()
        worse = self.rules.broken(holes.columns) & ~self.rules.broken(before) & (holes.units >= 0)
        persons = np.flatnonzero(np.isin(holes.units, holes.units[worse]))
        for name in holes.shared:
            holes.columns[name] = put(holes.columns[name], persons, before[name].take(persons))
            self.codes[name] = holes.codes(name)
            holes.open[name] = holes.open[name] & (holes.columns[name].state == MISSING) & (holes.units < 0)

    def fill(self, stage: str, known: tuple[str, ...], rows: Positions) -> None:
        """Draw what is open in rows of which the same columns are known."""
        for block, start in enumerate(range(0, len(rows), BLOCK_ROWS)):
            self._fill_block(block, "\0".join((stage, *known)), known, rows[start:start + BLOCK_ROWS])

    def _fill_block(self, block: int, purpose: str, known: tuple[str, ...], rows: Positions) -> None:
        best = _Best(len(rows), [n for n, mask in self.holes.open.items() if mask[rows].any()])
        tries = 0
        while len(best.pending) and tries < MAX_TRIES:
            copies = min(max(1, tries), max(1, ROUND_ROWS // len(best.pending)), MAX_TRIES - tries)
            step = f"{tries} {purpose}"
            at = rows[np.repeat(best.pending, copies)]
            given = {name: self.codes[name][at] for name in known}
            new = self.draw(len(at), rng=self.streams.stream(block, step), given=given or None)
            cells = {name: self._decode(name, new[name], at, block, step) for name in best.names}
            best.take(self.rules.lacking(at, cells), cells, copies)
            tries += copies
        for name, where, found in best.found():
            self.pieces.setdefault(name, []).append((rows[where], found))

    def _decode(self, name: str, codes: NDArray[np.int32], rows: Positions, block: int, step: str) -> Cells:
        """Drawn cells; missing where the draw is no value, or nothing is wanted."""
        codec = self.holes.coding.codecs[name]
        cells = codec.decode(codes, self.streams.stream(block, f"{name}\0{step}"))
        drop = (codes >= codec.missing) | ~self.holes.open[name][rows]
        return replace(cells, state=np.where(drop, MISSING, cells.state).astype(np.uint8))


class _Best:
    """The best draw so far of each of n rows.

    Attributes:
        names: columns that some of these rows want.
        pending: positions of rows that still lack something.
    """

    def __init__(self, n: int, names: list[str]) -> None:
        self.names, self.pending = names, np.arange(n) if names else np.arange(0)
        self.lacking = np.full(n, UNFIT, np.int64)
        self.place = np.zeros(n, np.intp)
        self.kept: dict[str, list[Cells]] = {name: [] for name in names}
        self.n_kept = 0

    def take(self, lacking: NDArray[np.int64], cells: Mapping[str, Cells], copies: int) -> None:
        """Keep the first draw of each pending row that lacks least, if it lacks less than the one before."""
        first = lacking.reshape(-1, copies).argmin(axis=1) + np.arange(len(self.pending)) * copies
        better = lacking[first] < self.lacking[self.pending]
        chosen, rows = first[better], self.pending[better]
        self.lacking[rows] = lacking[chosen]
        self.place[rows] = self.n_kept + np.arange(len(rows))
        self.n_kept += len(rows)
        for name in self.names:
            self.kept[name].append(cells[name].take(chosen))
        self.pending = self.pending[self.lacking[self.pending] > 0]

    def found(self) -> list[tuple[str, Positions, Cells]]:
        """Per column the rows that got a value, and the values."""
        fit = np.flatnonzero(self.lacking < UNFIT)
        found = []
        for name in self.names if len(fit) else ():
            cells = concat_cells(self.kept[name]).take(self.place[fit])
            found.append((name, fit[cells.present], cells.take(cells.present)))
        return found


class _RulesOfHoles:
    """What draws for holes may break: the rules that read an open column, where the known cells do not break them."""

    def __init__(self, holes: Holes) -> None:
        self.holes = holes
        rules = holes.coding.rules
        self.before = [_broken(one, holes.columns) & ~holes.unsettled(_columns(one)) for one in rules.all]
        self.presence = holes.presence_rules
        self.reads = dict.fromkeys((*rules.sources_of(rules.columns), *rules.columns))

    def lacking(self, rows: Positions, cells: Mapping[str, Cells]) -> NDArray[np.int64]:
        """How many holes are left in each of these rows (one row may come often) by these cells; UNFIT by rule."""
        lacking = np.zeros(len(rows), np.int64)
        for name, drawn in cells.items():
            lacking += self.holes.open[name][rows] & ~drawn.present
        if not self.reads.keys() & cells.keys():
            return lacking
        columns = {name: self.holes.columns[name].take(rows) for name in self.reads}
        for name in self.reads.keys() & cells.keys():
            where = np.flatnonzero(cells[name].present)
            columns[name] = put(columns[name], where, cells[name].take(where))
        for rule in self.holes.coding.rules.maps:
            columns[rule.to.name] = derived(rule, columns)
            if not rule.to.nullable:
                lacking += columns[rule.to.name].state == MISSING
        lacking -= self._excused(rows, cells, columns)
        for one, before in zip(self.holes.coding.rules.all, self.before, strict=True):
            lacking[_broken(one, columns) & ~before[rows]] = UNFIT
        return lacking

    def _excused(self, rows: Positions, cells: Mapping[str, Cells], columns: Mapping[str, Cells]) -> NDArray[np.int64]:
        """How many holes are left in each row because a rule wants it, given the other cells."""
        found: dict[str, Mask] = {}
        for check, name in self.presence:
            if name in cells:
                left = self.holes.open[name][rows] & ~cells[name].present
                found[name] = found.get(name, np.zeros(len(rows), np.bool_)) | left & unwanted(check, name, columns)
        return np.asarray(sum((mask.astype(np.int64) for mask in found.values()), np.zeros(len(rows), np.int64)))

    def broken(self, columns: Mapping[str, Cells]) -> Mask:
        """Shape (n,): rows of the table, with these cells, that break a rule."""
        found = [_broken(one, columns) for one in self.holes.coding.rules.all]
        return np.asarray(np.logical_or.reduce([*found, np.zeros(len(self.holes), np.bool_)]))


def _columns(rule: Check | Mapped) -> tuple[str, ...]:
    return rule.columns if isinstance(rule, Check) else rule.sources


def _broken(rule: Check | Mapped, columns: Mapping[str, Cells]) -> Mask:
    """Rows that break a rule; a mapped column that is not given yet breaks none."""
    return rule.broken(columns) if isinstance(rule, Check) else rule.broken(columns) & columns[rule.to.name].present
