"""Runs of words and characters that one person's texts alone hold, found again in synthetic texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.table import Table
from tabsynth.evaluation.attacks._texts import Texts, texts_of
from tabsynth.evaluation.protocol import Samples, in_random_order, units_of
from tabsynth.evaluation.variants import counted

WORDS: Final = 8
CHARACTERS: Final = 20
"""Length of a run; texts of fewer characters are not looked at."""
FREE_TEXT: Final = 0.5
"""Categories with more distinct texts than this share of their cells are free text."""
MOST_CHARACTERS: Final = 3_000_000
"""Characters of a table in which runs are looked for, of people in random order: bounds time and memory."""

Counts = tuple[tuple[int, int], tuple[int, int]]
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts of one table, in lower case and with single blanks, people in random order, and the person of each."""

    texts: list[str]
    units: NDArray[np.int64]

    @property
    def shortened(self) -> Corpus:
        """The first texts, of `MOST_CHARACTERS` in all."""
        kept = int((np.cumsum([len(text) for text in self.texts]) <= MOST_CHARACTERS).sum())
        return Corpus(self.texts[:kept], self.units[:kept])


@dataclass(frozen=True, eq=False)
class Runs:
    """Hashes of all runs of a corpus, shape (runs,), and the text in which each stands."""

    hashes: NDArray[np.uint64]
    texts: NDArray[np.int64]


def runs_reused(samples: Samples) -> list[dict[str, Any]]:
    """Comparisons by people: whose run that nobody else holds stands in a synthetic text?

    Returns:
        A row each for whole cells, runs of words and runs of characters; none where a table holds no free text.
    """
    names = free_texts(samples)
    train, holdout, synth = (
        corpus(table, names, samples.streams.stream(0, f"free text {what}"))
        for what, table in (("train", samples.train), ("holdout", samples.holdout), ("synth", samples.synth)))
    if not (train.texts and holdout.texts and synth.texts):
        return []
    every = (train, holdout, synth)
    few = [part.shortened for part in every]
    parts = [part.texts for part in few]
    counts = {
        "whole cells": people_hit(whole_cells([part.texts for part in every]), train.units, holdout.units),
        "runs of words": people_hit(word_runs(parts), few[0].units, few[1].units),
        "runs of characters": people_hit([*map(character_runs, parts)], few[0].units, few[1].units)}
    return [counted(key, *both, supplementary=True) for key, both in counts.items() if both[0][1] and both[1][1]]


def free_texts(samples: Samples) -> tuple[str, ...]:
    """Columns of free text in all three tables: those of that kind, and categories that hardly repeat."""
    tables = (samples.train, samples.holdout, samples.synth)
    return tuple(column.name for column in samples.schema.columns
                 if all(column.name in t.columns and t.schema[column.name].kind in ("text", "category") for t in tables)
                 and (column.kind == "text" or _hardly_repeats(texts_of(samples.train[column.name], column.kind))))


def corpus(table: Table, names: Sequence[str], rng: np.random.Generator) -> Corpus:
    """The table's texts of at least `CHARACTERS` characters, people in random order."""
    owners, units = units_of(table), []
    kept: list[str] = []
    place = np.empty(len(owners), np.int64)
    place[in_random_order(owners, rng)] = np.arange(len(owners))
    for name in names:
        column = texts_of(table[name], table.schema[name].kind)
        plain = [" ".join(text.casefold().split()) for text in column.texts]
        long = np.array([len(text) >= CHARACTERS for text in plain], np.bool_)[column.codes]
        kept += [plain[code] for code in column.codes[long]]
        units.append(column.rows[long])
    rows = np.concatenate([np.zeros(0, np.int64), *units])
    order = np.argsort(place[rows], kind="stable")
    return Corpus([kept[i] for i in order], owners[rows[order]])


def whole_cells(parts: Sequence[Sequence[str]]) -> list[Runs]:
    """Each text of each corpus as one run."""
    numbers: dict[str, int] = {}
    return [Runs(np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.uint64),
                 np.arange(len(texts))) for texts in parts]


def word_runs(parts: Sequence[Sequence[str]]) -> list[Runs]:
    """Runs of `WORDS` words of each corpus."""
    numbers: dict[str, int] = {}
    split = [[text.split(" ") for text in texts] for texts in parts]
    return [_runs(np.array([numbers.setdefault(word, len(numbers)) for words in texts for word in words], np.uint64),
                  np.array([len(words) for words in texts], np.int64), WORDS) for texts in split]


def character_runs(texts: Sequence[str]) -> Runs:
    """Runs of `CHARACTERS` characters of a corpus."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    return _runs(points.astype(np.uint64), np.array([len(text) for text in texts], np.int64), CHARACTERS)


def people_hit(runs: Sequence[Runs], used: NDArray[np.int64], others: NDArray[np.int64]) -> Counts:
    """(people of whom a run that nobody else holds stands in the synthetic texts, people with such a run), by side.

    Args:
        runs: of train, holdout and synth.
        used, others: the person of each training text and of each holdout text.
    """
    train, holdout, synth = runs
    first_control = int(used.max(initial=-1)) + 1
    alone, owner = _held_by_one(np.concatenate([train.hashes, holdout.hashes]),
                                np.concatenate([used[train.texts], others[holdout.texts] + first_control]))
    hit, everybody = (np.unique(who) for who in (owner[_occurs(alone, np.sort(synth.hashes))], owner))
    hits, n = (int((who < first_control).sum()) for who in (hit, everybody))
    return (hits, n), (len(hit) - hits, len(everybody) - n)


def _held_by_one(hashes: NDArray[np.uint64],
                 owners: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """As `identity.held_by_one`, by one sort: there are millions of runs, and hashes leave no room for a person."""
    if not len(hashes):
        return hashes, owners
    order = np.argsort(hashes)
    hashes, owners = hashes[order], owners[order]
    first = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
    low, high = np.minimum.reduceat(owners, first), np.maximum.reduceat(owners, first)
    return hashes[first][low == high], low[low == high]


def _occurs(hashes: NDArray[np.uint64], among: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which hashes occur among rising others."""
    if not len(among):
        return np.zeros(len(hashes), np.bool_)
    return np.asarray(among[np.minimum(np.searchsorted(among, hashes), len(among) - 1)] == hashes)


def _runs(symbols: NDArray[np.uint64], lengths: NDArray[np.int64], width: int) -> Runs:
    """Hashes of all `width` symbols in a row that stand in one text: polynomials modulo 2^64 of mixed symbols.

    Among ten million different runs two share a hash with probability 3e-6.
    """
    starts = np.cumsum(lengths) - lengths
    many = np.maximum(lengths - width + 1, 0)
    first = np.repeat(starts, many) + np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    mixed, hashes = _mix(symbols), np.zeros(len(first), np.uint64)
    for i in range(width):
        hashes = hashes * _BASE + mixed[first + i]
    return Runs(hashes, np.repeat(np.arange(len(lengths)), many))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014), so that close symbols have unrelated hashes."""
    x = x + _BASE
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hardly_repeats(column: Texts) -> bool:
    return len(column.texts) > FREE_TEXT * max(1, len(column.rows))
