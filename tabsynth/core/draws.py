"""Rows of codes that keep every rule and condition: draw, decode what a rule reads, draw again what breaks one.

A rule is something that real rows keep, so the shares of units and of a rule's if-part, which a model has learned
from real rows, are right as they are. A draw that breaks a rule is therefore drawn again *given* its unit's codes
and the if-columns of rules ("anchors"), until the rest fits; only if that keeps failing is it drawn afresh.

A condition (`where`) is something that real rows need not keep. A draw that does not is thrown away as a whole,
so that rows follow the distribution conditional on it; nothing is anchored then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import formulas
from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.errors import ModelError
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules import Rules
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.mapped import cells_of, values_of
from tabsynth.core.table import Cells, concat_cells

ANCHORED_TRIES: Final = 128
"""How often a row that broke a rule is drawn again given its anchors, before it is drawn without them."""
ROUND_ROWS: Final = 2 * BLOCK_ROWS
ROW_TRIES: Final = 1024
"""Candidates of one round, in all and for one row: few rows that are still missing are drawn many times over."""
FRESH: Final = -1
PLAIN: Final = -2
"""How a pending row is drawn next, if not given its anchors: FRESH anchors it if it breaks a rule, PLAIN does not."""
PROBES: Final = 1000
"""How often a value that `where` asks for is decoded to see whether it comes back."""

CodeColumns = dict[str, NDArray[np.int32]]
Mask = NDArray[np.bool_]


class Draw(Protocol):
    """`Generative.draw`: rows of codes, conditional on given codes."""

    def __call__(self, n: int, *, rng: np.random.Generator,
                 given: Mapping[str, NDArray[np.int32]] | None = None) -> dict[str, NDArray[np.int32]]: ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """Rows that keep every rule and condition. kept: their positions among the rows that were asked for."""

    kept: NDArray[np.intp]
    codes: CodeColumns
    columns: dict[str, Cells]

    def take(self, rows: slice) -> Drawn:
        return Drawn(self.kept[rows], {name: codes[rows] for name, codes in self.codes.items()},
                     {name: cells.take(rows) for name, cells in self.columns.items()})


@dataclass(slots=True)
class _Record:
    """What is known of `n` rows between rounds.

    Args:
        pending: rows that are still missing.
        age: per row FRESH, PLAIN, or since it was anchored the number of its tries.
        codes: per row the accepted codes, or those that it is anchored to.
        rounds: rows accepted in each round; tested: their cells of the tested columns.
    """

    pending: NDArray[np.intp]
    age: NDArray[np.int64]
    codes: CodeColumns
    tested: dict[str, list[Cells]]
    rounds: list[NDArray[np.intp]] = field(default_factory=list)


class Drawer:
    """Draws rows of one model.

    Attributes:
        tested: drawn columns that decide whether a row is kept; decoded first.
        unit_columns: columns that all rows of a unit share, ROWS included.
        anchors: columns that stay when a row breaks a rule and is drawn again.
        fixed: code of every column that `where` fixes to one value.
        n_drawn: rows of codes drawn so far, thrown away ones included.
    """

    def __init__(self, model: Draw, coding: Coding, streams: Streams, where: Expression | None) -> None:
        self.model, self.coding, self.streams, self.where = model, coding, streams, where
        self.tested = decisive_columns(coding, where)
        self.unit_columns = [name for name, codec in coding.codecs.items()
                             if name == ROWS or codec.column.constant_per_unit]
        self.anchors = anchors(coding.rules, coding.names, self.unit_columns)
        self.fixed = equality_codes(where, coding, streams)
        self.n_drawn = 0

    def draw(self, n: int, block: int, purpose: str, *, rounds: int, given: CodeColumns | None = None,
             cells: Mapping[str, Cells] | None = None) -> Drawn:
        """Draw `n` rows; those that could not be drawn in that many rounds are left out.

        Args:
            n: rows to draw.
            block, purpose: name of the random streams.
            rounds: 0 draws every row afresh only once: one that does not keep `where`, or whose anchors allow
                nothing, is left out at once.
            given: codes of columns that are known, shape (n,) each, besides those that `where` fixes.
            cells: cells of columns that are known, shape (n,) each; taken over instead of decoded.
        """
        fixed = {name: np.full(n, code, dtype=np.int32) for name, code in self.fixed.items()}
        given, cells = {**fixed, **(given or {})}, cells or {}
        so_far = _Record(np.arange(n), np.full(n, FRESH if self.where is None else PLAIN),
                         {name: np.zeros(n, np.int32) for name in self.coding.names},
                         {name: [] for name in self.tested if name not in cells})
        for number in count():
            step = purpose if number == 0 else f"{purpose} again {number}"
            self._round(so_far, block, step, min(2**number, ROW_TRIES), given, cells)
            if rounds == 0:
                so_far.pending = so_far.pending[so_far.age[so_far.pending] >= 0]
            if not len(so_far.pending) or number + 1 == rounds:
                break
        return self._collect(so_far, cells, block, purpose)

    def _round(self, so_far: _Record, block: int, step: str, copies: int, given: CodeColumns,
               cells: Mapping[str, Cells]) -> None:
        """Draw candidates for every pending row; the first good one is accepted, a fresh bad one anchors its row."""
        pending, age = so_far.pending, so_far.age
        copies = min(copies, max(1, ROUND_ROWS // max(1, len(pending))))
        tries = np.repeat(pending, copies)
        new = self._candidates(tries, so_far, block, step, given)
        seen = {name: self._decode(name, new[name], block, step) for name in so_far.tested}
        everything = {**seen, **{name: known.take(tries) for name, known in cells.items()}}
        good = self._good(self._final(everything, cells), len(tries))
        counts, first = _first_of_each(good | (age[tries] == FRESH), copies)
        row, accepted = pending[counts], good[first]
        for name, codes in so_far.codes.items():
            codes[row] = new[name][first]
        for name, parts in so_far.tested.items():
            parts.append(seen[name].take(first[accepted]))
        so_far.rounds.append(row[accepted])
        counts[counts] = accepted
        so_far.pending = pending[~counts]
        age[pending[age[pending] >= 0]] += copies
        age[row[~accepted]] = 0
        age[age >= ANCHORED_TRIES] = PLAIN

    def _candidates(self, tries: NDArray[np.intp], so_far: _Record, block: int, step: str,
                    given: CodeColumns) -> CodeColumns:
        """One draw per try: given what is known, and for an anchored row also given its anchors."""
        held = so_far.age[tries] >= 0
        parts = []
        for anchored in (False, True):
            rows = tries[held == anchored]
            if not len(rows) and (anchored or len(tries)):
                continue
            known = {name: so_far.codes[name][rows] for name in self.anchors} if anchored else {}
            known |= {name: codes[rows] for name, codes in given.items()}
            rng = self.streams.stream(block, f"{step} anchored" if anchored else step)
            parts.append(self.model(len(rows), rng=rng, given=known or None))
            self.n_drawn += len(rows)
        if len(parts) == 1:
            return {name: parts[0][name] for name in self.coding.names}
        place = np.argsort(np.concatenate([np.flatnonzero(~held), np.flatnonzero(held)]))
        return {name: np.concatenate([part[name] for part in parts])[place] for name in self.coding.names}

    def _good(self, seen: Mapping[str, Cells], n: int) -> Mask:
        """Rows that keep the rules and for which `where` holds."""
        if not self.tested:
            return np.ones(n, dtype=np.bool_)
        derived = self.coding.rules.derive(seen)
        good = self.coding.rules.kept(derived)
        return good if self.where is None else good & self.where.holds(derived)

    def _collect(self, so_far: _Record, cells: Mapping[str, Cells], block: int, purpose: str) -> Drawn:
        """The accepted rows in the order asked for, with the columns decoded that no rule needed."""
        found = np.concatenate(so_far.rounds)
        kept, order = np.sort(found), np.argsort(found)
        codes = {name: values[kept] for name, values in so_far.codes.items()}
        columns = {}
        for name in self.coding.names:
            if name in cells:
                columns[name] = cells[name].take(kept)
            elif name in so_far.tested:
                columns[name] = concat_cells(so_far.tested[name]).take(order)
            else:
                columns[name] = self._decode(name, codes[name], block, purpose)
        return Drawn(kept, codes, self._final(columns, cells))

    def _final(self, columns: Mapping[str, Cells], given: Mapping[str, Cells]) -> dict[str, Cells]:
        return formulas.apply(self.coding.formulas, columns, self.coding.codecs, given)

    def _decode(self, name: str, codes: NDArray[np.int32], block: int, step: str) -> Cells:
        return self.coding.codecs[name].decode(codes, self.streams.stream(block, f"{step}: {name}"))


def decisive_columns(coding: Coding, where: Expression | None) -> list[str]:
    """The drawn columns that decide whether a row is kept, in coding order."""
    rules = coding.rules
    if not rules.checks and where is None and all(rule.to.nullable for rule in rules.maps):
        return []
    decided = rules.sources_of((*rules.columns, *(where.columns if where else ())))
    needed = formulas.needed_for(coding.formulas, decided)
    return [name for name in coding.names if name in needed]


def anchors(rules: Rules, names: Iterable[str], unit_columns: Iterable[str]) -> list[str]:
    """Columns to keep when a row breaks a rule: the unit's, and if-columns whose then-part stays free to change.

    A column that was left free for one rule is not kept for a later one; so rules that tie two columns both ways
    keep the first and redraw the second. Every rule has a column that is free: where both sides would be kept, the
    side that came later is not.
    """
    since = dict.fromkeys(unit_columns, 0)
    free = set[str]()
    sides = [(set(rules.sources_of(check.when.columns)),
              set(rules.sources_of(check.then.columns)) if check.then else set[str]()) for check in rules.checks]
    for number, (condition, outcome) in enumerate(sides, start=1):
        if not outcome - condition <= since.keys():
            since |= dict.fromkeys(condition - free - since.keys(), number)
            free |= outcome - since.keys()
    for condition, outcome in sides:
        if condition | outcome <= since.keys():
            later = max((outcome, condition), key=lambda side: min((since[name] for name in side), default=-1))
            for name in later:
                del since[name]
    return [name for name in names if name in since]


def equality_codes(where: Expression | None, coding: Coding, streams: Streams) -> dict[str, int]:
    """Codes of the values that `where` fixes.

    Raises:
        ModelError: a category or boolean value that the model never produces.
    """
    fixed = {}
    for name, value in (where.equalities() if where else {}).items():
        if name not in coding.codecs:
            continue  # a derived column: waited for, not conditioned on
        codec = coding.codecs[name]
        code = codec.encode(cells_of(coding.schema[name], [value]))[0]
        back = values_of(codec.decode(np.full(PROBES, code), streams.stream(0, "where")))
        if coding.schema[name].kind in ("category", "boolean") and value not in back:
            raise ModelError(
                f"the condition asks for a value of column {name!r} that this model does not produce: it was not seen, "
                "or pooled with other rare values.", fix="Ask for a more frequent value.")
        fixed[name] = int(code)
    return fixed


def _first_of_each(counts: Mask, copies: int) -> tuple[Mask, NDArray[np.intp]]:
    """Of `copies` tries per row, in order: rows that have one that counts, and of these the position of the first."""
    by_row = counts.reshape(-1, copies)
    some: Mask = np.asarray(by_row.any(axis=1))
    return some, np.flatnonzero(some) * copies + by_row[some].argmax(axis=1)
