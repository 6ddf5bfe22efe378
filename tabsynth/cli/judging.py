"""What ``evaluate`` and ``attack`` have in common: one evaluation, its document, its text and its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tabsynth.cli.console import Console

if TYPE_CHECKING:
    from tabsynth.pipeline.assess import Request


def passphrase_of(fitted: Path | None, variable: str | None) -> str | None:
    """The passphrase of the model file, refused where there is no file that it could open."""
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.core.errors import UsageError

    if variable is not None and fitted is None:
        raise UsageError("--passphrase-env is for a model file, and none is given.",
                         fix="Name it with --fitted MODEL, or leave the option out.")
    return passphrase_in(variable)


def carry_out(request: Request, console: Console, *, output: Path | None, force: bool) -> None:
    """Evaluate, write, print.

    Raises:
        LimitExceeded: a gate of the policy or the command line is not met. typer.Exit: with 1, where the policy refuses
            for anything else.
    """
    from tabsynth.core.files import check_writable, refuse_existing
    from tabsynth.pipeline.assess import assess, write_document
    from tabsynth.pipeline.limits import refuse_failed
    from tabsynth.reports.renderers import text

    if output is not None:
        refuse_existing(output, force=force)
        check_writable(output)
    with console.progress() as progress:
        done, content = assess(request, progress=progress)
    if output is not None:
        write_document(output, content, force=force)
    console.document(content)
    if not console.as_json:
        console.say(text.summarise(content))
    refuse_failed(done.verdict.failed)
    if done.outcome == "REFUSED":
        raise typer.Exit(1)
