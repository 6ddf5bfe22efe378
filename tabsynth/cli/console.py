"""What a person or a program sees: one JSON document on stdout, or text; progress on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tabsynth.core.progress import Progress, silent

if TYPE_CHECKING:
    from tabsynth.pipeline.rehearsal import Rehearsal

PLAIN_EVERY_SECONDS: Final = 10.0
WIDEST: Final = 100
"""Lines longer than this are hard to read, however wide the terminal."""


@dataclass(frozen=True, slots=True)
class Console:
    """How to talk: `as_json` puts exactly one document on stdout and human text on stderr; `quiet` drops the latter."""

    as_json: bool = False
    quiet: bool = False

    def say(self, text: str = "") -> None:
        """A line for the person."""
        if not self.quiet:
            print(text, file=sys.stderr if self.as_json else sys.stdout)

    def tell(self, text: str, *, label: str = "") -> None:
        """A paragraph for the person, wrapped to the terminal; with a label, the lines below it are indented."""
        self.say(wrap(text, head=f"{label + ':':<10}" if label else ""))

    def remark(self, text: str) -> None:
        """A paragraph about a result, on stderr, where it is in the way of no rows and no document."""
        if not self.quiet:
            print(wrap(text), file=sys.stderr)

    def entry(self, head: str, text: str) -> None:
        """A line of a list: `head`, padded by the caller, then the text, wrapped beside it."""
        self.say(wrap(text, head=head))

    def document(self, value: Mapping[str, Any]) -> None:
        """The machine's answer, when asked for."""
        if self.as_json:
            json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=str)
            sys.stdout.write("\n")

    @contextmanager
    def progress(self, *, ticking: bool = True) -> Iterator[Progress]:
        """Bars with ETA on a terminal, a plain line a stage otherwise, nothing when quiet.

        Args:
            ticking: a thread moves the clocks of the bars. Work that is to fork does without.
        """
        if self.quiet:
            yield silent
        elif sys.stderr.isatty():
            with _bars(ticking) as progress:
                yield progress
        else:
            yield _PlainLines()


def tell_rehearsal(console: Console, rehearsal: Rehearsal) -> None:
    """What a dry run found."""
    console.document(rehearsal.to_json())
    if not console.as_json:
        for label, text in rehearsal.lines():
            console.tell(text, label=label)


def width() -> int:
    """Columns of the terminal (80 where there is none), at most 100."""
    return min(shutil.get_terminal_size((80, 24)).columns, WIDEST)


def wrap(text: str, *, head: str = "") -> str:
    """A paragraph in lines of the terminal's width, beside its head; names of files and options are not broken.

    >>> print(wrap("one two", head="Files: "))
    Files: one two
    """
    return textwrap.fill(text, width(), initial_indent=head, subsequent_indent=" " * len(head),
                         break_long_words=False, break_on_hyphens=False)


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
def _bars(ticking: bool) -> Iterator[Progress]:
    """One bar a stage, which tells what it is at ("evaluate: kway"): a terminal of 24 lines holds no bar a measure.

    Stages may nest, so all that were begun are over only when the work ends well.
    """
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    screen = RichConsole(stderr=True, no_color="NO_COLOR" in os.environ or None, highlight=False)
    bars = RichProgress(TextColumn("{task.description:<35}"), BarColumn(bar_width=18),
                        TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), TextColumn("ETA"),
                        TimeRemainingColumn(), console=screen, auto_refresh=ticking)
    tasks: dict[str, Any] = {}

    def update(stage: str, done: float, total: float | None = None) -> None:
        name = stage.partition(":")[0]
        if name not in tasks:
            tasks[name] = bars.add_task(stage, total=total)
        bars.update(tasks[name], description=stage, completed=done, total=total, refresh=not ticking)

    with bars:
        yield update
        for task in tasks.values():
            bars.update(task, total=1.0, completed=1.0)
