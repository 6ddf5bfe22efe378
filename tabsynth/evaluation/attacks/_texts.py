"""A column's values as texts, each distinct one once, and what in them has the form of an identifier."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tabsynth.core.identifiers import IDENTIFIER, TEXT
from tabsynth.core.schema import Kind
from tabsynth.core.table import Cells, first_seen_codes
from tabsynth.evaluation.attacks._classes import FORMS, Form, words

WHOLE: Final = 2.0**53
"""Floats below it hold whole numbers exactly."""
SMALLEST_NUMBER: Final = min(low for form in FORMS for low, _ in form.numbers)
"""Smallest whole number that its form tells; others need a column of a telling name."""
ENOUGH: Final = 10
"""Distinct candidates from which a share with a right check digit says something."""
MOST: Final = 1_000
"""Distinct candidates of a column that are tried; the share among them settles it."""
SHARE: Final = 0.5
CHANCE: Final = 1e-6
"""Check digits tell when at least `SHARE` of a column's are right, and chance makes so many right no more often."""

_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_WORTH_A_LOOK: Final = re.compile(
    r"(?:[0-9][^0-9]*){2}|@|//|::|www\.|[0-9a-f]{2}[:-][0-9a-f]{2}[:-]", re.ASCII | re.IGNORECASE)


class Hit(NamedTuple):
    """A candidate, or the value that it is read as, in the text of this index."""

    text: int
    value: str


@dataclass(frozen=True, eq=False)
class Digits(Sequence[str]):
    """Whole numbers as texts, each written when it is asked for: a column may hold millions of them."""

    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        return Digits(self.numbers[at]) if isinstance(at, slice) else str(self.numbers[at])

    def __iter__(self) -> Iterator[str]:
        return map(str, self.numbers.tolist())


@dataclass(frozen=True, eq=False)
class NumberHits(Sequence[Hit]):
    """Candidates that are whole numbers. which: index of the text of each; digits: its text."""

    which: NDArray[np.int64]
    digits: Digits

    def __len__(self) -> int:
        return len(self.which)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> NumberHits: ...
    def __getitem__(self, at: int | slice) -> Hit | NumberHits:
        if isinstance(at, slice):
            return NumberHits(self.which[at], Digits(self.digits.numbers[at]))
        return Hit(int(self.which[at]), self.digits[at])

    def __iter__(self) -> Iterator[Hit]:
        return map(Hit, self.which.tolist(), self.digits)

    def among(self, values: frozenset[str]) -> NumberHits:
        """Those whose digits are one of the values."""
        known = np.array([int(value) for value in values if _NUMBER.fullmatch(value)], np.int64)
        kept = np.isin(self.digits.numbers, known)
        return NumberHits(self.which[kept], Digits(self.digits.numbers[kept]))


@dataclass(frozen=True, eq=False)
class Held:
    """Values found in a column, each distinct one once, and the cells that hold them.

    Args:
        which, owners: number of the value and person of each cell that holds one.
    """

    values: tuple[str, ...]
    which: NDArray[np.int64]
    owners: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Texts:
    """The given values of a column as texts.

    Args:
        texts: distinct, without the placeholders that regenerated columns hold.
        rows: rows that hold one, rising. codes: which one, shape of `rows`.
    """

    texts: Sequence[str]
    rows: NDArray[np.intp]
    codes: NDArray[np.int64]

    def find(self, form: Form, name: str) -> Sequence[Hit]:
        """Candidates of a form in this column, called `name`: one a place where one stands, as written."""
        if form.columns is not None:
            return _search(form, self._everything) if form.columns.search(words(name)) else []
        if isinstance(self.texts, Digits):
            return _in_ranges(self.texts, form.numbers)
        return _search(form, self._worth_a_look)

    def cells(self, hits: Iterable[Hit]) -> int:
        """Number of cells that hold a hit."""
        return int(np.isin(self.codes, [hit.text for hit in hits]).sum())

    def all_held(self, units: NDArray[np.int64]) -> Held:
        """Every text as a value of its own. units: whose row it is, for all rows of the table."""
        return Held(tuple(self.texts), self.codes, units[self.rows])

    def held(self, hits: Sequence[Hit], units: NDArray[np.int64]) -> Held:
        """The values of these hits. units: as in `all_held`."""
        numbers: dict[str, int] = {}
        pairs = np.array([(hit.text, numbers.setdefault(hit.value, len(numbers))) for hit in hits],
                         np.int64).reshape(-1, 2)
        order = np.argsort(self.codes, kind="stable")
        start = np.searchsorted(self.codes[order], np.arange(len(self.texts) + 1))
        first, times = start[pairs[:, 0]], np.diff(start)[pairs[:, 0]]
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        rows = self.rows[order[np.repeat(first, times) + within]]
        return Held(tuple(numbers), np.repeat(pairs[:, 1], times), units[rows])

    @cached_property
    def _everything(self) -> Lines:
        return Lines.of(self.texts, np.arange(len(self.texts)))

    @cached_property
    def _worth_a_look(self) -> Lines:
        """Texts that may hold an identifier of a form without a column name."""
        kept = [i for i, text in enumerate(self.texts) if _WORTH_A_LOOK.search(text) is not None]
        return Lines.of(self.texts, np.array(kept, np.int64))


@dataclass(frozen=True, eq=False)
class Lines:
    """Texts as lines of one text, so that a pattern runs once. starts: place of each line; which: its text."""

    text: str
    starts: NDArray[np.int64]
    which: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str], which: NDArray[np.int64]) -> Lines:
        lines = [texts[i].replace("\n", " ") for i in which]
        lengths = np.array([len(line) + 1 for line in lines], np.int64)
        return cls("\n".join(lines), np.cumsum(lengths) - lengths, which)


NO_TEXTS: Final = Texts((), np.zeros(0, np.intp), np.zeros(0, np.int64))


def texts_of(cells: Cells, kind: Kind) -> Texts:
    """The texts of a column; none of dates, times, booleans and numbers with a fraction."""
    rows = np.flatnonzero(cells.present)
    values = cells.values[rows]
    if kind in ("id", "text"):
        codes = first_seen_codes(values)
        texts = list(dict.fromkeys(map(str, values)))
    elif kind == "category":
        codes, texts = values.astype(np.int64), list(cells.levels)
    elif kind in ("integer", "number"):
        whole = np.ones(len(rows), np.bool_) if kind == "integer" else (
            (np.abs(values) < WHOLE) & (np.floor(values) == values))
        distinct, codes = np.unique(values[whole].astype(np.int64), return_inverse=True)
        return Texts(Digits(distinct), rows[whole], codes.astype(np.int64))
    else:
        return NO_TEXTS
    kept = ~np.isin(codes, [i for i, text in enumerate(texts) if text in (TEXT, IDENTIFIER)])
    used, codes = np.unique(codes[kept], return_inverse=True)
    return Texts(tuple(texts[i] for i in used), rows[kept], codes.astype(np.int64))


def may_tell(cells: Cells, kind: Kind, name: str) -> bool:
    """False of whole numbers that are all too small for a form, in a column whose name tells nothing."""
    if kind not in ("integer", "number"):
        return True
    named = any(form.columns is not None and form.columns.search(words(name)) for form in FORMS)
    return named or bool((cells.values[cells.present] >= SMALLEST_NUMBER).any())


def read(form: Form, candidates: Iterable[Hit]) -> list[Hit]:
    """The candidates that are values, as they are compared."""
    return [Hit(text, value) for text, candidate in candidates if (value := form.read(candidate)) is not None]


def read_known(form: Form, candidates: Sequence[Hit], known: frozenset[str]) -> list[Hit]:
    """Those of the values that are known ones."""
    some = candidates.among(known) if isinstance(candidates, NumberHits) else candidates
    return [hit for hit in read(form, some) if hit.value in known]


def telling(form: Form, *candidates: Sequence[Hit]) -> bool:
    """Whether the values of a column, in one table or in several, are what they look like.

    Where a tenth of all numbers has a right check digit, at least half of ten or more distinct candidates must have
    one, more than chance explains.
    """
    if form.chance == 0:
        return True
    tried = list(dict.fromkeys(candidate for part in candidates for candidate in _some(part)))
    right = sum(form.read(candidate) is not None for candidate in tried)
    return (len(tried) >= ENOUGH and right >= SHARE * len(tried)
            and float(stats.binom.sf(right - 1, len(tried), form.chance)) < CHANCE)


def _some(candidates: Sequence[Hit]) -> Iterator[str]:
    """At most about `MOST` distinct candidates, evenly over all of them."""
    if isinstance(candidates, NumberHits):  # distinct already
        return (hit.value for hit in candidates[:: 1 + len(candidates) // MOST])
    distinct = list(dict.fromkeys(hit.value for hit in candidates))
    return iter(distinct[:: 1 + len(distinct) // MOST])


def _in_ranges(digits: Digits, ranges: Sequence[tuple[int, int]]) -> NumberHits:
    inside = np.zeros(len(digits), np.bool_)
    for low, high in ranges:
        inside |= (digits.numbers >= low) & (digits.numbers < high)
    which = np.flatnonzero(inside)
    return NumberHits(which, Digits(digits.numbers[which]))


def _search(form: Form, lines: Lines) -> list[Hit]:
    group = "value" if "value" in form.pattern.groupindex else 0
    found = [(match.start(), match.group(group)) for match in form.pattern.finditer(lines.text)]
    line = np.searchsorted(lines.starts, np.array([start for start, _ in found], np.int64), side="right") - 1
    return [Hit(text, candidate) for text, (_, candidate) in zip(lines.which[line].tolist(), found)]
