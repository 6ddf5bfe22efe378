"""A small realistic run: findings, verdict and context, with and without a guarantee."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.verdict import Verdict, judge
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger import Ledger
from tabsynth.privacy.mechanisms import counts_event, errors_event
from tabsynth.privacy.noise import Noise
from tabsynth.privacy.statement import make
from tabsynth.reports.context import Counts, Decision, ReportContext, column_facts

SCHEMA = Schema((
    Column("patient", "id", role="unit"),
    Column("<script>alert(1)</script>", "integer", bounds=(0, 9), source="code book & table <3>"),
    Column("ward|A", "category", levels=("x", "y")),
    Column("note", "text"),
))

FINDINGS = (
    Finding("validity", "Rows that break a rule", "validity", 0.0, "lower is better", n=500, shareable=True,
            interval=(0.0, 0.0076), floor=0.0417, ceiling=0.0123,
            details={"broken": 0, "rows": 500, "train_broken": 31, "train_rows": 2511}),
    Finding("kway.2", "Two columns together", "fidelity", 0.92531, "higher is better", n=620,
            interval=(0.9212, 0.9294), floor=0.89707, ceiling=0.94408, normalised=0.6008, method="Jackknife.",
            breakdown=({"key": "a <b> × ward|A", "value": 0.87123, "n": 620},
                       {"key": "rare × rare", "value": 0.5, "n": 7},
                       {"key": "extremes", "max": 4711.5, "value": 0.8, "n": 620})),
    Finding("c2st", "Detection", "fidelity", 0.6421, "closer to 0.5 is better", n=620, interval=(0.601, 0.683),
            floor=0.951, ceiling=0.512, normalised=0.703, state="insufficient_power",
            reason="only 620 records, 4 of them rare"),
    Finding("P0a", "Copies", "privacy", 0.01834, "lower is safer", n=503, interval=(0.0021, 0.0349),
            control=0.00397, breakdown=({"key": "all columns", "train_hits": 29, "train_n": 503, "control_hits": 2,
                                         "control_n": 503, "excess": 0.05368},)),
    Finding.not_run("tstr", "Task utility", "utility", "The schema names no target."),
    Finding("dcr", "Distances", "diagnostic", 0.512, "closer to 0.5 is better", n=620, interval=(0.472, 0.552)),
)

CONTEXT = ReportContext(
    dataset="Ward & <b>stays</b>", model="copula", created="2026-11-22", outcome="REVIEW", unit="patient",
    population="ward", columns=column_facts(SCHEMA), rules=("a <= b",),
    counts=Counts(2511, 1201, 627, 301, 500, 240),
    decisions=(Decision("ward|A", "levels held by fewer than 11 people pooled", 3, 0.01234, ("zebra-level",)),
               Decision("note", "replaced by a placeholder", source="schema")),
    model_summary="Gaussian copula", settings={"max_bins": 256}, versions={"tabsynth": "0.1.0"},
    commands=("tabsynth release secret-folder/ward.csv --no-dp -o out/",), sampling_seed=7, evaluation_seed=991177,
)


CALIBRATION = {
    "mode": "balanced", "reason": "the least detectable of the 1 of 2 candidates that copy no more than chance.",
    "fitted_rows": 2134, "held_back_rows": 377, "held_back_people": 180,
    "candidates": [
        {"model": "seqforest", "settings": {"leaf": leaf}, "outcome": outcome, "detection": 0.5123,
         "detection_error": 0.0211, "dcr_share": dcr, "dcr_error": 0.0258,
         "copies": [{"columns": "all columns", "ratio": ratio, "error": None if ratio is None else 0.4321}],
         "given_out": None if ratio is None else {"excess": 0.0234, "low": 0.0123}}
        for leaf, outcome, dcr, ratio in ((5, "refused", 0.6172, 2.7183), (20, "chosen", 0.5071, None))],
}


@pytest.fixture
def calibrated(context: ReportContext) -> ReportContext:
    return replace(context, model="seqforest", calibration=CALIBRATION)


@pytest.fixture
def findings() -> tuple[Finding, ...]:
    return FINDINGS


@pytest.fixture
def verdict() -> Verdict:
    return judge(FINDINGS, load_policy("controlled"))


@pytest.fixture
def context() -> ReportContext:
    return CONTEXT


@pytest.fixture
def statement(tmp_path: Path) -> dict[str, object]:
    """A statement as a fit leaves it, booked in a ledger of its own; the ledger's random hashes are fixed."""
    budget = Budget.of(1, "1e-6", unit="patient")
    reservation = Ledger.open(tmp_path / "ledger", "ward").reserve(budget, purpose="test")
    questions = (counts_event(("ward|A",), 3, 8.0), counts_event(("ward|A", "age"), 30, 9.5), errors_event(3, 20.0))
    document = make(SCHEMA, budget, budget.allowance, questions, reservation=reservation, noise=Noise()).to_json()
    document["ledger"]["sha256"] = "1" * 64
    return document


@pytest.fixture
def private_context(statement: dict[str, object]) -> ReportContext:
    return replace(CONTEXT, model="marginal", statement=statement)
