"""What each class of report keeps back. A number that leaks here leaks in every rendering."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabsynth.core.finding import Finding, Judgement
from tabsynth.evaluation.disclosure import CEILING_COUNT
from tabsynth.evaluation.gates import Gate
from tabsynth.evaluation.variants import attack_finding, counted
from tabsynth.reports import disclosure, document, wording
from tabsynth.reports.context import Counts, Decision, Selection
from tabsynth.reports.renderers import html, markdown, text

COUNTS = Counts(synthetic_rows=500)


def parts(made):
    return {f["id"]: f for f in made["findings"]}


def test_under_a_guarantee_nothing_but_synthetic_rows_and_the_statement_is_shared(verdict, private_context):
    """Canaries stand wherever a number from real rows can stand; none may appear in any view."""
    canaries = iter(f"0.{n}" for n in range(73101, 73199))

    def number() -> float:
        return float(next(canaries))

    def planted(id: str, *, shareable: bool, n: int) -> Finding:
        return Finding(id, f"Measure {id}", "fidelity", number(), "lower is better", n=n, interval=(0.0, 1.0),
                       floor=number(), ceiling=number(), normalised=number(), baseline=number(), control=number(),
                       state="uninformative", reason=f"because of {next(canaries)}", shareable=shareable,
                       breakdown=({"key": f"cell {next(canaries)}", "value": number(), "n": 73400},),
                       details={"k": number(), "text": next(canaries)})

    everything = (planted("a", shareable=False, n=500), planted("b", shareable=True, n=73401),
                  planted("c", shareable=True, n=500))
    public_value = everything[2].value
    loud = replace(verdict, privacy=f"p {next(canaries)}", utility=f"u {next(canaries)}", because=("a", "b"),
                   judgements=(Judgement("a", "finding", next(canaries), number(), next(canaries)),))
    secret = replace(private_context, counts=Counts(73402, 73403, 73404, 73405, 500, None), evaluation_seed=73406,
                     commands=("73407",), decisions=tuple(
                         replace(d, share=0.73408, names=("73409",), action=d.action) for d in
                         private_context.decisions))
    made = document.build(everything, loud, context=secret, report_class="statement")
    for shown in (json.dumps(made), html.render(made), text.render(made), markdown.render(made)):
        assert not re.findall(r"73[14]\d\d", shown.replace(str(public_value), ""))
    assert [f["id"] for f in made["findings"]] == ["c"]
    assert made["verdict"]["judgements"] == []
    assert made["verdict"]["formed_on_real_records"] == (
        "The verdict was formed by looking at real records outside the privacy budget; "
        "the guarantee covers the synthetic rows and the model file.")


def test_the_exact_sentence_stands_in_the_shared_page(findings, verdict, private_context):
    made = document.build(findings, verdict, context=private_context, report_class="statement")
    assert wording.OUTSIDE_THE_BUDGET in html.render(made)


def test_a_shared_verdict_depends_on_outcome_and_policy_alone(findings, verdict, private_context):
    made = [document.build(findings, replace(verdict, privacy=words, utility=words, because=(words,)),
                           context=private_context, report_class="statement") for words in ("one", "two")]
    assert made[0] == made[1]


HELD = (
    Gate("epsilon", None, "Epsilon", 1.0, "at most", 1.0, True, "board", ""),
    Gate("train_people", None, "People", 1201.0, "at least", 500.0, True, "board", ""),
    Gate("holdout_people", None, "People", 7.0, "at least", 100.0, False, "board", "Provide more people."),
    Gate("kway.2", "value", "Pairs", 0.92531, "at least", 0.9, True, "board", ""),
    Gate("kway.2", "normalised", "Pairs", 0.6008, "at least", 0.7, False, "board", "Try another --model."),
    Gate("P0a", "value", "Copies", 0.01834, "at most", 0.1, True, "board", ""))


@pytest.mark.parametrize("report_class, values", [
    ("internal", [1.0, 1201.0, 7.0, 0.92531, 0.6008, 0.01834]),
    ("recipient", [1.0, 1201.0, None, 0.9253, 0.6, None]),  # 7 people; 2 control people behind P0a
    ("public", [1.0, None, None, None, None, None])])
def test_a_gate_shows_the_number_that_the_class_shows(findings, verdict, context, report_class, values):
    few = replace(context, counts=replace(context.counts, holdout_units=7))
    made = document.build(findings, replace(verdict, gates=HELD), context=few, report_class=report_class)
    shown = made["verdict"]["gates"]
    assert [g["value"] for g in shown] == values
    assert [(g["name"], g["met"], g["reason"]) for g in shown] == [(g.name, g.met, g.reason) for g in HELD]


def test_under_a_guarantee_no_gate_on_real_rows_is_told(findings, verdict, private_context):
    made, other = (document.build(findings, replace(verdict, gates=held), context=private_context,
                                  report_class="statement") for held in (HELD, (HELD[0], *HELD[:0:-1])))
    assert [g["name"] for g in made["verdict"]["gates"]] == ["epsilon"]
    assert made == other


def test_gates_come_back_from_the_document(findings, verdict, context):
    held = replace(verdict, gates=HELD)
    internal = document.build(findings, held, context=context, report_class="internal")
    assert document.verdict_from(internal).gates == HELD
    assert document.narrow(internal, "recipient") == document.build(findings, held, context=context,
                                                                    report_class="recipient")


@pytest.mark.parametrize("report_class", ["recipient", "public"])
def test_a_report_with_real_figures_says_that_the_guarantee_is_withdrawn(findings, verdict, private_context,
                                                                         report_class):
    made = document.build(findings, verdict, context=private_context, report_class=report_class)
    assert made["notices"] == [wording.DISCLOSED]


@pytest.mark.parametrize("report_class", ["internal", "recipient", "public"])
def test_without_a_guarantee_the_first_notice_says_so(findings, verdict, context, report_class):
    made = document.build(findings, verdict, context=context, report_class=report_class)
    assert made["notices"][0] == wording.NO_GUARANTEE


def test_a_recipient_sees_large_cells_only_and_coarse_numbers(findings, verdict, context):
    shown = parts(document.build(findings, verdict, context=context, report_class="recipient"))
    kway = shown["kway.2"]
    assert (kway["value"], kway["interval"], kway["floor"]) == (0.9253, [0.9212, 0.9294], 0.8971)
    assert [row["key"] for row in kway["breakdown"]] == ["a <b> × ward|A", "extremes"]
    assert "max" not in kway["breakdown"][1]
    assert (shown["P0a"]["value"], shown["P0a"]["band"]) == (None, wording.SMALL_CELL)  # 2 control people
    assert shown["P0a"]["breakdown"] == []
    assert shown["c2st"]["reason"] == wording.STATE_REASONS["insufficient_power"]  # the original says "4 of them"


def test_beside_a_small_count_no_fraction_stays():
    row = {"key": "all", "hits": 2, "n": 500, "rate": 0.004}
    found, _ = disclosure.show(Finding("x", "X", "privacy", 0.5, "none", n=500, breakdown=(row,)), "recipient", COUNTS)
    assert found.breakdown == ({"key": "all", "n": 500},)


def test_a_recipient_sees_no_names_of_pooled_levels_and_no_commands(findings, verdict, context):
    made = json.dumps(document.build(findings, verdict, context=context, report_class="recipient"))
    assert "zebra-level" not in made
    assert "secret-folder" not in made
    assert "991177" not in made
    internal = json.dumps(document.build(findings, verdict, context=context, report_class="internal"))
    assert "zebra-level" in internal
    assert "secret-folder" in internal


def test_a_finding_on_ten_records_is_not_shown(verdict, context):
    few = Finding("x", "Few", "fidelity", 0.3, "lower is better", n=10)
    shown, = document.build([few], replace(verdict, judgements=()), context=context,
                            report_class="recipient")["findings"]
    assert (shown["state"], shown["value"], shown["n"]) == ("not_run", None, 0)
    enough, _ = disclosure.show(replace(few, n=11), "recipient", COUNTS)
    assert enough.value == 0.3


def test_a_public_report_holds_bands_and_no_measured_number(findings, verdict, context):
    made = document.build(findings, verdict, context=context, report_class="public")
    for part in made["findings"]:
        assert part["value"] is part["interval"] is part["floor"] is part["control"] is None
        assert part["breakdown"] == []
        assert part["details"] == {}
    assert parts(made)["kway.2"]["band"] == "middle third between floor and ceiling"
    assert all(j["because"] == "" for j in made["verdict"]["judgements"])
    assert made["dataset"]["counts"]["train_rows"] is None


@given(value=st.floats(-1, 1), width=st.floats(1e-6, 1), share=st.floats(0, 1))
def test_rounding_keeps_the_value_inside_its_interval_and_close(value, width, share):
    interval = (value - share * width, value + (1 - share) * width)
    found, _ = disclosure.show(Finding("x", "X", "fidelity", value, "none", n=50, interval=interval), "recipient",
                               COUNTS)
    assert found.interval[0] <= found.value <= found.interval[1]
    assert abs(found.value - value) <= 0.05 * width


def test_a_judgement_quotes_no_finer_number_than_its_finding():
    finding = Finding("x", "X", "privacy", 0.18, "lower is safer", n=100, interval=(0.1, 0.26))
    exact = Judgement("x", "finding", "age: an excess of 0.18342 over the control, limit 0.005", 0.005, "s")
    assert disclosure.show_judgement(exact, finding, "recipient").because == (
        "age: an excess of 0.18 over the control, limit 0.005")
    small = replace(exact, because="3 people were copied")
    assert disclosure.show_judgement(small, finding, "recipient").because == ""
    assert disclosure.show_judgement(exact, finding, "statement") is None


def test_a_pooled_level_of_few_rows_keeps_its_share_in_the_house(findings, verdict, context):
    def told(share: float) -> dict:
        pooled = Decision("ward|A", "pooled", 3, share)
        about = replace(context, decisions=(pooled,))
        made = document.build(findings, verdict, context=about, report_class="recipient")
        return made["dataset"]["decisions"][0]

    assert (told(3 / 2511)["share"], told(3 / 2511)["n_levels"]) == (None, None)
    assert told(60 / 2511)["n_levels"] == 3


def test_how_often_the_table_was_evaluated_stays_under_the_guarantee(findings, verdict, private_context):
    """The count is looked up by the table's digest: it follows from real rows."""
    looked = replace(private_context, selection=Selection(7, 3))
    for report_class, shown in (("internal", 7), ("recipient", 7), ("statement", None), ("public", None)):
        made = document.build(findings, verdict, context=looked, report_class=report_class)["provenance"]["selection"]
        assert (made and made["evaluations"]) == shown
    unknown = document.build(findings, verdict, context=private_context, report_class="internal")
    assert "not recorded" in html.render(unknown)


def test_a_ceiling_that_counts_few_people_is_not_shown():
    many = Finding("P0a", "Copies", "privacy", 0.01, "lower is safer", n=982, ceiling=0.05, details={CEILING_COUNT: 49})
    shown, _ = disclosure.show(many, "recipient", COUNTS)
    assert (shown.ceiling, dict(shown.details)) == (0.05, {})
    shown, _ = disclosure.show(replace(many, details={CEILING_COUNT: 4}), "recipient", COUNTS)
    assert shown.ceiling is None


def test_small_comparisons_of_an_attack_are_left_out_and_nothing_that_holds_them():
    rows = [counted("large", (400, 2000), (290, 2000), statistic="residual"),
            counted("small", (4, 2000), (0, 2000), statistic="residual"),
            counted("pooled", (404, 4000), (290, 4000), statistic="residual", supplementary=True)]
    found = attack_finding("P1c", "Links", rows, method="M.")
    shown, _ = disclosure.show(found, "recipient", COUNTS)
    assert shown.value is not None
    assert [row["key"] for row in shown.breakdown] == ["large"]
    headline = attack_finding("P1c", "Links", [counted("small", (4, 2000), (0, 2000))], method="M.")
    assert disclosure.show(headline, "recipient", COUNTS)[1] == wording.SMALL_CELL
