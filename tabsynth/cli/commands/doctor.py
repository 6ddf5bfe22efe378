"""``tabsynth doctor``."""

from __future__ import annotations

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import JsonOption

NAME = "doctor"
SHORT = "Check this installation."


def command(as_json: JsonOption = False) -> None:
    """Check what is installed, which plug-ins load, which extras work, and which would fail and why."""
    from tabsynth.pipeline.doctor import examine

    console = Console(as_json)
    checks = examine()
    console.document({"ok": all(c.ok or c.optional for c in checks),
                      "checks": [{"what": c.what, "ok": c.ok, "optional": c.optional, "says": c.says}
                                 for c in checks]})
    if not as_json:
        for check in checks:
            mark = "ok" if check.ok else ("absent" if check.optional else "FAILS")
            console.entry(f"{mark:<8}{check.what:<23} ", check.says)
    if not all(c.ok or c.optional for c in checks):
        raise typer.Exit(4)
