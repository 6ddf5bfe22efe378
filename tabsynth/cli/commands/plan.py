"""``tabsynth plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import AllowLargeOption, DeltaOption, JsonOption, ModelOption, SetOption, UnitOption

NAME = "plan"
SHORT = "What a private fit would learn, before it."


def command(
    schema: Annotated[Path, typer.Option("--schema", metavar="FILE", help="Reviewed schema file.")],
    epsilon: Annotated[str, typer.Option("--epsilon", metavar="E", help="Differential privacy per person.")],
    rows: Annotated[int | None, typer.Option(
        "--rows", metavar="N", help="How many people the table holds: rows, or units where the schema has a unit "
                                    "column. Default: the schema's declared_units.")] = None,
    delta: DeltaOption = None,
    model: ModelOption = "auto",
    unit: UnitOption = None,
    allow_large_epsilon: AllowLargeOption = False,
    setting: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a fit with --epsilon would learn of a table of this size, its error and its cost.

    Works from the schema alone and spends nothing. There is no plan of a TABLE: how many people it holds is private.
    """
    from tabsynth.core.schema_file import load_schema
    from tabsynth.pipeline.fit import Privacy
    from tabsynth.pipeline.inputs import Reading, adjusted
    from tabsynth.pipeline.plan import lines, per_column, per_epsilon, plan
    from tabsynth.pipeline.settings import parse_settings

    console = Console(as_json)
    made = plan(adjusted(load_schema(schema), Reading(schema, unit)), unit=unit, units=rows, model=model,
                privacy=Privacy(epsilon, delta, allow_large=allow_large_epsilon),
                settings=parse_settings(setting or []))
    console.document(made.to_json())
    if as_json:
        return
    for label, text in lines(made):
        console.tell(text, label=label)
    console.say()
    for head, text in per_epsilon(made):
        console.entry(head, text)
    console.say()
    for line in per_column(made):
        console.say(line)
