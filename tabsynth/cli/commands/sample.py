"""``tabsynth sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import (
    ForceOption,
    FormatOption,
    JsonOption,
    LogOption,
    NoLogOption,
    PassphraseOption,
    QuietOption,
    SeedOption,
)

NAME = "sample"
SHORT = "Draw synthetic rows from a model."


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="TABLE", help="Where to write; - is stdout.")],
    n: Annotated[int | None, typer.Option(
        "-n", "--rows", metavar="N", help="Rows to draw; may be left out with --given.")] = None,
    seed: SeedOption = None,
    given: Annotated[Path | None, typer.Option(
        "--given", metavar="FILE", help="File with some of the columns: one output row for each of its rows.")] = None,
    where: Annotated[str | None, typer.Option(
        "--where", metavar="EXPR", help="Condition that every row keeps, e.g. \"age >= 65 and sex == 'f'\".")] = None,
    balance: Annotated[str | None, typer.Option(
        "--balance", metavar="COLUMN",
        help="Every level of this category or boolean column comes equally often, by design.")] = None,
    balance_missing: Annotated[bool, typer.Option(
        "--balance-missing", help="With --balance, a missing cell is a level too.")] = False,
    jobs: Annotated[int | None, typer.Option(
        "--jobs", metavar="N",
        help="Processes that draw. Default: as many as pay. The bytes are the same for any number.")] = None,
    resume: Annotated[bool, typer.Option(
        "--resume", help="Go on with what this command, with the same --seed, has left in TABLE.partial.")] = False,
    log: LogOption = None,
    no_log: NoLogOption = False,
    passphrase_env: PassphraseOption = None,
    format: FormatOption = "auto",
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw synthetic rows from a model. Same model, seed and n: same bytes.

    With --seed, what was written before an interruption stays in TABLE.partial; --resume goes on from there.
    """
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.core.conditioning import conditioning
    from tabsynth.core.errors import UsageError
    from tabsynth.core.files import check_writable, refuse_existing, sha256_file
    from tabsynth.core.given import Balanced
    from tabsynth.core.partial import partial_of
    from tabsynth.pipeline.activity_log import Keeping, file_digest
    from tabsynth.pipeline.conditions import balance_text, given_rows
    from tabsynth.pipeline.fit import load_model
    from tabsynth.pipeline.inputs import read_given
    from tabsynth.pipeline.labels import needs_label, refuse_label, write_label
    from tabsynth.pipeline.sample import sample_to_file
    from tabsynth.pipeline.synthesizer import generator

    console = Console(as_json, quiet)
    if as_json and output == "-":
        raise UsageError("--json and -o - both want stdout.", fix="Write the rows to a file.")
    if output != "-":
        refuse_existing(Path(output), force=force)
        check_writable(Path(output))
        refuse_label(Path(output), force=force)
    book = Keeping(not no_log, log).open_for(output)
    fitted = load_model(model, passphrase=passphrase_in(passphrase_env))
    fixed = None if given is None else read_given(given, fitted.generator.coding_.schema)
    if n is None and fixed is None:
        raise UsageError("sample needs -n, the number of rows.")
    if n is not None and n < 0:
        raise UsageError(f"-n must be 0 or more, got {n}.")
    rows = given_rows(fitted, len(fixed) if fixed is not None else n or 0, fixed, balance, missing=balance_missing)
    origin = None if seed is None or str(given) == "-" else {      # what came from stdin does not come again
        "model": sha256_file(model), "seed": seed, "given": None if given is None else sha256_file(given)}
    try:
        with console.progress(ticking=False) as progress:
            written = sample_to_file(
                fitted, output, len(fixed) if fixed is not None else n or 0, rng=generator(seed), given=rows,
                where=where, format=format, force=force, jobs=jobs, origin=origin, resume=resume, progress=progress)
    except KeyboardInterrupt:
        if origin is not None and partial_of(Path(output))[0].exists():
            typer.echo(f"What was finished is in {partial_of(Path(output))[0]}; the same command with --resume goes on "
                       "from there.", err=True)
        raise
    if needs_label(output, format):
        write_label(Path(output), parentage=fitted.parentage, force=force)
    if book is not None:
        book.add("sample", model=sha256_file(model), output=file_digest(output))
    balanced = rows if isinstance(rows, Balanced) else None
    exactness = None if rows is None else conditioning(
        fitted.generator, fitted.generator.coding_, rows, generator(seed))
    console.document({
        "rows": written, "file": output, "seed": seed, "personal_data": fitted.personal_data,
        "generation_depth": fitted.parentage.generation_depth,
        **({} if balanced is None else {"balanced": balanced.to_json()}),
        **({} if exactness is None else {"conditioning": exactness.to_json()})})
    if not as_json and output != "-":
        console.say(f"{written:,} synthetic rows written to {output}")
    if balanced is not None:
        console.remark(balance_text(fitted, balanced))
    if exactness is not None:
        console.remark(exactness.text)
        if exactness.is_weak:
            console.remark("warning: rows hardly follow what is given. Give fewer columns, or fit a model whose order "
                           "begins with them.")
