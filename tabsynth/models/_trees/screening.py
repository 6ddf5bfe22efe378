"""Which of very many columns a tree may look at: those that share most information with its target, pair by pair."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees.rows import Rows

GROUPS: Final = 16
ROWS: Final = 4000

Ints = NDArray[np.int32]


class Screen:
    """Mutual information of every pair of columns, in at most 16 groups each, on at most 4,000 rows.

    Args:
        rows: all columns known.
        lines: per column, how many of the first codes lie on a line.
    """

    def __init__(self, rows: Rows, lines: list[int]) -> None:
        step = -(-len(rows) // ROWS)
        seen = rows.seen[:, ::step]
        self.n = seen.shape[1]
        self.member = np.zeros((len(seen), GROUPS, self.n), np.float32)
        for member, column, line in zip(self.member, seen, lines, strict=True):
            member[_groups(column, line > 0), np.arange(self.n)] = 1
        self.share = self.member.mean(axis=2)

    def best(self, column: int, earlier: Ints, limit: int) -> Ints:
        """The `limit` of the `earlier` columns that tell most about a column, in rising order."""
        if len(earlier) <= limit:
            return earlier
        together = self.member[earlier].reshape(-1, self.n) @ self.member[column].T / self.n
        joint = together.reshape(len(earlier), GROUPS, GROUPS)
        apart = self.share[earlier][:, :, None] * self.share[column]
        ratio = np.divide(joint, apart, out=np.ones_like(joint), where=joint > 0)
        cells = ((self.share[earlier] > 0).sum(axis=1) - 1) * ((self.share[column] > 0).sum() - 1)
        by_chance = cells / (2 * self.n)      # Miller 1955
        information = (joint * np.log(ratio)).sum(axis=(1, 2)) - by_chance
        return np.sort(earlier[np.argsort(-information, kind="stable")[:limit]])


def _groups(column: NDArray[np.uint8], on_line: bool) -> NDArray[np.intp]:
    """Equal shares of a line; of categories the 15 most frequent, and the others together."""
    held = np.bincount(column, minlength=256)
    if on_line:
        middle = np.cumsum(held) - held / 2
        return np.asarray((middle * GROUPS / len(column)).astype(np.intp)[column])
    place = np.empty(256, np.intp)
    place[np.argsort(-held, kind="stable")] = np.minimum(np.arange(256), GROUPS - 1)
    return place[column]
