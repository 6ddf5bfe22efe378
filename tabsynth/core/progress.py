"""How long work tells where it is: one callable, silent by default, drawn by the command line.

Under DP the stages and their totals are functions of the public schema and the budget alone.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the stage's name, the work done so far and the total (None when not known)."""

    def __call__(self, stage: str, done: float, total: float | None = None) -> None: ...


def silent(stage: str, done: float, total: float | None = None) -> None:
    """The default: nothing is printed by a library call."""
