"""``tabsynth policy``."""

from __future__ import annotations

from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import JsonOption

NAME = "policy"
SHORT = "Show what a policy asks for, and where its limits come from."


def command(
    policy: Annotated[str | None, typer.Argument(
        metavar="[POLICY]", help="public, controlled, spe-export, internal-test, or a file; without it, all of them in "
                                 "a line each.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a release policy: every limit with its source; a file of one's own is checked on the way."""
    from tabsynth.evaluation.policy import load_policy, policy_names, told

    console = Console(as_json)
    if policy is None:
        listed = [load_policy(name) for name in policy_names()]
        console.document({"policies": [{"name": p.name, "summary": p.summary} for p in listed]})
        lines = [(p.name, p.summary) for p in listed]
    else:
        shown = load_policy(policy)
        console.document(shown.model_dump(mode="json"))
        lines = list(told(shown))
    for head, text in () if as_json else lines:
        console.entry(f"{head:<22}", text)
