"""Annexes: answers follow from the report of the class and from nothing else; blanks stay blanks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabsynth.core import registry
from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.variants import attack_finding, counted
from tabsynth.evaluation.verdict import judge
from tabsynth.reports import disclosure, document, guidance, wording
from tabsynth.reports.annexes._evidence import KEPT, Evidence
from tabsynth.reports.context import column_facts

CLASSES = ("internal", "recipient", "public", "statement")
ATTACKS = ("P1a", "P1b", "P1c", "P1d", "P1e", "P0a", "P0b", "P0d", "P0e", "P2a", "P2b", "P0c.k", "P0d.text")


def harbor(**hits: int) -> Finding:
    rows = tuple({"key": f"{letter}, x", "class": letter, "n": 500, "hits": hits.get(letter, 0),
                  "columns": "ward|A" if letter in hits else "", "looks_like": "a form" if letter in hits else ""}
                 for letter in "ABCDEFGHIJKLMNOPQR")
    return Finding("safe_harbor", "Classes", "privacy", float(len(hits)), "lower is safer", n=500, breakdown=rows,
                   shareable=True)


def attack(finding_id: str, hits: int, control: int, n: int = 1000, few: str | None = None) -> Finding:
    statistic = "residual" if finding_id.startswith("P1") else "difference"
    tried = counted("all", (hits, n), (control, n), statistic=statistic)
    return attack_finding(finding_id, f"Attack {finding_id}", [tried], method="M.", few=few)


def build(found: list[Finding], context: Any, report_class: str, **changes: Any) -> dict[str, Any]:
    return document.build(found, judge(found, load_policy("controlled")), context=replace(context, **changes),
                          report_class=report_class)  # type: ignore[arg-type]


def row(made: dict[str, Any], annex: str, key: str) -> dict[str, Any]:
    return next(r for a in made["annexes"] if a["id"] == annex for r in a["rows"] if r["key"] == key)


@pytest.mark.parametrize("name", registry.names("annexes"))
def test_every_answer_is_asked_for_by_some_pack_and_every_question_has_one(name, findings, verdict, context) -> None:
    made = document.build(findings, verdict, context=context, report_class="internal")
    answers = registry.load("annexes", name)(Evidence(made))
    requests = [a for pack in map(guidance.pack, guidance.packs()) for a in pack.annexes if a.id == name]
    asked = {r.key for request in requests for r in request.rows}
    assert asked == set(answers)


@pytest.mark.parametrize("report_class", CLASSES)
def test_no_annex_reassures_and_every_finding_it_rests_on_is_shown(findings, private_context, report_class) -> None:
    made = build([*findings, harbor(B=3)], private_context, report_class, guidance=guidance.packs())
    shown = {f["id"] for f in made["findings"]}
    assert wording.offending(json.dumps(made["annexes"])) is None
    assert {i for a in made["annexes"] for r in a["rows"] for i in r["findings"]} <= shown
    assert [(a["pack"], a["id"]) for a in made["annexes"]] == [
        (p, a.id) for p in guidance.packs() for a in guidance.pack(p).annexes]


# --- wp216 ---------------------------------------------------------------------------------------------------


def test_a_criterion_shows_both_rates_the_risk_its_interval_and_n(context) -> None:
    made = row(build([attack("P1a", 300, 100), attack("P1b", 100, 100)], context, "internal"), "wp216", "singling_out")
    assert made["state"] == "finding"
    assert made["findings"] == ["P1a", "P1b"]
    for words in ("30 % of those who were used and 10 % of those who were not", "residual risk R 0.22", "95 % interval",
                  "n = 1,000", "A finding under profile controlled, limit 0.2", "No finding"):
        assert words in made["answer"], words


def test_states_follow_the_judgements(context) -> None:
    made = build([attack("P1a", 100, 100), attack("P1b", 100, 100), attack("P1c", 100, 100, few="only few people"),
                  Finding.not_run("P1d", "Guess", "privacy", "no secret")], context, "internal")
    assert row(made, "wp216", "singling_out")["state"] == "no finding"
    assert row(made, "wp216", "linkability")["state"] == "for a person"
    assert "Only few people. Too few records to tell" in row(made, "wp216", "linkability")["answer"]
    assert row(made, "wp216", "inference")["state"] == "not run"
    assert row(made, "wp216", "outliers")["answer"] == wording.NOT_PART
    assert row(made, "wp216", "full_analysis")["state"] == "for a person"


def test_a_small_cell_is_told_no_better_by_an_annex(context) -> None:
    made = build([attack("P1c", 104, 4)], context, "recipient")
    answer = row(made, "wp216", "linkability")["answer"]
    assert wording.SMALL_CELL in answer
    assert "10" not in answer.replace("1 to 10", "")


# --- safe harbor ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("report_class", CLASSES)
def test_the_checklist_is_the_same_in_every_class(private_context, report_class) -> None:
    made = build([harbor(B=3, R=2)], private_context, report_class)
    assert {key: row(made, "safe_harbor", key)["state"] for key in "ABCQR"} == {
        "A": "for a person", "B": "hit", "C": "no hit", "Q": "for a person", "R": "for a person"}
    assert row(made, "safe_harbor", "B")["answer"] == "3 cells in ward|A look like it: a form."
    assert row(made, "safe_harbor", "actual_knowledge")["state"] == "for a person"
    assert "remains personal" in row(made, "safe_harbor", "copied_rows")["answer"]


def test_where_a_program_sees_only_a_part_a_person_is_asked(private_context) -> None:
    made = build([harbor()], private_context, "statement")
    states = {key: row(made, "safe_harbor", key)["state"] for key in "ABCDEFGHIJKLMNOPQR"}
    assert {key for key, state in states.items() if state == "for a person"} == set("ABPQR")
    assert "by their names alone were not" in row(made, "safe_harbor", "B")["answer"]
    assert row(made, "safe_harbor", "R")["answer"].endswith("Columns made up anew: patient, note.")


def test_a_check_that_did_not_run_ticks_nothing(private_context) -> None:
    failed = Finding.not_run("safe_harbor", "Classes", "privacy", "fewer than 20 rows in one of the tables")
    made = build([failed], private_context, "internal")
    assert {row(made, "safe_harbor", key)["state"] for key in "ABCDEFGHIJKLMNOPQR"} == {"not run"}
    shared = build([failed], private_context, "statement")
    assert "fewer than 20" not in json.dumps(shared)


def test_hits_are_no_failure_of_the_policy() -> None:
    assert judge([harbor(B=3)], load_policy("controlled")).outcome != "finding"


# --- the others ----------------------------------------------------------------------------------------------


def test_blanks_name_who_fills_them_in_and_what_was_stated_stands_there(context) -> None:
    empty = build([], context, "internal")
    assert row(empty, "dpia", "legal_basis")["answer"] == "To be filled in by the controller."
    assert row(empty, "expert_determination", "recipient")["answer"] == "To be filled in by the expert."
    full = build([], context, "internal", recipient="one course", purpose="teaching", legal_basis="Article 9(2)(j)",
                 data_sources=("a register", "a paper"), owner="head of unit", review_date="2027-06-01")
    assert row(full, "dpia", "purposes")["answer"] == "Purpose: teaching. Recipient: one course."
    assert row(full, "dpia", "purposes")["state"] == "answered"
    assert row(full, "dpia", "legal_basis")["answer"] == "Article 9(2)(j)"
    assert row(full, "expert_determination", "data_sources")["answer"] == "a register; a paper"
    assert row(full, "expert_determination", "validity")["state"] == "for a person"


def test_the_export_sheet_lists_files_identifiers_text_and_a_model(context) -> None:
    made = build([harbor(N=2), attack("P0d", 0, 0), attack("P0d.text", 0, 0)], context, "internal",
                 files={"synthetic.csv": "a" * 64, "model.tabsynth": "b" * 64})
    assert f"synthetic.csv, SHA-256 {'a' * 64}" in row(made, "export_sheet", "files")["answer"]
    assert "manifest.json" in row(made, "export_sheet", "files")["answer"]
    assert row(made, "export_sheet", "size")["answer"] == "500 rows, 4 columns."
    assert row(made, "export_sheet", "identifiers")["state"] == "hit"
    assert "note (replaced by a placeholder)" in row(made, "export_sheet", "free_text")["answer"]
    assert row(made, "export_sheet", "model")["state"] == "hit"
    unknown = build([], context, "internal", model="not given")
    assert row(unknown, "export_sheet", "real_rows")["state"] == "for a person"
    assert row(unknown, "export_sheet", "model")["state"] == "for a person"
    assert "set beside the table" in row(unknown, "dpia", "processing")["answer"]


def test_the_assessment_lists_every_attack_that_was_judged(context) -> None:
    made = row(build([attack("P1c", 0, 0), attack("P2c", 0, 0), harbor()], context, "recipient"), "dpia", "risks")
    assert made["findings"] == ["P1c", "P2c"]


def test_cells_of_a_sample_are_not_those_of_the_file(context) -> None:
    rows = context.counts.synthetic_rows
    for n, sampled in ((rows, False), (rows - 1, True)):
        alone = Finding("P0c.k", "Alone", "diagnostic", 0.3, "none", n=n)
        made = row(build([alone], context, "recipient"), "export_sheet", "small_cells")
        assert (wording.CELLS_OF_A_SAMPLE in made["answer"]) == sampled
        assert made["state"] == "for a person"


@pytest.mark.parametrize("report_class", CLASSES)
def test_chapters_that_are_kept_back_answer_no_clause(private_context, report_class) -> None:
    state = row(build([], private_context, report_class), "iso27559", "identifiability")["state"]
    assert state == ("kept internal" if report_class == "statement" else "for a person")


def test_a_quasi_identifier_of_another_role_is_one_all_the_same(context) -> None:
    schema = Schema((Column("year", "integer", role="time", bounds=(1, 5)), Column("age", "integer", bounds=(0, 99))),
                    evaluation=Evaluation(quasi_identifiers=("year", "age")))
    made = build([], context, "recipient", columns=column_facts(schema))
    assert [c["role"] for c in made["dataset"]["columns"]] == ["time, quasi-identifier", "feature, quasi-identifier"]
    assert "Declared quasi-identifiers: year, age." in row(made, "expert_determination", "replicability")["answer"]


@pytest.mark.parametrize("report_class", CLASSES)
def test_the_recipient_holds_neither_key_nor_model(private_context, report_class) -> None:
    made = build([], private_context, report_class)
    held = row(made, "views", "recipient_holds")
    assert "Neither the source table" in held["answer"]
    assert held["state"] == "for a person"  # what a recipient has from elsewhere no program knows
    assert "key of the split" in row(made, "views", "controller_holds")["answer"]


# --- disclosure ----------------------------------------------------------------------------------------------

RATES = st.tuples(st.integers(0, 1000), st.integers(0, 1000))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(hits=st.fixed_dictionaries(dict.fromkeys(ATTACKS, RATES)), rows=st.integers(1, 9999))
def test_under_a_guarantee_annexes_do_not_depend_on_real_rows(private_context, hits, rows) -> None:
    """Whatever the attacks found, and however many real rows there were: the same words."""
    real = [attack(name, *pair) for name, pair in hits.items()]
    counts = replace(private_context.counts, train_rows=rows, holdout_rows=rows + 1)
    fixed = judge([], load_policy("controlled"))
    made = document.build([*real, harbor(B=3)], fixed, context=replace(private_context, counts=counts),
                          report_class="statement")
    none = document.build([harbor(B=3)], fixed, context=private_context, report_class="statement")
    assert made["annexes"] == none["annexes"]
    assert (row(made, "wp216", "singling_out")["answer"], row(made, "wp216", "singling_out")["state"]) == (
        KEPT, "kept internal")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(hits=RATES, report_class=st.sampled_from(["recipient", "public"]))
def test_where_a_class_shows_no_number_of_a_finding_an_annex_shows_none(context, hits, report_class) -> None:
    found = attack("P1a", *hits)
    shown, band = disclosure.show(found, report_class, context.counts)
    answer = row(build([found], context, report_class), "wp216", "singling_out")["answer"]
    assert answer.startswith("Attack P1a (P1a): " + (band or ""))
    assert ("%" in answer, "n =" in answer) == (shown.value is not None, shown.value is not None)
