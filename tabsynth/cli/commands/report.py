"""``tabsynth report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import ContextOption, ForceOption, GuidanceOption, JsonOption

NAME = "report"
SHORT = "Render an evaluation for a reader."


def command(
    evaluation: Annotated[Path, typer.Argument(metavar="EVALUATION", help="A report document (evaluation.json).")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the report.")],
    report_class: Annotated[str | None, typer.Option(
        "--class", metavar="NAME", help="internal, recipient, public, statement. Default: recipient, or the class of a "
                                        "document that is not internal.")] = None,
    format: Annotated[str, typer.Option(
        "--format", metavar="NAMES", help="html, pdf, json, text, md; several with commas.")] = "html,json",
    guidance: GuidanceOption = None,
    context: ContextOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Render an evaluation for a reader: each class shows what that reader may see.

    --guidance and --context replace those of the evaluation, which must then be the internal one.
    """
    from tabsynth.pipeline.assess import write_reports
    from tabsynth.reports.stated import stated

    console = Console(as_json)
    chosen, files = write_reports(evaluation, output, report_class=report_class, formats=format.split(","), force=force,
                          stated=stated(context, guidance))
    console.document({"class": chosen, "files": [str(f) for f in files]})
    if not as_json:
        for file in files:
            console.say(f"written: {file}")
