"""``tabsynth audit``."""

from __future__ import annotations

from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import JsonOption, QuietOption
from tabsynth.core.errors import UsageError

NAME = "audit"
SHORT = "Try to break the privacy guarantee of this program."


def command(
    long: Annotated[bool, typer.Option(
        "--long", help="Also fit thousands of models with and without one person, and say what that proves about "
                       "epsilon: about half an hour.")] = False,
    epsilon: Annotated[list[float] | None, typer.Option(
        "--epsilon", metavar="E", help="Claim that --long tests. Repeatable; default 1, 4 and 10.")] = None,
    runs: Annotated[int | None, typer.Option(
        "--runs", metavar="N", help="Fits in each of the two worlds, for each epsilon; default 50000.")] = None,
    fits: Annotated[int | None, typer.Option(
        "--fits", metavar="N", help="Fits in each world for what model file and rows give away; default 1000.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", help="Processes that fit models.")] = 1,
    as_json: JsonOption = False, quiet: QuietOption = False,
) -> None:
    """Audit the installed program on tables of its own; needs no data of yours.

    Replays every private model on neighbouring tables with the same noisy answers, and tests the noise. Ends with exit
    code 6 if anything is caught. What each part can and cannot see: privacy/audit.md.
    """
    from tabsynth.pipeline.audit.run import Plan, steps

    given = {"epsilons": epsilon, "runs": runs, "fits": fits}
    if not long and any(value is not None for value in given.values()):
        raise UsageError("--epsilon, --runs and --fits belong to --long.")
    plan = Plan(long, jobs=jobs, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    console, checks = Console(as_json, quiet), []
    for step in steps(plan):
        with console.progress() as progress:
            found = step(progress)
        for check in found:
            console.entry(f"{'ok' if check.ok else 'CAUGHT':<8}", f"{check.layer}: {check.says}")
        checks += found
    caught = any(not check.ok for check in checks)
    console.document({"ok": not caught, "checks": [check.to_json() for check in checks]})
    if caught:
        raise typer.Exit(6)
