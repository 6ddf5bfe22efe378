"""``tabsynth evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.judging import carry_out, passphrase_of
from tabsynth.cli.options import (
    ContextOption,
    EvaluationOption,
    FailOver,
    FailUnder,
    ForceOption,
    GuidanceOption,
    HoldoutOption,
    JsonOption,
    LogOption,
    NoLogOption,
    PassphraseOption,
    PolicyOption,
    QuietOption,
    SchemaOption,
    SeedOption,
    SyntheticArgument,
    TrainOption,
    UnitOption,
)

NAME = "evaluate"
SHORT = "Measure and attack a synthetic table."


def command(
    synthetic: SyntheticArgument,
    train: TrainOption,
    holdout: HoldoutOption,
    output: EvaluationOption = None,
    fitted: Annotated[Path | None, typer.Option(
        "--fitted", metavar="MODEL", help="The model file, for further draws.")] = None,
    passphrase_env: PassphraseOption = None,
    schema: SchemaOption = None,
    unit: UnitOption = None,
    policy: PolicyOption = "controlled",
    guidance: GuidanceOption = None,
    context: ContextOption = None,
    fail_under: FailUnder = None,
    fail_over: FailOver = None,
    seed: SeedOption = None,
    log: LogOption = None,
    no_log: NoLogOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure and attack a synthetic table against train and holdout, and judge the findings by a policy."""
    from tabsynth.pipeline.activity_log import Keeping
    from tabsynth.pipeline.assess import Request
    from tabsynth.pipeline.settings import parse_limits
    from tabsynth.reports.stated import stated

    passphrase = passphrase_of(fitted, passphrase_env)
    carry_out(Request(synthetic, train, holdout, fitted=fitted, passphrase=passphrase, schema=schema, unit=unit,
                      policy=policy, seed=seed or 0, log=Keeping(not no_log, log), stated=stated(context, guidance),
                      under=parse_limits(fail_under or []), over=parse_limits(fail_over or [])),
              Console(as_json, quiet), output=output, force=force)
