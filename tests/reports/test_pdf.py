"""The PDF: archivable, readable by ear, the same bytes each time, and nothing in a table can break or steer it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import UsageError
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.verdict import judge
from tabsynth.pipeline.assess import read_document, write_document, write_reports
from tabsynth.reports import document, paper_table
from tabsynth.reports.blocks import Table
from tabsynth.reports.chapters.decision import headline
from tabsynth.reports.charts import render
from tabsynth.reports.charts.chart import charts
from tabsynth.reports.outline import outline
from tabsynth.reports.renderers import pdf

FREE_TEXT = {"name", "description", "title", "reason", "method", "key", "source", "summary", "what", "because",
             "population", "purpose", "recipient", "action", "question", "limit_source"}
"""Keys of a document whose values a table, a schema or a person may have written."""
HOSTILE = ('#panic("no")', '"); #read("/etc/passwd")', "*b* _i_ `r` $x$ <label> @ref", "\\u{1f} \\ // /* ", "[[", "]]",
           "</svg><script>", "a" * 150, "x_" * 60, "\u4e2d\u6587 \u05d0 \U0001f600", "\x00\x07\u202e\u200b\ufeff",
           "e\u0301\u0327", "\ud800", " ", "", "\n\n", "https://example.org/?q=1", "= Heading", "- item\n- item")

FILES: dict[str, bytes] = {}


@pytest.fixture(params=["internal", "recipient", "public", "statement"])
def made(request, findings, verdict, context, private_context) -> dict[str, Any]:
    chosen = private_context if request.param == "statement" else context
    return document.build(findings, verdict, context=chosen, report_class=request.param)


@pytest.fixture
def internal(findings, verdict, context) -> dict[str, Any]:
    return document.build(findings, verdict, context=context, report_class="internal")


@pytest.fixture
def opened(made) -> Iterator[pikepdf.Pdf]:
    """Each class is set in type once."""
    file = FILES.get(made["report_class"]) or FILES.setdefault(made["report_class"], pdf.render(made))
    with pikepdf.open(io.BytesIO(file)) as opened:
        yield opened


def elements(file: pikepdf.Pdf) -> Iterator[pikepdf.Dictionary]:
    """Every structure element, in the order of reading."""
    waiting = [file.Root.StructTreeRoot]
    while waiting:
        one = waiting.pop()
        if "/S" in one:
            yield one
        kids = one.get("/K", [])
        kids = list(kids) if isinstance(kids, pikepdf.Array) else [kids]
        waiting += [kid for kid in reversed(kids) if isinstance(kid, pikepdf.Dictionary)]


def words(file: pikepdf.Pdf) -> str:
    """The text of all pages as a reader program decodes it, without spaces."""
    return re.sub(r"\s", "", "".join(text for page in file.pages for text in _drawn(page)))


def _drawn(page: pikepdf.Page) -> Iterator[str]:
    letters: dict[int, str] = {}
    for operands, operator in pikepdf.parse_content_stream(page):
        if str(operator) == "Tf":
            letters = _letters(page.Resources.Font[str(operands[0])].ToUnicode.read_bytes().decode())
        elif str(operator) in ("Tj", "TJ"):
            shown = operands[0] if str(operator) == "TJ" else [operands[0]]
            raw = b"".join(bytes(part) for part in shown if isinstance(part, pikepdf.String))
            yield "".join(letters[int.from_bytes(raw[i:i + 2], "big")] for i in range(0, len(raw), 2))


def _letters(table: str) -> dict[int, str]:
    """Glyph -> letters, from a font's ToUnicode table."""
    return {int(glyph, 16): bytes.fromhex(text).decode("utf-16-be")
            for glyph, text in re.findall(r"<([0-9A-Fa-f]{4})> <([0-9A-Fa-f]+)>", table)}


def test_it_says_that_it_is_archivable_and_accessible(opened, made):
    with opened.open_metadata() as facts:
        assert facts["pdfaid:part"] == "2"
        assert facts["pdfaid:conformance"] == "A"
        assert facts["pdfuaid:part"] == "1"
        assert facts["dc:title"] == f"{made['dataset']['name']}: evaluation of synthetic data"
        assert facts["dc:creator"] == ["tabsynth"]
        assert facts["xmp:CreateDate"].startswith(made["created"])
    assert opened.Root.Lang == "en"
    assert opened.Root.ViewerPreferences.DisplayDocTitle is True
    assert opened.Root.OutputIntents[0].S == "/GTS_PDFA1"


def test_it_is_tagged_throughout(opened, made):
    assert opened.Root.MarkInfo.Marked is True
    kinds = [str(one.S) for one in elements(opened)]
    assert {"/H1", "/H2", "/P", "/Table", "/TOC", "/L"} <= set(kinds)
    levels = [int(kind[2]) for kind in kinds if re.fullmatch(r"/H\d", kind)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    figures = [one for one in elements(opened) if one.S == "/Figure"]
    assert all(str(one.Alt).strip() for one in figures)
    assert figures or made["report_class"] == "public"


def test_every_table_has_a_row_of_header_cells(opened):
    tables = [one for one in elements(opened) if one.S == "/Table"]
    assert tables
    for table in tables:
        head = next(part for part in table.K if part.S == "/THead")
        assert [cell.S for row in head.K for cell in row.K] == ["/TH"] * len(head.K[0].K)
        assert len(head.K) == 1


def test_it_runs_nothing_and_leads_nowhere_outside(opened):
    assert not {"/OpenAction", "/AA", "/AcroForm"} & set(opened.Root.keys())
    assert not {"/JavaScript", "/EmbeddedFiles"} & set(opened.Root.get("/Names", {}).keys())
    for page in opened.pages:
        assert "/AA" not in page
        for note in page.get("/Annots", []):
            assert note.Subtype == "/Link"
            assert "/Dest" in note or note.A.S == "/GoTo"


def test_every_font_is_embedded_and_one_of_typst(opened):
    names = set()
    for one in opened.objects:
        if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/FontDescriptor":
            assert {"/FontFile2", "/FontFile3"} & set(one.keys())
            names.add(str(one.FontName).partition("+")[2].partition("-")[0])
    assert names
    assert names <= {"LibertinusSerif", "DejaVuSansMono", "NewComputerModern", "NewCMMath"}


def test_bookmarks_are_the_chapters_and_their_headings(opened, made):
    with opened.open_outline() as marks:
        assert [" ".join(mark.title.split()) for mark in marks.root] == [
            f"{number} {chapter.title}" for number, chapter in outline(made).numbered()]
        assert "Key numbers" in [mark.title for mark in marks.root[0].children]


def test_its_text_holds_the_verdict_the_class_and_the_page_numbers(opened, made):
    text = words(opened)
    for shown in (headline(made)[0], outline(made).report_class, made["created"], "Synthetic data",
                  f"Page {len(opened.pages)} of {len(opened.pages)}", "Ward & <b>stays</b>",
                  "<script>alert(1)</script>", "Data protection officer", "Signature"):
        assert re.sub(r"\s", "", shown) in text


def test_every_chart_stands_with_its_words_and_its_numbers(opened, made):
    alternatives = {" ".join(str(one.Alt).split()) for one in elements(opened) if one.S == "/Figure"}
    text = words(opened)
    for chart in charts(made):
        assert pdf.printable(chart.text) in alternatives
        for shown in (chart.title, chart.text, *chart.rows[0]):
            assert re.sub(r"\s", "", pdf.printable(shown)) in text
    assert charts(made) or made["report_class"] in ("public", "statement")


def test_without_charts_it_says_so(internal, monkeypatch):
    assert render.MISSING not in pdf.page_data(internal)["colophon"]
    monkeypatch.setattr(render, "available", lambda: False)
    assert render.MISSING in pdf.page_data(internal)["colophon"]
    assert pdf.render(internal).startswith(b"%PDF")


def test_a_judgement_is_a_word(internal):
    with pikepdf.open(io.BytesIO(pdf.render(internal))) as file:
        text = words(file)
    judged = {m["label"] for c in pdf.page_data(internal)["chapters"] for b in c["blocks"] if b["kind"] == "measures"
              for m in b["items"] if m["state"] != "not_run"}
    assert {"Finding", "No finding"} <= judged
    assert all(label.replace(" ", "") in text for label in judged)


def test_same_document_same_bytes(internal):
    assert pdf.render(internal) == pdf.render(internal)
    assert pdf.render(internal) != pdf.render({**internal, "created": "2026-11-23"})


def replaced(value: Any, texts: Iterator[str], key: str = "") -> Any:
    """The document with other words wherever words are free."""
    if isinstance(value, dict):
        return {k: replaced(v, texts, k) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(v, texts, key) for v in value]
    return next(texts) if isinstance(value, str) and key in FREE_TEXT | {"rules", "commands"} else value


def repeated(texts: list[str]) -> Iterator[str]:
    while True:
        yield from texts


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_words(internal, text):
    with pikepdf.open(io.BytesIO(pdf.render(replaced(internal, repeated([text]))))) as file:
        assert re.sub(r"\s", "", pdf.printable(text)) in words(file)


@given(texts=st.lists(st.text(st.characters(codec=None), max_size=40), min_size=1, max_size=30))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_words_make_a_pdf(internal, texts):
    assert pdf.render(replaced(internal, repeated(texts))).startswith(b"%PDF-1.7")


def test_every_letter_that_is_not_written_out_can_be_drawn(internal):
    letters = "".join(filter(pdf.printable, map(chr, range(0x20, 0x3000))))
    drawn = "".join(c for c in letters if pdf.printable(c) == c)
    assert len(drawn) > 2000
    assert not [c for c in drawn if unicodedata.category(c)[0] in "MC"]
    shown = {**internal, "dataset": {**internal["dataset"], "name": drawn, "description": drawn, "rules": [drawn]}}
    assert drawn[1:100] in pdf.page_data(shown)["title"]
    assert pdf.render(shown).startswith(b"%PDF")


def test_letters_that_are_written_out_are_explained(internal):
    assert pdf.WRITTEN_OUT not in pdf.page_data(internal)["colophon"]
    named = {**internal, "dataset": {**internal["dataset"], "name": "\u5165\u9662"}}
    assert pdf.page_data(named)["title"] == "U+5165U+9662"
    assert pdf.WRITTEN_OUT in pdf.page_data(named)["colophon"]


@given(st.lists(st.lists(st.text("abcM_.9 -", max_size=40), min_size=30, max_size=30), max_size=4), st.integers(1, 30))
def test_tables_fit_between_the_margins_and_lose_nothing(rows, n):
    table = Table(tuple(f"column {i}" for i in range(n)), tuple(tuple(row[:n]) for row in rows))
    parts = paper_table.fit(table)
    assert parts[0].head + tuple(h for part in parts[1:] for h in part.head[1:]) == table.head
    for part in parts:
        assert part.head[0] == "column 0"
        width = sum(part.widths) if part.widths else sum(
            paper_table.GAP + max(map(paper_table.em, column)) for column in zip(part.head, *part.rows))
        assert width * part.size <= paper_table.WIDTH + 1


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler's pdftotext is not installed")
def test_nothing_stands_beyond_the_margins(findings, context, tmp_path):
    """Breakdowns of 26 columns, names without a space, and a hash: every word lies between the margins of its page."""
    wide = tuple({"key": f"{'long_name' * 9} × {i}", **{f"{'group' * 3}_{k}": 0.12345 for k in range(25)}}
                 for i in range(60))
    many = (*findings, replace(findings[1], id="kway.9", title="Antidisestablishmentarianism" * 4, breakdown=wide))
    made = document.build(many, judge(many, load_policy("controlled")), report_class="internal", context=replace(
        context, dataset="W" * 120, description="0123456789abcdef" * 12, files={"a" * 150: "0" * 64}))
    (tmp_path / "report.pdf").write_bytes(pdf.render(made))
    boxes = subprocess.run(["pdftotext", "-bbox", tmp_path / "report.pdf", "-"], capture_output=True, text=True,
                           check=True).stdout
    found = [(float(left), float(right)) for left, right in
             re.findall(r'<word xMin="([\d.]+)".*?xMax="([\d.]+)"', boxes)]
    assert len(found) > 1000
    assert min(left for left, _ in found) >= 62
    assert max(right for _, right in found) <= 595.3 - 62


def test_the_command_writes_it_beside_the_page(internal, tmp_path):
    write_document(tmp_path / "evaluation.json", internal, force=False)
    _, files = write_reports(tmp_path / "evaluation.json", tmp_path / "out", report_class="internal",
                          formats=["html", "pdf"], force=False)
    assert [path.name for path in files] == ["report.html", "report.pdf"]
    assert files[1].read_bytes() == pdf.render(read_document(tmp_path / "evaluation.json"))


def test_without_typst_the_error_says_what_to_install(internal, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(pdf, "available", lambda: False)
    write_document(tmp_path / "evaluation.json", internal, force=False)
    with pytest.raises(UsageError, match="typst") as caught:
        write_reports(tmp_path / "evaluation.json", tmp_path / "out", report_class="internal", formats=["html", "pdf"],
                      force=False)
    assert "tabsynth-dp[report]" in str(caught.value.fix)
    assert not list((tmp_path / "out").glob("*"))


def test_the_module_loads_no_typst_before_it_is_asked():
    script = "import sys; import tabsynth.pipeline.release; sys.exit('typst' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
