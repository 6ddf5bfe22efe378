"""What a pass over a source keeps of each column: its distinct texts with counts, and constancy per person.

Everything here is personal data. It lives while a schema is guessed and is never written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabsynth.datasets.formats.source import Source

MAX_DISTINCT: Final = 200_000
"""Distinct texts kept of a column; more are counted only."""


@dataclass
class Profile:
    """One column of the rows that were looked at.

    Args:
        name: header.
        type: Arrow type of a typed source, None for text.
        counts: rows of each distinct text, in order of first appearance; None is a null.
        n_other: rows with texts beyond the first `MAX_DISTINCT` ones.
        constant_per_unit: no person seen so far has two values.
    """

    name: str
    type: pa.DataType | None = None
    counts: dict[str | None, int] = field(default_factory=dict)
    n_other: int = 0
    constant_per_unit: bool = True
    _index: dict[str | None, int] = field(default_factory=dict, repr=False)
    _first: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    @property
    def n_rows(self) -> int:
        return sum(self.counts.values()) + self.n_other

    @property
    def complete(self) -> bool:
        """True if every distinct text was kept."""
        return self.n_other == 0

    def texts(self, without: tuple[str, ...] = ()) -> list[str]:
        """Distinct texts except nulls and these."""
        return [t for t in self.counts if t is not None and t not in without]

    def add(self, column: pa.Array, units: NDArray[np.int64] | None) -> None:
        """Count a batch. units: shape (n,), person of each row as 0, 1, 2, ... by first appearance."""
        texts, codes = _dictionary(column)
        counts = self.counts
        for text, size in zip(texts, np.bincount(codes, minlength=len(texts)).tolist()):
            known = counts.get(text)
            if known is not None:
                counts[text] = known + size
            elif len(counts) >= MAX_DISTINCT:
                self.n_other += size
            elif size:
                counts[text] = size
        if units is not None and self.constant_per_unit:
            # Numbered by text, for the codes are those of this batch; -1 for texts that are counted only.
            place = [self._index.setdefault(t, len(self._index)) if t in self.counts else -1 for t in texts]
            self._compare(np.array(place, np.int64)[codes], units)

    def _compare(self, values: NDArray[np.int64], units: NDArray[np.int64]) -> None:
        known = len(self._first)
        size = max(known, int(units.max(initial=-1)) + 1)
        first = np.full(size, -2, np.int64)
        # Assigned backwards, so that each person's first row of the batch is the one that stays.
        first[units[::-1]] = values[::-1]
        first[:known] = np.where(self._first == -2, first[:known], self._first)
        self._first = first
        self.constant_per_unit = bool(np.array_equal(first[units], values)) and not (values == -1).any()
        if not self.constant_per_unit:
            self._first = np.empty(0, np.int64)


@dataclass(frozen=True)
class Profiles:
    """Profiles of all columns. repeated_units: some person has several rows. n_rows: rows looked at."""

    columns: dict[str, Profile]
    n_rows: int
    repeated_units: bool


def profile(source: Source, *, unit: str | None = None, sample_rows: int | None = None) -> Profiles:
    """Look at the first `sample_rows` rows (None = all) of every column, in one pass and bounded memory."""
    found = {name: Profile(name) for name in source.names}
    people: dict[str | None, int] = {}
    n_rows = n_with_unit = 0
    for batch in _first_rows(source, sample_rows):
        units = None
        if unit is not None:
            units = _unit_codes(batch.column(unit), people)
            n_with_unit += int((units >= 0).sum())
        for name, one in found.items():
            column = batch.column(name)
            one.type = column.type if source.typed else None
            one.add(column, units)
        n_rows += batch.num_rows
    return Profiles(found, n_rows, n_with_unit > len(people))


def _first_rows(source: Source, n: int | None) -> Iterator[Any]:
    left = n
    for batch in source.batches():
        yield batch if left is None else batch.slice(0, left)
        if left is not None:
            left -= batch.num_rows
            if left <= 0:
                return


def _dictionary(column: pa.Array) -> tuple[list[str | None], NDArray[np.int64]]:
    """Distinct texts of a column (null last) and each row's index into them."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    texts = [None if t is None else str(t) for t in column.dictionary.to_pylist()]
    codes = column.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False).astype(np.int64)
    return [*texts, None], codes


def _unit_codes(column: pa.Array, people: dict[str | None, int]) -> NDArray[np.int64]:
    texts, codes = _dictionary(column)
    place = np.array([people.setdefault(t, len(people)) for t in texts[:-1]] + [len(people)], np.int64)
    return place[codes]
