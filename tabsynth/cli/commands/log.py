"""``tabsynth log show | verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True, help="The log of fits, samples, evaluations, releases.")

Folder = Annotated[Path, typer.Option("--log", metavar="FOLDER", help="The log's folder.")]


@app.command(short_help="List what was done, oldest first.")
def show(log: Folder = Path("tabsynth-log"), as_json: JsonOption = False) -> None:
    """List what was done, oldest first, with the beginning of each digest."""
    from dataclasses import asdict

    from tabsynth.pipeline.activity_log import described, entries_in

    console = Console(as_json)
    entries = entries_in(log)
    console.document({"log": str(log), "entries": [asdict(entry) for entry in entries]})
    if not as_json:
        for entry in entries:
            console.entry(f"{entry.index:>4}  {entry.date}  {entry.act:<11}", described(entry))


@app.command(short_help="Recompute the hash chain.")
def verify(log: Folder = Path("tabsynth-log"), as_json: JsonOption = False) -> None:
    """Recompute the hash chain; a line that was changed, dropped or moved is found, a cut-off end is not."""
    from tabsynth.core.errors import SourceError, VerificationError
    from tabsynth.pipeline.activity_log import entries_in

    console = Console(as_json)
    try:
        entries = entries_in(log)
    except SourceError as error:
        if not log.is_dir():
            raise
        raise VerificationError(error.message, fix="Restore it from a backup.") from error
    console.document({"log": str(log), "entries": len(entries), "last": entries[-1].hash if entries else None})
    if not as_json:
        last = f"; the last line's hash is {entries[-1].hash}" if entries else ""
        console.tell(f"the chain of {len(entries)} lines is intact{last}. Written down elsewhere, that hash shows "
                     "later whether the end was cut off.")
