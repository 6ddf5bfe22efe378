"""``tabsynth inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    PassphraseOption,
    QuietOption,
    UnitOption,
)

if TYPE_CHECKING:
    from tabsynth.pipeline.inspect import Inspection

NAME = "inspect"
SHORT = "Look at a table or a model; write a schema."


def command(
    table: Annotated[str, typer.Argument(metavar="TABLE|MODEL", help="A table, demo:NAME, or a .tabsynth file.")],
    output: Annotated[Path | None, typer.Option(
        "-o", "--output", metavar="FILE", help="Write the schema here (YAML).")] = None,
    unit: UnitOption = None,
    with_values: Annotated[bool, typer.Option("--with-values", help="Also write bounds and lists found in the rows to "
                                              "a second file, headed PERSONAL DATA.")] = False,
    format: FormatOption = "auto",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    na: NaOption = None,
    passphrase_env: PassphraseOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Guess what each column of a table is and write an editable schema; or tell what a model file holds."""
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.core.errors import UsageError
    from tabsynth.pipeline.contents import inspect_model
    from tabsynth.pipeline.inputs import Reading
    from tabsynth.pipeline.inspect import check_schema_files, inspect_table, is_model_file, write_schema

    console = Console(as_json, quiet)
    if is_model_file(Path(table)):
        if output is not None or with_values:
            raise UsageError(f"{table} is a model file: it is described without its values, and gives no schema.",
                             fix="Leave out -o and --with-values; --json gives the description to a program.")
        _tell_model(console, inspect_model(Path(table), passphrase=passphrase_in(passphrase_env)))
        return
    if passphrase_env is not None:
        raise UsageError("--passphrase-env is for a model file.", fix="Leave it out for a table.")
    target = None if str(output) == "-" else output
    if with_values and target is None:
        raise UsageError("--with-values needs -o FILE: the proposals are written beside the schema.")
    if target is not None:
        check_schema_files(target, with_values=with_values, force=force)
    inspection = inspect_table(table, Reading(None, unit, format, delimiter, encoding, decimal, tuple(na or ())))
    files = [] if target is None else write_schema(inspection, target, with_values=with_values, force=force)
    console.document({**inspection.to_json(), "files": [str(f) for f in files]})
    if as_json:
        return
    if target is None:
        print(inspection.schema_text(), end="")
        return
    _tell_table(console, inspection)
    for file in files:
        console.say(f"written: {file}" + (" (PERSONAL DATA)" if file != output else ""))


def _tell_table(console: Console, inspection: Inspection) -> None:
    """One line a column, then what to look at and what epsilon would still need."""
    console.say(f"{'column':<30} {'kind':<9} {'role':<17} {'confidence':<11}missing")
    for note, column in zip(inspection.guessed.notes, inspection.schema.columns, strict=True):
        tokens = " ".join(repr(token) for token in column.missing if token)
        name = note.column if len(note.column) <= 30 else note.column[:27] + "..."
        console.say(f"{name:<30} {note.kind:<9} {note.role:<17} {note.confidence:<11}{tokens}".rstrip())
    console.say()
    if inspection.label is not None:
        console.tell(inspection.label.text(), label="Label")
    if inspection.dialect_text():
        console.tell(inspection.dialect_text(), label="Written")
    for note in inspection.guessed.notes:
        if note.confidence == "low":
            console.tell(f"{note.column}: {note.reason}. {note.consequence}", label="Check")
    if inspection.schema.unit is None:
        console.tell("every row counts as another person. If people have several rows, name their column with --unit.",
                     label="Unit")
    needs = "; ".join(f"{need} for {_few(names)}" for need, names in inspection.missing_facts().items())
    if needs:
        console.tell(f"a fit with --epsilon still needs, each with its source: {needs}.", label="Epsilon")
    console.say()


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _tell_model(console: Console, facts: dict[str, Any]) -> None:
    """What the file is, one line a column, one line a member, and the privacy statement where there is one."""
    from tabsynth.pipeline.contents import PURPOSE, learned, lines

    console.document(facts)
    if console.as_json:
        return
    version = facts.get("info", {}).get("tabsynth")
    console.say(f"{facts['file']}: model {facts['model']}" + (f", written by tabsynth {version}" if version else ""))
    for label, text in lines(facts):
        console.tell(text, label=label)
    if "columns" in facts:
        console.say()
        console.say(f"{'column':<24} {'kind':<9} {'role':<17} learned")
        for column in facts["columns"]:
            name = column["name"] if len(column["name"]) <= 24 else column["name"][:21] + "..."
            console.entry(f"{name:<24} {column['kind']:<9} {column['role']:<17} ", learned(column))
        console.say()
        console.say(f"{'part of the file':<24} {'bytes':>13}   {facts['parameters']:,} numbers in all")
        for name, size in facts["members"].items():
            console.entry(f"{name:<24} {size:>13,}   ", PURPOSE[name])
    if facts["statement"]:
        console.say()
        for line in facts["statement"].splitlines():
            console.tell(line) if line.strip() else console.say()
