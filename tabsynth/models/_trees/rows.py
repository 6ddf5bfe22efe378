"""Rows on their way through the chain: the codes that are known so far, and the bytes that trees read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Columns of n rows; those that are not known yet hold zeros.

    Args:
        codes: int32, shape (columns, n).
        seen: uint8, shape (columns, n): the byte of each code.
        bytes_of: per column, shape (codes,): the byte of each code.
    """

    codes: NDArray[np.int32]
    seen: NDArray[np.uint8]
    bytes_of: Sequence[NDArray[np.uint8]]

    @classmethod
    def unknown(cls, bytes_of: Sequence[NDArray[np.uint8]], n: int) -> Rows:
        return cls(np.zeros((len(bytes_of), n), np.int32), np.zeros((len(bytes_of), n), np.uint8), bytes_of)

    @classmethod
    def of(cls, codes: NDArray[np.int32], bytes_of: Sequence[NDArray[np.uint8]]) -> Rows:
        """Rows of which all columns are known. codes: int32, shape (columns, n)."""
        seen = np.empty(codes.shape, np.uint8)
        for column, one, table in zip(seen, codes, bytes_of, strict=True):
            column[:] = table[one]
        return cls(codes, seen, bytes_of)

    @classmethod
    def concat(cls, parts: Sequence[Rows]) -> Rows:
        return cls(np.concatenate([p.codes for p in parts], axis=1), np.concatenate([p.seen for p in parts], axis=1),
                   parts[0].bytes_of)

    def set(self, column: int, codes: NDArray[np.int32]) -> None:
        """A column becomes known."""
        self.codes[column] = codes
        self.seen[column] = self.bytes_of[column][codes]

    def take(self, rows: NDArray[np.intp]) -> Rows:
        return Rows(self.codes[:, rows], self.seen[:, rows], self.bytes_of)

    def __len__(self) -> int:
        return int(self.codes.shape[1])
