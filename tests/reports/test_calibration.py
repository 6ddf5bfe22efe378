"""What was tried to choose the settings stands in the report of those who may see figures of real rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tabsynth.core.errors import SourceError
from tabsynth.reports import document
from tabsynth.reports.chapters.model import calibration
from tabsynth.reports.renderers import html, markdown


@pytest.mark.parametrize("report_class", ["internal", "recipient"])
def test_the_evidence_is_shown(findings, verdict, calibrated, report_class):
    made = document.build(findings, verdict, context=calibrated, report_class=report_class)
    _, text, table = calibration(made)
    sentence = text.text
    assert sentence.startswith("Mode balanced: the least detectable")
    assert "377 rows of 180 people" in sentence
    assert [row[-1] for row in table.rows] == ["refused", "chosen"]
    assert table.rows[0][1:5] == ("Leaf 5", "0.512 \N{PLUS-MINUS SIGN} 0.021", "0.617 \N{PLUS-MINUS SIGN} 0.026",
                                  "2.718 \N{PLUS-MINUS SIGN} 0.432")
    assert table.rows[1][4] == "too few copies"
    for page in (html.render(made), markdown.render(made)):
        assert "Choice of settings" in page
        assert "0.617 \N{PLUS-MINUS SIGN} 0.026" in page


def test_the_public_report_keeps_it_back_and_the_internal_one_reads_back(findings, verdict, calibrated):
    internal = document.build(findings, verdict, context=calibrated, report_class="internal")
    assert document.context_from(internal).calibration == calibrated.calibration
    public = document.narrow(internal, "public")
    assert public["model"]["calibration"] is None
    assert "Choice of settings" not in html.render(public)
    assert document.narrow(internal, "recipient")["model"]["calibration"] == calibrated.calibration


def test_where_nobody_was_held_back_the_reason_stands_alone(findings, verdict, calibrated):
    none = replace(calibrated, calibration={**calibrated.calibration, "candidates": []})
    made = document.build(findings, verdict, context=none, report_class="internal")
    _, text = calibration(made)
    assert text.text == ("Mode balanced: the least detectable of the 1 of 2 candidates that copy no more than chance.")


def test_an_outcome_that_does_not_exist_is_refused(findings, verdict, calibrated):
    made = document.build(findings, verdict, context=calibrated, report_class="internal")
    made["model"]["calibration"]["candidates"][0]["outcome"] = "liked"
    with pytest.raises(SourceError, match="calibration"):
        document.validate(made)
