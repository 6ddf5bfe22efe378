"""What a report's pages are made of: a dozen kinds of block that every renderer sets in its own type.

A block holds words, numbers as text and drawings that are made; nothing in it depends on the format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tabsynth.reports.charts.chart import Chart
    from tabsynth.reports.measures import Measure

Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a chapter."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph. small: beside the point, set smaller."""

    text: str
    small: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What the reader must not miss. grave: it speaks against releasing."""

    text: str
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's conclusion: one sentence, and what it adds. outcome: finding, review or no_finding."""

    outcome: str
    sentence: str
    more: tuple[str, ...] = ()
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """A few large figures, each with what it is."""

    items: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and what belongs to them. strong: the names carry the message. code: the values are hashes or code."""

    rows: tuple[Pair, ...]
    strong: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Headers and rows of text. numeric: columns that are set flush right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Bullets:
    """Short items. code: they are expressions."""

    items: tuple[str, ...]
    code: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to be copied."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measures:
    """Findings, worst first. full: with method, references and breakdown."""

    items: tuple[Measure, ...]
    full: bool = True


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished ``<svg>`` and the same in words."""

    svg: str
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart that each renderer draws in its own way, beside its text alternative and its numbers."""

    chart: Chart


@dataclass(frozen=True, slots=True)
class Form:
    """A blank for a named person: a question, and lines to fill in."""

    title: str
    question: str
    lines: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Forms:
    """Blanks side by side."""

    items: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Detail that a screen may fold away and print shows. open: shown at first."""

    summary: str
    blocks: tuple[Block, ...]
    open: bool = False


Block: TypeAlias = (Heading | Text | Notice | Verdict | Figures | Pairs | Table | Bullets | Code | Measures | Drawing
                    | Picture | Forms | Fold)


@dataclass(frozen=True, slots=True)
class Chapter:
    """One numbered part of a report. new_page: print starts it on a page of its own."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    new_page: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """A report in reading order.

    Args:
        facts: under the title. chapters are numbered from 1 in this order; annexes have letters.
    """

    title: str
    description: str
    report_class: str
    date: str
    facts: tuple[Pair, ...]
    chapters: tuple[Chapter, ...]
    annexes: tuple[Chapter, ...]
    footer: str

    @property
    def has_pictures(self) -> bool:
        """Whether any chapter holds a chart."""
        return any(isinstance(block, Picture) for chapter in self.chapters for block in chapter.blocks)

    def numbered(self) -> tuple[tuple[str, Chapter], ...]:
        """Chapters by number, then annexes by letter."""
        return (*((str(i), chapter) for i, chapter in enumerate(self.chapters, start=1)),
                *((chr(ord("A") + i), annex) for i, annex in enumerate(self.annexes)))
