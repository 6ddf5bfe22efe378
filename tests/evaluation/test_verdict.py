"""The logic of a judgement, words, and who may see what."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tabsynth import evaluation
from tabsynth.core.finding import FAILED, Finding
from tabsynth.evaluation import wording
from tabsynth.evaluation.disclosure import report_classes
from tabsynth.evaluation.policy import load_policy, policy_names
from tabsynth.evaluation.variants import attack_finding, ranked
from tabsynth.evaluation.verdict import NO_LEAK, judge

FOLDER = Path(evaluation.__file__).parent


def attack(id: str, *variants: tuple[int, int, int, int], **fields: Any) -> Finding:
    """An attack with variants (train hits, train n, control hits, control n); a fifth of them at most is real."""
    rows = tuple({"key": f"variant {i}", "train_hits": a, "train_n": b, "control_hits": c, "control_n": d}
                 for i, (a, b, c, d) in enumerate(variants))
    return replace(Finding(id, f"Attack {id}", "privacy", 0.0, "lower is safer", n=1000, breakdown=rows), **fields)


def valid(broken: int = 0, train: int = 0, rows: int = 1000) -> Finding:
    details = {"broken": broken, "rows": rows, "train_broken": train, "train_rows": rows}
    return Finding("validity", "Validity", "validity", broken / rows, "lower is better", n=rows, details=details)


def control(auc: float, low: float, **details: Any) -> Finding:
    return Finding("control.exchangeable", "Control", "diagnostic", auc, "closer to 0.5 is better", n=1000,
                   interval=(low, min(1.0, auc + 0.05)), details=details)


def residual(id: str, *variants: tuple[int, int, int, int]) -> Finding:
    """An attack whose variants are residual risks."""
    finding = attack(id, *variants)
    return replace(finding, breakdown=tuple({**row, "statistic": "residual"} for row in finding.breakdown))


def membership(id: str, *areas: tuple[float, float]) -> Finding:
    """An attack that ranks people: (AUC, standard error) of each variant."""
    rows = tuple(ranked(f"score {i}", auc, error, 1000, 1000) for i, (auc, error) in enumerate(areas))
    return attack_finding(id, f"Attack {id}", rows, method="")


CLEAN = {
    "validity": valid(), "P0a": attack("P0a", (0, 5000, 0, 5000)), "P0e": attack("P0e", (0, 5000, 0, 5000)),
    **{id: residual(id, (250, 5000, 250, 5000)) for id in ("P1a", "P1b", "P1c", "P1d")},
    **{id: membership(id, (0.5, 0.01)) for id in ("P2a", "P2b")}, "control.exchangeable": control(0.51, 0.49)}


@pytest.mark.parametrize("change, verdict, outcome", [
    ({}, "no_finding", "no_finding"),
    ({"P0a": attack("P0a", (500, 5000, 0, 5000))}, "finding", "finding"),
    ({"P0a": attack("P0a", (5, 5000, 5, 5000))}, "no_finding", "no_finding"),
    ({"P0a": attack("P0a", (20, 5000, 0, 5000))}, "review", "review"),
    ({"P0a": attack("P0a", (4, 400, 1, 400))}, "insufficient_power", "review"),
    ({"P0a": attack("P0a", (0, 5000, 0, 5000), (40, 5000, 0, 5000))}, "finding", "finding"),
    ({"P0a": attack("P0a", state="uninformative", reason="nothing to copy")}, "no_finding", "no_finding"),
    ({"P0a": attack("P0a", state="insufficient_power", reason="few")}, "insufficient_power", "review"),
    ({"P0a": attack("P0a", (400, 400, 0, 400), state="insufficient_power", reason="few")}, "finding", "finding"),
    ({"P0a": Finding.not_run("P0a", "Attack", "privacy", "stopped")}, "not_run", "review"),
    ({"validity": valid(100, 0)}, "finding", "finding"),
    ({"validity": valid(1, 0)}, "review", "review"),
    ({"validity": valid(14, 10)}, "no_finding", "no_finding"),
    ({"validity": valid(100, 10)}, "finding", "finding"),
    ({"P1c": residual("P1c", (1500, 5000, 250, 5000))}, "finding", "finding"),
    ({"P1c": residual("P1c", (1000, 5000, 250, 5000))}, "finding", "finding"),
    ({"P1c": residual("P1c", (600, 5000, 250, 5000))}, "review", "review"),
    ({"P1c": residual("P1c", (200, 300, 190, 300))}, "insufficient_power", "review"),
    ({"P2a": membership("P2a", (0.62, 0.01))}, "finding", "finding"),
    ({"P2a": membership("P2a", (0.5, 0.01), (0.62, 0.01))}, "finding", "finding"),
    ({"P2a": membership("P2a", (0.54, 0.01))}, "review", "review"),
    ({"P2a": membership("P2a", (0.62, 0.09))}, "insufficient_power", "review"),
    ({"P2a": membership("P2a", (0.56, 0.03))}, "insufficient_power", "review"),
    ({"control.exchangeable": control(0.62, 0.58)}, "review", "review"),
    ({"control.exchangeable": control(0.62, 0.48)}, "no_finding", "no_finding"),
    ({"control.exchangeable": control(0.5, 0.48, people_in_both=3)}, "review", "review"),
])
def test_judgement_table(change: dict[str, Finding], verdict: str, outcome: str) -> None:
    got = judge({**CLEAN, **change}.values(), load_policy())
    about = next(iter(change), "validity")
    assert {j.finding_id: j.verdict for j in got.judgements}[about] == verdict
    assert got.outcome == outcome
    assert (about in got.because) == (outcome != "no_finding")


def test_every_judgement_carries_its_limit_and_source() -> None:
    for judgement in judge(CLEAN.values(), load_policy()).judgements:
        assert judgement.limit is not None
        assert judgement.limit_source
        assert judgement.because


def test_more_variants_need_more_evidence() -> None:
    """One variant with this excess is a finding; the same among forty that show nothing is not."""
    few = {"validity": CLEAN["validity"]}
    alone = {**few, "P0a": attack("P0a", (9, 1000, 1, 1000)), "P0e": attack("P0e", (0, 5000, 0, 5000))}
    many = {**few, "P0a": attack("P0a", (9, 1000, 1, 1000)), "P0e": attack("P0e", *[(1, 5000, 1, 5000)] * 40)}
    strong = {**few, "P0a": attack("P0a", (12, 1000, 0, 1000)), "P0e": attack("P0e", *[(1, 5000, 1, 5000)] * 10)}
    verdicts = [judge(f.values(), load_policy()).judgements[1].verdict for f in (alone, many, strong)]
    assert verdicts[1:] == ["insufficient_power", "finding"]
    assert verdicts[0] in ("finding", "insufficient_power")


def test_supplementary_variants_find_but_do_not_doubt() -> None:
    def supplementary(*counts: int) -> Finding:
        finding = attack("P0e", counts)  # type: ignore[arg-type]
        return replace(finding, breakdown=({**finding.breakdown[0], "supplementary": True},))

    for counts, verdict in (((80, 400, 80, 400), "no_finding"), ((300, 400, 80, 400), "finding")):
        both = supplementary(*counts)
        both = replace(both, breakdown=(*CLEAN["P0e"].breakdown, *both.breakdown))
        got = judge({**CLEAN, "P0e": both}.values(), load_policy())
        assert {j.finding_id: j.verdict for j in got.judgements}["P0e"] == verdict
    alone = judge({**CLEAN, "P0e": supplementary(80, 400, 80, 400)}.values(), load_policy())
    assert {j.finding_id: j.verdict for j in alone.judgements}["P0e"] == "insufficient_power", "nothing was excluded"


def test_a_measure_that_broke_asks_for_review_even_where_it_is_optional() -> None:
    quiet = Finding.not_run("P0d", "Identifiers", "privacy", "no such column")
    broken = replace(quiet, reason="the measure stopped with MemoryError", details={FAILED: True})
    assert judge([*CLEAN.values(), quiet], load_policy()).outcome == "no_finding"
    assert judge([*CLEAN.values(), broken], load_policy()).because == ("P0d",)


def test_a_single_identifier_of_a_training_person_is_enough() -> None:
    leak = replace(attack("P0d", (1, 4000, 0, 1000)), details={"leaked_values": 1})
    assert judge([*CLEAN.values(), leak], load_policy()).outcome == "finding"
    passage = replace(leak, id="P0d.text")
    assert judge([*CLEAN.values(), passage], load_policy()).outcome == "review"
    chance = replace(leak, details={"leaked_values": 0})
    told = next(j for j in judge([*CLEAN.values(), chance], load_policy()).judgements if j.finding_id == "P0d")
    assert (told.verdict, told.because) == ("no_finding", NO_LEAK)


def test_a_mandatory_measure_that_is_not_there_needs_review() -> None:
    got = judge([f for id, f in CLEAN.items() if id != "P0e"], load_policy())
    assert got.outcome == "review"
    assert "P0e (not computed)" in got.privacy
    assert judge([CLEAN["validity"]], load_policy("internal-test")).outcome == "no_finding"


def test_fidelity_never_offsets_privacy() -> None:
    bad = Finding("kway.2", "Pairs", "fidelity", 0.1, "higher is better", n=500, floor=0.8, ceiling=0.9)
    assert judge([*CLEAN.values(), bad], load_policy()).outcome == "no_finding"
    assert "0.100 (independent columns 0.800, real rows 0.900)" in judge([bad], load_policy()).utility


def test_only_the_public_profile_refuses_on_review() -> None:
    doubtful = {**CLEAN, "control.exchangeable": control(0.62, 0.58)}.values()
    refused = {name: judge(doubtful, load_policy(name)).refused for name in policy_names()}
    assert refused == {"controlled": False, "internal-test": False, "public": True, "spe-export": False}
    leaking = {**CLEAN, "P0a": attack("P0a", (500, 5000, 0, 5000))}.values()
    assert all(judge(leaking, load_policy(name)).refused for name in policy_names())


def test_sentences_of_the_three_outcomes() -> None:
    sentences = {wording.outcome(kind, "public", ["x"]).split(" under")[0].split(" profile")[0]
                 for kind in ("finding", "review", "no_finding")}
    assert sentences == {"Do not release", "Human review required", "No tested attack exceeded"}


def test_no_text_of_the_package_uses_a_banned_word() -> None:
    texts = [(path, node.value) for path in FOLDER.rglob("*.py")
             for node in ast.walk(ast.parse(path.read_text("utf-8")))
             if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in wording.BANNED]
    texts += [(path, path.read_text("utf-8")) for path in FOLDER.rglob("*.yaml")]
    assert len(texts) > 300
    for path, text in texts:
        if path.name == "wording.py" and text.startswith("The first phrase"):
            continue  # the doctest of the banned words
        assert wording.banned_word(text) is None, path


@pytest.mark.parametrize("text", [
    "This is anonymous data.", "fully GDPR-compliant", "Zero risk", "SAFE to share", "guarantees privacy"])
def test_banned_words_are_recognised(text: str) -> None:
    assert wording.banned_word(text)


def test_who_may_see_a_finding() -> None:
    everyone = ("internal", "recipient", "public")
    kway = Finding("kway.2", "Pairs", "fidelity", 0.8, "higher is better", n=500)
    assert report_classes(kway, private=False) == everyone
    assert report_classes(kway, private=True) == ("internal",)
    assert report_classes(replace(kway, shareable=True), private=True) == everyone
    assert report_classes(replace(kway, n=7), private=False) == ("internal",)
    assert report_classes(replace(kway, details={"max": 3.0}), private=False) == ("internal",)
    assert report_classes(attack("P0a", (3, 5000, 0, 5000)), private=False) == ("internal",)
    assert report_classes(attack("P0a", (0, 5000, 0, 5000)), private=False) == everyone
    assert report_classes(valid(50, 4), private=False) == ("internal",)
    identical = Finding("D3.identical", "", "diagnostic", 0.0003, "none", n=10_000, details={"synthetic_in_train": 3})
    assert report_classes(identical, private=False) == ("internal",)
    assert report_classes(replace(identical, details={"synthetic_in_train": 0}), private=False) == everyone
