"""``tabsynth fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console, tell_rehearsal
from tabsynth.cli.options import (
    AllowLargeOption,
    AllowParentOption,
    DecimalOption,
    DelimiterOption,
    DeltaOption,
    DryRunOption,
    EncodingOption,
    EpsilonOption,
    ForceOption,
    FormatOption,
    JsonOption,
    LedgerOption,
    LogOption,
    ModelOption,
    ModeOption,
    NaOption,
    NewPassphraseOption,
    NoLogOption,
    PopulationOption,
    QuietOption,
    RefineOption,
    SchemaOption,
    SeedOption,
    SetOption,
    TableArgument,
    UnitOption,
)

NAME = "fit"
SHORT = "Learn a model from a table."


def command(
    table: TableArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="Model file, such as m.tabsynth.")],
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
    mode: ModeOption = None,
    refine: RefineOption = False,
    allow_synthetic_parent: AllowParentOption = False,
    format: FormatOption = "auto",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    na: NaOption = None,
    log: LogOption = None,
    no_log: NoLogOption = False,
    passphrase_env: NewPassphraseOption = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit a model to a table, with differential privacy (--epsilon) or without a formal guarantee."""
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.core.files import check_writable, refuse_existing, sha256_file
    from tabsynth.pipeline.activity_log import Keeping, file_digest
    from tabsynth.pipeline.contents import refinement
    from tabsynth.pipeline.fit import Privacy, fit, privacy_for
    from tabsynth.pipeline.inputs import AnyInput, Reading, read_compact, read_input
    from tabsynth.pipeline.labels import further_generation, parentage
    from tabsynth.pipeline.settings import parse_settings
    from tabsynth.pipeline.summary import calibrated, promise
    from tabsynth.pipeline.synthesizer import generator

    console = Console(as_json, quiet)
    refuse_existing(output, force=force)
    check_writable(output)
    passphrase = passphrase_in(passphrase_env)
    reading = Reading(schema, unit, format, delimiter, encoding, decimal, tuple(na or ()))
    settings = parse_settings(setting or [])
    origin = parentage(table, allow=allow_synthetic_parent)
    if dry_run:
        from tabsynth.pipeline.rehearsal import rehearse

        wanted = None if epsilon is None else Privacy(epsilon, delta, ledger, population or "unnamed",
                                                      allow_large_epsilon)
        tell_rehearsal(console, rehearse(table, reading, model=model, settings=settings, mode=mode, refine=refine,
                                         privacy=wanted, files=[str(output)]))
        return
    book = Keeping(not no_log, log).open_for(table)
    with console.progress() as progress:
        progress("read", 0, 1)
        source: AnyInput = (
            read_compact(table, reading) if epsilon is None else read_input(table, reading, public_only=True))
        progress("read", 1, 1)
        privacy = privacy_for(source, epsilon=epsilon, delta=delta, ledger=ledger, population=population,
                              allow_large=allow_large_epsilon)
        fitted = fit(source.table, model=model, privacy=privacy, rng=generator(seed), settings=settings,
                     mode=mode, refine=refine, parentage=origin, progress=progress)
        fitted.save(output, passphrase=passphrase, force=force)
    if book is not None:
        book.add("fit", input=file_digest(table), model=sha256_file(output))
    statement = None if fitted.statement is None else fitted.statement.to_json()
    console.document({"model": fitted.choice.model, "reason": fitted.choice.reason, "file": str(output),
                      "unit": source.table.schema.unit or "row", "schema": source.schema_source,
                      "personal_data": fitted.personal_data, **origin.to_json(), "encrypted": passphrase is not None,
                      "settings": fitted.info["settings"], "calibration": fitted.info.get("calibration"),
                      "refinement": fitted.info.get("refinement"), "statement": statement})
    if as_json:
        return
    unit = source.table.schema.unit
    console.tell(f"{fitted.choice.model}: {fitted.choice.reason}", label="Model")
    if fitted.info.get("calibration"):
        console.tell(calibrated(fitted.info), label="Settings")
    if refine:
        console.tell(refinement(fitted.info["refinement"]), label="Refined")
    console.tell("every row is another person" if unit is None else f"column {unit}", label="Unit")
    console.tell("guessed; write and review one with tabsynth inspect." if source.guessed else source.schema_source,
                 label="Schema")
    if origin.generation_depth > 1:
        console.tell(further_generation(origin), label="Parent")
    console.tell(promise(fitted), label="Privacy")
    encrypted, option = ("", "") if passphrase is None else (" (encrypted)", f" --passphrase-env {passphrase_env}")
    console.tell(f"{output}{encrypted}; tabsynth inspect {output}{option} shows what is in it.", label="Written")
