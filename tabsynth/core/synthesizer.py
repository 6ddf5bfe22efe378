"""The contracts of a model: learn from integer codes, draw integer codes, say what was learned.

Everything that all models share (units, rows per unit, regenerated ids, mapped columns, rules, blocks of
randomness) is done once, around them, by `Coding` and `assemble`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import assemble
from tabsynth.core.coding import Codes, Coding
from tabsynth.core.compact import Compact
from tabsynth.core.errors import NotFittedError
from tabsynth.core.given import Given
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rules.expression import Expression
from tabsynth.core.table import Table


@dataclass(frozen=True, slots=True)
class State:
    """What a fitted model is: JSON values and named arrays. Loading it runs no code."""

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


class Generative(ABC):
    """A fitted thing that draws rows. `coding_` is set by fit or from_state."""

    name: ClassVar[str]
    coding_: Coding

    @abstractmethod
    def draw(self, n: int, *, rng: np.random.Generator,
             given: Mapping[str, NDArray[np.int32]] | None = None) -> dict[str, NDArray[np.int32]]:
        """Draw `n` rows of codes from the learned distribution, exactly conditional on `given`.

        Args:
            n: rows to draw.
            rng: the only source of randomness.
            given: codes of some columns, shape (n,) each; any subset of `coding_.names`.

        Returns:
            Codes of every column of `coding_.names`, shape (n,) each; given columns come back unchanged.
        """

    @abstractmethod
    def state(self) -> State:
        """The learned parameters, without the coding."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: State, coding: Coding) -> Self:
        """Rebuild a fitted model; `draw` gives the same rows for the same generator."""

    @final
    def sample(self, n: int, *, rng: np.random.Generator, given: Given | None = None,
               where: Expression | None = None) -> Table:
        """Draw `n` synthetic rows as one table. Same generator state, same rows.

        Args:
            n: rows; with `given` it must equal ``len(given)``.
            rng: model randomness (seedable, also under DP: sampling is post-processing).
            given: cells of some columns that every output row takes over, one output row per given row.
            where: keep only rows for which this holds, drawn until there are `n`.

        Raises:
            NotFittedError: before fit.
            ModelError: if rules or `where` accept too few draws; says which share was accepted.
        """
        return Table.concat(self.sample_batches(n, rng=rng, given=given, where=where))

    @final
    def sample_batches(self, n: int, *, rng: np.random.Generator, given: Given | None = None,
                       where: Expression | None = None, progress: Progress = silent,
                       parts: assemble.Parts | None = None) -> Iterator[Table]:
        """The rows of `sample` in consecutive parts, in bounded memory. At least one part, even for n = 0.

        With `parts`, other processes draw the blocks; the rows are the same.
        """
        found = self.sample_onwards(n, rng=rng, given=given, where=where, progress=progress, parts=parts)
        return (table for table, _ in found)

    @final
    def sample_onwards(self, n: int, *, rng: np.random.Generator, given: Given | None = None,
                       where: Expression | None = None, start: assemble.Cursor = assemble.START,
                       progress: Progress = silent,
                       parts: assemble.Parts | None = None) -> Iterator[tuple[Table, assemble.Cursor]]:
        """`sample_batches` from a cursor on; each part comes with the cursor of the rows after it."""
        if not hasattr(self, "coding_"):
            raise NotFittedError(f"this {type(self).__name__} has not been fitted.", fix="Call fit first.")
        return assemble.rows(self.draw, self.coding_, n, rng=rng, given=given, where=where, start=start,
                             progress=progress, parts=parts)


class Synthesizer(Generative):
    """A model without a formal guarantee: learns from codes of real rows, weighted so that a unit counts once."""

    @final
    def fit(self, table: Table | Compact, *, rng: np.random.Generator, coding: Coding | None = None,
            progress: Progress = silent) -> Self:
        """Learn from a table. No rows are kept.

        Args:
            table: real rows, in memory or gathered batch by batch; rows without a unit are dropped.
            rng: model randomness.
            coding: how columns become codes; learned from the table when not given.
        """
        progress("encode", 0, 1)
        rows = Compact.of(table)
        coding = Coding.learn(rows) if coding is None else coding
        codes = coding.encode(rows)
        progress("encode", 1, 1)
        return self.fit_coded(codes, coding, rng=rng, progress=progress)

    @final
    def fit_coded(self, codes: Codes, coding: Coding, *, rng: np.random.Generator, progress: Progress = silent) -> Self:
        """Learn from rows that are coded already; a part of a table's rows is coded by the whole table's coding."""
        self.coding_ = coding
        self.fit_codes(codes, rng=rng, progress=progress)
        return self

    @abstractmethod
    def fit_codes(self, codes: Codes, *, rng: np.random.Generator, progress: Progress = silent) -> None:
        """Learn from codes; set attributes that end in `_`."""
