"""A first draft of a schema from a table's own rows, with the reason for every guess.

The draft holds structure only (kinds, roles, formats, missing tokens), so that it can be shown around and edited.
What was read off the values (bounds, levels) stays in the notes' `values`, which are personal data: a person types
what is public of it into the schema, with its source, before a fit with differential privacy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa

from tabsynth.core.errors import ColumnNotFoundError
from tabsynth.core.schema import Column, Dialect, Schema
from tabsynth.core.table import LogicalType, Table
from tabsynth.datasets import names, observed
from tabsynth.datasets.drafting import Confidence, Context, Draft, draft, measure
from tabsynth.datasets.formats.source import Source
from tabsynth.datasets.profile import Profile, Profiles, profile

INT64_DIGITS: Final = 18
SAMPLE_ROWS: Final = 1_000_000
ENOUGH: Final = 20
"""Rows off the most frequent value before a column counts as constant per person."""

CONSEQUENCES: Final = {
    "id": "Made anew by pattern, never learned.",
    "text": "Replaced by a placeholder, never learned.",
    "category": "Modelled as a category; a fit with differential privacy needs its levels, a code list or open: true.",
    "boolean": "Modelled as two values.",
}
MEASURED: Final = "Modelled as a quantity; a fit with differential privacy needs public bounds or open: true."
DIRECT: Final = "Made anew, never learned, never copied."
UNIT: Final = "Says whose row it is: splits, attacks and guarantees go by it; new ones are made."
ONCE: Final = "Drawn once per person."


@dataclass(frozen=True, slots=True)
class Note:
    """What was guessed of one column and why.

    Args:
        column: header.
        kind, role: as in the schema.
        reason: what speaks for it; holds no value and no count of the table.
        confidence: "high", "medium" or "low": look at the low ones first.
        consequence: what follows from it if nobody changes it.
        values: proposals read off the rows (bounds, levels, special). PERSONAL DATA.
    """

    column: str
    kind: str
    role: str
    reason: str
    confidence: Confidence
    consequence: str
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Guessed:
    """A draft schema and one note per column, in file order."""

    schema: Schema
    notes: tuple[Note, ...]


def guess(source: Source, *, unit: str | None = None, sample_rows: int | None = SAMPLE_ROWS,
          missing: Sequence[str] = (), exact: bool = True) -> Guessed:
    """Guess a schema from the first rows.

    Args:
        source: the opened table.
        unit: column that says whose row it is; None or "row" if every row is another person.
        sample_rows: rows looked at; None = all.
        missing: further tokens that mean "not given" in every column.
        exact: a kind must write every text back byte for byte; False accepts numbers by value alone.

    Raises:
        ColumnNotFoundError: there is no such unit column.
    """
    drafts, seen, context = _look(source, unit, sample_rows, missing, exact)
    notes = (_note(d, seen.columns[d.column.name], context) for d in drafts)
    return Guessed(_schema(source, drafts), tuple(notes))


def guess_schema(source: Source, *, unit: str | None = None, sample_rows: int | None = SAMPLE_ROWS,
                 missing: Sequence[str] = (), exact: bool = True) -> Schema:
    """The schema of `guess`, without the notes and what they cost."""
    return _schema(source, _look(source, unit, sample_rows, missing, exact)[0])


def proposals(guessed: Guessed) -> dict[str, dict[str, Any]]:
    """What was read off the rows, by column: bounds, levels and special values. PERSONAL DATA."""
    return {note.column: dict(note.values) for note in guessed.notes if note.values}


def _look(source: Source, unit: str | None, sample_rows: int | None, missing: Sequence[str],
          exact: bool) -> tuple[list[Draft], Profiles, Context]:
    """One pass over the rows, then one draft per column."""
    unit = None if unit == "row" else unit
    if unit is not None and unit not in source.names:
        raise ColumnNotFoundError(unit, source=source.label, columns=source.names)
    seen = profile(source, unit=unit, sample_rows=sample_rows)
    stored = _stored(source) if source.typed else {}
    context = Context(source.dialect or Dialect(), unit, tuple(missing), exact, nulls=source.nulls,
                      typed=source.typed, stored=stored, storage=source.storage)
    drafts = [_constant(_storing(d, source, seen), seen, unit) for d in _drafts(seen, context)]
    return _with_time(drafts, unit), seen, context


def _schema(source: Source, drafts: Sequence[Draft]) -> Schema:
    return Schema(tuple(d.column for d in drafts), dialect=source.dialect)


def _stored(source: Source) -> dict[str, Column]:
    """Columns of a typed source whose type leaves nothing to guess."""
    part = pa.Table.from_batches([next(source.batches())])
    open_kinds = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
                  pa.types.is_dictionary, pa.types.is_null)
    sure = [f.name for f in part.schema if not any(test(f.type) for test in open_kinds)]
    columns = Table.from_arrow(part.select(sure)).schema.columns
    return {c.name: replace(c, logical=None, nullable=True) for c in columns}


def _storing(one: Draft, source: Source, seen: Profiles) -> Draft:
    """Codes that were numbers in the source stay numbers in what is written."""
    storage = source.storage.get(one.column.name)
    if storage is None or one.column.kind not in ("category", "id", "boolean", "text"):
        return one
    if storage == "int64" and any(len(t) > INT64_DIGITS for t in seen.columns[one.column.name].texts()):
        return one
    return replace(one, column=replace(one.column, logical=LogicalType(storage).to_json()))


def _drafts(seen: Profiles, context: Context) -> list[Draft]:
    profiles = seen.columns.values()
    measured = {p.name: measure(p, context) for p in profiles}
    # Where numbers write "not given" as NA, texts of the same table do so too.
    na = any("NA" in m.column.missing for m in measured.values() if m is not None)
    context = replace(context, na=na)
    return [draft(p, context, measured[p.name]) for p in profiles]


def _constant(one: Draft, seen: Profiles, unit: str | None) -> Draft:
    """Mark what is the same in all rows of each person, where persons have several rows to tell by."""
    column = one.column
    found = seen.columns[column.name]
    if unit is None or column.name == unit or not seen.repeated_units or not found.constant_per_unit:
        return one
    if found.n_rows - max(found.counts.values(), default=0) < min(ENOUGH, 0.1 * found.n_rows):
        return one  # nearly every row holds the same anyway
    return replace(one, column=replace(column, constant_per_unit=True),
                   reason=one.reason + "; the same in all rows of each person")


def _with_time(drafts: list[Draft], unit: str | None) -> list[Draft]:
    """Give the role "time" to the one column that dates a person's rows, if there is just one."""
    if unit is None:
        return drafts
    clocks = [d for d in drafts if _dates_rows(d.column)]
    exact = [d for d in clocks if d.column.kind != "integer"] or clocks
    if len(exact) != 1:
        return drafts
    chosen = exact[0]
    timed = Draft(replace(chosen.column, role="time"), chosen.reason + "; it may date the rows of a person", "low")
    return [timed if d is chosen else d for d in drafts]


def _dates_rows(column: Column) -> bool:
    words = names.words(column.name)
    if column.constant_per_unit or not words or names.NO_TIME & set(words) or column.role not in ("feature",):
        return False
    return column.kind in ("date", "datetime") or (column.kind == "integer" and words[-1] in names.TIME)


def _note(one: Draft, seen: Profile, context: Context) -> Note:
    column = one.column
    codes = observed.sentinels(column, seen, context.dialect)
    reason, values = one.reason, observed.values(column, seen, context.dialect)
    if codes:  # which ones is a value of the table, and the reason goes into a file that may be shared
        reason += "; a code such as -1 or 999 may stand for 'not given' (the proposals name it): add it if so"
        values = {**values, "perhaps_missing": codes}
    return Note(column.name, column.kind, column.role, reason, one.confidence, _consequence(column), values)


def _consequence(column: Column) -> str:
    if column.role == "unit":
        return UNIT
    if column.role == "direct-identifier":
        return DIRECT
    sentence = CONSEQUENCES.get(column.kind, MEASURED)
    return f"{sentence} {ONCE}" if column.constant_per_unit else sentence
