"""Markdown (CommonMark with pipe tables) for people. Text from outside cannot become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

Lines = Iterator[str]


def text(value: str) -> str:
    r"""`value` on one line, with what Markdown or HTML would read as markup escaped.

    >>> text("a<b>\n[x](http://y)"), text("1. one"), text("- one"), text("0.5")
    ('a\\<b\\> \\[x\\](http\\://y)', '1\\. one', '\\- one', '0.5')
    """
    escaped = re.sub(r"([\\`*_\[\]<>|#&~!])", r"\\\1", " ".join(value.split()))
    begun = re.sub(r"^([-+]|\d+[.)])(?=[ -]|$)", lambda m: f"{m[1][:-1]}\\{m[1][-1]}", escaped)  # no list, no rule
    return begun.replace("://", "\\://")


def section(title: str) -> Lines:
    """A chapter's heading."""
    yield from ("", f"## {text(title)}")


def answer(question: str, *paragraphs: str) -> Lines:
    """A question and what is known."""
    yield from ("", f"**{text(question)}**")
    for paragraph in paragraphs:
        yield from ("", text(paragraph))


def items(lines: Iterable[str]) -> Lines:
    """A list."""
    yield ""
    yield from (f"- {text(line)}" for line in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Lines:
    """A pipe table."""
    yield from ("", "| " + " | ".join(map(text, head)) + " |", "|" + " --- |" * len(head))
    yield from ("| " + " | ".join(map(text, row)) + " |" for row in rows)


def page(title: str, lines: Iterable[str]) -> str:
    """A whole page."""
    return "\n".join([f"# {text(title)}", *lines]).rstrip() + "\n"
