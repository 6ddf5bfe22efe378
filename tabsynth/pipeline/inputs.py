"""From what a person names on the command line (a file, ``-``, ``demo:NAME``) to a table under a schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tabsynth.core.errors import PrivacyError, UsageError
from tabsynth.core.schema import Dialect, Schema
from tabsynth.core.schema_file import load_schema
from tabsynth.core.table import Table

DEMO: Final = "demo:"


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a table, when the guess or the schema is not enough.

    Args:
        schema: path of a schema file, or None to guess one from the rows (never under DP).
        unit: column that names the person, "row" for "every row is another person", None = as the schema says.
        format: "auto" or a format's name.
        delimiter, encoding, decimal: override the dialect.
        na: further tokens that mean "not given", for every column.
    """

    schema: Path | None = None
    unit: str | None = None
    format: str = "auto"
    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    na: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """A table that was read, and where its schema came from ("schema.yaml", "bundled code book", "guessed")."""

    table: Table
    schema_source: str
    name: str
    folder: Path

    @property
    def guessed(self) -> bool:
        return self.schema_source == "guessed"


def read_input(spec: str, reading: Reading | None = None, *, public_only: bool = False) -> Input:
    """Read the table that `spec` names.

    Args:
        spec: path of a file, "-" for standard input, or "demo:NAME" for a bundled table.
        reading: schema and overrides.
        public_only: refuse to guess a schema from the rows (DP: everything about columns must be public, and who one
            person is must be said).

    Raises:
        UsageError: `public_only` without a schema. PrivacyError: `public_only` without a unit. SourceError,
            SchemaError: as the reader says.
    """
    from tabsynth.datasets import formats, load
    from tabsynth.datasets.guess import guess

    reading = reading or Reading()
    if spec.startswith(DEMO):
        name = spec.removeprefix(DEMO)
        schema = adjusted(load.demo_schema(name) if reading.schema is None else load_schema(reading.schema), reading)
        if public_only:
            require_unit(schema, reading.unit)
        source = "bundled code book" if reading.schema is None else reading.schema.name
        return Input(Table(schema, load.load_demo(name).columns), source, name, Path("."))
    folder = Path(".") if spec == "-" else Path(spec).parent
    if reading.schema is not None:
        schema = adjusted(load_schema(reading.schema), reading)
        if public_only:
            require_unit(schema, reading.unit)
        dialect = overridden(schema.dialect, reading)
        table = formats.read(spec, schema=schema, format=reading.format, dialect=dialect)
        return Input(table, reading.schema.name, stem(spec), folder)
    if public_only:
        raise UsageError(
            "a fit with --epsilon needs --schema: everything about the columns must be public.",
            fix=f"Write one with: tabsynth inspect {spec} -o schema.yaml, then add bounds and levels.")
    found = formats.scan(spec, format=reading.format, dialect=overridden(None, reading))
    guessed = guess(found, unit=reading.unit, sample_rows=None, missing=reading.na, exact=False)
    schema = adjusted(guessed.schema, reading)
    return Input(Table.concat(formats.tables(found, schema)), "guessed", stem(spec), folder)


def require_unit(schema: Schema, unit: str | None) -> None:
    """Refuse a guarantee that nobody has said whom it protects: a unit column, or by name that every row is one.

    Args:
        unit: as in `Reading`.

    Raises:
        PrivacyError: the schema has no unit column and `unit` is not "row".
    """
    if schema.unit is None and unit != "row":
        raise PrivacyError(
            "a privacy guarantee needs a unit: which rows belong to one person?",
            fix="Name the column with --unit COLUMN (unit= in Python) or by 'role: unit' in the schema, or say "
                "--unit row if every row is another person.")


def adjusted(schema: Schema, reading: Reading) -> Schema:
    """The schema with the unit and the missing tokens of the command line."""
    if reading.unit is not None:
        schema = schema.with_unit(reading.unit)
    if reading.na:
        schema = schema.with_columns(
            replace(c, missing=tuple(dict.fromkeys((*c.missing, *reading.na)))) for c in schema.columns)
    return schema


def overridden(dialect: Dialect | None, reading: Reading) -> Dialect | None:
    """The dialect with the options of the command line; None if nothing is known or given."""
    options = {k: v for k in ("delimiter", "encoding", "decimal") if (v := getattr(reading, k)) is not None}
    return replace(dialect or Dialect(), **options) if options else dialect


def stem(spec: str) -> str:
    """The file's name without folder and suffixes; the default population name.

    >>> stem("data/patients.csv.gz")
    'patients'
    """
    return "stdin" if spec == "-" else re.sub(r"\.(csv|tsv|txt|parquet|jsonl|ndjson|gz|zst)\b", "", Path(spec).name)


def read_given(path: Path, schema: Schema) -> Table:
    """Cells to take over: a file that holds some of the schema's columns."""
    from tabsynth.datasets import formats

    source = formats.scan(path)
    partial = schema.with_columns(schema[name] for name in source.names)
    return formats.read(path, schema=partial)
