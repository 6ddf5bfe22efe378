"""``tabsynth split``."""

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
    SchemaOption,
    SplitSeedOption,
    TableArgument,
    UnitOption,
)

NAME = "split"
SHORT = "Train and holdout, by person."


def command(
    table: TableArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER",
                                         help="Folder for train, holdout and split.json.")],
    unit: UnitOption = None,
    schema: SchemaOption = None,
    holdout: Annotated[float, typer.Option(metavar="SHARE", help="Share of the people that is held out.")] = 0.2,
    seed: SplitSeedOption = None,
    format: FormatOption = "auto",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    na: NaOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Split a table by person into train and holdout, by a keyed hash of each person's id."""
    from tabsynth.core.files import refuse_existing
    from tabsynth.pipeline.inputs import Reading, read_input
    from tabsynth.pipeline.labels import label_of
    from tabsynth.pipeline.split import key_from_seed, require_units, split, write_split

    console = Console(as_json, quiet)
    refuse_existing(output / "split.json", force=force)
    source = read_input(table, Reading(schema, unit, format, delimiter, encoding, decimal, tuple(na or ())))
    require_units(source.table)
    parts = split(source.table, holdout=holdout, key=None if seed is None else key_from_seed(seed))
    label = label_of(table)
    files = write_split(parts, output, name=source.name, force=force, synthetic=None if label is None else label.part)
    facts = parts.facts()
    console.document({"files": [str(f) for f in files], **{k: v for k, v in facts.items() if k != "key"}})
    if not as_json:
        for side in ("train", "holdout"):
            console.say(f"{side:<8} {facts[side]['units']:>9,} units {facts[side]['rows']:>9,} rows")
        console.tell(f"{', '.join(map(str, files))}. split.json holds the key: keep it in the house.", label="Written")
