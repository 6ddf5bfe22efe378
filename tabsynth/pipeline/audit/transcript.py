"""Noise sources that record a run and answer another one alike, and the questions of a model, to be asked again.

A statement made under any of them says NOT PRIVATE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import VerificationError
from tabsynth.privacy.accountant import selection_mu
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.events import GRID
from tabsynth.privacy.mechanisms import SCORE_SENSITIVITY
from tabsynth.privacy.noise import Noise

IntArray = NDArray[np.int64]
ABSENT: Final = -(1 << 62)
"""An answer that no threshold lets pass."""


class Divergence(VerificationError):
    """Two runs that were answered alike did not do the same: something was decided by looking at rows."""

    code = "divergence"


@dataclass
class Asked:
    """One call of `release`: what was true, and what was answered, in grid steps."""

    sigma: int
    keys: tuple[str, ...] | None
    true: IntArray
    answer: IntArray


@dataclass
class Chosen:
    """One call of `choose`: the true scores, and the index that came out. The odds follow exp(score num / den)."""

    num: int
    den: int
    true: tuple[int, ...]
    answer: int


@dataclass
class Recorder:
    """Real noise (or none, for counting only) and a fixed key, with a record."""

    noisy: bool = True
    name: str = "recorder"
    private: bool = False
    asked: list[Asked | Chosen] = field(default_factory=list)

    def key(self) -> bytes:
        return b"k" * 32

    def release(self, values: IntArray, *, sigma: int, keys: Sequence[str] | None = None) -> IntArray:
        answer = Noise().release(values, sigma=sigma, keys=keys) if self.noisy else values.copy()
        self.asked.append(Asked(sigma, None if keys is None else tuple(keys), values.copy(), answer))
        return answer

    def choose(self, scores: Sequence[int], *, num: int, den: int) -> int:
        answer = Noise().choose(scores, num=num, den=den) if self.noisy else scores.index(max(scores))
        self.asked.append(Chosen(num, den, tuple(scores), answer))
        return answer


@dataclass
class Replayer:
    """Answers what another run was answered, and adds up how far the true values are apart.

    A value of discovery that the other run did not have is answered with noise of `tail` sigma on a whole unit's mass:
    the most that a threshold must still refuse. Without `tail` it is never shown.

    Attributes:
        spent: sum of |true - true in the other run|^2 / sigma^2 over all entries that both runs have, and of what
            the odds of every choice differ by, as mu^2.
        changes: per answer, the difference of the true values in grid steps, or of a choice's scores.
        vanished, appeared: discovery's values that only the other run, or only this one, has.
    """

    record: Sequence[Asked | Chosen]
    name: str = "replayer"
    private: bool = False
    tail: float | None = None
    step: int = 0
    spent: Fraction = Fraction(0)
    changes: list[IntArray] = field(default_factory=list)
    vanished: set[str] = field(default_factory=set)
    appeared: set[str] = field(default_factory=set)

    def key(self) -> bytes:
        return b"k" * 32

    def release(self, values: IntArray, *, sigma: int, keys: Sequence[str] | None = None) -> IntArray:
        before = self._next()
        if not isinstance(before, Asked) or sigma != before.sigma or (keys is None) is not (before.keys is None):
            raise Divergence("a neighbour is asked another question, or with other noise.")
        true, answer = before.true, before.answer
        if before.keys is not None and keys is not None:
            true, answer = self._matched(before, before.keys, values, keys)
        if values.shape != true.shape:
            raise Divergence("a neighbour's answer has another length.")
        change = values - true
        self.changes.append(change)
        self.spent += Fraction(sum(c * c for c in change.tolist() if c), sigma**2)
        return answer

    def choose(self, scores: Sequence[int], *, num: int, den: int) -> int:
        before = self._next()
        if not isinstance(before, Chosen) or (num, den, len(scores)) != (before.num, before.den, len(before.true)):
            raise Divergence("a neighbour is asked another question, or with other noise.")
        changes = [now - then for now, then in zip(scores, before.true, strict=True)]
        if max(map(abs, changes)) > SCORE_SENSITIVITY:
            raise Divergence("one unit changes the score of a candidate by more than its sensitivity.")
        self.changes.append(np.array(changes, dtype=np.int64))
        # the log ratios of the two tables' odds lie in an interval of exactly this length
        self.spent += Fraction(selection_mu(Fraction((max(changes) - min(changes)) * num, den))) ** 2
        return before.answer

    def _next(self) -> Asked | Chosen:
        if self.step == len(self.record):
            raise Divergence("a neighbour is asked more than the table was.")
        self.step += 1
        return self.record[self.step - 1]

    def _matched(self, before: Asked, names: tuple[str, ...], values: IntArray,
                 keys: Sequence[str]) -> tuple[IntArray, IntArray]:
        """The other run's values and answers for `keys`; values that only one run has count as unchanged."""
        self.vanished |= set(names) - set(keys)
        self.appeared |= set(keys) - set(names)
        row = {name: i for i, name in enumerate(names)}
        absent = ABSENT if self.tail is None else GRID + floor(self.tail * before.sigma)
        true = [before.true[row[k]] if k in row else v for k, v in zip(keys, values, strict=True)]
        answer = [before.answer[row[k]] if k in row else absent for k in keys]
        return np.array(true, dtype=np.int64), np.array(answer, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Query:
    """One call of a curator's method."""

    method: str
    positional: tuple[Any, ...]
    named: Mapping[str, Any]


class Listener:
    """A curator, to a model, that writes down every question asked of it."""

    def __init__(self, curator: Curator) -> None:
        self._curator = curator
        self.queries: list[Query] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._curator, name)
        if name.startswith("_") or not callable(found):
            return found

        def ask(*positional: Any, **named: Any) -> Any:
            self.queries.append(Query(name, deepcopy(positional), deepcopy(named)))
            return found(*positional, **named)

        return ask


def ask_again(curator: Curator, queries: Sequence[Query]) -> None:
    """Ask `curator` what another one was asked."""
    for query in queries:
        getattr(curator, query.method)(*query.positional, **query.named)
