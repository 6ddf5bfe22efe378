"""The example releases that readers find in the repository are whole, and of today's form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tabsynth.pipeline.verify import verify
from tabsynth.reports import document
from tabsynth.reports.renderers import html

REPORTS = Path(__file__).resolve().parents[2] / "reports"


@pytest.mark.parametrize(("name", "outcomes"), [
    ("example-seqforest", {"RELEASED", "REVIEW"}), ("example-marginal", {"RELEASED", "REVIEW"})])
def test_an_example_verifies_and_its_documents_are_todays(name: str, outcomes: set[str]) -> None:
    result = verify(REPORTS / name)
    assert result["claims"]["outcome"] in outcomes
    assert ("epsilon" in result["claims"]) is (name == "example-marginal")
    for part in ("share", "internal"):
        made = json.loads((REPORTS / name / part / "report.json").read_text("utf-8"))
        document.validate(made)
        assert html.render(made)


def test_the_examples_internal_report_gives_the_shared_one() -> None:
    internal, shared = (json.loads((REPORTS / "example-seqforest" / part / "report.json").read_text("utf-8"))
                        for part in ("internal", "share"))
    assert document.narrow(internal, "recipient") == shared
