"""The list of 45 CFR 164.514(b)(2)(i), class by class: which columns of the synthetic table look like an entry of it.

Looks at the synthetic rows and at the public schema, at no real row: the finding may leave the house whole. That a cell
looks like an identifier does not make it one, and that none does decides nothing: a row that was copied from a person
remains personal, whatever the list says (P0a, P0d and P0e look for copies). No policy holds a limit on it; a privacy
officer reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column
from tabsynth.core.table import Cells, Table
from tabsynth.evaluation.attacks._classes import FORMS, LABELS, PLACE, SMALL_ZIP3, Form, sparse_zip3, words
from tabsynth.evaluation.attacks._texts import Hit, Texts, may_tell, read, telling, texts_of
from tabsynth.evaluation.attacks.identifiers import above_89, finer_than_a_year, numbered_anew
from tabsynth.evaluation.protocol import Samples, title_of

FACTS = {
    "name": "safe_harbor",
    "entry": "safe_harbor",
    "tier": 0,
    "section": "privacy",
    "summary": "columns of the synthetic table that look like an entry of the Safe Harbor list",
    "findings": {"safe_harbor": "Entries of the Safe Harbor list that a program sees in the columns"},
}

CLASSES: Final[Mapping[str, str]] = {
    "A": "names", "B": "geography below a state", "C": "dates finer than a year, ages above 89",
    "D": "telephone numbers", "E": "fax numbers", "F": "e-mail addresses", "G": "social security numbers",
    "H": "medical record numbers", "I": "health plan numbers", "J": "account numbers",
    "K": "certificate and licence numbers", "L": "vehicle numbers and plates", "M": "device numbers",
    "N": "web addresses", "O": "IP addresses", "P": "biometric identifiers", "Q": "photographs of a face",
    "R": "other unique numbers, characteristics and codes",
}
"""Letter of 45 CFR 164.514(b)(2)(i) -> what it lists."""
NUMBERED: Final = frozenset("BCGHIJKLM")
"""Classes whose values may stand in a column of numbers."""

METHOD: Final = (
    "Number of classes of 45 CFR 164.514(b)(2)(i) that at least one cell of the synthetic table looks like. Told by: "
    "the form of a value, with its check digit; names of columns (A, G to M, P and Q, and geography and events); the "
    "role of a direct identifier (R); dates other than 1 January; ages in years above 89, unless all are one class of "
    "90 or older; five-digit ZIP codes, and three-digit ones of areas of 20,000 people or fewer ({zip3}); values that "
    "end in County, Borough, Parish, Precinct, Township or Landkreis. Keys numbered 1, 2, 3, ... without a gap are "
    "made up and do not count. Not looked at: cities and other places by their names alone, what a text says, images, "
    "the time of day, years of birth, any other unique characteristic, and what the holder of the data knows. A row "
    "that was copied from a person remains personal, whatever the list says.")

Row = dict[str, Any]


def safe_harbor(samples: Samples) -> tuple[Finding, ...]:
    """One finding; its breakdown has a row per class, A to R, with the cells and columns that look like it."""
    declared = samples.schema.evaluation.sparse_zip3
    sparse = sparse_zip3() if declared is None else frozenset(declared)
    rows = tuple(_row(letter, found, len(samples.synth)) for letter, found in seen(samples.synth, sparse).items())
    where = "lists of the 2000 and the 2020 census" if declared is None else "list of the schema"
    return (Finding(
        "safe_harbor", title_of(FACTS, "safe_harbor"), "privacy", float(sum(row["hits"] > 0 for row in rows)),
        "lower is safer", n=len(samples.synth), method=METHOD.format(zip3=where), breakdown=rows, shareable=True,
        details={"statistic": "count"}),)


def seen(synth: Table, sparse: frozenset[str]) -> dict[str, dict[str, dict[str, int]]]:
    """Letter -> column -> what its cells look like -> how many of them do.

    Args:
        sparse: three-digit ZIP areas that are too small to be told.
    """
    found: dict[str, dict[str, dict[str, int]]] = {letter: {} for letter in CLASSES}
    for column in synth.schema.columns:
        for letter, what, cells in _looks(column, synth[column.name], sparse):
            if cells:
                found[letter].setdefault(column.name, {})[what] = cells
    return found


def _row(letter: str, found: Mapping[str, Mapping[str, int]], n: int) -> Row:
    """A cell that looks like two entries of a class is one hit."""
    kinds = dict.fromkeys(what for looks in found.values() for what in looks)
    return {"key": f"{letter}, {CLASSES[letter]}", "class": letter, "n": n,
            "hits": sum(max(looks.values()) for looks in found.values()), "columns": ", ".join(found),
            "looks_like": "; ".join(kinds)}


def _looks(column: Column, cells: Cells, sparse: frozenset[str]) -> Iterator[tuple[str, str, int]]:
    """(Letter, what, cells) for everything that the column's cells look like."""
    yield "C", "date finer than a year", finer_than_a_year(column, cells)
    yield "C", "age above 89", above_89(column, cells)
    texts = texts_of(cells, column.kind)
    if may_tell(cells, column.kind, column.name):
        for form in FORMS:
            yield form.letter, form.what, texts.cells(_found(form, texts, column.name, sparse))
    if column.kind in ("category", "text"):
        places = [Hit(i, text) for i, text in enumerate(texts.texts) if PLACE.search(text)]
        yield "B", "county or other area below a state", texts.cells(places)
    if column.modelled or not numbered_anew(texts.texts):
        yield from _named(column, cells, texts)


def _found(form: Form, texts: Texts, name: str, sparse: frozenset[str]) -> list[Hit]:
    candidates = texts.find(form, name)
    if form.what == SMALL_ZIP3:
        return [hit for hit in candidates if hit.value.zfill(3) in sparse]
    return read(form, candidates) if candidates and telling(form, candidates) else []


def _named(column: Column, cells: Cells, texts: Texts) -> Iterator[tuple[str, str, int]]:
    """What the name of the column says, or else its role."""
    numeric = column.kind in ("integer", "number")
    given = int(cells.present.sum()) if numeric else len(texts.rows)
    labels = [label for label in LABELS if label.columns.search(words(column.name))
              and (not numeric or label.letter in NUMBERED)]
    for label in labels:
        yield label.letter, label.what, given
    if column.role == "direct-identifier" and not labels:
        yield "R", "direct identifier by role", given
