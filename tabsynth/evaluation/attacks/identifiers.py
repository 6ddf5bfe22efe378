"""P0d, identifiers and free text: keys, identifiers and notes of training people that stand in the synthetic table.

Every column is read, those too that no model learns. Three questions, of which the first two compare people who were
used with people who were not:

1. Keys: which share of the keys that one person alone holds stands in the synthetic table? Keys numbered anew (1, 2,
   3, ... without a gap) meet old ones by construction and are only listed; those drawn anew by a pattern meet keys of
   training and of holdout people equally often.
2. Values of a form (an e-mail address, a number with its check digit) that one person alone holds, and free text: do
   they stand in the synthetic table?
3. What looks like an identifier of 45 CFR 164.514(b)(2)(i) at all, copied or not? Listed for a person to judge. No
   program can check "any other unique characteristic" (R), and none knows what the holder of the data knows.

No finding holds a value: columns, classes and counts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column
from tabsynth.core.table import Cells, Table
from tabsynth.evaluation.attacks._classes import AGE, HUMAN, KINDS, LABELS, TOP_CODE, Form, words
from tabsynth.evaluation.attacks._texts import NO_TEXTS, Hit, Texts, read, telling, texts_of
from tabsynth.evaluation.attacks._verbatim import runs_reused
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
           f"more of a column's candidates are right than chance explains. Interval: Newcombe. Not checked: {HUMAN}.",
    "P0d.text": "People with a run of 8 words, a run of 20 characters, or a whole cell of 20 or more characters that "
                "nobody else among training and holdout rows holds: share of the training people of whom such a run "
                "stands in the synthetic table, minus the same share of the holdout people. Case and blanks do not "
                "count. Interval: Newcombe.",
}
NOT_ALONE: Final = frozenset("BCKN")
"""Classes whose values many people share by nature (places, dates, providers, pages): one that recurs names nobody."""
MICROSECONDS_A_DAY: Final = 86_400_000_000
BY_CONSTRUCTION: Final = "numbered without a gap: equal keys come about by construction"
NOTHING_TO_COMPARE: Final = (
    "no key and no value in the form of an identifier by which training and holdout people could be compared")
NO_FREE_TEXT: Final = "no free text of 20 or more characters in the synthetic table, or none in a real one"
_COUNTED: Final = re.compile(r"([^0-9]*)([0-9]{1,18})")

Row = dict[str, Any]
Found = Sequence[tuple[Texts, Sequence[Hit]]]
"""Values found in columns of one table."""


def identifiers(samples: Samples) -> tuple[Finding, ...]:
    """P0d and P0d.text. control: the same share of the holdout people.

    details of P0d: `leaked_values`, the distinct values of classes that name one person, that one training person alone
    holds and that stand in a synthetic column that is not drawn by a pattern; `looks_like`, what a person must look at.
    details of P0d.text: `leaked_values`, the training people whose run or cell comes out again where no holdout
    person's does.
    """
    return _identifiers(samples), _free_text(samples)


@dataclass(frozen=True, eq=False)
class Reading:
    """All columns of the three tables as texts.

    Args:
        units: the person of each training row, 0, 1, ..., and of each holdout row, counting on.
        patterned: columns whose cells are drawn anew by a pattern, so that they meet old ones by chance.
    """

    train: Mapping[str, Texts]
    holdout: Mapping[str, Texts]
    synth: Mapping[str, Texts]
    units: tuple[NDArray[np.int64], NDArray[np.int64]]
    patterned: frozenset[str]

    @classmethod
    def of(cls, samples: Samples) -> Reading:
        train, holdout, synth = (
            {name: texts_of(table[name], table.schema[name].kind) for name in table.schema.names}
            for table in (samples.train, samples.holdout, samples.synth))
        used = units_of(samples.train)
        others = units_of(samples.holdout) + int(used.max(initial=-1)) + 1
        patterned = frozenset(c.name for c in samples.schema.columns if c.pattern is not None)
        return cls(train, holdout, synth, (used, others), patterned)

    def find(self, forms: Sequence[Form]) -> tuple[Found, Found]:
        """Values of a kind in training and in holdout rows; whether check digits tell is decided on both together."""
        train, holdout = [], []
        for name, texts in self.train.items():
            other = self.holdout.get(name, NO_TEXTS)
            for form in forms:
                used, unused = texts.find(form, name), other.find(form, name)
                if telling(form, (*used, *unused)):
                    train.append((texts, read(form, used)))
                    holdout.append((other, read(form, unused)))
        return train, holdout


@dataclass(frozen=True, slots=True)
class Reuse:
    """Values that one person alone holds: (those that stand in the synthetic table, all), by side.

    Args:
        of_one: those of one training person that stand in the synthetic table.
    """

    train: tuple[int, int]
    control: tuple[int, int]
    of_one: frozenset[str]


def reuse(units: Sequence[NDArray[np.int64]], train: Found, holdout: Found, synth: frozenset[str]) -> Reuse:
    """Compare the values found in training rows, and those in holdout rows, with the synthetic values.

    Args:
        units: see `Reading`.
    """
    distinct = list(dict.fromkeys(hit.value for _, hits in (*train, *holdout) for hit in hits))
    numbers = {value: i for i, value in enumerate(distinct)}
    held = [texts.holders(hits, owners, numbers) for found, owners in zip((train, holdout), units, strict=True)
            for texts, hits in found if hits]
    if not held:
        return Reuse((0, 0), (0, 0), frozenset())
    alone, owner = held_by_one(*(np.concatenate(part) for part in zip(*held)))
    stands, used = np.array([value in synth for value in distinct], np.bool_)[alone], owner <= units[0].max(initial=-1)
    counts = [(int(stands[side].sum()), int(side.sum())) for side in (used, ~used)]
    return Reuse(counts[0], counts[1], frozenset(distinct[i] for i in alone[used & stands]))


# --- P0d -------------------------------------------------------------------------------------------------


def _identifiers(samples: Samples) -> Finding:
    title, reading = title_of(FACTS, "P0d"), Reading.of(samples)
    seen = [*_forms(reading), *_by_kind(samples.synth), *_by_name(samples.synth, reading.synth)]
    rows = [*_keys(samples, reading), *seen]
    tried, listed = [r for r in rows if _comparable(r)], [r for r in rows if not _comparable(r)]
    details = {"leaked_values": sum(row.get("leaked_values", 0) for row in seen), "human": HUMAN,
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


def _keys(samples: Samples, reading: Reading) -> Iterator[Row]:
    """One row per column of keys or direct identifiers that all tables hold."""
    names = [c.name for c in samples.schema.columns if not c.modelled and c.kind != "text"]
    for name in names:
        tables = [part[name] for part in (reading.train, reading.holdout, reading.synth) if name in part]
        if len(tables) < 3 or not tables[2].texts:
            continue
        train, holdout, synth = tables
        row: Row = {"key": f"keys in {name}", "columns": name, "cells": len(synth.rows), "evidence": "kind or role"}
        if numbered_anew(synth.texts):
            yield {**row, "n": len(synth.rows), "evidence": BY_CONSTRUCTION}
        else:
            yield _compared(row, reuse(reading.units, [(train, train.whole)], [(holdout, holdout.whole)],
                                       frozenset(synth.texts)))


def numbered_anew(texts: Sequence[str]) -> bool:
    """True if the texts are numbers in a row without a gap, as a counter gives them, behind one and the same prefix.

    >>> numbered_anew(["2", "1", "3"]), numbered_anew(["P09", "P10"]), numbered_anew(["1", "3"]), numbered_anew(["A"])
    (True, True, False, False)
    """
    parts = [_COUNTED.fullmatch(text) for text in texts]
    if not texts or any(part is None for part in parts) or len({part[1] for part in parts if part}) > 1:
        return False
    numbers = {int(part[2]) for part in parts if part}
    return max(numbers) - min(numbers) + 1 == len(numbers) == len(texts)


def _forms(reading: Reading) -> Iterator[Row]:
    """One row per kind of identifier that synthetic cells have the form of."""
    for (letter, what), forms in KINDS.items():
        if not any(texts.find(form, name) for name, texts in reading.synth.items() for form in forms):
            continue
        train, holdout = reading.find(forms)
        known = _distinct(train)
        hits = {name: hits for name, texts in reading.synth.items() if (hits := _synthetic(texts, name, forms, known))}
        if hits:
            given = [(reading.synth[name], hits[name]) for name in hits]
            free = [(reading.synth[name], hits[name]) for name in hits if name not in reading.patterned]
            found = reuse(reading.units, train, holdout, _distinct(given))
            yield _compared({
                "key": f"{letter}, {what}", "class": letter, "columns": ", ".join(hits),
                "cells": sum(texts.cells(part) for texts, part in given),
                "evidence": "form and check digit" if any(form.chance for form in forms) else "form",
                "same_values_in_training": len(known & _distinct(given)),
                "leaked_values": 0 if letter in NOT_ALONE else len(found.of_one & _distinct(free))}, found)


def _synthetic(texts: Texts, name: str, forms: Sequence[Form], known: frozenset[str]) -> list[Hit]:
    """Values of a kind in a synthetic column; where check digits are too few to tell, those that training rows hold."""
    hits: list[Hit] = []
    for form in forms:
        candidates = texts.find(form, name)
        told = telling(form, candidates)
        if told or known:
            hits += [hit for hit in read(form, candidates) if told or hit.value in known]
    return hits


def _distinct(found: Found) -> frozenset[str]:
    return frozenset(hit.value for _, hits in found for hit in hits)


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
    """Cells of an age above 89; 0 if all of them are one class, "90 or older"."""
    if column.kind not in ("integer", "number") or not AGE.search(words(column.name)):
        return 0
    values = cells.values[cells.present]
    old = values[values >= TOP_CODE]
    return len(old) if (old != TOP_CODE).any() else 0


def _by_name(synth: Table, texts: Mapping[str, Texts]) -> Iterator[Row]:
    """Classes that only the name of a column of texts suggests."""
    for label in LABELS:
        cells = {c.name: len(texts[c.name].rows) for c in synth.schema.columns
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
    if not rows:
        return Finding("P0d.text", title, "privacy", 0.0, "lower is safer", n=len(samples.synth), method=method,
                       state="uninformative", reason=NO_FREE_TEXT)
    leaked = max((row["train_hits"] for row in rows if row["control_hits"] == 0), default=0)
    return attack_finding("P0d.text", title, rows, method=method, unit_of_n="people", few=power(samples.n)["reason"],
                          details={"leaked_values": leaked})
