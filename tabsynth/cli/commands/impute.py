"""``tabsynth impute``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import (
    ForceOption,
    FormatOption,
    JsonOption,
    PassphraseOption,
    QuietOption,
    SeedOption,
    TableArgument,
)

NAME = "impute"
SHORT = "Fill missing cells of real rows."


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file.")],
    table: TableArgument,
    output: Annotated[str, typer.Option("-o", "--output", metavar="TABLE", help="Where to write; - is stdout.")],
    draws: Annotated[int, typer.Option(
        "--draws", metavar="M", help="Completed tables, for multiple imputation: TABLE.1, TABLE.2, ...")] = 1,
    seed: SeedOption = None,
    passphrase_env: PassphraseOption = None,
    format: FormatOption = "auto",
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fill the missing cells of real rows by draws given each row's known cells, within the rules of the schema.

    What is known comes back as it is: the result is personal data. Same model, table and seed: same cells.
    """
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.core.errors import UsageError
    from tabsynth.pipeline.fit import load_model
    from tabsynth.pipeline.impute import exactness, impute_to_files, notes, read_original
    from tabsynth.pipeline.synthesizer import generator

    console = Console(as_json, quiet)
    if as_json and output == "-":
        raise UsageError("--json and -o - both want stdout.", fix="Write the rows to a file.")
    fitted = load_model(model, passphrase=passphrase_in(passphrase_env))
    original = read_original(table, fitted)
    with console.progress() as progress:
        written, last = impute_to_files(fitted, original, output, draws=draws, rng=generator(seed), format=format,
                                        force=force, progress=progress)
    known = exactness(fitted, original.table, generator(seed))
    console.document({
        "rows": len(original.table), "seed": seed, "synthetic": False, "personal_data": True,
        "files": [{"file": one.file, "filled": one.cells, "left": one.left} for one in written],
        "filled": {name: int(mask.sum()) for name, mask in last.filled.items()},
        "by_rule": last.by_rule, "left": last.left,
        **({} if known is None else {"conditioning": known.to_json()})})
    if not as_json and output != "-":
        for one in written:
            console.say(f"{one.cells:,} cells filled in {one.file}")
    for note in notes(original.table, fitted, last):
        console.remark(note)
    if known is not None:
        console.remark(known.text)
    console.remark("warning: what is known of real rows is in the completed table. It is personal data, not a "
                   "synthetic table, and no privacy guarantee of the model covers it.")
