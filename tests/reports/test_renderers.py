"""The views: self-contained, escaped, accessible, honest about what was not run, and stable."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tabsynth.core.artifact import canonical_json
from tabsynth.core.finding import Finding
from tabsynth.evaluation import wording as verdict_wording
from tabsynth.evaluation.gates import Gate
from tabsynth.evaluation.variants import attack_finding, counted, ranked
from tabsynth.reports import document, wording
from tabsynth.reports.chapters.decision import gates, headline, not_assessed
from tabsynth.reports.charts import render as drawing
from tabsynth.reports.context import Selection
from tabsynth.reports.measures import key_numbers, measures
from tabsynth.reports.renderers import html, markdown, text

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
VOID = {"meta", "link", "br", "hr", "img", "input", "line", "rect", "circle"}
CASES = ("internal", "recipient", "public", "statement")


@pytest.fixture(params=[(c, p) for c in CASES for p in (False, True) if p or c != "statement"],
                ids=lambda case: f"{case[0]}-{'dp' if case[1] else 'no-dp'}")
def made(request, findings, verdict, context, private_context) -> dict[str, Any]:
    report_class, private = request.param
    return document.build(findings, verdict, context=private_context if private else context,
                          report_class=report_class)


class Page(HTMLParser):
    """Tags, attributes, headings and text of a page; complains about tags that are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.svg: list[set[str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "svg" and dict(attrs).get("class") != "marks":  # charts have their words beside them
            self.svg.append(set())
        elif "svg" in self.open and self.svg:
            self.svg[-1].add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


def test_the_page_loads_nothing_and_runs_only_the_script_that_its_policy_names(made):
    page = html.render(made)
    parsed = Page(page)
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {t for t, _ in parsed.tags}
    for _, attributes in parsed.tags:
        assert not {"src", "srcset", "onclick", "onload", "style"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    scripts = [a for t, a in parsed.tags if t == "script"]
    running = [a for a in scripts if a.get("type") != "application/json"]
    assert len(running) == (1 if scripts else 0)
    policy = next(str(a["content"]) for _, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert ("script-src 'sha256-" in policy) is bool(running)
    assert "unsafe-eval" not in policy
    assert "://" not in without_scripts(page).replace('xmlns="http://www.w3.org/2000/svg"', "").replace(
        'xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    assert not re.search(r"@import|url\((?!#)", without_scripts(page))


def without_scripts(page: str) -> str:
    return re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)


def test_names_from_the_table_are_escaped(made):
    page = without_scripts(html.render(made))
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Ward &amp; &lt;b&gt;stays&lt;/b&gt;" in page


def test_every_drawing_has_a_title_and_a_description(made):
    parsed = Page(html.render(made))
    assert parsed.svg or made["report_class"] == "public"
    assert all({"title", "desc"} <= tags for tags in parsed.svg)
    drawings = [a for t, a in parsed.tags if t == "svg" and a.get("class") != "marks"]
    ids = {a["id"] for _, a in parsed.tags if "id" in a}
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert set(str(attributes["aria-labelledby"]).split()) <= ids


def test_ids_are_unique_and_links_lead_somewhere(made):
    tags = Page(html.render(made)).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {str(a["href"])[1:] for t, a in tags if t == "a"} <= set(ids)


def test_headings_descend_one_level_at_a_time(made):
    levels = [int(t[1]) for t, _ in Page(html.render(made)).tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_the_page_names_its_language_and_every_table_header_its_scope(made):
    tags = Page(html.render(made)).tags
    assert ("html", {"lang": "en"}) in tags
    assert all(a.get("scope") in ("col", "row") for t, a in tags if t == "th")


def test_no_view_holds_a_banned_word(made):
    shown = (" ".join(Page(html.render(made)).words), text.render(made),
             re.sub(r"\\(.)", r"\1", markdown.render(made)))  # as it is read
    assert [wording.offending(view) for view in shown] == [None, None, None]


@pytest.mark.parametrize("source", sorted(Path(html.__file__).parents[1].rglob("*.*")), ids=lambda p: p.name)
def test_no_file_of_the_report_holds_a_banned_word(source):
    if source.suffix in (".py", ".j2", ".typ", ".yaml", ".css", ".json"):
        assert wording.offending(source.read_text("utf-8")) is None


def test_a_banned_word_would_be_found():
    for phrase in ("The data are\nde-identified.", "This is SAFE.", "GDPR-compliant", "anonymised data"):
        assert wording.offending(phrase) is not None


def test_a_measure_that_was_not_run_has_a_line_with_its_reason(findings, verdict, context):
    made = document.build(findings, verdict, context=context, report_class="internal")
    for render in (html.render, text.render, markdown.render):
        shown = render(made)
        assert "Task utility" in shown
        assert "The schema names no target." in shown
    assert {"what": "Task utility", "reason": "The schema names no target."} in made["not_assessed"]


def test_worst_comes_first(findings, verdict, context):
    made = document.build(findings, verdict, context=context, report_class="internal")
    order = ["finding", "review", "insufficient_power", "not_run", "no_finding", "none"]
    ranks = [order.index(m.verdict) for m in measures(made) if m.state != "not_run" or m.verdict != "none"]
    assert ranks == sorted(ranks)
    first = key_numbers(measures(made))[0]
    assert first.verdict != "none"


def test_the_decision_page_never_shows_more_than_eight_numbers(verdict, context):
    many = [Finding(f"m{i}", f"Measure {i}", "fidelity", 0.5, "higher is better", n=100, normalised=i / 30)
            for i in range(30)]
    made = document.build(many, replace(verdict, judgements=()), context=context, report_class="internal")
    key = key_numbers(measures(made))
    assert [m.id for m in key] == [f"m{i}" for i in range(8)]


def test_diagnostics_say_that_they_do_not_establish_privacy(findings, verdict, context):
    made = document.build(findings, verdict, context=context, report_class="internal")
    assert wording.DIAGNOSTICS_ARE_NOT_EVIDENCE in html.render(made)
    assert wording.DIAGNOSTICS_ARE_NOT_EVIDENCE in markdown.render(made)


def test_a_statement_that_may_not_be_released_says_so_first(findings, verdict, private_context):
    stamped = {**private_context.statement, "stamps": ["NOT PRIVATE: the noise came from a test source"]}
    made = document.build(findings, verdict, context=replace(private_context, statement=stamped),
                          report_class="internal")
    for render in (html.render, text.render, markdown.render):
        assert "NOT PRIVATE" in render(made)


def test_the_terminal_summary_fits_eighty_columns(made):
    assert max(map(len, text.render(made).splitlines())) <= 80


def test_markdown_of_a_name_is_text(made):
    shown = markdown.render(made)
    assert "<script>" not in shown.replace("\\<script\\>", "")
    assert "ward\\|A" in shown


def test_markdown_of_a_name_begins_no_list_and_a_command_stays_one_line(findings, verdict, context):
    context = replace(context, purpose="1. a list", owner="- another", commands=("tabsynth x\n\n# not a heading",))
    shown = markdown.render(document.build(findings, verdict, context=context, report_class="internal"))
    assert "**Purpose**: 1\\. a list" in shown
    assert "**Answers for the remaining risk**: \\- another" in shown
    assert "    tabsynth x # not a heading" in shown.splitlines()


@pytest.mark.parametrize("rate", ["x", 10**400, True, None])
def test_a_rate_that_is_no_number_is_not_told(findings, verdict, context, rate):
    damaged = tuple(replace(f, details={**f.details, "train_rate": rate}) for f in findings)
    made = document.build(damaged, verdict, context=context, report_class="internal")
    for render in (html.render, text.render, markdown.render):
        assert render(made)


def test_an_interval_too_wide_for_a_number_is_shown_all_the_same(verdict, context):
    wide = Finding("kway.2", "Pairs", "fidelity", 0.0, "higher is better", interval=(-1.7e308, 1.7e308), n=500)
    made = document.build((wide,), replace(verdict, judgements=()), context=context, report_class="recipient")
    for render in (html.render, text.render, markdown.render):
        assert "Pairs" in render(made)


def as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("render", [html.render, text.render, markdown.render, as_json],
                         ids=["html", "txt", "md", "json"])
def test_a_small_report_looks_as_it_did(findings, verdict, context, render: Callable[[dict[str, Any]], str], request,
                                        monkeypatch):
    """TABSYNTH_GOLDEN=write makes the files anew, after someone has looked at the page."""
    monkeypatch.setattr(drawing, "available", lambda: False)  # charts have tests of their own
    shown = render(document.build(findings, verdict, context=context, report_class="recipient"))
    if render is html.render:
        shown = re.sub(r"<style>.*?</style>", "<style></style>", shown, flags=re.DOTALL)
    path = GOLDEN / f"report.{request.node.callspec.id}"
    if os.environ.get("TABSYNTH_GOLDEN") == "write":
        path.write_text(shown, "utf-8")
    assert shown == path.read_text("utf-8")


def test_without_the_extra_the_page_says_that_charts_are_left_out(findings, verdict, context, monkeypatch):
    monkeypatch.setattr(drawing, "available", lambda: False)
    page = html.render(document.build(findings, verdict, context=context, report_class="recipient"))
    assert drawing.MISSING in page
    assert "<script" not in page
    assert "The numbers of this chart" in page


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_in_light_dark_and_print():
    sheet = (Path(html.__file__).parents[1] / "templates" / "report.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        colours = {k: v if len(v) == 7 else "#" + "".join(c * 2 for c in v[1:]) for k, v in
                   re.findall(r"--(\w[\w-]*): (#[0-9a-f]{3,6});", block)}
        pairs = [(text, ground) for text in ("ink", "muted", "accent", "finding", "review")
                 for ground in ("paper", "sheet", "calm-tint")]
        pairs += [("paper", "finding"), ("review", "review-tint"), ("ink", "finding-tint"), ("muted", "review-tint"),
                  ("muted", "finding-tint")]
        for text_colour, ground in pairs:
            light, dark = sorted((luminance(colours[text_colour]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text_colour, ground)


def test_the_terminal_has_no_heading_without_a_line(findings, verdict, context):
    """Utility was not run here: it stands among what was not assessed, and nowhere else."""
    lines = text.summarise(document.build(findings, verdict, context=context, report_class="internal")).splitlines()
    assert "Utility" not in lines
    assert any("Task utility" in line for line in lines)
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("report_class", ["internal", "recipient"])
def test_a_control_rate_is_not_drawn_on_the_scale_of_an_excess(verdict, context, report_class):
    """Not where a small count in the details keeps the rates from the recipient either."""
    rows = [counted("k = 1", (300, 1000), (250, 1000), statistic="residual")]
    made = (attack_finding("P1c", "Links", rows, method="M.", details={"partitions": 5}),
            attack_finding("P2a", "Members", [ranked("nearest", 0.55, 0.02, 900, 800)], method="M."))
    shown = document.build(made, replace(verdict, judgements=()), context=context, report_class=report_class)
    drawn = {m.id: m.drawing for m in measures(shown)}
    assert "control" not in drawn["P1c"]
    assert "control" in drawn["P2a"]


def test_a_breakdown_begins_with_what_a_row_is_about(findings, verdict, context):
    """Not with what comes first in the alphabet, as keys of a file do."""
    made = json.loads(canonical_json(document.build(findings, verdict, context=context, report_class="internal")))
    table = next(m.table for m in measures(made) if m.id == "P0a")
    assert table.head == ("Of", "Hits, training", "Tried, training", "Hits, control", "Tried, control", "Excess")
    assert table.rows[0][:2] == ("all columns", "29")
    assert table.numeric == (1, 2, 3, 4, 5)


def test_names_words_and_limits_are_explained_where_the_class_shows_them(made):
    page = markdown.render(made)
    assert "**Residual risk**" in page
    asked = {i for pack in made["guidance"] for one in pack["criteria"] for i in one["findings"]}
    assert all(f"| {i.replace('_', chr(92) + '_')} | " in page for i in asked)
    assert ("Source of the limit" in page) == bool(made["verdict"]["judgements"])


def test_how_often_the_table_was_looked_at_counts_what_the_fit_tried(findings, verdict, calibrated, private_context):
    seen = replace(calibrated, selection=Selection(1, 1))
    told = markdown.render(document.build(findings, verdict, context=seen, report_class="recipient"))
    assert "1 evaluation, 1 model compared; within the fit, 2 candidates on people held back from it" in told
    kept = markdown.render(document.build(findings, verdict, context=private_context, report_class="statement"))
    assert f"**Looks at this table**: {wording.LOOKS_ARE_INTERNAL}" in kept


@pytest.mark.parametrize("report_class", ["internal", "recipient", "public", "statement"])
@pytest.mark.parametrize("outcome", ["finding", "review", "no_finding"])
def test_every_verdict_says_what_it_does_not_show(findings, verdict, private_context, report_class, outcome):
    privacy = verdict_wording.outcome(outcome, verdict.policy, ["Copies (P0a)"])
    made = document.build(findings, replace(verdict, outcome=outcome, privacy=privacy), context=private_context,
                          report_class=report_class)
    assert any(verdict_wording.LIMITS_OF_THE_TESTS in line for line in headline(made))


def test_what_a_chapter_keeps_back_is_said_beside_what_it_shows(findings, verdict, private_context):
    made = document.build(findings, verdict, context=private_context, report_class="statement")
    chapter = markdown.render(made).split("## 11. ")[1].split("## 12. ")[0]
    assert "| Rows that break a rule |" in chapter
    assert wording.KEPT_INTERNAL in chapter


def test_a_population_that_is_called_as_the_table_describes_nobody(findings, verdict, context):
    named = replace(context, population=context.dataset)
    for shown, blank in ((context, False), (named, True)):
        page = markdown.render(document.build(findings, verdict, context=shown, report_class="recipient"))
        assert (f"**Population**: {wording.NOT_STATED}" in page) == blank


def test_what_lacks_the_same_thing_stands_together():
    missing = [{"what": what, "reason": reason} for what, reason in
               (("Signs", "no analysis declared"), ("Groups", "Not tested."), ("Overlap", "no analysis declared"))]
    assert not_assessed({"not_assessed": missing}) == (
        ("Groups", "Not tested."), ("No analysis declared", "Signs; Overlap"))


def test_what_the_policy_asks_stands_on_the_first_page_unmet_first(findings, verdict, context):
    held = (Gate("guarantee", None, "a privacy guarantee", None, "required", None, True, "board", ""),
            Gate("kway.2", "value", "Two columns together", 0.92531, "at least", 0.95, False, "protocol", "Fit again."))
    made = document.build(findings, replace(verdict, gates=held), context=context, report_class="recipient")
    shown = gates(made["verdict"]["gates"])
    assert [row[3] for row in shown.rows] == ["not met", "met"]
    assert shown.rows[0][2] == "at least 0.95"
    page = html.render(made)
    assert page.index("Fit again.") < page.index("Key numbers")
