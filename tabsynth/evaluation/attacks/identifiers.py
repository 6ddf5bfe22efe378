"""P0d, identifiers and free text: keys, identifiers and notes of training people that stand in the synthetic table.

Every column is read, those too that no model learns. Three questions, of which the first two compare people who were
used with people who were not:

1. Keys: which share of the keys that one person alone holds stands in the synthetic table? Keys numbered anew (1, 2,
   3, ... without a gap) meet old ones by construction and are only listed; those drawn anew meet keys of training and
   of holdout people equally often. One that chance does not explain is a leak on its own.
2. Values of a form (an e-mail address, a number with its check digit) that one person alone holds, and free text: do
   they stand in the synthetic table?
3. What looks like an identifier of 45 CFR 164.514(b)(2)(i) at all, copied or not? Listed for a person to judge. No
   program can check "any other unique characteristic" (R), and none knows what the holder of the data knows.

No finding holds a value: columns, classes and counts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column
from tabsynth.core.table import Cells, Table
from tabsynth.evaluation.attacks._classes import AGE, HUMAN, KINDS, LABELS, NOT_YEARS, TOP_CODE, Form, words
from tabsynth.evaluation.attacks._coincidence import LEVEL, MARGIN, beyond_chance
from tabsynth.evaluation.attacks._texts import (
    NO_TEXTS,
    Held,
    Hit,
    Texts,
    may_tell,
    read,
    read_known,
    telling,
    texts_of,
)
from tabsynth.evaluation.attacks._verbatim import MOST_RUNS, RUNS_OF_CHARACTERS, runs_reused
from tabsynth.evaluation.identity import held_by_one
from tabsynth.evaluation.protocol import Samples, power, title_of, units_of
from tabsynth.evaluation.variants import attack_finding, counted

FACTS = {
    "name": "identifiers",
    "entry": "identifiers",
    "tier": 0,
    "section": "privacy",
    "summary": "keys, identifiers and free text of training people that stand in the synthetic table",
    "findings": {
        "P0d": "Keys and identifiers of one person that stand in the synthetic table",
        "P0d.text": "Free text of one person that stands in the synthetic table",
    },
}

METHODS: Final = {
    "P0d": "Keys, and values in the form of an identifier of 45 CFR 164.514(b)(2)(i), held by one person alone among "
           "training and holdout rows together: share of the training people's that stand in the synthetic table, "
           "minus the same share of the holdout people's. All columns are read. A form with a check digit counts where "
           "more of a column's candidates are right than chance explains. A leak: values of one training person in the "
           "synthetic table, other than keys numbered without a gap, that independent draws of the same signs would "
           f"meet with probability below {LEVEL:g}, their rate taken {MARGIN:g}-fold. Interval: Newcombe. Not checked: "
           f"{HUMAN}.",
    "P0d.text": "People with a run of 8 words, a run of 20 characters, or a whole cell of 20 or more characters that "
                "nobody else among training and holdout rows holds: share of the training people of whom such a run "
                "stands in the synthetic table, minus the same share of the holdout people. Case and blanks do not "
                f"count. Beyond {MOST_RUNS:,} runs in a table only those whose hash is divisible by m are looked at, "
                "in all tables the same ones: a passage is found by those of its many runs that are left. Interval: "
                "Newcombe.",
}
NOT_ALONE: Final = frozenset("BCKN")
"""Classes whose values many people share by nature (places, dates, providers, pages): one that recurs names nobody."""
MICROSECONDS_A_DAY: Final = 86_400_000_000
BY_CONSTRUCTION: Final = "numbered without a gap: equal keys come about by construction"
NOTHING_TO_COMPARE: Final = (
    "no key and no value in the form of an identifier by which training and holdout people could be compared")
NO_FREE_TEXT: Final = "no free text of 20 or more characters in the synthetic or in the training table"
NO_TEXT_TO_COMPARE: Final = (
    "no free text of holdout people with which that of training people could be compared; what comes out is counted")
_COUNTED: Final = re.compile(r"([^0-9]*)([0-9]{1,18})")

Row = dict[str, Any]
Kind = tuple[str, str]
"""Class of 45 CFR 164.514(b)(2)(i), and name."""


def identifiers(samples: Samples) -> tuple[Finding, ...]:
    """P0d and P0d.text. control: the same share of the holdout people.

    details of P0d: `leaked_values`, the distinct values that one training person alone holds and that stand in the
    synthetic table where chance does not explain it, summed over the columns of keys and the classes that name one
    person; `looks_like`, what a person must look at.
    details of P0d.text: `leaked_values`, the training people whose run or cell comes out again where no holdout
    person's does.
    """
    return _identifiers(samples), _free_text(samples)


@dataclass(frozen=True, slots=True)
class Real:
    """Values of a kind in training and in holdout rows, an entry a column. People count on from train to holdout."""

    train: list[Held]
    holdout: list[Held]

    @property
    def known(self) -> frozenset[str]:
        return frozenset(value for held in self.train for value in held.values)


@dataclass(frozen=True, slots=True)
class Owners:
    """The person of each training row, 0, 1, ..., and of each holdout row, counting on from `first_control`."""

    train: NDArray[np.int64]
    holdout: NDArray[np.int64]
    first_control: int

    @classmethod
    def of(cls, samples: Samples) -> Owners:
        train = units_of(samples.train)
        first_control = int(train.max(initial=-1)) + 1
        return cls(train, units_of(samples.holdout) + first_control, first_control)


@dataclass(frozen=True, slots=True)
class Reuse:
    """Values that one person alone holds: (those that stand in the synthetic table, all), by side.

    Args:
        of_one: those of one training person that stand in the synthetic table.
    """

    train: tuple[int, int]
    control: tuple[int, int]
    of_one: tuple[str, ...]

    @property
    def by_control(self) -> float:
        """Training values expected in the synthetic table at the rate of the holdout's."""
        return self.control[0] * self.train[1] / max(1, self.control[1])


def reuse(real: Real, first_control: int, synth: AbstractSet[str]) -> Reuse:
    """Compare the values found in training rows, and those in holdout rows, with the synthetic values."""
    numbers: dict[str, int] = {}
    cells: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for held in (*real.train, *real.holdout):
        ids = np.array([numbers.setdefault(value, len(numbers)) for value in held.values], np.int64)
        cells.append((ids[held.which], held.owners))
    if not cells:
        return Reuse((0, 0), (0, 0), ())
    alone, owner = held_by_one(*(np.concatenate(part) for part in zip(*cells)))
    distinct = list(numbers)
    stands = np.array([value in synth for value in distinct], np.bool_)[alone]
    used = owner < first_control
    counts = [(int(stands[side].sum()), int(side.sum())) for side in (used, ~used)]
    return Reuse(counts[0], counts[1], tuple(distinct[i] for i in alone[used & stands]))


def texts_in(table: Table, name: str) -> Texts:
    """A column's texts; none where the table lacks it."""
    return texts_of(table[name], table.schema[name].kind) if name in table.columns else NO_TEXTS


# --- P0d -------------------------------------------------------------------------------------------------


def _identifiers(samples: Samples) -> Finding:
    title, owners = title_of(FACTS, "P0d"), Owners.of(samples)
    seen = [*_forms(samples, owners), *_by_kind(samples.synth), *_by_name(samples.synth)]
    rows = [*_keys(samples, owners), *seen]
    tried, listed = [r for r in rows if _comparable(r)], [r for r in rows if not _comparable(r)]
    details = {"leaked_values": sum(row.get("leaked_values", 0) for row in rows), "human": HUMAN,
               "looks_like": "; ".join(f"{row['key']}: {row['columns']}" for row in seen)}
    if not tried:
        return Finding("P0d", title, "privacy", 0.0, "lower is safer", n=len(samples.synth), method=METHODS["P0d"],
                       breakdown=tuple(listed), details=details, state="uninformative", reason=NOTHING_TO_COMPARE)
    found = attack_finding("P0d", title, tried, method=METHODS["P0d"], unit_of_n="keys or values",
                           few=power(samples.n)["reason"], details=details)
    return replace(found, breakdown=(*found.breakdown, *listed))


def _comparable(row: Row) -> bool:
    return bool(row.get("train_n") and row.get("control_n"))


def _compared(row: Row, found: Reuse) -> Row:
    """The row with the comparison of people who were used and who were not, where there are values on both sides.

    Supplementary: a hit is a fact, and no number of records could exclude the next one.
    """
    (hits, n), (control_hits, control_n) = found.train, found.control
    if n and control_n:
        return counted(**row, train=(hits, n), control=(control_hits, control_n), supplementary=True)
    return {**row, "n": row["cells"], "train_hits": hits, "train_n": n, "control_hits": control_hits,
            "control_n": control_n}


def _keys(samples: Samples, owners: Owners) -> Iterator[Row]:
    """One row per column of keys or direct identifiers that training and synthetic table hold."""
    for column in samples.schema.columns:
        if column.modelled or column.kind == "text" or column.name not in samples.train.columns:
            continue
        name, synth = column.name, texts_in(samples.synth, column.name)
        row: Row = {"key": f"keys in {name}", "columns": name, "cells": len(synth.rows), "evidence": "kind or role"}
        if numbered_anew(synth.texts):
            yield {**row, "n": len(synth.rows), "evidence": BY_CONSTRUCTION}
        elif synth.texts:
            train, holdout = (texts_in(part, name) for part in (samples.train, samples.holdout))
            real = Real([train.all_held(owners.train)], [holdout.all_held(owners.holdout)])
            standing = dict.fromkeys(synth.texts)
            found = reuse(real, owners.first_control, standing.keys())
            leaked = beyond_chance(found.of_one, real.train[0].values, tuple(standing), found.by_control,
                                   samples.streams.stream(0, f"chance of equal keys in {name}"),
                                   drawn_evenly=column.pattern is not None)
            yield _compared({**row, "leaked_values": leaked}, found)


def numbered_anew(texts: Iterable[str]) -> bool:
    """True if the texts are numbers in a row without a gap, as a counter gives them, behind one and the same prefix.

    >>> numbered_anew(["2", "1", "3"]), numbered_anew(["P09", "P10"]), numbered_anew(["1", "3"]), numbered_anew(["A"])
    (True, True, False, False)
    """
    prefix: str | None = None
    numbers: set[int] = set()
    for text in texts:
        part = _COUNTED.fullmatch(text)
        if part is None or (prefix is not None and part[1] != prefix) or int(part[2]) in numbers:
            return False
        prefix = part[1]
        numbers.add(int(part[2]))
    return bool(numbers) and max(numbers) - min(numbers) + 1 == len(numbers)


@dataclass(frozen=True, slots=True)
class Standing:
    """Values of a kind in a synthetic column. free: the column is not drawn anew by a pattern."""

    column: str
    values: dict[str, None]
    cells: int
    free: bool


def _forms(samples: Samples, owners: Owners) -> Iterator[Row]:
    """One row per kind of identifier that synthetic cells have the form of."""
    real = _real(samples, owners)
    for kind, standing in _standing(samples, {kind: found.known for kind, found in real.items()}).items():
        letter, what = kind
        values, free = (dict.fromkeys(value for part in standing if part.free or not only for value in part.values)
                        for only in (False, True))
        found = reuse(real[kind], owners.first_control, values.keys())
        known = dict.fromkeys(value for held in real[kind].train for value in held.values)
        leaked = 0 if letter in NOT_ALONE else beyond_chance(
            [value for value in found.of_one if value in free], tuple(known), tuple(free), found.by_control,
            samples.streams.stream(0, f"chance of equal values of the kind {what}"))
        yield _compared({
            "key": f"{letter}, {what}", "class": letter, "columns": ", ".join(part.column for part in standing),
            "cells": sum(part.cells for part in standing),
            "evidence": "form and check digit" if any(form.chance for form in KINDS[kind]) else "form",
            "same_values_in_training": len(known.keys() & values.keys()), "leaked_values": leaked}, found)


def _real(samples: Samples, owners: Owners) -> dict[Kind, Real]:
    """Values of each kind in training and in holdout rows, one column after the other.

    Whether check digits tell is decided on both tables together.
    """
    found = {kind: Real([], []) for kind in KINDS}
    for name in _to_read(samples.train):
        used, unused = (texts_in(part, name) for part in (samples.train, samples.holdout))
        for kind, forms in KINDS.items():
            for form in forms:
                candidates = used.find(form, name), unused.find(form, name)
                if any(candidates) and telling(form, *candidates):
                    found[kind].train.append(used.held(read(form, candidates[0]), owners.train))
                    found[kind].holdout.append(unused.held(read(form, candidates[1]), owners.holdout))
    return found


def _standing(samples: Samples, known: Mapping[Kind, frozenset[str]]) -> dict[Kind, list[Standing]]:
    """Values of each kind in synthetic rows, one column after the other, for kinds that have some."""
    found: dict[Kind, list[Standing]] = {kind: [] for kind in KINDS}
    patterned = {column.name for column in samples.schema.columns if column.pattern is not None}
    for name in _to_read(samples.synth):
        texts = texts_in(samples.synth, name)
        for kind, forms in KINDS.items():
            if hits := _synthetic(texts, name, forms, known[kind]):
                found[kind].append(Standing(name, dict.fromkeys(hit.value for hit in hits), texts.cells(hits),
                                            name not in patterned))
    return {kind: standing for kind, standing in found.items() if standing}


def _to_read(table: Table) -> list[str]:
    return [c.name for c in table.schema.columns if may_tell(table[c.name], c.kind, c.name)]


def _synthetic(texts: Texts, name: str, forms: Sequence[Form], known: frozenset[str]) -> list[Hit]:
    """Values of a kind in a synthetic column; where check digits are too few to tell, those that training rows hold."""
    hits: list[Hit] = []
    for form in forms:
        candidates = texts.find(form, name)
        if candidates and telling(form, candidates):
            hits += read(form, candidates)
        elif candidates and known:
            hits += read_known(form, candidates, known)
    return hits


def _by_kind(synth: Table) -> Iterator[Row]:
    """Dates finer than a year, and ages above 89, by the kind of the column."""
    dates = {c.name: finer for c in synth.schema.columns if (finer := finer_than_a_year(c, synth[c.name]))}
    ages = {c.name: old for c in synth.schema.columns if (old := above_89(c, synth[c.name]))}
    for what, cells in (("date finer than a year", dates), ("age above 89", ages)):
        if cells:
            yield _listed("C", f"{what}, by kind of column", cells, "kind of the column")


def finer_than_a_year(column: Column, cells: Cells) -> int:
    """Cells of a date that say more than the year; 0 if all are a first of January."""
    if column.kind not in ("date", "datetime"):
        return 0
    day = (cells.values[cells.present] // (1 if column.kind == "date" else MICROSECONDS_A_DAY)).astype("datetime64[D]")
    return len(day) if (day != day.astype("datetime64[Y]")).any() else 0


def above_89(column: Column, cells: Cells) -> int:
    """Cells of an age in years above 89; 0 if all of them are one class, "90 or older"."""
    name = words(column.name)
    if not AGE.search(name) or NOT_YEARS.search(name) or NOT_YEARS.search(words(column.unit_of_measure or "")):
        return 0
    if column.kind == "category":
        return _older_bands(cells)
    if column.kind not in ("integer", "number"):
        return 0
    values = cells.values[cells.present]
    old = values[values >= TOP_CODE]
    return len(old) if (old != TOP_CODE).any() else 0


def _older_bands(cells: Cells) -> int:
    """Cells of bands that begin at 90 or above, unless there is one such band and it begins at 90."""
    begins = [int(number[0]) if (number := re.search(r"[0-9]{1,3}", level)) else 0 for level in cells.levels]
    codes = cells.values[cells.present]
    old = [code for code in np.unique(codes).tolist() if begins[code] >= TOP_CODE]
    if not old or (len(old) == 1 and begins[old[0]] == TOP_CODE):
        return 0
    return int(np.isin(codes, old).sum())


def _by_name(synth: Table) -> Iterator[Row]:
    """Classes that only the name of a column of texts suggests."""
    for label in LABELS:
        cells = {c.name: len(texts_in(synth, c.name).rows) for c in synth.schema.columns
                 if c.kind in ("id", "text", "category") and label.columns.search(words(c.name))}
        cells = {name: n for name, n in cells.items() if n}
        if cells:
            yield _listed(label.letter, f"{label.what}, by name of column", cells, "name of the column")


def _listed(letter: str, what: str, cells: Mapping[str, int], evidence: str) -> Row:
    total = sum(cells.values())
    return {"key": f"{letter}, {what}", "class": letter, "columns": ", ".join(cells), "cells": total, "n": total,
            "evidence": evidence}


# --- P0d.text --------------------------------------------------------------------------------------------


def _free_text(samples: Samples) -> Finding:
    title, method = title_of(FACTS, "P0d.text"), METHODS["P0d.text"]
    rows = runs_reused(samples)
    tried, listed = [r for r in rows if _comparable(r)], [r for r in rows if not _comparable(r)]
    details = {"leaked_values": leaked_people(rows)}
    if not tried:
        return Finding("P0d.text", title, "privacy", 0.0, "lower is safer", n=len(samples.synth), method=method,
                       breakdown=tuple(listed), details=details, state="uninformative",
                       reason=NO_FREE_TEXT if not listed else NO_TEXT_TO_COMPARE)
    found = attack_finding("P0d.text", title, tried, method=method, unit_of_n="people",
                           few=power(samples.n)["reason"], details=details)
    return replace(found, breakdown=(*found.breakdown, *listed))


def leaked_people(rows: Sequence[Row]) -> int:
    """Training people whose runs stand in the synthetic table where those of no holdout person do.

    Runs of characters count only beside a control: without one nothing tells a passage from an idiom so short.
    """
    return max((row["train_hits"] for row in rows
                if row["control_hits"] == 0 and (row["control_n"] or row["key"] != RUNS_OF_CHARACTERS)), default=0)
