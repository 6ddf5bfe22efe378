"""``tabsynth models``."""

from __future__ import annotations

from tabsynth.cli.console import Console
from tabsynth.cli.options import JsonOption

NAME = "models"
SHORT = "List the models."


def command(as_json: JsonOption = False) -> None:
    """List the models, and which of them give a formal guarantee."""
    from tabsynth.core import registry

    console = Console(as_json)
    listed = {name: plugin.facts for name, plugin in sorted(registry.plugins("models").items())}
    console.document({"models": list(listed.values())})
    if as_json:
        return
    for name, facts in listed.items():
        guarantee = "with --epsilon" if facts.get("private") else "no guarantee"
        console.entry(f"{name:<14}{guarantee:<16}", str(facts.get("summary", "")))
