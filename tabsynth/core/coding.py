"""A whole table as integer codes: which columns are modelled, by which codec, and how units are weighted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import codec, formula_search
from tabsynth.core.codec.base import Codec
from tabsynth.core.codec.line import LineCodec
from tabsynth.core.compact import Compact
from tabsynth.core.errors import ModelError, PrivacyError, SchemaError
from tabsynth.core.formulas import Formula, Formulas
from tabsynth.core.rules import Rules
from tabsynth.core.rules.literals import declared_levels
from tabsynth.core.schema import NUMERIC, Column, Schema
from tabsynth.core.table import PRESENT, Cells, Table

ROWS: Final = "(rows per unit)"
"""The modelled pseudo-column that holds how many rows a row's unit has; only when the schema has a unit."""

NO_ENDS: Final = (0, 0)
"""Bounds of an open column of which nothing is known: zero alone has a code, all else is OTHER."""


@dataclass(frozen=True, slots=True)
class Codes:
    """A coded table.

    Args:
        values: int32, shape (n, d), stored by column.
        weights: float64, shape (n,), summing to 1 for each unit.
        units: int64, shape (n,): whose row it is; None if every row is another unit.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    values: NDArray[np.int32]
    weights: NDArray[np.float64]
    units: NDArray[np.int64] | None = None

    @property
    def unit_of(self) -> NDArray[np.int64]:
        """Shape (n,): whose row it is, where every row may be another unit."""
        return np.arange(len(self.values)) if self.units is None else self.units

    def take(self, rows: NDArray[Any]) -> Self:
        """These rows, by mask or position. Weights stay: whole units are to be taken."""
        return replace(self, values=np.asfortranarray(self.values[rows]), weights=self.weights[rows],
                       units=None if self.units is None else self.units[rows])

    def column(self, name: str) -> NDArray[np.int32]:
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True)
class Coding:
    """Codecs of the modelled columns (schema order, then ROWS), the compiled rules and the schema.

    Of a column that has formulas (only in a learned coding), the pseudo-column comes directly before it.

    Columns that are not modelled: unit, id, text, direct identifiers (regenerated) and targets of mapped
    rules (computed from their parents after sampling).
    """

    schema: Schema
    codecs: Mapping[str, Codec]
    rules: Rules
    is_public: bool
    formulas: tuple[Formulas, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.codecs)

    @cached_property
    def table_names(self) -> tuple[str, ...]:
        """The modelled columns that a table has: without ROWS and what stands for formulas."""
        pseudo = {ROWS, *(one.column.name for one in self.formulas)}
        return tuple(name for name in self.codecs if name not in pseudo)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(c.size for c in self.codecs.values())

    @classmethod
    def public(cls, schema: Schema, *, discovered: Mapping[str, tuple[Any, ...]] | None = None) -> Self:
        """The coding that follows from the schema alone; the only one reachable when epsilon is set.

        Args:
            schema: public facts.
            discovered: what was bought for ``open: true`` columns: the levels of a category, or the first and last
                point of a column on a line; one that is not named here has no level yet, or no value but zero.

        Raises:
            PrivacyError: a number without bounds or ``open: true``, or a category without levels, code list or
                ``open: true``; names every such column at once.
        """
        rules = Rules.compile(schema)
        columns = modelled(schema, rules)
        _refuse_private(columns)
        bought = discovered or {}
        codecs = {}
        for column in columns:
            if column.open and column.kind in NUMERIC:
                codecs[column.name] = codec.public(column, ends=bought.get(column.name, NO_ENDS))
                continue
            listed = (*(declared_levels(column) or ()), *bought.get(column.name, ()))
            codecs[column.name] = codec.public(column, levels=tuple(dict.fromkeys(listed)) if column.open else None)
        if schema.unit is not None:
            codecs[ROWS] = codec.public(rows_column(schema))
        return cls(schema, codecs, rules, is_public=True)

    @classmethod
    def learn(cls, table: Table | Compact, *, min_units: int = 11, max_bins: int = 256) -> Self:
        """A coding learned from real rows (non-DP): atoms, equal-mass bins, pooled rare categories.

        Raises:
            ModelError: there is no row, or none that has a unit.
        """
        rows = Compact.of(table)
        people = rows.units[rows.units >= 0]
        if not len(people):
            raise ModelError("there are no rows to learn from" + (": none has a unit." if len(table) else "."),
                             fix="Check the unit column and the input file.")
        schema = rows.schema
        rules = Rules.compile(schema, learn_from=rows)
        codecs: dict[str, Codec] = {}
        for column in modelled(schema, rules):
            packed = rows.columns[column.name]
            stats = codec.analyze(column, packed.cells, rows.units, packed.index)
            codecs[column.name] = codec.learn(column, stats, min_units=min_units, max_bins=max_bins)
        formulas = formula_search.find(codecs, rows, min_units=min_units)
        codecs = _with_pseudo_columns(codecs, formulas, schema)
        if schema.unit is not None:
            per_unit = _counts(np.bincount(people), schema)
            column = rows_column(schema)
            stats = codec.analyze(column, per_unit, np.arange(len(per_unit)))
            codecs[ROWS] = codec.learn(column, stats, min_units=min_units, max_bins=max_bins)
        return cls(schema, codecs, rules, False, formulas)

    def encode(self, table: Table | Compact) -> Codes:
        """Codes of every row that has a unit, with weights 1 / (rows of the unit). Total.

        A unit's row count is capped at the schema's ``max_rows_per_unit``; no row is dropped for it.
        """
        rows = Compact.of(table)
        given = rows.units >= 0
        people = rows.units[given]
        per_unit = np.bincount(people)
        values = np.empty((len(people), len(self.codecs)), dtype=np.int32, order="F")
        followed = {one.column.name: one for one in self.formulas}
        for j, (name, one) in enumerate(self.codecs.items()):
            if name == ROWS:
                values[:, j] = one.encode(_counts(per_unit, self.schema))[people]
            elif name in followed:
                values[:, j] = self._followed(followed[name], rows)[given]
            else:
                packed = rows.columns[name]
                values[:, j] = one.encode(packed.cells)[packed.index][given]
        return Codes(self.names, self.sizes, values, 1.0 / per_unit[people], people)

    def _followed(self, formulas: Formulas, rows: Compact) -> NDArray[np.int32]:
        to = self.codecs[formulas.to.name]
        assert isinstance(to, LineCodec)
        return formulas.codes({name: rows[name] for name in (formulas.to.name, *formulas.sources)}, to)

    def suppressed(self) -> dict[str, dict[str, float]]:
        """Column -> {"levels": pooled rare levels, "share": share of rows that held one}. No names of levels."""
        pooled = {name: getattr(one, "pooled", {}) for name, one in self.codecs.items()}
        return {name: {"levels": one["levels"], "share": one["share"]}
                for name, one in pooled.items() if one.get("levels")}

    def state(self) -> dict[str, Any]:
        """JSON values; with the schema, enough for `from_state`."""
        return {"codecs": {name: one.state() for name, one in self.codecs.items()},
                "rules": self.rules.state(), "public": self.is_public,
                "formulas": [[one.state() for one in formulas.each] for formulas in self.formulas]}

    @classmethod
    def from_state(cls, schema: Schema, state: Mapping[str, Any]) -> Self:
        """The inverse of `state`; the order of columns follows from the schema."""
        rules = Rules.from_state(schema, state["rules"])
        columns = [*modelled(schema, rules), *([] if schema.unit is None else [rows_column(schema)])]
        codecs = {c.name: codec.from_state(c, state["codecs"][c.name]) for c in columns}
        listed = [tuple(Formula.from_state(schema, one) for one in each) for each in state.get("formulas", ())]
        formulas = tuple(Formulas(each[0].to, each) for each in listed)
        return cls(schema, _with_pseudo_columns(codecs, formulas, schema), rules, bool(state["public"]), formulas)


def modelled(schema: Schema, rules: Rules) -> list[Column]:
    """The columns that a model learns: not regenerated, not computed by a mapped rule."""
    derived = set(rules.derived)
    columns = [c for c in schema.columns if c.modelled and c.name not in derived]
    if ROWS in schema.by_name:
        raise SchemaError(f"column name {ROWS!r} is reserved.", fix="Rename the column.")
    return columns


def _with_pseudo_columns(codecs: Mapping[str, Codec], formulas: Iterable[Formulas],
                         schema: Schema) -> dict[str, Codec]:
    """The codecs, and before each column that has formulas that of its pseudo-column.

    Raises:
        SchemaError: a column has the name of a pseudo-column.
    """
    pseudo = {one.to.name: one.column for one in formulas}
    for column in pseudo.values():
        if column.name in schema.by_name:
            raise SchemaError(f"column name {column.name!r} is reserved.", fix="Rename the column.")
    found: dict[str, Codec] = {}
    for name, one in codecs.items():
        if name in pseudo:
            found[pseudo[name].name] = codec.public(pseudo[name])
        found[name] = one
    return found


def rows_column(schema: Schema) -> Column:
    """Public facts of the pseudo-column ROWS: an integer from 1 to ``max_rows_per_unit``."""
    return Column(ROWS, "integer", bounds=(1, schema.max_rows_per_unit), special=(1.0,), scale="log", nullable=False,
                  source="max_rows_per_unit of the schema")


def _counts(per_unit: NDArray[np.int64], schema: Schema) -> Cells:
    """Rows per unit as cells, capped."""
    capped = np.minimum(per_unit, schema.max_rows_per_unit).astype(np.int64)
    return Cells(capped, np.full(len(capped), PRESENT, dtype=np.uint8))


def _refuse_private(columns: list[Column]) -> None:
    """Raise one error that names every column whose domain is not public yet."""
    numbers = [c.name for c in columns if c.kind in NUMERIC and c.bounds is None and not c.open]
    lists = [c.name for c in columns
             if c.kind == "category" and c.levels is None and c.code_list is None and not c.open]
    wanted = {"bounds": (numbers, "'bounds: [low, high]' or 'open: true'"),
              "levels": (lists, "'levels: [...]', 'code_list: NAME' or 'open: true'")}
    lacking = {fact: both for fact, both in wanted.items() if both[0]}
    if lacking:
        columns_of = " and ".join(f"{fact} of {', '.join(map(repr, names))}" for fact, (names, _) in lacking.items())
        raise PrivacyError(
            f"with epsilon, these public facts are missing: {columns_of}; they may not be read off the data.",
            fix=f"Write {' and '.join(fix for _, fix in lacking.values())} into schema.yaml, with the 'source:' they "
                "come from (code book, instrument range).")
