"""``tabsynth version``."""

from __future__ import annotations

from tabsynth.cli.console import Console
from tabsynth.cli.options import JsonOption

NAME = "version"
SHORT = "Print the version."


def command(as_json: JsonOption = False) -> None:
    """The version of tabsynth and of the Python that runs it."""
    import platform

    import tabsynth

    console = Console(as_json)
    console.document({"tabsynth": tabsynth.__version__, "python": platform.python_version()})
    if not as_json:
        console.say(f"tabsynth {tabsynth.__version__} (Python {platform.python_version()})")
