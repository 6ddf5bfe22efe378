"""The report on paper: one PDF that is PDF/A-2a (to be archived) and PDF/UA-1 (to be heard), set by typst, offline.

The template gets the outline as data, never as markup, so that no name in a table can become part of the page's code.
Only fonts that typst carries are used; the date is the document's own: the same document gives the same bytes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any, Final

from tabsynth.core.errors import UsageError
from tabsynth.reports import blocks, paper_table
from tabsynth.reports.blocks import Outline
from tabsynth.reports.charts import render as charts
from tabsynth.reports.charts.chart import Chart
from tabsynth.reports.measures import Measure
from tabsynth.reports.outline import outline

FACTS = {"name": "pdf", "entry": "render", "suffix": ".pdf",
         "summary": "PDF/A-2a and PDF/UA-1 for signing, printing and archiving; needs the extra [report]"}

STANDARDS: Final = ("a-2a", "ua-1")
INSTALL: Final = "pip install 'tabsynth-dp[report]'"
GLYPHS: Final = (
    (0x20, 0x7E), (0xA1, 0x2FF), (0x370, 0x482), (0x48A, 0x4FF), (0x1E00, 0x1FFF), (0x2010, 0x2027), (0x2030, 0x203E),
    (0x2070, 0x209C), (0x20A0, 0x20BF), (0x2122, 0x2122), (0x2153, 0x215F), (0x2190, 0x2328), (0x2460, 0x25FF))
"""Letters, digits, marks and signs of these ranges are in typst's fonts; both standards refuse a glyph that is not."""
WRITTEN_OUT: Final = "A character that the fonts of this file lack is written as U+ and its number in Unicode."
FONT: Final = "Libertinus Serif"
SHORT: Final = 60
"""Letters of the dataset's name in the page header."""


def available() -> bool:
    """True where typst is installed."""
    return find_spec("typst") is not None


def render(document: Mapping[str, Any]) -> bytes:
    """A valid document as one PDF.

    Raises:
        UsageError: typst is not installed.
    """
    if not available():
        raise UsageError("a report in PDF needs the package typst, which is not installed.", fix=f"Run: {INSTALL}")
    import typst

    made: bytes = typst.compile(
        _resource("report.typ").encode(), format="pdf", ignore_system_fonts=True, pdf_standards=list(STANDARDS),
        timestamp=datetime.fromisoformat(document["created"]).replace(tzinfo=UTC),
        sys_inputs={"report": json.dumps(page_data(document))})
    return made


def page_data(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the template draws: the outline as JSON values, every string one that the fonts can show."""
    report = outline(document)
    title = printable(report.title)
    data: dict[str, Any] = _shown({
        "heading": f"{title}: evaluation of synthetic data", "author": "tabsynth", "keywords": ["synthetic data"],
        "title": title, "short": title if len(title) <= SHORT else title[:SHORT - 1] + "\N{HORIZONTAL ELLIPSIS}",
        "class": report.report_class, "date": report.date,
        "description": report.description, "facts": report.facts,
        "chapters": [{"number": number, "title": chapter.title, "new_page": chapter.new_page,
                      "blocks": [_block(b) for b in chapter.blocks]} for number, chapter in report.numbered()],
        "breaks": {"long": paper_table.LONG, "piece": paper_table.PIECE},
        "colophon": [report.footer, *([charts.MISSING] if _lacks_charts(report) else [])],
    })
    if re.search(r"U\+[0-9A-F]{4}", json.dumps(data)):
        data["colophon"].append(WRITTEN_OUT)
    return data


def _lacks_charts(report: Outline) -> bool:
    """True where charts belong into the report and cannot be drawn here."""
    return not charts.available() and any(
        isinstance(block, blocks.Picture) for _, chapter in report.numbered() for block in chapter.blocks)


def printable(text: str) -> str:
    """`text` on one line, with every character that the fonts lack written out.

    >>> printable("caf\\u00e9 \\u4e2d")
    'café U+4E2D'
    """
    def shown(c: str) -> str:
        return " " if c.isspace() else c if _has_glyph(c) else f"U+{ord(c):04X}"

    return "".join(map(shown, unicodedata.normalize("NFC", text)))


def _has_glyph(c: str) -> bool:
    return any(low <= ord(c) <= high for low, high in GLYPHS) and unicodedata.category(c)[0] in "LNPSZ"


def _shown(value: Any) -> Any:
    """A JSON value whose strings are all printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {key: _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, (list, tuple)) else value


def _block(block: blocks.Block) -> dict[str, Any]:
    """A block by the name of its kind, with its fields; tables cut to fit the page, drawings with their colours."""
    match block:
        case blocks.Table():
            return {"kind": "tables", "tables": _tables(block)}
        case blocks.Measures(items, full):
            return {"kind": "measures", "full": full, "items": [_measure(m) for m in items]}
        case blocks.Drawing(drawn, text):
            return {"kind": "drawing", "svg": _coloured(drawn), "text": text}
        case blocks.Picture(chart):
            return {"kind": "picture", **_picture(chart)}
        case blocks.Forms(forms):
            return {"kind": "forms", "items": [asdict(form) for form in forms]}
        case blocks.Fold(summary, inner):
            return {"kind": "fold", "summary": summary, "blocks": [_block(one) for one in inner]}
        case _:
            return {"kind": type(block).__name__.lower(), **asdict(block)}


def _tables(table: blocks.Table) -> list[dict[str, Any]]:
    return [asdict(part) for part in paper_table.fit(table)]


def _measure(measure: Measure) -> dict[str, Any]:
    """A measure with its drawing coloured and its figures in one list."""
    table = measure.table
    return {
        **asdict(replace(measure, table=None, drawing=_coloured(measure.drawing))),
        "facts": [("Identifier", measure.id), *measure.references, *measure.details],
        "tables": [] if table is None else _tables(replace(table, caption=f"Breakdown: {measure.title}"))}


def _picture(chart: Chart) -> dict[str, Any]:
    """A chart as a still drawing, its text alternative, and its numbers."""
    numbers = blocks.Table(chart.head, chart.rows, f"Numbers: {chart.title}")
    drawn = charts.svg(replace(chart, spec=_shown(chart.spec)), font=FONT) if charts.available() else ""
    return {"title": chart.title, "svg": drawn, "text": chart.text, "tables": _tables(numbers)}


def _coloured(drawing: str) -> str:
    """A drawing that stands by itself: its name space, and the colours that a page's style sheet gives it."""
    if not drawing:
        return ""
    return drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        "<title", f"<style>{_resource('drawing.css')}</style><title", 1)


@cache
def _resource(name: str) -> str:
    return (files("tabsynth.reports") / "templates" / name).read_text("utf-8")
