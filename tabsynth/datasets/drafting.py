"""One column's draft: from its distinct texts to kind, role, format and missing tokens, with the reason.

Order of decisions: nothing there → a name that gives a person away → something measured (unless its numbers are
identifiers or codes) → identifiers, categories, free text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final, Literal

from tabsynth.core.schema import Column, Dialect, Role
from tabsynth.datasets import kinds, names
from tabsynth.datasets.profile import Profile

Confidence = Literal["high", "medium", "low"]

TOKENS: Final = ("", "?", "NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "-", "--", ".", "None", "none", "#N/A",
                 "<NA>", "k.A.")
"""What stands for "not given" among numbers, dates and the like."""

TEXT_TOKENS: Final = ("", "?", "NULL", "null", "N/A", "n/a", "#N/A", "NaN", "nan", "<NA>", "k.A.")
"""What stands for "not given" among texts. "None", "NA" and "-" may be levels there, so they are kept."""

NULLS: Final = ("", "null", "NA", "<NA>")
"""Written for a null where a text file is made of a source that knows nulls: the first that is no value there."""

FEW: Final = 20
"""So few distinct texts are a category, whatever the number of rows."""

MANY: Final = 5000
"""More distinct texts than this are no category."""

LONG: Final = 60
"""Characters; texts that are mostly longer are prose."""

EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
PHONE: Final = re.compile(r"(?:\+\d|\(\d|\d{3}-\d{3}-)[\d\s()/.-]{5,18}")
UNITS: Final = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?: ?[^\W\d]\S*| ?[%°].*)|[-+]?\d+,\d+")
IDENTIFYING: Final[dict[str, Callable[[str], object]]] = {
    "e-mail addresses": EMAIL.fullmatch, "telephone numbers": PHONE.fullmatch,
    "social security numbers": re.compile(r"\d{3}-\d{2}-\d{4}").fullmatch,
}


@dataclass(frozen=True, slots=True)
class Context:
    """What all columns of a table share while they are drafted.

    Args:
        dialect: decimal mark and thousands separator.
        unit: name of the unit column, or None.
        missing: further tokens for "not given", named by the user.
        exact: kinds must write texts back byte for byte.
        nulls: the source tells a cell that is not given from every text, the empty one included.
        typed: the source keeps types of its own.
        stored: columns of a typed source whose type says the kind; all but texts and whole numbers.
        storage: see `Source`.
        na: "NA" means "not given" in this table's numbers, hence in its texts too.
    """

    dialect: Dialect
    unit: str | None = None
    missing: tuple[str, ...] = ()
    exact: bool = True
    nulls: bool = False
    typed: bool = False
    stored: Mapping[str, Column] = field(default_factory=dict)
    storage: Mapping[str, str] = field(default_factory=dict)
    na: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposed column, why, and how sure that is."""

    column: Column
    reason: str
    confidence: Confidence = "high"


def draft(profile: Profile, context: Context, measured: Draft | None) -> Draft:
    """The draft of one column; `measured` is what `measure` said of it."""
    if profile.name in context.stored and measured is not None:
        role: Role = "unit" if profile.name == context.unit else "feature"
        return replace(measured, column=_with_role(replace(measured.column, role=role)))
    missing, texts = _split(profile, context, text=measured is None)
    if not texts:
        return Draft(Column(profile.name, "category", missing=missing), "no cell holds a value")
    shape = _Shape(profile, texts)
    if profile.name == context.unit:
        return Draft(_id(shape, missing, "unit"), "named as the unit")
    found = _personal(shape, missing, measured)
    if found is None and measured is not None:
        found = _not_a_quantity(shape, measured) or measured
    if found is None:
        found = _listed(shape, missing, context)
    return replace(found, column=_with_role(found.column))


def measure(profile: Profile, context: Context) -> Draft | None:
    """The draft of a column whose texts are all of one measured kind, or None."""
    stored = context.stored.get(profile.name)
    if stored is not None:
        return Draft(stored, f"stored as {profile.type}")
    json = context.storage.get(profile.name)
    if json == "bool":
        return Draft(Column(profile.name, "boolean", format="false|true"), "true and false throughout")
    missing, texts = _split(profile, context, text=False)
    exact = context.exact and json is None  # a JSON number is its value, not its digits
    fit = kinds.fit(profile.name, texts, context.dialect, exact=exact) if texts else None
    if fit is None:
        return None
    confidence: Confidence = "high" if fit.confidence == "high" and len(texts) > 1 else "medium"
    return Draft(replace(fit.column, missing=missing), fit.reason, confidence)


def _split(profile: Profile, context: Context, *, text: bool) -> tuple[tuple[str, ...], list[str]]:
    """(missing tokens, most frequent first; the other distinct texts)."""
    if context.nulls and (text or context.typed) and not context.missing:
        texts = profile.texts()
        return (next((t for t in NULLS if t not in profile.counts), ""),), texts
    known = {*(TEXT_TOKENS if text else TOKENS), *context.missing, *(("NA",) if context.na else ())}
    found = sorted(known & profile.counts.keys(), key=lambda t: (-profile.counts[t], t))
    if text and context.exact:  # a second token would be written back as the first
        found = [""] if "" in found else found[:1]
    blank = () if "" in profile.counts else ("",)
    missing = (*found, *blank) or ("",)
    return missing, profile.texts(without=missing)


class _Shape:
    """Counts of a column's texts that the decisions below look at."""

    def __init__(self, profile: Profile, texts: Sequence[str]) -> None:
        self.name = profile.name
        self.texts = texts
        self.distinct = len(texts)
        self.rows = sum(profile.counts[t] for t in texts) + profile.n_other
        self.complete = profile.complete

    @property
    def unique(self) -> bool:
        """Nearly every row has a text of its own."""
        return not self.complete or (self.distinct >= 0.9 * self.rows and self.distinct > 1)

    @property
    def repeats(self) -> float:
        """Rows per distinct text."""
        return self.rows / self.distinct

    @property
    def prose(self) -> bool:
        if any("\n" in t or "\r" in t for t in self.texts):
            return True
        worded = sum(t.count(" ") >= 3 for t in self.texts) > self.distinct / 2
        return median(map(len, self.texts)) > LONG or (worded and self.distinct > FEW and self.repeats < 10)

    @property
    def pattern(self) -> str | None:
        return kinds.pattern(self.texts) if self.complete else None


def _id(shape: _Shape, missing: tuple[str, ...], role: Role = "feature") -> Column:
    return Column(shape.name, "id", role=role, missing=missing, pattern=shape.pattern)


def _personal(shape: _Shape, missing: tuple[str, ...], measured: Draft | None) -> Draft | None:
    """Names, addresses, telephone numbers: by what the column is called or by how its texts look."""
    looks = next((what for what, like in IDENTIFYING.items()
                  if sum(like(t) is not None for t in shape.texts[:1000]) >= 0.9 * min(shape.distinct, 1000)), None)
    named = names.direct_identifier(shape.name) and (shape.distinct > FEW or shape.unique)
    if measured is not None:  # "phone calls" counts, "phone" does not
        long = min(map(len, shape.texts)) >= 6
        named = named and measured.column.kind == "integer" and shape.unique and long
        looks = None
    if looks is None and not named:
        return None
    reason = f"the texts look like {looks}" if looks else "a name that stands for a person's name, address or number"
    column = _id(shape, missing, "direct-identifier")
    if column.pattern is None:
        column = replace(column, kind="text")
    return Draft(column, reason, "high" if looks and named else "medium")


def _not_a_quantity(shape: _Shape, measured: Draft) -> Draft | None:
    """Whole numbers that count nothing: identifiers and codes."""
    column = measured.column
    if column.kind != "integer":
        return None
    words = set(names.words(shape.name))
    if names.id_like(shape.name) and (shape.unique or not names.countable(shape.name)):
        return _identifiers(shape, column.missing)
    if names.CODED & words and shape.distinct <= FEW:
        return Draft(Column(shape.name, "category", missing=column.missing),
                     "few whole numbers, and a name that stands for codes", "medium")
    if shape.rows > FEW and not names.quasi_identifier(shape.name) and _counts_up(shape):
        return Draft(_id(shape, column.missing), "whole numbers that count the rows", "medium")
    return None


def _identifiers(shape: _Shape, missing: tuple[str, ...]) -> Draft:
    if shape.unique:
        role: Role = "direct-identifier" if names.of_person(shape.name) else "feature"
        sure: Confidence = "high" if shape.rows > FEW else "medium"
        return Draft(_id(shape, missing, role), "a name like an identifier's, and one of its own in nearly every row",
                     sure)
    if names.of_person(shape.name) and shape.distinct > FEW:
        return Draft(_id(shape, missing, "direct-identifier"),
                     "a name like a person's identifier, with several rows for some; it may be the unit: "
                     f"pass --unit {shape.name}", "medium")
    if shape.distinct <= FEW or shape.repeats >= 20:
        return Draft(Column(shape.name, "category", missing=missing),
                     "a name like an identifier's, but few distinct codes that repeat", "medium")
    return Draft(_id(shape, missing), "a name like an identifier's", "low")


def _counts_up(shape: _Shape) -> bool:
    """True for 1, 2, 3, ... (or 0, 1, 2, ...), in file order."""
    first = int(shape.texts[0])
    steady = all(int(t) == first + i for i, t in enumerate(shape.texts))
    return shape.distinct == shape.rows and first in (0, 1) and steady


def _listed(shape: _Shape, missing: tuple[str, ...], context: Context) -> Draft:
    """Identifiers, categories and free text."""
    category = Column(shape.name, "category", missing=missing)
    if shape.distinct == 1 and not shape.prose:
        return Draft(category, "the same text in every row that has one")
    if shape.prose:
        return Draft(replace(category, kind="text"), "long texts, or texts with line breaks")
    if shape.distinct > 1 and (names.id_like(shape.name) or (names.of_person(shape.name) and shape.unique)):
        return _identifiers(shape, missing)
    doubt = _doubt(shape, context)
    if shape.distinct <= FEW or (shape.repeats >= 3 and shape.distinct <= MANY):
        sure: Confidence = "low" if doubt else "high" if shape.repeats >= 3 else "medium"
        return Draft(category, doubt or "texts that repeat", sure)
    if shape.pattern is not None and (doubt is None or all(t.isdigit() for t in shape.texts)):
        often = "one of its own in nearly every row" if shape.unique else "few that repeat"
        return Draft(_id(shape, missing), f"texts of one pattern, and {often}", "medium" if shape.unique else "low")
    return Draft(replace(category, kind="text"), doubt or "texts that hardly repeat", "low")


def _doubt(shape: _Shape, context: Context) -> str | None:
    """Why a column that looks measured is not taken as such."""
    texts = [t for t in shape.texts if t not in TOKENS]
    if context.typed or not texts or names.CODES & set(names.words(shape.name)):
        return None
    if doubtful := kinds.ambiguous_dates(texts, context.dialect):
        return f"dates that {' and '.join(doubtful)} read differently; state kind date and the format"
    readable = kinds.reads(Column("", "number"), texts, context.dialect)
    if readable == len(texts):
        return "numbers that are not written in one way (zeros, size); state kind number to have them learned"
    if readable * 2 >= len(texts):
        return "numbers mixed with other texts; state kind number if the others may be lost"
    if sum(UNITS.fullmatch(t) is not None for t in texts) >= 0.9 * len(texts):
        return "numbers with a unit, a percent sign or another mark; to have them learned, make it a plain number first"
    part = texts[: kinds.PROBE]
    if 8 * kinds.reads(Column("", "date", format="|".join(kinds.DATES)), part, context.dialect) >= len(part):
        return "dates in several formats, or mixed with other texts; state kind date and the formats to use"
    return None


def _with_role(column: Column) -> Column:
    if column.role != "feature" or column.kind in ("id", "text"):
        return column
    if names.OUTCOME & set(names.words(column.name)):
        return replace(column, role="outcome")
    return replace(column, role="quasi-identifier") if names.quasi_identifier(column.name) else column
