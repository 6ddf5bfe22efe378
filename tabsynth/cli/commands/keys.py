"""``tabsynth keys new``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import ForceOption, JsonOption

app = typer.Typer(no_args_is_help=True, help="Keys that sign releases.")


@app.command(short_help="Make a pair of keys, private and public.")
def new(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER|NAME",
                                         help="Writes NAME.key and NAME.pub; in a folder tabsynth.key and .pub.")],
    passphrase_env: Annotated[str | None, typer.Option(
        "--passphrase-env", metavar="NAME", help="Encrypt the private key under the passphrase in this environment "
                                                 "variable.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make an Ed25519 key pair: the private key signs releases, the public one tells others who signed."""
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.pipeline.keys import new_keys

    console = Console(as_json)
    private, public, key = new_keys(output, passphrase=passphrase_in(passphrase_env), force=force)
    console.document({"private": str(private), "public": str(public), "fingerprint": key.fingerprint,
                      "encrypted": passphrase_env is not None})
    if as_json:
        return
    opened = "" if passphrase_env is None else f" --key-passphrase-env {passphrase_env}"
    console.tell(f"{private} signs: tabsynth release ... --sign {private}{opened}. Keep it to yourself and keep a "
                 "backup.", label="Private")
    console.tell(f"{public} is for those who receive releases: tabsynth verify FOLDER --key {public}. Hand it over by "
                 "another way than the releases.", label="Public")
    console.tell(f"SHA-256 {key.fingerprint}", label="Key")
