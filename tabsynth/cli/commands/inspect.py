"""``tabsynth inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import (
    DecimalOption,
    DelimiterOption,
    EncodingOption,
    ForceOption,
    FormatOption,
    JsonOption,
    NaOption,
    QuietOption,
    UnitOption,
)

NAME = "inspect"


def command(
    table: Annotated[str, typer.Argument(metavar="TABLE|MODEL", help="A table, demo:NAME, or a .tabsynth file.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the schema here (YAML).")] = None,
    unit: UnitOption = None,
    with_values: Annotated[bool, typer.Option("--with-values", help="Also write bounds and lists found in the rows to "
                                              "a second file, headed PERSONAL DATA.")] = False,
    format: FormatOption = "auto",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    na: NaOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Guess what each column of a table is and write an editable schema; or tell what a model file holds."""
    from tabsynth.core.errors import UsageError
    from tabsynth.core.files import refuse_existing
    from tabsynth.pipeline.inputs import Reading
    from tabsynth.pipeline.inspect import inspect_model, inspect_table, is_model_file, write_schema

    console = Console(as_json, quiet)
    if is_model_file(Path(table)):
        _tell_model(console, inspect_model(Path(table)))
        return
    if with_values and output is None:
        raise UsageError("--with-values needs -o: the proposals are written beside the schema.")
    if output is not None:
        refuse_existing(output, force=force)
    inspection = inspect_table(table, Reading(None, unit, format, delimiter, encoding, decimal, tuple(na or ())))
    files = [] if output is None else write_schema(inspection, output, with_values=with_values, force=force)
    console.document({**inspection.to_json(), "files": [str(f) for f in files]})
    if as_json:
        return
    if output is None:
        console.say(inspection.schema_text())
        return
    for note in inspection.guessed.notes:
        console.say(f"{note.column[:26]:<27}{note.kind:<10}{note.confidence:<8}{note.consequence}")
    console.say()
    for file in files:
        console.say(f"written: {file}")


def _tell_model(console: Console, facts: dict[str, object]) -> None:
    import json

    console.document(facts)
    if not console.as_json:
        console.say(json.dumps(facts, indent=2, ensure_ascii=False, default=str))
