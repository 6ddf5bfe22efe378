"""``tabsynth attack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.judging import carry_out, passphrase_of
from tabsynth.cli.options import (
    EvaluationOption,
    FailOver,
    FailUnder,
    ForceOption,
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

NAME = "attack"
SHORT = "The attacks alone, up to audits that refit the model."
SECTIONS: Final = ("privacy", "diagnostic")
REFITS: Final = 2
"""The tier whose attacks refit the model."""


def command(
    synthetic: SyntheticArgument,
    train: TrainOption,
    holdout: HoldoutOption,
    output: EvaluationOption = None,
    tier: Annotated[int, typer.Option(
        metavar="0|1|2", min=0, max=REFITS, help="0 counts copies, 1 attacks the rows, 2 also refits the model some "
                                                 "65 times: minutes to hours.")] = 1,
    fitted: Annotated[Path | None, typer.Option(
        "--fitted", metavar="MODEL", help="The model file, whose recipe tier 2 refits.")] = None,
    passphrase_env: PassphraseOption = None,
    schema: SchemaOption = None,
    unit: UnitOption = None,
    policy: PolicyOption = "controlled",
    fail_under: FailUnder = None,
    fail_over: FailOver = None,
    seed: SeedOption = None,
    log: LogOption = None,
    no_log: NoLogOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Attack a synthetic table and judge what the attacks find by a policy; its limits on anything else do not count.

    Refits of a model with epsilon are booked in no ledger and written nowhere.
    """
    from tabsynth.core.errors import UsageError
    from tabsynth.pipeline.activity_log import Keeping
    from tabsynth.pipeline.assess import Request
    from tabsynth.pipeline.settings import parse_limits

    if tier == REFITS and fitted is None:
        raise UsageError("the attacks of tier 2 refit the model, and no model is given.",
                         fix="Name its file with --fitted MODEL, or choose --tier 1.")
    passphrase = passphrase_of(fitted, passphrase_env)
    carry_out(Request(synthetic, train, holdout, fitted=fitted, passphrase=passphrase, schema=schema, unit=unit,
                      policy=policy, tier=tier, sections=SECTIONS, seed=seed or 0, log=Keeping(not no_log, log),
                      under=parse_limits(fail_under or []), over=parse_limits(fail_over or [])),
              Console(as_json, quiet), output=output, force=force)
