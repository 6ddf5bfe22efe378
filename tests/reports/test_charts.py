"""Charts: every one valid, told in words, made of the document's numbers alone, and no point of a few people."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabsynth.core import registry
from tabsynth.core.errors import UsageError
from tabsynth.core.finding import Finding
from tabsynth.evaluation.attacks._pooled_auc import Ranking
from tabsynth.evaluation.attacks._roc import roc
from tabsynth.evaluation.disclosure import MIN_CELL, is_small, wide_steps
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.utility._recalibration import bins
from tabsynth.evaluation.utility.survival import Observed, Question, curve_points
from tabsynth.evaluation.variants import attack_finding, counted, ranked
from tabsynth.evaluation.verdict import judge
from tabsynth.reports import document, wording
from tabsynth.reports.charts import palette, render
from tabsynth.reports.charts.chart import CHAPTERS, Chart, charts
from tests.reports.conftest import CALIBRATION, CONTEXT
from tests.reports.test_renderers import luminance

ROC = ({"false_alarms": 0.0312, "found": 0.04987, "n": 31, "members_n": 120},
       {"false_alarms": 0.3123, "found": 0.35671, "n": 310, "members_n": 860})
FINDINGS = (
    attack_finding("P0a", "Copies", [counted("all columns", (30, 900), (20, 800))], method="M."),
    attack_finding("P1a", "Singling out", [counted("all predicates", (300, 900), (200, 800), statistic="residual",
                                                   baseline=0.0123)], method="M."),
    attack_finding("P1d", "Inference", [counted("income", (700, 900), (600, 800), statistic="residual")], method="M."),
    replace(attack_finding("P2a", "Members", [ranked("nearest", 0.5432, 0.0123, 900, 800)], method="M."), points=ROC),
    replace(attack_finding("P2b", "Outliers", [ranked("nearest", 0.6123, 0.0432, 300, 200)], method="M."), points=ROC),
    Finding("P0c.k", "Alone", "diagnostic", 0.2811, "none", n=900, breakdown=(
        {"key": "exact values: k = 1", "value": 0.2811, "train": 0.2712, "n": 900},
        {"key": "exact values: k = 2 to 4", "value": 0.7189, "n": 900},
        {"key": "exact values: no real person in the cell", "value": 0.0345, "n": 900})),
    *(Finding(f"kway.{k}", f"Agreement of {k}", "fidelity", value, "higher is better", n=900, floor=value - 0.1,
              ceiling=value + 0.021, interval=(value - 0.01, value + 0.01),
              breakdown=({"key": "a <b> x c", "value": value - 0.05, "floor": 0.7, "ceiling": 0.9, "n": 900},))
      for k, value in ((1, 0.9412), (2, 0.8712), (3, 0.8012))),
    Finding("tstr.calibration", "Calibration", "utility", 0.8123, "closer to 1 is better", n=900, ceiling=0.9123,
            details={"target": "died"}, points=tuple(
                {"key": key, "predicted": p, "observed": p + 0.0512, "n": 450}
                for key in ("synthetic", "training") for p in (0.1234, 0.5678))),
    Finding("analysis.overlap", "Overlap", "utility", 0.7, "higher is better", n=900, points=tuple(
        {"key": f"died ~ {name}", "synthetic": at, "synthetic_error": 0.0512, "holdout": at + 0.1,
         "holdout_error": 0.0498, "n": n} for name, at, n in (("age", 0.2345, 900), ("rare", 1.2345, 7)))),
    Finding("survival.km", "Curves", "utility", 0.0321, "lower is better", n=900,
            breakdown=({"key": "died by sex: f", "value": 0.0321, "n": 900},), points=tuple(
                {"key": "died by sex: f", "time": t, "synthetic": s, "holdout": s + 0.02, "low": s, "high": s + 0.04,
                 "n": 900} for t, s in ((100.0, 0.912), (200.0, 0.834)))),
    Finding("subgroup.representation", "Share", "utility", 0.94, "closer to 1 is better", n=900,
            breakdown=({"key": "sex = f", "value": 0.9412, "ceiling": 1.0123, "n": 450},)),
    Finding("tstr.subgroup", "Cost", "utility", -0.0312, "closer to 0 is better", n=900,
            breakdown=({"key": "sex = f", "value": -0.0312, "floor": -0.1234, "n": 450},)),
)
IDS = {"attacks", "criteria", "roc", "k-anonymity", "k-map", "ladder", "pairs", "calibration", "coefficients",
       "survival-1", "subgroups-share", "subgroups-prediction", "candidates"}


def made(report_class: str, findings: tuple[Finding, ...] = FINDINGS) -> dict[str, Any]:
    verdict = judge(findings, load_policy("controlled"))
    return document.build(findings, verdict, context=replace(CONTEXT, calibration=CALIBRATION),
                          report_class=report_class)


INTERNAL = made("internal")
DRAWN = charts(INTERNAL)


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for part in value.values():
            yield from numbers_in(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from numbers_in(part)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def data_of(spec: Any) -> Iterator[Any]:
    """The values of a specification and of its layers."""
    if isinstance(spec, dict):
        yield from spec.get("data", {}).get("values", ())
        for part in spec.values():
            yield from data_of(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from data_of(part)


def test_every_chart_is_there_once_and_in_a_chapter() -> None:
    assert {c.id for c in DRAWN} == IDS
    assert len(DRAWN) == len(IDS)
    assert [CHAPTERS.index(c.chapter) for c in DRAWN] == sorted(CHAPTERS.index(c.chapter) for c in DRAWN)


def test_every_file_says_what_it_draws() -> None:
    for plugin in registry.plugins("charts").values():
        assert plugin.facts["summary"]


@pytest.mark.parametrize("chart", DRAWN, ids=lambda c: c.id)
def test_a_chart_is_valid_and_told_in_words_and_numbers(chart: Chart) -> None:
    altair.LayerChart.from_dict(dict(chart.spec), validate=True)
    assert len(re.findall(r"\.( |$)", chart.text)) <= 3
    assert re.search(r"\d", chart.text)
    assert chart.rows
    assert all(len(row) == len(chart.head) for row in chart.rows)
    assert all(isinstance(cell, str) for row in chart.rows for cell in row)
    assert not wording.offending(chart.text + chart.title + " ".join(chart.head))


@pytest.mark.parametrize("report_class", ["internal", "recipient"])
def test_no_number_of_a_chart_is_not_in_the_document(report_class: str) -> None:
    shown = made(report_class)
    known = {*numbers_in(shown), 0, 1, 0.5}  # where curves start, and what chance reaches
    for chart in charts(shown):
        strange = [x for x in numbers_in(list(data_of(dict(chart.spec)))) if x not in known]
        assert not strange, chart.id


def test_a_text_alternative_holds_the_main_numbers() -> None:
    texts = {c.id: c.text for c in DRAWN}
    assert "0.543" in texts["roc"]
    assert "0.61" in texts["roc"]
    assert "0.812" in texts["calibration"]
    assert "0.912" in texts["calibration"]
    assert "83 %" in texts["survival-1"]
    assert "85 %" in texts["survival-1"]
    for text in ("0.9412", "0.8712", "0.8012"):
        assert text[:5] in texts["ladder"]
    assert "33 %" in texts["criteria"]
    assert "25 %" in texts["criteria"]


def test_a_public_report_and_one_under_a_guarantee_have_no_chart(private_context: Any) -> None:
    assert charts(made("public")) == ()
    under = document.build(FINDINGS, judge(FINDINGS, load_policy("controlled")), context=private_context,
                           report_class="statement")
    assert charts(under) == ()
    for shown in (made("public"), under):
        assert not [f for f in shown["findings"] if f["points"]]


def test_a_recipient_sees_no_point_of_a_few_people_and_three_figures_of_the_others() -> None:
    points = {f["id"]: f["points"] for f in made("recipient")["findings"]}
    assert [p["key"] for p in points["analysis.overlap"]] == ["died ~ age"]
    assert points["P2a"][0] == {"false_alarms": 0.0312, "found": 0.0499, "n": 31, "members_n": 120}
    few = replace(FINDINGS[3], points=({**ROC[0], "members_n": 4},))
    assert [f["points"] for f in made("recipient", (few,))["findings"]] == [[]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), report_class=st.sampled_from(["internal", "recipient"]))
def test_a_damaged_document_never_stops_a_chart(seed: int, report_class: str) -> None:
    """Breakdown and points may hold any JSON: what is no number is left out, and the rest is drawn."""
    rng = np.random.default_rng(seed)
    shown = copy.deepcopy(made(report_class))
    odd = (None, "x", True, [], {"a": 1}, -3.5, 0, 1e308, 5e-324, 10**30)
    for part in shown["findings"]:
        for row in (*part["breakdown"], *part["points"], part["details"]):
            for key in list(row):
                if rng.random() < 0.15:
                    row[key] = odd[rng.integers(len(odd))]
                elif rng.random() < 0.1:
                    del row[key]
        for key in ("floor", "ceiling", "control", "interval"):
            if rng.random() < 0.2:
                part[key] = None
    shown["findings"] = [f for f in shown["findings"] if rng.random() < 0.9]
    kept = {f["id"] for f in shown["findings"]}
    shown["verdict"]["judgements"] = [j for j in shown["verdict"]["judgements"] if j["finding_id"] in kept]
    document.validate(shown)
    for chart in charts(shown):
        json.dumps(chart.spec, allow_nan=False)


# --- points rest on enough people ------------------------------------------------------------------------


@given(steps=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30), rest=st.integers(0, 20),
       fewest=st.integers(2, 25))
def test_no_step_of_a_thinned_curve_counts_a_few(steps: list[tuple[int, int]], rest: int, fewest: int) -> None:
    counts = np.cumsum(np.array(steps, np.int64).reshape(-1, 2), axis=0)
    totals = (counts[-1] if len(counts) else np.zeros(2, np.int64)) + rest
    kept = wide_steps(counts, totals, fewest=fewest)
    edges = np.stack([np.zeros(2, np.int64), *counts[kept], totals]) if kept else np.zeros((1, 2), np.int64)
    changes = np.diff(edges, axis=0)
    assert not ((changes >= 1) & (changes < fewest)).any()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), members=st.integers(20, 400), controls=st.integers(20, 200),
       levels=st.integers(2, 500))
def test_no_point_of_a_roc_curve_tells_a_few_people(seed: int, members: int, controls: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    rankings = [Ranking(rng.integers(0, levels, members) + 0.2 * levels, rng.integers(0, levels, controls) + 0.0,
                        np.arange(members)) for _ in range(2)]
    points = roc(rankings)
    for key, total in (("n", 2 * controls), ("members_n", members)):
        steps = np.diff([0, *(p[key] for p in points), *([total] if points else [])])
        assert not any(is_small(int(step)) for step in steps)
    for point in points:
        assert point["n"] == round(point["false_alarms"] * 2 * controls)
        assert 0 <= point["found"] <= 1


def test_a_roc_curve_lies_where_counting_puts_it() -> None:
    scores = np.arange(200.0)
    (first, *_, last) = roc([Ranking(scores + 20, scores, np.arange(200))])
    assert first["false_alarms"] == 11 / 200
    assert first["found"] == 31 / 200
    assert last["n"] <= 200 - MIN_CELL


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 300), share=st.floats(0, 1), fewest=st.integers(11, 40))
def test_bins_of_predictions_hold_enough_people_with_and_without_the_event(seed: int, n: int, share: float,
                                                                           fewest: int) -> None:
    rng = np.random.default_rng(seed)
    guess, truth = rng.random(n).round(2), (rng.random(n) < share).astype(np.float64)
    points = bins(guess, truth, fewest=fewest)
    for point in points:
        events = round(point["observed"] * point["n"])
        assert not any(1 <= count < fewest for count in (events, point["n"] - events))
    assert sum(p["n"] for p in points) in (0, n)
    if points:
        assert sum(p["observed"] * p["n"] for p in points) == pytest.approx(truth.sum())


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(30, 400), rows_each=st.integers(1, 3))
def test_no_step_of_a_survival_curve_shows_a_few_people(seed: int, n: int, rows_each: int) -> None:
    rng = np.random.default_rng(seed)
    sides = {side: Observed(rng.exponential(100, n), (rng.random(n) < 0.6).astype(np.float64),
                            np.zeros(n, np.int64), np.arange(n) // rows_each) for side in "SH"}
    points = curve_points(Question("curve", sides, 150.0))
    real, before = sides["H"], 0.0
    for point in points:
        new = (real.event == 1) & (real.time > before) & (real.time <= point["time"])
        assert not is_small(len(np.unique(real.units[new])))
        assert point["low"] <= point["holdout"] <= point["high"]
        before = point["time"]


# --- drawing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chart", DRAWN, ids=lambda c: c.id)
def test_a_chart_is_drawn_the_same_twice_with_names_that_are_escaped(chart: Chart) -> None:
    drawing = render.svg(chart, width=340)
    assert drawing == render.svg(chart, width=340)
    assert (found := re.match(r'<svg[^>]* width="([\d.]+)"', drawing))
    assert abs(float(found[1]) - 340) <= 1
    assert "NaN" not in drawing
    assert "<b>" not in drawing
    assert "a <b>" not in render.embed(chart)
    ids = re.findall(r'\bid="([^"]+)"', drawing)
    assert all(id.startswith(f"{chart.id}-") for id in ids)


def test_a_page_draws_without_evaluating_text_as_code() -> None:
    script = render.script()
    assert '"ast": true' in script
    assert "vegaEmbed" in script
    assert "</script" not in script
    assert '"actions": false' in script


def test_without_vl_convert_charts_are_told_and_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "find_spec", lambda name: None)
    assert not render.available()
    assert "tabsynth-dp[report]" in render.MISSING
    assert charts(INTERNAL) == DRAWN
    with pytest.raises(UsageError, match="report"):
        render.svg(DRAWN[0])


def test_charts_are_told_without_loading_what_draws_them() -> None:
    seen = subprocess.run(
        [sys.executable, "-c", "import sys; from tabsynth.reports.charts import chart, render; "
         "from tabsynth.core import registry; [registry.load('charts', n) for n in registry.names('charts')]; "
         "print({'vl_convert', 'altair', 'pandas'} & set(sys.modules))"], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "set()"


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_stand_out_from_the_page_in_light_and_dark() -> None:
    sheet = (Path(document.__file__).parent / "templates" / "report.css").read_text("utf-8")
    papers = re.findall(r"--paper: (#[0-9a-f]{6});", sheet)
    for colours, paper in zip((palette.LIGHT, palette.DARK), papers):
        assert colours["paper"] == paper
        for name in ("synthetic", "real", "mark", "finding", "review"):
            assert contrast(colours[name], paper) >= 3, name
        for name in ("ink", "muted"):
            assert contrast(colours[name], paper) >= 4.5, name


@pytest.mark.parametrize("name", ["a\x00b", "\x07", "\ud800"])
def test_a_character_that_nothing_draws_is_replaced_and_ends_no_process(name):
    drawn = render.svg(replace(DRAWN[0], spec={**DRAWN[0].spec, "title": name}))
    assert "\N{REPLACEMENT CHARACTER}" in drawn
