"""Columns that are made anew, never copied: ids, direct identifiers and free text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import ModelError, SchemaError
from tabsynth.core.rng import Streams
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import CANONICAL, PRESENT, Cells, empty_cells

TEXT: Final = "[text not synthesised]"
IDENTIFIER: Final = "[regenerated]"

_ALPHABETS: Final = {"#": "0123456789", "@": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


class Regenerator:
    """Cells of every column that is not modelled, for rows that come in order.

    New ids count units or rows from 0 and are spread over the column's pattern by a keyed bijection, so they
    are unique. Units are counted for the unit column and for ids that are constant per unit.

    Attributes:
        n_rows, n_units: how many there are so far.
    """

    def __init__(self, schema: Schema, streams: Streams, n: int, n_rows: int = 0, n_units: int = 0) -> None:
        self.columns = [c for c in schema.columns if not c.modelled]
        self.patterns = {c.name: Pattern.keyed(c.pattern, streams.stream(0, c.name))
                         for c in self.columns if c.pattern is not None and c.kind in _SPELLED}
        self.n_rows, self.n_units = n_rows, n_units
        for column in self.columns:
            if column.role == "unit" and column.kind not in (*_SPELLED, "integer", "number"):
                raise SchemaError(
                    f"unit column {column.name!r} is of kind {column.kind}; new ids cannot be made of it.",
                    fix="Give it kind id or integer in the schema.")
            if _counts_rows(column) and column.name in self.patterns:
                self.patterns[column.name].refuse_over(n, column)

    def __call__(self, owner: NDArray[np.int64]) -> dict[str, Cells]:
        """The next len(owner) rows. owner: 0, 0, 1, ... by unit within these rows."""
        rows = self.n_rows + np.arange(len(owner), dtype=np.int64)
        units = self.n_units + owner
        self.n_rows += len(owner)
        self.n_units += int(owner[-1]) + 1 if len(owner) else 0
        return {c.name: self._cells(c, rows if _counts_rows(c) else units) for c in self.columns}

    def _cells(self, column: Column, number: NDArray[np.int64]) -> Cells:
        state = np.full(len(number), PRESENT, dtype=np.uint8)
        numbered = column.role == "unit" or column.kind in ("id", "integer")
        if numbered and column.kind in ("integer", "number"):
            return Cells((number + 1).astype(CANONICAL[column.kind]), state)
        if column.kind not in _SPELLED:
            return empty_cells(column, len(number))
        if numbered:
            texts = self._spell(column, number)
        else:
            texts = np.full(len(number), TEXT if column.kind == "text" else IDENTIFIER, dtype=object)
        if column.kind != "category":
            return Cells(texts, state)
        levels, codes = np.unique(texts.astype(str), return_inverse=True)
        return Cells(codes.astype(np.int32), state, tuple(levels.tolist()))

    def _spell(self, column: Column, number: NDArray[np.int64]) -> NDArray[np.object_]:
        pattern = self.patterns.get(column.name)
        if pattern is None:
            return (number + 1).astype(str).astype(object)
        pattern.refuse_over(int(number.max(initial=-1)) + 1, column)
        return pattern.spell(number)


_SPELLED: Final = ("id", "text", "category")


def _counts_rows(column: Column) -> bool:
    """True if every row gets a new id, False if every unit does."""
    return column.role != "unit" and not column.constant_per_unit


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern such as "P-####" and a bijection of 0 .. space-1: i -> (factor * i + shift) mod space."""

    text: str
    space: int
    factor: int
    shift: int

    @classmethod
    def keyed(cls, text: str, rng: np.random.Generator) -> Self:
        """The pattern with a bijection drawn from `rng`."""
        space = math.prod(len(_ALPHABETS[c]) for c in text if c in _ALPHABETS)
        words = rng.integers(0, 2**32, size=(2, 2 + space.bit_length() // 32), dtype=np.uint32)
        factor, shift = (int.from_bytes(row.tobytes(), "little") % space for row in words)
        while math.gcd(factor, space) != 1:
            factor += 1
        return cls(text, space, factor, shift)

    def refuse_over(self, n: int, column: Column) -> None:
        """Raise if `n` ids do not fit."""
        if n > self.space:
            raise ModelError(
                f"pattern {self.text!r} of column {column.name!r} has room for {self.space} ids; more are needed.",
                fix="Lengthen the pattern in the schema.")

    def spell(self, numbers: NDArray[np.int64]) -> NDArray[np.object_]:
        """Ids of these numbers, shape (n,).

        >>> Pattern("P-##@", space=2600, factor=1, shift=0).spell(np.array([0, 27, 2599])).tolist()
        ['P-00A', 'P-01B', 'P-99Z']
        """
        spread = [(self.factor * i + self.shift) % self.space for i in numbers.tolist()]
        left = np.array(spread, dtype=np.int64 if self.space < 2**62 else object)
        letters = np.empty((len(numbers), len(self.text)), dtype="U1")
        for at in range(len(self.text) - 1, -1, -1):
            alphabet = _ALPHABETS.get(self.text[at])
            if alphabet is None:
                letters[:, at] = self.text[at]
            else:
                digit = (left % len(alphabet)).astype(np.int64)
                letters[:, at] = np.array(list(alphabet))[digit]
                left = left // len(alphabet)
        if not self.text:
            return np.full(len(numbers), "", dtype=object)
        return letters.view(f"U{len(self.text)}")[:, 0].astype(object)
