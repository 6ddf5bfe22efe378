"""``tabsynth evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import (
    FailOver,
    FailUnder,
    ForceOption,
    JsonOption,
    PolicyOption,
    QuietOption,
    SchemaOption,
    SeedOption,
    UnitOption,
)

NAME = "evaluate"
SHORT = "Measure and attack a synthetic table."


def command(
    synthetic: Annotated[str, typer.Argument(metavar="SYNTHETIC", help="The synthetic table.")],
    train: Annotated[str, typer.Option("--train", metavar="TABLE", help="The rows that the model learned from.")],
    holdout: Annotated[str, typer.Option("--holdout", metavar="TABLE", help="Rows that the model has never seen.")],
    output: Annotated[Path | None, typer.Option(
        "-o", "--output", metavar="FILE", help="evaluation.json, with real figures: stays in the house.")] = None,
    fitted: Annotated[Path | None, typer.Option(
        "--fitted", metavar="MODEL", help="The model file, for further draws.")] = None,
    schema: SchemaOption = None,
    unit: UnitOption = None,
    policy: PolicyOption = "controlled",
    fail_under: FailUnder = None,
    fail_over: FailOver = None,
    seed: SeedOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure and attack a synthetic table against train and holdout, and judge the findings by a policy."""
    from tabsynth.core.files import check_writable, refuse_existing
    from tabsynth.pipeline.assess import assess, write_document
    from tabsynth.pipeline.limits import require_limits
    from tabsynth.pipeline.settings import parse_limits
    from tabsynth.reports.renderers import text

    console = Console(as_json, quiet)
    under, over = parse_limits(fail_under or []), parse_limits(fail_over or [])
    if output is not None:
        refuse_existing(output, force=force)
        check_writable(output)
    with console.progress() as progress:
        done, content = assess(synthetic, train, holdout, fitted=fitted, schema=schema, unit=unit, policy=policy,
                               seed=seed or 0, progress=progress)
    if output is not None:
        write_document(output, content, force=force)
    console.document(content)
    if not as_json:
        console.say(text.render(content))
    require_limits(done.findings, under=under, over=over)
    if done.outcome == "REFUSED":
        raise typer.Exit(1)
