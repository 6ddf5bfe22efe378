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
    key: Annotated[Path | None, typer.Option(
        "--key", metavar="PUB", help="The public key of whoever must have signed the release.")] = None,
    passphrase_env: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute hashes, signature, budget and statement of a release or a model, without the data it came from.

    A changed, added, removed or renamed file ends with exit code 6. Without --key nothing shows who made a release.
    """
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.pipeline.keys import read_public
    from tabsynth.pipeline.verify import verify

    console = Console(as_json)
    result = verify(path, key=None if key is None else read_public(key), passphrase=passphrase_in(passphrase_env))
    console.document(result)
    if as_json:
        return
    for line in result["checked"]:
        console.say(f"ok  {line}")
    if "signature" in result:
        console.tell(result["signature"]["meaning"], label="Signed")
    if result.get("not_covered"):
        console.tell(f"nothing vouches for what lies beside share/ and internal/: {', '.join(result['not_covered'])}.",
                     label="Beside")
    console.tell("claims: " + ", ".join(f"{k} = {v}" for k, v in result["claims"].items()))
