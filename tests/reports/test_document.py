"""The document: shape, agreement of the two validators, reading back, and what is refused."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.finding import Finding
from tabsynth.pipeline.assess import read_document
from tabsynth.reports import document, model, wording

SCHEMA_FILE = files("tabsynth.reports").joinpath("evaluation-1.schema.json")
CLASSES = ("internal", "recipient", "public")


def published() -> dict[str, Any]:
    return json.loads(SCHEMA_FILE.read_text("utf-8"))


def test_the_published_schema_is_the_model_written_out():
    assert published() == model.json_schema()
    jsonschema.Draft202012Validator.check_schema(published())


@pytest.mark.parametrize("report_class", CLASSES)
def test_every_class_obeys_the_published_schema(findings, verdict, context, private_context, report_class):
    for given_context in (context, private_context):
        made = document.build(findings, verdict, context=given_context, report_class=report_class)
        jsonschema.validate(made, published())
        assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_the_statement_class_obeys_the_published_schema(findings, verdict, private_context):
    jsonschema.validate(document.build(findings, verdict, context=private_context, report_class="statement"),
                        published())


def test_the_statement_class_needs_a_statement(findings, verdict, context):
    with pytest.raises(UsageError, match="recipient"):
        document.build(findings, verdict, context=context, report_class="statement")


def test_an_internal_document_gives_back_what_it_was_built_from(findings, verdict, context):
    made = json.loads(json.dumps(document.build(findings, verdict, context=context, report_class="internal")))
    assert document.findings_from(made) == findings
    assert document.verdict_from(made) == verdict
    assert document.context_from(made) == context


@pytest.mark.parametrize("report_class", ["recipient", "public", "statement"])
def test_narrowing_equals_building(findings, verdict, private_context, report_class):
    internal = document.build(findings, verdict, context=private_context, report_class="internal")
    built = document.build(findings, verdict, context=private_context, report_class=report_class)
    assert document.narrow(json.loads(json.dumps(internal)), report_class) == built


def test_a_narrow_report_cannot_be_widened(findings, verdict, context):
    public = document.build(findings, verdict, context=context, report_class="public")
    with pytest.raises(UsageError, match="internal"):
        document.narrow(public, "recipient")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_measure_without_a_finite_number_is_a_line_with_a_reason(verdict, context, number):
    odd = Finding("c2st", "Detection", "fidelity", number, "lower is better", n=20)
    part, = document.build([odd], replace(verdict, judgements=()), context=context, report_class="internal")["findings"]
    assert (part["state"], part["value"]) == ("not_run", None)
    assert "not finite" in part["reason"]


def test_contradictions_are_refused(findings, verdict, context):
    good = document.build(findings, verdict, context=context, report_class="internal")
    outside, twice, stray, claim = (copy.deepcopy(good) for _ in range(4))
    outside["findings"][1]["interval"] = [0.1, 0.2]
    twice["findings"][1]["id"] = twice["findings"][0]["id"]
    stray["verdict"]["judgements"][0]["finding_id"] = "nobody"
    claim["privacy"]["guarantee"] = True
    for bad, words in ((outside, "does not contain"), (twice, "same id"), (stray, "nobody"), (claim, "statement")):
        with pytest.raises(SourceError, match=words):
            document.validate(bad)


@pytest.mark.parametrize("content", ["[" * 200_000, '{"a": "\\ud800"}', '{"a": NaN}'], ids=["deep", "surrogate", "nan"])
def test_what_no_rendering_could_show_is_refused_when_it_is_read(tmp_path, content):
    (tmp_path / "evaluation.json").write_text(content, "utf-8")
    with pytest.raises(SourceError, match="cannot be read as JSON"):
        read_document(tmp_path / "evaluation.json")


def test_an_error_names_the_field_and_never_the_value(findings, verdict, context):
    bad = document.build(findings, verdict, context=context, report_class="internal")
    bad["findings"][0]["value"] = "4711-canary"
    with pytest.raises(SourceError) as caught:
        document.validate(bad)
    assert "findings.0.value" in str(caught.value)
    assert "4711" not in str(caught.value)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into a JSON value, the root left out."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in steps for found in ((*path, key), *places(inner, (*path, key)))]


def holder(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


ODD_VALUES: list[Any] = [None, True, -1, 0.25, 3, "", "odd", [], {}, [1.0, 2.0], {"unknown": 1}]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_validators_agree_on_damaged_documents(findings, verdict, private_context, data):
    """The pydantic model and the published schema accept and refuse the same documents."""
    damaged = document.build(findings, verdict, context=private_context, report_class="internal")
    path = data.draw(st.sampled_from(places(damaged)))
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    target = holder(damaged, path)
    if action == "replace":
        target[path[-1]] = data.draw(st.sampled_from(ODD_VALUES))
    elif action == "remove":
        del target[path[-1]]
    elif isinstance(target, dict):
        target["surplus"] = 1
    assert accepts_model(damaged) == accepts_schema(damaged), (path, action)


def accepts_model(made: dict[str, Any]) -> bool:
    try:
        model.Document.model_validate(made)
    except ValueError:
        return False
    return True


VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))


def accepts_schema(made: dict[str, Any]) -> bool:
    return VALIDATOR.is_valid(made)


@pytest.mark.parametrize("path", [(), ("dataset",), ("dataset", "counts"), ("verdict",), ("privacy",), ("provenance",),
                                  ("findings", 0), ("model",), ("guidance", 0), ("guidance", 0, "sources", 0),
                                  ("guidance", 0, "criteria", 0), ("annexes", 0), ("annexes", 0, "rows", 0),
                                  ("determinations", 0)])
def test_unknown_fields_are_rejected_everywhere(findings, verdict, context, path):
    made = document.build(findings, verdict, context=context, report_class="internal")
    target: Any = made
    for step in path:
        target = target[step]
    target["surplus"] = 1
    assert not accepts_schema(made)
    with pytest.raises(SourceError, match="surplus"):
        document.validate(made)


@pytest.mark.parametrize("change", [{"value": None}, {"n": 0}, {"state": "uninformative"}, {"state": "not_run"}])
def test_every_number_has_n_or_says_why_not(findings, verdict, context, change):
    made = document.build(findings, verdict, context=context, report_class="internal")
    made["findings"][1].update(change)
    assert not accepts_schema(made)
    assert not accepts_model(made)


def test_what_a_run_was_not_asked_for_is_listed(findings, verdict, context):
    def left_out(*made):
        plain = replace(verdict, judgements=())
        parts = document.build(made, plain, context=context, report_class="internal")["not_assessed"]
        return {part["what"] for part in parts}

    assert wording.REFITS in left_out(*findings)
    assert wording.SECTIONS["fidelity"] not in left_out(*findings)
    attacks = [f for f in findings if f.section == "privacy"]
    shadow = Finding("P3a", "Shadow models", "privacy", 0.5, "lower is safer", n=500)
    told = left_out(*attacks, shadow)
    assert {wording.SECTIONS["fidelity"], wording.SECTIONS["utility"]} <= told
    assert wording.REFITS not in told
