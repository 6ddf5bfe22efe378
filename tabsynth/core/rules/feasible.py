"""Can any row obey all rules? Asked of the public domain before a fit, answered by a bounded search.

Columns that rules tie together are searched together. A few candidates stand for a column: of a category the
levels that rules mention and one other; of a number the constants in the rules, its bounds, and points between
and around them (enough to order all columns of the group strictly). Partial rows are extended column by column
and filtered by every rule that can be decided. A narrow search, which keeps few of them, nearly always finds a row
at once; where it does not, a wide one is complete unless it grows over its width. Then the rules are accepted, and
sampling reports what it cannot reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import notation
from tabsynth.core.errors import RuleError
from tabsynth.core.rules.literals import declared_levels
from tabsynth.core.rules.mapped import Mapped, cells_of
from tabsynth.core.rules.tree import MICROSECONDS_PER_DAY, Among, Leaf, Missing, Ordered, Pair, leaves
from tabsynth.core.schema import NUMERIC, Column, Schema
from tabsynth.core.table import Cells

if TYPE_CHECKING:
    from tabsynth.core.rules.ruleset import Rules

WIDTHS: Final = (256, 50_000)
"""Partial rows that are kept at once, in the narrow search and in the wide one."""
MAX_CANDIDATES: Final = 400
"""Candidates of one column; beyond them a search that finds nothing proves nothing."""
ELSE: Final = "(a level that no rule mentions)"
AXES: Final = {"number": "number", "integer": "number", "date": "calendar", "datetime": "calendar"}
"""Kinds that may be compared with each other share an axis."""


def refuse_infeasible(rules: Rules, schema: Schema) -> None:
    """Raise if the rules of one group of columns contradict each other.

    A row counts if every cell is given that no rule calls missing: leaving cells empty is no way to obey
    ``a < b`` and ``b < a``, but it is one to obey ``not (a is not missing and b is not missing)``.
    """
    for group in _groups(rules):
        search = _Search(group, rules, schema)
        if not search.possible():
            together = ", ".join(f"'{check.text}'" for check in search.checks)
            limits = " within the bounds, levels and tables of the schema" if len(search.checks) == 1 else " together"
            raise RuleError(f"no row can obey {together}{limits}.", fix="Change or remove a rule.")


class _Search:
    """Partial rows over one group of columns, extended column by column."""

    def __init__(self, group: Sequence[str], rules: Rules, schema: Schema) -> None:
        members = set(group)
        self.schema = schema
        self.checks = [check for check in rules.checks if members >= set(check.columns)]
        self.maps = {rule.to.name: rule for rule in rules.maps if rule.to.name in members}
        conditions = [e for check in self.checks for e in (check.when, check.then) if e is not None]
        self.leaves = [leaf for condition in conditions for leaf in leaves(condition.tree)]
        may_lack = {leaf.column for leaf in self.leaves if isinstance(leaf, Missing)}
        self.given = members - set(self.maps) - may_lack
        self.order = _sources_first(group, self.maps)
        self.candidates = {name: self._candidates(schema[name], group) for name in group if name not in self.maps}

    def possible(self) -> bool:
        """Is there a row that keeps every rule? True also when the widest search had to be cut short."""
        for width in WIDTHS:
            found, cut = self._search(width)
            if found or not cut:
                return found
        return True

    def _search(self, width: int) -> tuple[bool, bool]:
        """Whether a row was found, and whether partial rows or candidates were left out on the way."""
        rows: dict[str, Cells] = {}
        n, cut = 1, False
        for name in self.order:
            if name in self.maps:
                rows[name] = self.maps[name].derive(rows)
            else:
                cells, complete = self.candidates[name]
                most = max(1, width // len(cells))
                cut |= not complete or n > most
                kept = np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.intp))     # near and far ones
                rows = {k: v.take(np.repeat(kept, len(cells))) for k, v in rows.items()}
                rows[name] = cells.take(np.tile(np.arange(len(cells)), len(kept)))
            good = self._good(name, rows)
            rows = {k: v.take(good) for k, v in rows.items()}
            n = int(good.sum())
            if n == 0:
                return False, cut
        return True, cut

    def _good(self, name: str, rows: dict[str, Cells]) -> NDArray[np.bool_]:
        """Rows that no rule forbids, of the rules that the newest column makes decidable."""
        good = np.ones(len(rows[name]), dtype=np.bool_)
        if not self.schema[name].nullable or name in self.given:
            good &= rows[name].present
        for check in self.checks:
            if name in check.columns and set(check.columns) <= set(rows):
                good &= ~check.broken(rows)
        return good

    def _candidates(self, column: Column, group: Sequence[str]) -> tuple[Cells, bool]:
        """Cells that stand for the column's domain, a missing one included, and whether they are all of them."""
        keys = [key[rule.sources.index(column.name)] for rule in self.maps.values()
                if column.name in rule.sources for key in rule.keys]
        values: Iterable[Any]
        if column.kind == "boolean":
            values = (False, True)
        elif column.kind in NUMERIC:
            values = _points(column, [self.schema[name] for name in group], self.leaves, keys)
        else:
            values = _levels(column, self.leaves, keys, self.schema)
        listed = list(dict.fromkeys(value for value in values if value is not None))
        return cells_of(column, [*listed[:MAX_CANDIDATES], None]), len(listed) <= MAX_CANDIDATES


def _levels(column: Column, found: Iterable[Leaf], keys: Iterable[Any], schema: Schema) -> Iterable[Any]:
    """The levels that rules mention and one other; all of them where two columns are compared."""
    every = declared_levels(column)
    mentioned = list(keys)
    for leaf in found:
        if isinstance(leaf, Pair) and column.name in (leaf.left, leaf.right):
            other = declared_levels(schema[leaf.right if leaf.left == column.name else leaf.left])
            mentioned += every or other or ()
        elif isinstance(leaf, Among) and leaf.column == column.name:
            mentioned += leaf.values
    rest = [ELSE] if every is None else [level for level in every if level not in set(mentioned)][:1]
    return [*mentioned, *rest]


def _points(column: Column, group: Sequence[Column], found: Iterable[Leaf], keys: Iterable[Any]) -> list[Any]:
    """Numbers of the column's domain: constants of its axis, and points between and around them."""
    axis = AXES.get(column.kind, column.kind)
    peers = {c.name: c for c in group if AXES.get(c.kind, c.kind) == axis}
    marks = {_on_axis(column, key) for key in keys if key is not None}
    for peer in peers.values():
        marks |= {_on_axis(peer, end) for end in notation.bounds(peer) or ()}
    for leaf in found:
        if isinstance(leaf, Among | Ordered) and leaf.column in peers:
            constants = leaf.values if isinstance(leaf, Among) else (leaf.value,)
            marks |= {_on_axis(peers[leaf.column], value) for value in constants}
    spread = _between(sorted(marks), len(peers), 1 if axis == "number" else _step(column))
    values = [_off_axis(column, mark) for mark in spread]
    limits = notation.bounds(column)
    if limits is None:
        return values
    low, high = limits
    return [value for value in values if low <= value <= high]


def _between(marks: list[Any], n: int, step: int) -> list[Any]:
    """The marks, `n` points in every gap and beyond both ends; whole steps where the gap is wide enough."""
    if not marks:
        return [i * step for i in range(n + 1)]
    points = [marks[0] - i * step for i in range(n, 0, -1)]
    for low, high in pairwise(marks):
        if high - low > n * step:
            points += [low, *(low + i * step for i in range(1, n + 1)), *(high - i * step for i in range(n, 0, -1))]
        else:
            points += [low, *(low + (high - low) * i / (n + 1) for i in range(1, n + 1))]
    return [*points, marks[-1], *(marks[-1] + i * step for i in range(1, n + 1))]


def _step(column: Column) -> int:
    return MICROSECONDS_PER_DAY if column.kind in ("date", "datetime") else 1


def _on_axis(column: Column, value: Any) -> Any:
    return value * MICROSECONDS_PER_DAY if column.kind == "date" else value


def _off_axis(column: Column, mark: Any) -> Any:
    """The nearest value of the column's kind at or below a point of its axis."""
    if column.kind == "number":
        return float(mark)
    return int(mark // (MICROSECONDS_PER_DAY if column.kind == "date" else 1))


def _groups(rules: Rules) -> list[tuple[str, ...]]:
    """Columns that conditions and mapped rules tie together; only groups with a condition."""
    ties = [check.columns for check in rules.checks] + [(*rule.sources, rule.to.name) for rule in rules.maps]
    groups: list[set[str]] = []
    for tie in ties:
        touching = [group for group in groups if group & set(tie)]
        groups = [group for group in groups if group not in touching] + [set(tie).union(*touching)]
    checked = {name for check in rules.checks for name in check.columns}
    return [tuple(name for name in rules.columns if name in group) for group in groups if group & checked]


def _sources_first(group: Sequence[str], maps: dict[str, Mapped]) -> list[str]:
    """Free columns as rules mention them, each derived one as soon as its sources are there."""
    order: list[str] = []
    free = [name for name in group if name not in maps]
    waiting = dict(maps)
    for name in free:
        order.append(name)
        while ready := [to for to, rule in waiting.items() if set(rule.sources) <= set(order)]:
            order += ready
            for to in ready:
                del waiting[to]
    return order


