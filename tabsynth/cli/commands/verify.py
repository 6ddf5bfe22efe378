"""``tabsynth verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import JsonOption, PassphraseOption

NAME = "verify"
SHORT = "Recheck a release or a model, without data."


def command(
    path: Annotated[Path, typer.Argument(metavar="FOLDER|MODEL", help="A release folder, its share part, or a model.")],
    passphrase_env: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute hashes, budget and statement of a release or a model, without the data it came from."""
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.pipeline.verify import verify

    console = Console(as_json)
    result = verify(path, passphrase=passphrase_in(passphrase_env))
    console.document(result)
    if not as_json:
        for line in result["checked"]:
            console.say(f"ok  {line}")
        console.say("claims: " + ", ".join(f"{k} = {v}" for k, v in result["claims"].items()))
