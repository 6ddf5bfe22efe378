"""From what a person names on the command line (a file, ``-``, ``demo:NAME``) to a table under a schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from tabsynth.core.compact import Compact
from tabsynth.core.errors import PrivacyError, UsageError
from tabsynth.core.files import name_told
from tabsynth.core.schema import Dialect, Schema
from tabsynth.core.schema_file import load_schema
from tabsynth.core.table import Table

if TYPE_CHECKING:
    from tabsynth.datasets.formats import Source

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


Rows = TypeVar("Rows", Table, Compact)


@dataclass(frozen=True, slots=True)
class Input(Generic[Rows]):
    """A table that was read, and where its schema came from ("schema.yaml", "bundled code book", "guessed")."""

    table: Rows
    schema_source: str
    name: str
    folder: Path

    @property
    def guessed(self) -> bool:
        return self.schema_source == "guessed"


AnyInput = Input[Table] | Input[Compact]


def read_input(spec: str, reading: Reading | None = None, *, public_only: bool = False) -> Input[Table]:
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

    reading = reading or Reading()
    if spec.startswith(DEMO):
        name = spec.removeprefix(DEMO)
        schema = adjusted(load.demo_schema(name) if reading.schema is None else load_schema(reading.schema), reading)
        if public_only:
            require_unit(schema, reading.unit)
        source = "bundled code book" if reading.schema is None else name_told(reading.schema)
        return Input(Table(schema, load.load_demo(name).columns), source, name, Path("."))
    opened, schema, origin = _opened(spec, reading, public_only=public_only)
    return Input(formats.whole(opened, schema), origin, stem(spec), _folder(spec))


def read_compact(spec: str, reading: Reading | None = None) -> Input[Compact]:
    """Read the same rows as `read_input`, batch by batch: for a fit without a guarantee, in bounded memory."""
    from tabsynth.datasets import formats

    if spec.startswith(DEMO):
        demo = read_input(spec, reading)
        return Input(Compact.of(demo.table), demo.schema_source, demo.name, demo.folder)
    opened, schema, origin = _opened(spec, reading or Reading(), public_only=False)
    return Input(Compact.gather(formats.batches(opened, schema)), origin, stem(spec), _folder(spec))


def _opened(spec: str, reading: Reading, *, public_only: bool) -> tuple[Source, Schema, str]:
    """The file, opened, with its schema and where that came from."""
    from tabsynth.datasets import formats
    from tabsynth.datasets.guess import guess_schema

    if reading.schema is not None:
        schema = adjusted(load_schema(reading.schema), reading)
        if public_only:
            require_unit(schema, reading.unit)
        dialect = overridden(schema.dialect, reading)
        opened = formats.scan(spec, format=reading.format, dialect=dialect, names_only=True)
        return opened, schema, name_told(reading.schema)
    if public_only:
        raise UsageError(
            "a fit with --epsilon needs --schema: everything about the columns must be public.",
            fix=f"Write one with: tabsynth inspect {spec} -o schema.yaml, then add bounds and levels.")
    found = formats.scan(spec, format=reading.format, dialect=overridden(None, reading))
    guessed = guess_schema(found, unit=reading.unit, sample_rows=None, missing=reading.na, exact=False)
    return found, adjusted(guessed, reading), "guessed"


def _folder(spec: str) -> Path:
    return Path(".") if spec == "-" else Path(spec).parent


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
    name = "stdin" if spec == "-" else name_told(Path(spec))
    return re.sub(r"\.(csv|tsv|txt|parquet|jsonl|ndjson|gz|zst)\b", "", name)


def read_given(path: Path, schema: Schema) -> Table:
    """Cells to take over: a file that holds some of the schema's columns."""
    from tabsynth.datasets import formats

    source = formats.scan(path)
    partial = schema.with_columns(schema[name] for name in source.names)
    return formats.read(path, schema=partial)
