"""What a critic sees of a row of codes: one byte a column, and whether columns of one code list agree.

A column of very many levels invites a critic to learn its noise, so that levels are grouped first: by the longest
beginning of their names that leaves few groups (chapters of a code), else all but the most frequent together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.base import Codec
from tabsynth.core.coding import Codes, Coding
from tabsynth.models._trees.features import byte_of_code

Bytes = NDArray[np.uint8]

GROUPS: Final = 100
"""Levels of a category that a critic may tell apart."""


@dataclass(frozen=True, eq=False)
class View:
    """How columns of codes become features.

    Args:
        names: columns, in the coding's order.
        tables: per column the byte of each code, shape (codes,).
        is_category: per column.
        pairs: columns (positions) of which a feature says whether they hold the same level.
        level: per column of a pair the level of each code, numbered alike in all of them.
    """

    names: tuple[str, ...]
    tables: Sequence[Bytes]
    is_category: NDArray[np.bool_]
    pairs: Sequence[tuple[int, int]]
    level: Mapping[int, NDArray[np.int32]]

    @classmethod
    def learn(cls, codes: Codes, coding: Coding) -> View:
        """Groups follow from the codec and from how often each code occurs."""
        codecs = [coding.codecs[name] for name in codes.names]
        tables = [_table(codec, np.bincount(codes.values[:, j], minlength=codec.size))
                  for j, codec in enumerate(codecs)]
        grouped = [j for j, codec in enumerate(codecs) if len(_levels(codec)) > GROUPS]
        pairs = [(a, b) for a, b in combinations(grouped, 2) if _one_list(coding, codes.names[a], codes.names[b])]
        number: dict[str, int] = {}
        level = {j: np.array([number.setdefault(text, len(number)) for text in codecs[j].labels()], np.int32)
                 for j in sorted({j for pair in pairs for j in pair})}
        return cls(codes.names, tables, np.array([not codec.ordered for codec in codecs]), pairs, level)

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """Shape (features,): features whose bytes have no order."""
        return np.concatenate([self.is_category, np.ones(len(self.pairs), bool)])

    def see(self, columns: Mapping[str, NDArray[np.int32]]) -> Bytes:
        """Features of the rows, uint8, shape (n, features)."""
        n = len(columns[self.names[0]])
        seen = np.empty((n, len(self.names) + len(self.pairs)), np.uint8)
        for j, (name, table) in enumerate(zip(self.names, self.tables, strict=True)):
            seen[:, j] = table[columns[name]]
        for i, (a, b) in enumerate(self.pairs, len(self.names)):
            seen[:, i] = self.level[a][columns[self.names[a]]] == self.level[b][columns[self.names[b]]]
        return seen


def _levels(codec: Codec) -> tuple[str, ...]:
    """Names of a category's levels; none for a column on a line or of truth values."""
    return tuple(getattr(codec, "levels", ()))


def _one_list(coding: Coding, a: str, b: str) -> bool:
    """True if two categories have one list of levels: by its name, or written twice."""
    one, other = coding.schema[a], coding.schema[b]
    shared = one.code_list or one.levels
    return shared is not None and shared == (other.code_list or other.levels)


def _table(codec: Codec, counts: NDArray[Any]) -> Bytes:
    """Shape (codes,): the byte of each code."""
    levels = _levels(codec)
    if len(levels) <= GROUPS:
        return byte_of_code(counts, codec.ordered)
    group = _beginnings(levels)
    if group is None:
        group = np.full(len(levels), GROUPS - 1)
        group[np.argsort(-counts[:len(levels)], kind="stable")[:GROUPS - 1]] = np.arange(GROUPS - 1)
    return np.concatenate([group, GROUPS + np.arange(codec.size - len(levels))]).astype(np.uint8)


def _beginnings(levels: Sequence[str]) -> NDArray[np.int64] | None:
    """Groups of levels that begin alike, by the longest beginning that gives 2 to GROUPS of them; None if none does."""
    found = None
    for length in range(1, max(map(len, levels))):
        groups, group = np.unique([level[:length] for level in levels], return_inverse=True)
        if len(groups) > GROUPS:
            break
        found = group if len(groups) > 1 else None
    return found
