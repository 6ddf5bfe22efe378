"""Runs of words and characters that one person's texts alone hold, found again in synthetic texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.table import Table
from tabsynth.evaluation.attacks._texts import Texts, texts_of
from tabsynth.evaluation.protocol import Samples, units_of
from tabsynth.evaluation.variants import counted

WORDS: Final = 8
CHARACTERS: Final = 20
"""Length of a run; texts of fewer characters are not looked at."""
FREE_TEXT: Final = 0.5
"""Categories with more distinct texts than this share of their cells are free text."""
MOST_RUNS: Final = 3_000_000
"""Runs of a table that are kept, about; of more than that, those of one residue class of their hashes."""
CHUNK: Final = 1_000_000
"""Characters that are worked on at once: bounds memory."""
WHOLE_CELLS: Final = "whole cells"
RUNS_OF_WORDS: Final = "runs of words"
RUNS_OF_CHARACTERS: Final = "runs of characters"

Counts = tuple[tuple[int, int], tuple[int, int]]
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)
_INVERSE: Final = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_BLANK: Final = 32


@dataclass(frozen=True, eq=False)
class Corpus:
    """Distinct texts of one table, and the first and the last of the people who hold each, shape (texts,)."""

    texts: Sequence[str]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Runs:
    """Hashes of runs of a corpus, shape (runs,), and the text in which each stands."""

    hashes: NDArray[np.uint64]
    texts: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Sequence[Runs]) -> Runs:
        return cls(np.concatenate([np.zeros(0, np.uint64), *(part.hashes for part in parts)]),
                   np.concatenate([np.zeros(0, np.int64), *(part.texts for part in parts)]))

    def thinned(self, m: int, first_text: int) -> Runs:
        """The runs whose hash is divisible by m, their texts counted from `first_text`."""
        kept = self.hashes % np.uint64(m) == 0
        return Runs(self.hashes[kept], self.texts[kept] + first_text)


def runs_reused(samples: Samples) -> list[dict[str, Any]]:
    """Comparisons by people: whose run that nobody else holds stands in a synthetic text?

    Returns:
        A row each for whole cells, runs of words and runs of characters, if training people have such; none where
        training or synthetic table hold no free text. Without such a run in holdout rows a row holds counts only.
    """
    names = free_texts(samples)
    train, holdout, synth = (corpus(table, names) for table in (samples.train, samples.holdout, samples.synth))
    if not (train.texts and synth.texts):
        return []
    runs = [all_runs(part.texts, *thinning((train, holdout, synth))) for part in (train, holdout, synth)]
    rows = ((key, people_hit([part[key] for part in runs], train, holdout)) for key in runs[0])
    return [_row(key, *counts) for key, counts in rows if counts[0][1]]


def _row(key: str, train: tuple[int, int], control: tuple[int, int]) -> dict[str, Any]:
    if control[1]:
        return counted(key, train, control, supplementary=True)
    return {"key": key, "n": train[1], "train_hits": train[0], "train_n": train[1], "control_hits": 0, "control_n": 0}


def free_texts(samples: Samples) -> tuple[str, ...]:
    """Columns of free text in training and synthetic rows: those of that kind, and categories that hardly repeat."""
    tables = (samples.train, samples.synth)
    return tuple(column.name for column in samples.schema.columns
                 if all(column.name in t.columns and t.schema[column.name].kind in ("text", "category") for t in tables)
                 and (column.kind == "text" or _hardly_repeats(texts_of(samples.train[column.name], column.kind))))


def corpus(table: Table, names: Sequence[str]) -> Corpus:
    """The table's texts, as they stand there, in these columns as far as it has them."""
    owners = units_of(table)
    texts: list[str] = []
    ends: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for name in names:
        if name in table.columns and table.schema[name].kind in ("text", "category"):
            column = texts_of(table[name], table.schema[name].kind)
            texts += column.texts
            ends.append(first_and_last(column.codes, owners[column.rows], len(column.texts)))
    first, last = (np.concatenate(part) for part in zip(*ends))
    return Corpus(texts, first, last)


def first_and_last(codes: NDArray[np.int64], owners: NDArray[np.int64],
                   n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest and highest owner of each of the codes 0 .. n-1, each of which occurs."""
    order = np.lexsort((owners, codes))
    start = np.searchsorted(codes[order], np.arange(n + 1))
    return owners[order[start[:-1]]], owners[order[start[1:] - 1]]


def thinning(parts: Sequence[Corpus]) -> tuple[int, int]:
    """(m of runs of words, m of runs of characters): one of so many runs is kept, for tables of these lengths."""
    words, characters = (max(sum(map(count, part.texts)) for part in parts) for count in (_blanks, len))
    return 1 + words // MOST_RUNS, 1 + characters // MOST_RUNS


def all_runs(texts: Sequence[str], m_words: int, m_characters: int) -> dict[str, Runs]:
    """Whole texts, runs of words and runs of characters of a corpus, in lower case and with single blanks.

    Args:
        m_words, m_characters: runs are kept whose hash is divisible by it, so that every table keeps the same ones.
    """
    found: dict[str, list[Runs]] = {WHOLE_CELLS: [], RUNS_OF_WORDS: [], RUNS_OF_CHARACTERS: []}
    for start, some in _chunks(texts):
        chunk = Chunk.of(some)
        found[WHOLE_CELLS].append(chunk.whole.thinned(1, start))
        found[RUNS_OF_WORDS].append(chunk.runs_of_words(WORDS).thinned(m_words, start))
        found[RUNS_OF_CHARACTERS].append(chunk.runs_of_characters(CHARACTERS).thinned(m_characters, start))
    return {key: Runs.joined(parts) for key, parts in found.items()}


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Texts of about `CHUNK` characters at once, and the number of the first."""
    start = length = 0
    for i, text in enumerate(texts, start=1):
        length += len(text)
        if length >= CHUNK or i == len(texts):
            yield start, list(texts[start:i])
            start, length = i, 0


@dataclass(frozen=True, eq=False)
class Chunk:
    """Texts in lower case with single blanks, one after the other, each with a blank behind it; short ones are empty.

    Args:
        symbols: code points. starts, lengths: of each text, without the blank, shape (texts,).
    """

    symbols: NDArray[np.uint64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Chunk:
        plain = [text if len(text) >= CHARACTERS else "" for text in (" ".join(t.casefold().split()) for t in texts)]
        points = np.frombuffer("".join(f"{text} " for text in plain).encode("utf-32-le", "surrogatepass"), np.uint32)
        lengths = np.array([len(text) for text in plain], np.int64)
        return cls(points.astype(np.uint64), np.cumsum(lengths + 1) - lengths - 1, lengths)

    @property
    def whole(self) -> Runs:
        """Each text as one run."""
        kept = np.flatnonzero(self.lengths)
        return Runs(hashes_of(self.symbols, self.starts[kept], self.starts[kept] + self.lengths[kept]), kept)

    def runs_of_characters(self, width: int) -> Runs:
        return _runs(self.symbols, self.starts, self.lengths, width)

    def runs_of_words(self, width: int) -> Runs:
        """A word counts as one symbol, its hash."""
        ends = np.flatnonzero(self.symbols == _BLANK)
        begins = np.concatenate([[0], ends[:-1] + 1])
        words = np.searchsorted(ends, self.starts), np.searchsorted(ends, self.starts + self.lengths, side="right")
        return _runs(hashes_of(self.symbols, begins, ends), words[0], words[1] - words[0], width)


def people_hit(runs: Sequence[Runs], train: Corpus, holdout: Corpus) -> Counts:
    """(people of whom a run that nobody else holds stands in the synthetic texts, people with such a run), by side.

    Args:
        runs: of train, holdout and synth.
    """
    used, others, synth = runs
    first_control = int(train.last.max(initial=-1)) + 1
    low, high = (np.concatenate([mine[used.texts], theirs[others.texts] + first_control])
                 for mine, theirs in ((train.first, holdout.first), (train.last, holdout.last)))
    alone, owner = _held_by_one(np.concatenate([used.hashes, others.hashes]), low, high)
    hit, everybody = (np.unique(who) for who in (owner[_occurs(alone, np.unique(synth.hashes))], owner))
    hits, n = (int((who < first_control).sum()) for who in (hit, everybody))
    return (hits, n), (len(hit) - hits, len(everybody) - n)


def _held_by_one(hashes: NDArray[np.uint64], first: NDArray[np.int64],
                 last: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """As `identity.held_by_one`, by one sort: there are millions of runs, and hashes leave no room for a person.

    Args:
        first, last: lowest and highest of the people who hold a run where it stands.
    """
    if not len(hashes):
        return hashes, first
    order = np.argsort(hashes)
    hashes = hashes[order]
    new = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
    low, high = np.minimum.reduceat(first[order], new), np.maximum.reduceat(last[order], new)
    return hashes[new][low == high], low[low == high]


def _occurs(hashes: NDArray[np.uint64], among: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which hashes occur among rising others."""
    if not len(among):
        return np.zeros(len(hashes), np.bool_)
    return np.asarray(among[np.minimum(np.searchsorted(among, hashes), len(among) - 1)] == hashes)


def _runs(symbols: NDArray[np.uint64], starts: NDArray[np.int64], lengths: NDArray[np.int64], width: int) -> Runs:
    """All `width` symbols in a row that stand in one text. starts, lengths: of each text, in symbols."""
    many = np.maximum(lengths - width + 1, 0)
    first = np.repeat(starts - (np.cumsum(many) - many), many) + np.arange(many.sum())
    return Runs(hashes_of(symbols, first, first + width), np.repeat(np.arange(len(lengths)), many))


def hashes_of(symbols: NDArray[np.uint64], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash of the symbols from each of `begins` up to `ends`: a polynomial modulo 2^64 of mixed symbols, mixed.

    The same in every run of the program. Among ten million different runs two share a hash with probability 3e-6.
    Powers of an odd number have an inverse, so that sums of the first symbols give every hash (Rabin and Karp).
    """
    powers = np.cumprod(np.full(len(symbols), _BASE))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_mix(symbols) * powers)])
    inverse = np.concatenate([np.ones(1, np.uint64), np.cumprod(np.full(len(symbols), _INVERSE))])
    return _mix((sums[ends] - sums[begins]) * inverse[begins])


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014), so that close symbols have unrelated hashes."""
    x = x + _BASE
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hardly_repeats(column: Texts) -> bool:
    return len(column.texts) > FREE_TEXT * max(1, len(column.rows))


def _blanks(text: str) -> int:
    return text.count(" ")
