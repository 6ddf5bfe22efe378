"""``tabsynth view``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console

NAME = "view"
SHORT = "Open a report in the browser."


def command(
    path: Annotated[Path, typer.Argument(
        metavar="FOLDER|FILE", help="A release folder, or a report's .html or .json.")],
    serve: Annotated[bool, typer.Option(
        "--serve", help="Serve the page on 127.0.0.1 until Ctrl-C. A .json is always served: its page is no file.")
    ] = False,
    port: Annotated[int | None, typer.Option(
        "--port", metavar="N", min=1, max=65535, help="With --serve. Default: any that is free.")] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser; print the address.")] = False,
) -> None:
    """Open a report in the browser: the internal one of a release folder if it is there, else the shared one.

    Nothing leaves this machine: the page loads nothing, and --serve answers this machine alone.
    """
    from tabsynth.core.errors import UsageError
    from tabsynth.pipeline.view import review, serving

    shown, console = review(path), Console()
    serve = serve or not shown.on_disk
    if port is not None and not serve:
        raise UsageError("--port is the port of --serve.", fix="Add --serve.")
    console.say(f"report: {shown.source}")
    console.remark(shown.standing)
    if not serve:
        _show(console, shown.source.resolve().as_uri(), no_open)
        return
    with serving(shown.pages, port=port or 0) as address:
        _show(console, address, no_open)
        _until_interrupted(console)


def _show(console: Console, address: str, no_open: bool) -> None:
    """Print the address before a browser is asked for: some of them take the terminal over."""
    import sys
    import webbrowser

    console.say(f"address: {address}")
    sys.stdout.flush()
    if not no_open and not webbrowser.open(address):
        console.remark("No browser was found: open the address in one.")


def _until_interrupted(console: Console) -> None:
    """Ctrl-C is how serving ends, not how it fails."""
    from threading import Event

    console.remark("Serving to this machine alone; Ctrl-C ends it.")
    try:
        Event().wait()
    except KeyboardInterrupt:
        console.remark("Stopped.")
