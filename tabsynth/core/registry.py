"""Plug-ins by file: one file is one model, measure, attack or format, listed without being imported.

A plug-in file carries a literal ``FACTS = {...}`` at module level, read here with ``ast``. Its ``"name"`` is the
plug-in's name and ``"entry"`` the attribute (class or function) that `load` returns. Packages outside tabsynth
join through the entry-point groups ``tabsynth.models``, ``tabsynth.measures``, ``tabsynth.formats``.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from tabsynth.core.errors import UsageError

ROOT: Final = Path(__file__).resolve().parent.parent

FOLDERS: Final[dict[str, tuple[str, ...]]] = {
    "models": ("models",),
    "measures": ("evaluation/fidelity", "evaluation/utility", "evaluation/attacks"),
    "formats": ("datasets/formats",),
    "renderers": ("reports/renderers",),
    "annexes": ("reports/annexes",),
    "charts": ("reports/charts",),
}
"""Plug-in group -> the folders of this package that hold its files."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plug-in file: where it is and what it says of itself."""

    name: str
    module: str
    facts: dict[str, Any]


@cache
def plugins(group: str) -> dict[str, Plugin]:
    """Every plug-in of a group by name, without importing one of them."""
    found: dict[str, Plugin] = {}
    for folder in FOLDERS[group]:
        for path in sorted((ROOT / folder).glob("[!_]*.py")):
            facts = read_facts(path)
            if facts is not None:
                module = ".".join(("tabsynth", *folder.split("/"), path.stem))
                found[facts["name"]] = Plugin(facts["name"], module, facts)
    for point in entry_points(group=f"tabsynth.{group}"):
        found.setdefault(point.name, Plugin(point.name, point.module, {"name": point.name, "entry": point.attr}))
    return found


def names(group: str) -> list[str]:
    """The plug-ins' names, sorted."""
    return sorted(plugins(group))


def find(group: str, name: str) -> Plugin:
    """The plug-in called `name`, or a UsageError that lists what there is."""
    have = plugins(group)
    if name not in have:
        raise UsageError(f"there is no {group.rstrip('s')} called {name!r}; there are: {', '.join(sorted(have))}.")
    return have[name]


def load(group: str, name: str) -> Any:
    """Import the plug-in's file and return its entry (a class or a function)."""
    plugin = find(group, name)
    return getattr(importlib.import_module(plugin.module), plugin.facts["entry"])


def read_facts(path: Path) -> dict[str, Any] | None:
    """The literal FACTS of a file, or None if it has none. Nothing of the file runs."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "FACTS" for t in node.targets):
            return dict(ast.literal_eval(node.value))
    return None
