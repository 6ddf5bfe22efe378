"""Looking at a table (what are its columns?) or at a model file (what does it hold?)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tabsynth.core import artifact
from tabsynth.core.errors import UsageError
from tabsynth.core.files import replace_file
from tabsynth.core.schema import Dialect, Schema
from tabsynth.core.schema_file import dump_schema
from tabsynth.datasets import formats
from tabsynth.datasets.guess import Guessed, guess, proposals
from tabsynth.pipeline.inputs import DEMO, Reading, overridden

SCHEMA_HEADER: Final = """\
# Schema of {name}, guessed. Read it, correct it, keep it: a fit learns from here what a column is.
# Everything in this file is treated as PUBLIC. It holds no value of the table. To fit with --epsilon, add for
# every number `bounds: [low, high]` and for every category `levels: [...]` or `code_list:`, each with its
# `source:` (code book, instrument range, ICD-9) - never copied from the rows.
"""
VALUES_HEADER: Final = """\
# PERSONAL DATA. Values found in {name}: proposals for bounds and lists. Keep this file in the house.
# A fit with --epsilon never reads it. A bound or a list becomes public by being written into the schema by a
# person who knows its source.
"""


@dataclass(frozen=True)
class Inspection:
    """What was guessed about a table."""

    name: str
    guessed: Guessed

    @property
    def schema(self) -> Schema:
        return self.guessed.schema

    def schema_text(self) -> str:
        """The schema as YAML, each column under a comment with the guess, its confidence and what follows."""
        notes = {note.column: note for note in self.guessed.notes}
        order = iter(self.schema.names)
        return SCHEMA_HEADER.format(name=self.name) + "\n".join(
            _commented(dump_schema(self.schema).splitlines(), order, notes)) + "\n"

    def values_text(self) -> str:
        """Bounds and lists found in the rows, as YAML headed PERSONAL DATA."""
        return VALUES_HEADER.format(name=self.name) + yaml.safe_dump(
            {"personal_data": True, "columns": _plain(proposals(self.guessed))}, allow_unicode=True, sort_keys=False)

    def to_json(self) -> dict[str, Any]:
        """For ``--json``: notes without values."""
        return {"table": self.name, "unit": self.schema.unit, "columns": [
            {"name": n.column, "kind": n.kind, "role": n.role, "confidence": n.confidence, "reason": n.reason,
             "consequence": n.consequence} for n in self.guessed.notes]}


def inspect_table(spec: str, reading: Reading) -> Inspection:
    """Guess the schema of a table."""
    if spec.startswith(DEMO):
        raise UsageError(f"{spec} comes with a reviewed schema; there is nothing to guess.",
                         fix="See tabsynth/datasets/schemas/.")
    dialect: Dialect | None = overridden(None, reading)
    source = formats.scan(spec, format=reading.format, dialect=dialect)
    return Inspection(Path(spec).name, guess(source, unit=reading.unit, missing=reading.na, exact=False))


def write_schema(inspection: Inspection, path: Path, *, with_values: bool, force: bool) -> list[Path]:
    """Write ``schema.yaml`` and, if asked, ``schema.derived.yaml`` beside it."""
    files = {path: inspection.schema_text()}
    if with_values:
        files[path.with_name(f"{path.stem}.derived{path.suffix}")] = inspection.values_text()
    for target, text in files.items():
        with replace_file(target, force=force) as handle:
            handle.write(text.encode())
    return list(files)


def inspect_model(path: Path) -> dict[str, Any]:
    """What a model file holds: its header, its columns with the number of learned codes, its arrays' shapes."""
    stored = artifact.load(path)
    coding = stored.coding
    return {
        "file": path.name, "model": stored.model, "privacy": dict(stored.privacy), "info": dict(stored.info),
        "unit": coding.schema.unit, "public_coding": coding.is_public,
        "columns": [{"name": c.name, "kind": c.kind, "role": c.role,
                     "codes": coding.codecs[c.name].size if c.name in coding.codecs else None,
                     "modelled": c.name in coding.codecs} for c in coding.schema.columns],
        "arrays": {name: list(array.shape) for name, array in stored.state.arrays.items()},
    }


def is_model_file(path: Path) -> bool:
    """True for zip files with our header; decides what ``tabsynth inspect FILE`` looks at."""
    return path.suffix == ".tabsynth"


def _commented(lines: list[str], names: Iterator[str], notes: dict[str, Any]) -> Iterator[str]:
    for line in lines:
        if line.lstrip().startswith(("- name:", "- {name:")):
            indent = line[: len(line) - len(line.lstrip())]
            note = notes.get(next(names))
            if note is not None:
                yield f"{indent}# {note.kind}, confidence {note.confidence}: {note.reason}"
                yield f"{indent}# -> {note.consequence}"
        yield line


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
