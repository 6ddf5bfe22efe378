"""``tabsynth release``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tabsynth.cli.console import Console, tell_rehearsal
from tabsynth.cli.options import (
    AllowLargeOption,
    AllowParentOption,
    ContextOption,
    DecimalOption,
    DelimiterOption,
    DeltaOption,
    DryRunOption,
    EncodingOption,
    EpsilonOption,
    FailOver,
    FailUnder,
    ForceOption,
    FormatOption,
    GuidanceOption,
    JsonOption,
    LedgerOption,
    LogOption,
    ModelOption,
    ModeOption,
    NaOption,
    NewPassphraseOption,
    NoLogOption,
    PolicyOption,
    PopulationOption,
    QuietOption,
    RefineOption,
    SchemaOption,
    SeedOption,
    SetOption,
    TableArgument,
    UnitOption,
)

if TYPE_CHECKING:
    from tabsynth.core.signing import PrivateKey

NAME = "release"
SHORT = "The main job: all steps, one release folder."


def command(
    table: TableArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="The release folder.")],
    epsilon: EpsilonOption = None,
    no_dp: Annotated[bool, typer.Option("--no-dp", help="Release without differential privacy, knowingly.")] = False,
    schema: SchemaOption = None,
    unit: UnitOption = None,
    model: ModelOption = "auto",
    n: Annotated[int | None, typer.Option(
        "-n", "--rows", metavar="N",
        help="Synthetic rows. Default: as many as were learned from; under DP as declared.")] = None,
    delta: DeltaOption = None,
    ledger: LedgerOption = None,
    population: PopulationOption = None,
    allow_large_epsilon: AllowLargeOption = False,
    policy: PolicyOption = "controlled",
    guidance: GuidanceOption = None,
    context: ContextOption = None,
    holdout: Annotated[float, typer.Option(metavar="SHARE", help="Share of the people kept from the model.")] = 0.2,
    disclose_evaluation: Annotated[bool, typer.Option("--disclose-evaluation", help="Share the recipient report too; "
                                                      "withdraws the epsilon claim for the folder.")] = False,
    fail_under: FailUnder = None,
    fail_over: FailOver = None,
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
    sign: Annotated[Path | None, typer.Option(
        "--sign", metavar="KEY", help="Sign the manifests with this private key; see tabsynth keys new.")] = None,
    key_passphrase_env: Annotated[str | None, typer.Option(
        "--key-passphrase-env", metavar="NAME", help="Environment variable with the passphrase of the key.")] = None,
    passphrase_env: NewPassphraseOption = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """The main job: split by person, fit, sample, evaluate, judge, and write a release folder.

    Privacy is chosen by name: --epsilon E (1 is recommended) or --no-dp.
    """
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.core.errors import UsageError
    from tabsynth.pipeline.activity_log import Keeping
    from tabsynth.pipeline.fit import Privacy
    from tabsynth.pipeline.inputs import Reading
    from tabsynth.pipeline.labels import parentage
    from tabsynth.pipeline.limits import refuse_failed
    from tabsynth.pipeline.rehearsal import rehearse
    from tabsynth.pipeline.release import Request, refuse_early, release
    from tabsynth.pipeline.settings import parse_limits, parse_settings
    from tabsynth.reports.stated import stated

    if (epsilon is None) != no_dp:
        raise UsageError("release needs --epsilon E (1 is recommended) or --no-dp, by name"
                         + (", and not both." if no_dp else "."))
    console = Console(as_json, quiet)
    request = Request(
        table=table, output=output,
        privacy=None if no_dp else Privacy(epsilon, delta, ledger, population or "unnamed", allow_large_epsilon),
        reading=Reading(schema, unit, format, delimiter, encoding, decimal, tuple(na or ())), model=model,
        settings=parse_settings(setting or []), mode=mode, refine=refine, rows=n, seed=seed, policy=policy,
        under=parse_limits(fail_under or []), over=parse_limits(fail_over or []), holdout=holdout,
        disclose_evaluation=disclose_evaluation, command=shown_command(sys.argv), force=force,
        log=Keeping(not no_log, log), passphrase=passphrase_in(passphrase_env), stated=stated(context, guidance),
        signer=_signer(sign, key_passphrase_env), allow_synthetic_parent=allow_synthetic_parent)
    if dry_run:
        profile = refuse_early(request)
        origin = parentage(table, allow=allow_synthetic_parent)
        tell_rehearsal(console, rehearse(table, request.reading, model=model, settings=request.settings, mode=mode,
                                         refine=refine, privacy=request.privacy, policy=profile, holdout=holdout,
                                         generation_depth=origin.generation_depth,
                                         files=[f"{output}/share/", f"{output}/internal/"]))
        return
    with console.progress() as progress:
        done = release(request, progress=progress)
    console.document({
        "outcome": done.outcome, "folder": str(done.folder), "rows": done.rows, "model": done.fitted.choice.model,
        "privacy": done.evaluation.verdict.privacy, "utility": done.evaluation.verdict.utility,
        "gates": [asdict(gate) for gate in done.evaluation.verdict.gates],
        "statement": done.fitted.statement.to_json() if done.fitted.statement else None})
    if not as_json:
        _tell(console, done)
    refuse_failed(done.evaluation.verdict.failed, told=not (as_json or quiet))
    if done.outcome == "REFUSED":
        raise typer.Exit(1)


def _signer(key: Path | None, variable: str | None) -> PrivateKey | None:
    """The key that signs, opened before any work."""
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.core.errors import UsageError
    from tabsynth.pipeline.keys import read_private

    if key is None and variable is not None:
        raise UsageError("--key-passphrase-env is for a key, and none is given.", fix="Name it with --sign KEY.")
    return None if key is None else read_private(key, passphrase=passphrase_in(variable, option="--key-passphrase-env"))


def shown_command(arguments: list[str]) -> str:
    """The command as typed, with file names but without the folders they lie in."""
    from tabsynth.core.files import name_told

    return " ".join(["tabsynth", *(a if a.startswith("-") else name_told(Path(a)) or a for a in arguments[1:])])


def _tell(console: Console, done: object) -> None:
    from tabsynth.pipeline.summary import summary

    for line in summary(done):  # type: ignore[arg-type]
        console.say(line)
