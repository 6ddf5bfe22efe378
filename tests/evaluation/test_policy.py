"""What a policy file can ask for, what is refused in it, and how requirements and bounds are held."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.finding import Finding
from tabsynth.evaluation import gates
from tabsynth.evaluation.gates import Bound, Facts, Requirement
from tabsynth.evaluation.policy import FOLDER, Policy, load_policy, own_bounds, policy_names, told
from tabsynth.evaluation.verdict import judge

PAIRS = Finding("kway.2", "Pairs", "fidelity", 0.9, "higher is better", n=500, normalised=0.6)
TASK = Finding("tstr", "Task", "utility", 0.7, "higher is better", n=500, details={"delta": -0.02, "target": "died"})
QUIET = Policy(name="ours", summary="for tests", on_review="accept", min_cell=11, min_cell_source="us", limits=())


def write(folder: Path, **content: Any) -> Path:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"name": "ours", "summary": "ours", "based_on": "controlled", **content}), "utf-8")
    return path


def asks(**limit: Any) -> Policy:
    """A policy with one requirement or one bound."""
    kind = Requirement if "fact" in limit else Bound
    where = "requirements" if "fact" in limit else "bounds"
    return QUIET.model_copy(update={where: (kind(**limit, source="us"),)})


def test_policies_name_a_source_for_every_limit() -> None:
    for name in policy_names():
        policy = load_policy(name)
        assert policy.name == name
        assert policy.min_cell == 11
        assert all(limit.source for limit in policy.limits)


def test_a_policy_says_what_it_asks_for() -> None:
    own = load_policy("public").model_copy(update={
        "requirements": (Requirement(fact="epsilon", at_most=1, source="board"),),
        "bounds": (Bound(finding="tstr", of="delta", at_least=-0.03, source="protocol"),)})
    said = dict(told(own))
    assert said["on review"] == "refused"
    assert said["epsilon"] == "at most 1 (board)"
    assert said["tstr"] == "delta at least -0.03 (protocol)"
    assert set(said) >= {limit.finding for limit in own.limits}


def test_a_file_based_on_a_profile_takes_over_what_it_does_not_say(tmp_path: Path) -> None:
    public = load_policy("public")
    stricter = {"finding": "P0a", "rule": "excess", "limit": 0.001, "source": "board"}
    own = load_policy(write(tmp_path, based_on="public", limits=[stricter]))
    assert (own.name, own.on_review, own.report_class) == ("ours", "refuse", "public")
    assert {limit.finding: limit.limit for limit in own.limits} == {
        **{limit.finding: limit.limit for limit in public.limits}, "P0a": 0.001}
    assert load_policy(write(tmp_path, on_review="refuse")).on_review == "refuse"
    whole = yaml.safe_load((FOLDER / "public.yaml").read_text("utf-8"))
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump({**whole, "name": "ours"}), "utf-8")
    assert load_policy(tmp_path / "whole.yaml").limits == public.limits


@pytest.mark.parametrize("content, words", [
    ({"on_reveiw": "refuse"}, ["on_reveiw", "there is no such field", "on_review", "requirements"]),
    ({"based_on": "strict"}, ["based_on", "'strict'", "controlled, internal-test, public, spe-export"]),
    ({"based_on": None}, ["on_review"]),
    ({"min_cell": 5}, ["min_cell", "below 11"]),
    ({"report_class": "internal"}, ["report_class", "recipient", "public"]),
    ({"report_class": "public"}, ["report_class_source"]),
    ({"limits": "none"}, ["limits"]),
    ({"limits": [{"finding": "P9", "rule": "auc", "limit": 1, "source": "us"}]}, ["limits.0.finding", "'P9'", "P2a"]),
    ({"bounds": [{"finding": "kwai.2", "at_least": 1, "source": "us"}]}, ["bounds.0.finding", "mean 'kway.2'"]),
    ({"bounds": [{"finding": "D1.dcr", "at_most": 1, "source": "us"}]}, ["bounds.0.finding", "diagnostic"]),
    ({"bounds": [{"finding": "tstr", "of": "dleta", "at_least": 0, "source": "us"}]},
     ["bounds.0", "'dleta'", "value, normalised, delta"]),
    ({"bounds": [{"finding": "kway.2", "at_least": 1}]}, ["bounds.0.source", "required"]),
    ({"bounds": [{"finding": "kway.2", "at_least": 1, "source": ""}]}, ["bounds.0.source"]),
    ({"bounds": [{"finding": "kway.2", "at_least": 0, "at_most": 1, "source": "us"}]}, ["bounds.0", "second entry"]),
    ({"bounds": [{"finding": "kway.2", "at_least": ".nan", "source": "us"}]}, ["bounds.0.at_least"]),
    ({"bounds": [{"finding": "kway.2", "atleast": 0, "source": "us"}]}, ["bounds.0.atleast", "at_least, at_most"]),
    ({"requirements": [{"fact": "epsylon", "at_most": 1, "source": "us"}]}, ["requirements.0.fact", "'epsilon'"]),
    ({"requirements": [{"fact": "epsilon", "at_least": 1, "source": "us"}]}, ["requirements.0", "at_most"]),
    ({"requirements": [{"fact": "epsilon", "source": "us"}]}, ["requirements.0", "at_most"]),
    ({"requirements": [{"fact": "guarantee", "at_most": 1, "source": "us"}]}, ["requirements.0", "no number"]),
])
def test_an_error_names_file_field_and_what_there_is(tmp_path: Path, content: dict[str, Any],
                                                     words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        load_policy(write(tmp_path, **content))
    for word in ("own.yaml", *words):
        assert word in str(caught.value)


def test_files_that_are_no_policy(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    for text, words in (("a: [", "not valid YAML"), ("", "no fields"), ("- 1", "no fields"),
                        ("name: a\nname: b", "name.*twice"), ("a: &x [1]\nb: *x", "line 1")):
        own.write_text(text, "utf-8")
        with pytest.raises(UsageError, match=words):
            load_policy(own)
    own.write_bytes(b"name: \xff\xfe")
    with pytest.raises(UsageError, match="not valid YAML"):
        load_policy(own)
    with pytest.raises(SourceError, match="does not exist"):
        load_policy(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="controlled, internal-test, public, spe-export"):
        load_policy("strict")


def test_every_fact_can_be_required() -> None:
    assert set(get_args(gates.Fact)) == {field.name for field in fields(Facts)} == set(gates._FACTS)


@pytest.mark.parametrize("fact, limit, good, bad", [
    ("guarantee", {}, True, False), ("unit", {}, True, False),
    ("epsilon", {"at_most": 1}, 1.0, 1.01), ("delta", {"at_most": 1e-6}, 1e-6, 1e-5),
    ("total_epsilon", {"at_most": 3}, 2.9, 3.5), ("total_delta", {"at_most": 1e-5}, 1e-6, 1e-4),
    ("train_people", {"at_least": 500}, 500, 499), ("holdout_people", {"at_least": 100}, 100, 0),
    ("generation_depth", {"at_most": 1}, 1, 2)])
def test_a_requirement_passes_refuses_and_asks(fact: str, limit: dict[str, float], good: Any, bad: Any) -> None:
    for known, met, outcome in ((good, True, "no_finding"), (bad, False, "finding"), (None, None, "review")):
        got = judge([PAIRS], asks(fact=fact, **limit), replace(Facts(), **{fact: known}))
        gate, = got.gates
        assert (gate.met, got.outcome, got.refused) == (met, outcome, met is False)
        assert (gate.title in got.privacy) == (met is not True)
        assert bool(gate.reason) == (met is not True)
        assert (fact in got.because) == (met is not True)
    if limit and known is not None:
        assert f"{known:g}" in str(gate)


@pytest.mark.parametrize("fact", ["epsilon", "delta", "total_epsilon", "total_delta"])
def test_a_cap_is_not_met_where_nothing_bounds_the_release(fact: str) -> None:
    gate, = judge([], asks(fact=fact, at_most=10), gates.UNBOUNDED).gates
    assert (gate.met, gate.value) == (False, None)
    assert "--epsilon E" in gate.reason


@pytest.mark.parametrize("bound, met", [
    ({"at_least": 0.9}, True), ({"at_least": 0.91}, False), ({"at_most": 0.9}, True), ({"at_most": 0.89}, False),
    ({"of": "normalised", "at_least": 0.5}, True), ({"of": "normalised", "at_least": 0.7}, False), ({}, True)])
def test_a_bound_holds_a_number_of_a_finding(bound: dict[str, Any], met: bool) -> None:
    got = judge([PAIRS], asks(finding="kway.2", **bound))
    gate, = got.gates
    assert (gate.met, got.refused, got.outcome) == (met, not met, "no_finding" if met else "finding")
    assert gate.value == (0.6 if "of" in bound else 0.9)
    assert ("Pairs (kway.2" in got.privacy) == (not met)
    assert "Limits were set on kway.2." in got.utility


def test_a_bound_on_a_detail() -> None:
    assert judge([TASK], asks(finding="tstr", of="delta", at_least=-0.03)).gates[0].met
    assert not judge([TASK], asks(finding="tstr", of="delta", at_least=-0.01)).gates[0].met


@pytest.mark.parametrize("number", [None, math.nan, True, "0.5"])
def test_what_is_no_number_meets_no_limit(number: Any) -> None:
    odd = replace(TASK, details={"delta": number})
    gate, = judge([odd], asks(finding="tstr", of="delta", at_least=-9)).gates
    assert (gate.met, gate.value) == (False, None)
    assert "no such number" in gate.reason


def test_what_was_not_measured_meets_no_limit_and_where_no_limit_is_given_asks_for_a_person() -> None:
    missing = Finding.not_run("tstr", "Task", "utility", "no target declared")
    for made in ([missing], []):
        assert judge(made, asks(finding="tstr", at_least=0)).outcome == "finding"
        got = judge(made, asks(finding="tstr"))
        assert (got.outcome, got.because, got.refused) == ("review", ("tstr",), False)
        assert judge(made, asks(finding="tstr").model_copy(update={"on_review": "refuse"})).refused
    assert judge([TASK], asks(finding="tstr")).outcome == "no_finding"


def test_limits_of_the_command_line() -> None:
    met = judge([PAIRS, TASK], QUIET, own=own_bounds({"kway.2": 0.9}, {"tstr": 0.7}))
    assert [g.met for g in met.gates] == [True, True]
    failed = judge([PAIRS], QUIET, own=own_bounds({"kway.2": 0.95, "tstr": 0.5}, {"kway.2": 0.5}))
    assert failed.refused
    assert [str(g).split(".  ")[0].split(" (source")[0] for g in failed.failed] == [
        "Pairs (kway.2): 0.9, at least 0.95 is asked for", "tstr (tstr): not known, at least 0.5 is asked for",
        "Pairs (kway.2): 0.9, at most 0.5 is asked for"]
    assert "source: --fail-over" in str(failed.failed[-1])
    with pytest.raises(UsageError, match=r"kway\.2"):
        own_bounds({"kway": 0.9}, {})


def test_a_reason_holds_no_number() -> None:
    """It is shown to every class of reader."""
    for change in (*(change for _, _, change in gates._FACTS.values()), *gates._CHANGE.values()):
        assert not any(character.isdigit() for character in change)
