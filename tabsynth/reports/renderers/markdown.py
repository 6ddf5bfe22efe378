"""The report as Markdown (CommonMark with pipe tables), for wikis and pull requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import blocks
from tabsynth.reports.commonmark import table, text
from tabsynth.reports.outline import outline

FACTS = {"name": "md", "entry": "render", "suffix": ".md", "summary": "Markdown for wikis and reviews"}

BLANK: Final = r"\_" * 12
"""A line to be filled in."""


def render(document: Mapping[str, Any]) -> str:
    """Every chapter and annex of a valid document."""
    return "\n".join(_lines(document)).rstrip() + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    report = outline(document)
    yield from (f"# {text(report.title)}", "", f"{report.report_class}, {report.date}.")
    for number, chapter in report.numbered():
        yield from ("", f"## {number}. {text(chapter.title)}")
        for block in chapter.blocks:
            yield from ("", *_block(block))
    yield from ("", "---", "", text(report.footer))


def _block(block: blocks.Block) -> Iterator[str]:
    match block:
        case blocks.Heading(words):
            yield f"### {text(words)}"
        case blocks.Text(words):
            yield text(words)
        case blocks.Notice(words, grave):
            yield "> " + (f"**{text(words)}**" if grave else text(words))
        case blocks.Verdict(_, sentence, more, aside):
            yield f"**{text(sentence)}**"
            for words in (*more, aside):
                yield from ("", text(words)) if words else ()
        case blocks.Figures(items):
            yield from (f"- {text(label)}: **{text(value)}**" for value, label in items)
        case blocks.Pairs(rows):
            yield from (f"- **{text(name)}**: {text(value)}" for name, value in rows)
        case blocks.Table():
            yield from _table(block)
        case blocks.Bullets(items, code):
            yield from (f"- {_code(item) if code else text(item)}" for item in items)
        case blocks.Code(lines):
            yield from (f"    {' '.join(line.split())}" for line in lines)
        case blocks.Measures():
            yield from _measures(block)
        case blocks.Drawing(_, words):
            yield text(words)
        case blocks.Picture(chart):
            yield from (f"**{text(chart.title)}**", "", text(chart.text))
            yield from table(chart.head, chart.rows)
        case blocks.Forms(forms):
            for form in forms:
                yield from (f"- **{text(form.title)}**: {text(form.question)}",
                            *(f"  - {label}: {text(value) or BLANK}" for label, value in form.lines))
        case blocks.Fold(summary, inner):
            yield f"*{text(summary)}*"
            for one in inner:
                yield from ("", *_block(one))


def _measures(block: blocks.Measures) -> Iterator[str]:
    yield from _table(blocks.Table(
        ("Measure", "Value", "95 % interval", "References", "n", "Judgement"),
        tuple((m.title, m.value if m.state != "not_run" else f"not run: {m.note}", m.interval,
               ", ".join(f"{k.lower()} {v}" for k, v in m.references), m.n, m.label) for m in block.items)))


def _table(shown: blocks.Table) -> Iterator[str]:
    if shown.caption:
        yield f"*{text(shown.caption)}*"
    yield from table(shown.head, shown.rows)


def _code(value: str) -> str:
    """An expression in backticks, which may hold backticks."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", value)), default=0))
    return f"{fence} {' '.join(value.split())} {fence}"
