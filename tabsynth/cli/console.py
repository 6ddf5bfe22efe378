"""What a person or a program sees: one JSON document on stdout, or text; progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tabsynth.core.progress import Progress, silent

PLAIN_EVERY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Console:
    """How to talk: `as_json` puts exactly one document on stdout and human text on stderr; `quiet` drops the latter."""

    as_json: bool = False
    quiet: bool = False

    def say(self, text: str = "") -> None:
        """A line for the person."""
        if not self.quiet:
            print(text, file=sys.stderr if self.as_json else sys.stdout)

    def note(self, text: str) -> None:
        """A line about what was guessed or is worth knowing; never on stdout."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def document(self, value: Mapping[str, Any]) -> None:
        """The machine's answer, when asked for."""
        if self.as_json:
            json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=str)
            sys.stdout.write("\n")

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Bars with ETA on a terminal, a plain line a stage otherwise, nothing when quiet."""
        if self.quiet:
            yield silent
        elif sys.stderr.isatty():
            with _bars() as progress:
                yield progress
        else:
            yield _PlainLines()


class _PlainLines:
    """One line when a stage begins or ends, and at most one every ten seconds in between."""

    def __init__(self) -> None:
        self.stage = ""
        self.last = 0.0

    def __call__(self, stage: str, done: float, total: float | None = None) -> None:
        now = time.monotonic()
        if stage == self.stage and now - self.last < PLAIN_EVERY_SECONDS:
            return
        self.stage, self.last = stage, now
        share = f" {100 * done / total:.0f} %" if total and done else ""
        print(f"... {stage}{share}", file=sys.stderr, flush=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    bars = Progress(TextColumn("{task.description:<28}"), BarColumn(bar_width=20),
                    TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn(), TextColumn("ETA"),
                    TimeRemainingColumn(), console=RichConsole(stderr=True))
    tasks: dict[str, Any] = {}

    def update(stage: str, done: float, total: float | None = None) -> None:
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total)
        bars.update(tasks[stage], completed=done, total=total)

    with bars:
        yield update
