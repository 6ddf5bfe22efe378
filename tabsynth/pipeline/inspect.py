"""Looking at a table: what are its columns? What a model file holds is told by ``contents``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tabsynth.core import yaml_text
from tabsynth.core.errors import UsageError
from tabsynth.core.files import check_writable, refuse_existing, replace_file
from tabsynth.core.schema import NUMERIC, Dialect, Schema
from tabsynth.core.schema_file import dump_schema
from tabsynth.datasets import formats
from tabsynth.datasets.guess import Guessed, guess, proposals
from tabsynth.pipeline.inputs import DEMO, Reading, overridden, stem
from tabsynth.pipeline.labels import Label, label_of

SCHEMA_HEADER: Final = """\
# Schema of {name}, guessed. Read it, correct it, keep it: a fit learns from here what a column is.
# Everything in this file is treated as PUBLIC. It holds no cell of the table beyond the spelling of empty cells and
# of yes and no, and the shape of identifiers, dates and numbers.
#
# A fit with --epsilon knows about the columns only what stands here. Add
#   to every number and date:  bounds: [low, high]   (or open: true)
#   to every category:         levels: [a, b, c]   (or code_list: NAME, or open: true)
#   to each of them:           source: code book, instrument range, ICD-9, ... - never copied from the rows
# What is open: true costs a twentieth of the budget, all such columns together. Public facts cost nothing.
# and say at the top whom the budget protects:
#   population: {{name: {population}, declared_units: 10000}}   # people it is publicly known to hold
"""
VALUES_HEADER: Final = """\
# PERSONAL DATA. Values found in {name}: proposals for bounds and lists. Keep this file in the house.
# A fit with --epsilon never reads it. A bound or a list becomes public by being written into the schema by a
# person who knows its source.
"""


@dataclass(frozen=True)
class Inspection:
    """What was guessed about a table. label: what says that it is synthetic, if anything does."""

    name: str
    guessed: Guessed
    label: Label | None = None

    @property
    def schema(self) -> Schema:
        return self.guessed.schema

    def schema_text(self) -> str:
        """The schema as YAML, each column under a comment with the guess, its confidence and what follows."""
        notes = {note.column: note for note in self.guessed.notes}
        order = iter(self.schema.names)
        told = "" if self.label is None else f"# {self.name} is {self.label.text()}\n"
        return told + SCHEMA_HEADER.format(name=self.name, population=json.dumps(stem(self.name))) + "\n".join(
            _commented(dump_schema(self.schema).splitlines(), order, notes)) + "\n"

    def values_text(self) -> str:
        """Bounds and lists found in the rows, as YAML headed PERSONAL DATA."""
        return VALUES_HEADER.format(name=self.name) + yaml_text.dump(
            {"personal_data": True, "columns": _plain(proposals(self.guessed))})

    def to_json(self) -> dict[str, Any]:
        """For ``--json``: notes without values."""
        dialect = self.schema.dialect
        return {"table": self.name, "synthetic": None if self.label is None else asdict(self.label),
                "unit": self.schema.unit, "dialect": None if dialect is None else asdict(dialect), "columns": [
            {"name": n.column, "kind": n.kind, "role": n.role, "confidence": n.confidence, "reason": n.reason,
             "consequence": n.consequence} for n in self.guessed.notes]}

    def missing_facts(self) -> dict[str, list[str]]:
        """Columns for which a fit with epsilon would still need a public fact, by what they need."""
        needs: dict[str, list[str]] = {"levels, code_list or open": [], "bounds or open": []}
        for column in self.schema.columns:
            if column.modelled and column.kind == "category":
                needs["levels, code_list or open"].append(column.name)
            elif column.modelled and column.kind in NUMERIC:
                needs["bounds or open"].append(column.name)
        return {need: names for need, names in needs.items() if names}

    def dialect_text(self) -> str:
        """How the file is written, in one sentence; an empty text for typed formats."""
        dialect = self.schema.dialect
        if dialect is None:
            return ""
        mark = " with byte-order mark" if dialect.bom else ""
        return f"delimiter {dialect.delimiter!r}, decimal mark {dialect.decimal!r}, encoding {dialect.encoding}{mark}"


def inspect_table(spec: str, reading: Reading) -> Inspection:
    """Guess the schema of a table."""
    if spec.startswith(DEMO):
        raise UsageError(f"{spec} comes with a reviewed schema; there is nothing to guess.",
                         fix="See tabsynth/datasets/schemas/.")
    dialect: Dialect | None = overridden(None, reading)
    source = formats.scan(spec, format=reading.format, dialect=dialect)
    guessed = guess(source, unit=reading.unit, missing=reading.na, exact=False)
    return Inspection(Path(spec).name, guessed, label_of(spec))


def write_schema(inspection: Inspection, path: Path, *, with_values: bool, force: bool) -> list[Path]:
    """Write ``schema.yaml`` and, if asked, ``schema.derived.yaml`` beside it."""
    check_schema_files(path, with_values=with_values, force=force)
    texts = (inspection.schema_text(), inspection.values_text() if with_values else "")
    files = schema_files(path, with_values=with_values)
    for target, text in zip(files, texts, strict=False):
        with replace_file(target, force=force) as handle:
            handle.write(text.encode())
    return files


def check_schema_files(path: Path, *, with_values: bool, force: bool) -> None:
    """Refuse before anything is read or written what `write_schema` could not finish."""
    for target in schema_files(path, with_values=with_values):
        refuse_existing(target, force=force)
        check_writable(target)


def schema_files(path: Path, *, with_values: bool) -> list[Path]:
    """The schema's file and, with values, the one for PERSONAL DATA.

    >>> [f.name for f in schema_files(Path("schema.yaml"), with_values=True)]
    ['schema.yaml', 'schema.derived.yaml']
    """
    return [path, path.with_name(f"{path.stem}.derived{path.suffix}")][:1 + with_values]


def is_model_file(path: Path) -> bool:
    """True for the suffix of model files; decides what ``tabsynth inspect FILE`` looks at."""
    return path.suffix == ".tabsynth"


def _commented(lines: list[str], names: Iterator[str], notes: dict[str, Any]) -> Iterator[str]:
    """The lines of a schema with an empty line and the guess above every column."""
    for line in lines:
        if line.startswith("  - name:"):
            note = notes[next(names)]
            yield ""
            yield f"  # {note.confidence} confidence: {note.reason}"
            yield f"  # -> {note.consequence}"
        yield line


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
