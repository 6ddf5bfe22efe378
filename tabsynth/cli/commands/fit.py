"""``tabsynth fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import (
    AllowLargeOption,
    DecimalOption,
    DelimiterOption,
    DeltaOption,
    EncodingOption,
    EpsilonOption,
    ForceOption,
    FormatOption,
    JsonOption,
    LedgerOption,
    ModelOption,
    NaOption,
    PopulationOption,
    QuietOption,
    SchemaOption,
    SeedOption,
    SetOption,
    TableArgument,
    UnitOption,
)

NAME = "fit"


def command(
    table: TableArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="The model file, such as m.tabsynth.")],
    schema: SchemaOption = None,
    model: ModelOption = "auto",
    unit: UnitOption = None,
    epsilon: EpsilonOption = None,
    delta: DeltaOption = None,
    ledger: LedgerOption = None,
    population: PopulationOption = None,
    allow_large_epsilon: AllowLargeOption = False,
    seed: SeedOption = None,
    setting: SetOption = None,
    format: FormatOption = "auto",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    na: NaOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit a model to a table, with differential privacy (--epsilon) or without a formal guarantee."""
    from tabsynth.core.files import check_writable, refuse_existing
    from tabsynth.pipeline.fit import fit, privacy_for
    from tabsynth.pipeline.inputs import Reading, read_input
    from tabsynth.pipeline.settings import parse_settings
    from tabsynth.pipeline.synthesizer import generator

    console = Console(as_json, quiet)
    refuse_existing(output, force=force)
    check_writable(output)
    reading = Reading(schema, unit, format, delimiter, encoding, decimal, tuple(na or ()))
    settings = parse_settings(setting or [])
    with console.progress() as progress:
        progress("read", 0, 1)
        source = read_input(table, reading, public_only=epsilon is not None)
        progress("read", 1, 1)
        privacy = privacy_for(source, epsilon=epsilon, delta=delta, ledger=ledger, population=population,
                              allow_large=allow_large_epsilon)
        fitted = fit(source.table, model=model, privacy=privacy, rng=generator(seed), settings=settings,
                     progress=progress)
        fitted.save(output, force=force)
    statement = None if fitted.statement is None else fitted.statement.to_json()
    console.document({"model": fitted.choice.model, "reason": fitted.choice.reason, "file": str(output),
                      "personal_data": fitted.personal_data, "statement": statement})
    if not as_json:
        console.say(f"model {fitted.choice.model}: {fitted.choice.reason}")
        if source.guessed:
            console.say("The schema was guessed; write and review one with: tabsynth inspect")
        console.say(fitted.statement.to_text() if fitted.statement else str(fitted.privacy["notice"]))
        console.say(f"written: {output}")
