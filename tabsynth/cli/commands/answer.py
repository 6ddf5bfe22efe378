"""``tabsynth answer``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import JsonOption, PassphraseOption

NAME = "answer"
SHORT = "Count with an interval, from a private model."


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file that was fitted with --epsilon.")],
    where: Annotated[str, typer.Option(
        "--where", metavar="EXPR", help="Condition on one column, or on two that were measured together, e.g. "
                                        "\"sex == 'f' and age >= 65\".")],
    population: Annotated[bool, typer.Option(
        "--population", help="Also the interval for the people whom the table is a random sample of.")] = False,
    passphrase_env: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """How many people satisfy a condition, with a 95 % interval that tells what the privacy noise may have done.

    Reads the model file only and spends no budget.
    """
    from tabsynth.cli.passphrase import passphrase_in
    from tabsynth.pipeline.answer import answer, lines
    from tabsynth.pipeline.fit import load_model

    console = Console(as_json)
    fitted = load_model(model, passphrase=passphrase_in(passphrase_env))
    found = answer(fitted, where, population=population)
    console.document(found.to_json())
    if not as_json:
        for label, text in lines(found, fitted.generator.coding_.schema.unit):
            console.tell(text, label=label)
