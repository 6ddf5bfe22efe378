"""Cells that output rows take over: from a table, or the levels of a column in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.boolean import BooleanCodec
from tabsynth.core.codec.category import CategoryCodec
from tabsynth.core.coding import Coding
from tabsynth.core.errors import ColumnNotFoundError, SchemaError, UsageError
from tabsynth.core.rules.mapped import cells_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table


class Given(Protocol):
    """As many rows of some columns as the output has: a ``Table``, or what makes them when they are asked for."""

    @property
    def schema(self) -> Schema: ...

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.intp] | slice) -> Table: ...


@dataclass(frozen=True)
class Balanced:
    """The levels of one column in turn, so that each comes equally often in any number of rows, give or take one.

    Args:
        column: a category or boolean column.
        levels: canonical values; None = missing.
        n: rows.
    """

    column: Column
    levels: tuple[str | bool | None, ...]
    n: int

    @classmethod
    def of(cls, coding: Coding, name: str, n: int, *, missing: bool = False) -> Self:
        """Every level of a column that the model can draw: rare ones that were pooled are not among them.

        Args:
            missing: the missing cell counts as a level too.

        Raises:
            ColumnNotFoundError, SchemaError, UsageError: no such column, or none whose levels can be balanced.
        """
        column = _balanceable(coding, name)
        if missing and not column.nullable:
            raise UsageError(f"column {name!r} is declared never missing, so missing is no level of it.",
                             fix="Leave --balance-missing out.")
        codec = coding.codecs[name]
        levels = codec.levels if isinstance(codec, CategoryCodec) else (False, True)
        if not levels:
            raise UsageError(f"the model knows no level of column {name!r}: all were rare and pooled.",
                             fix="Balance another column.")
        return cls(column, (*levels, *((None,) if missing else ())), n)

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column.name, "levels": len(self.levels), "missing_is_a_level": None in self.levels}

    @property
    def schema(self) -> Schema:
        return Schema((self.column,))

    def __len__(self) -> int:
        return self.n

    def take(self, rows: NDArray[np.intp] | slice) -> Table:
        numbers = np.arange(*rows.indices(self.n)) if isinstance(rows, slice) else rows
        cells = cells_of(self.column, self.levels).take(numbers % len(self.levels))
        return Table(self.schema, {self.column.name: cells})


def _balanceable(coding: Coding, name: str) -> Column:
    able = [n for n, codec in coding.codecs.items() if isinstance(codec, CategoryCodec | BooleanCodec)]
    choice = f"Choose one of: {', '.join(able)}." if able else "No column of this model can be balanced."
    if name not in coding.schema.by_name:
        raise ColumnNotFoundError(name, source="the model", columns=coding.schema.names)
    if name in able:
        return coding.schema[name]
    if name in coding.rules.derived:
        raise SchemaError(f"column {name!r} is computed from other columns and cannot be balanced.", fix=choice)
    raise SchemaError(f"column {name!r} is of kind {coding.schema[name].kind}; only category and boolean columns have "
                      "levels that can be balanced.", fix=choice)
