"""Refits for attacks: the released recipe on other rows, booked nowhere, and what `evaluate` does with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabsynth.core.errors import ModelError
from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.evaluation import protocol
from tabsynth.evaluation.attacks._refitted import NO_REFIT
from tabsynth.evaluation.gates import Bound
from tabsynth.evaluation.policy import Limit, load_policy
from tabsynth.evaluation.verdict import judge
from tabsynth.pipeline import face, refit
from tabsynth.pipeline.evaluate import evaluate, scope
from tabsynth.pipeline.fit import Privacy, fit, load_model
from tabsynth.pipeline.refit import refit_of
from tabsynth.pipeline.synthesizer import TabularSynthesizer
from tabsynth.privacy.ledger import Ledger

PUBLIC = Schema((
    Column("patient", "id", role="unit"), Column("age", "integer", bounds=(0, 110)),
    Column("sex", "category", levels=("f", "m")), Column("weight", "number", bounds=(20, 200), decimals=1),
    Column("ward", "category", levels=("icu", "surgery", "medicine"))), max_rows_per_unit=5)


@pytest.fixture
def public(visits: pd.DataFrame) -> Table:
    return Table.from_pandas(visits, PUBLIC)


@pytest.mark.parametrize("model, settings", [("independent", {}), ("copula", {"max_classes": 1})])
def test_a_refit_is_the_same_recipe_on_other_rows(table: Table, model: str, settings: dict[str, int],
                                                  tmp_path: Path) -> None:
    fit(table, model=model, settings=settings, rng=np.random.default_rng(1)).save(tmp_path / "m.tabsynth")
    again = refit_of(load_model(tmp_path / "m.tabsynth"))
    women = table.take(np.array(table["sex"].levels, object)[table["sex"].values] == "f")
    rows, repeated = (again(women, np.random.default_rng(2))(50, np.random.default_rng(3)) for _ in range(2))
    assert rows == repeated
    assert len(rows) == 50
    assert {rows["sex"].levels[i] for i in rows["sex"].values} == {"f"}, "the coding is learned from the given rows"
    expected = fit(women, model=model, settings=settings, rng=np.random.default_rng(2)).generator
    assert rows == expected.sample(50, rng=np.random.default_rng(3))


def test_a_private_refit_is_booked_nowhere_and_takes_the_budget_of_the_model(
        public: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fit(public, model="marginal", privacy=Privacy("1.5", ledger=tmp_path / "book", population="ward"),
               rng=np.random.default_rng(1))
    made.save(tmp_path / "m.tabsynth")
    model = load_model(tmp_path / "m.tabsynth")
    before = {p: p.read_bytes() for p in (tmp_path / "book").iterdir()}
    curators = []

    def watching(*args: object, **kwargs: object) -> object:
        curators.append(made_by(*args, **kwargs))
        return curators[-1]

    made_by = refit.Curator
    monkeypatch.setattr(refit, "Curator", watching)
    monkeypatch.chdir(tmp_path)
    part = public.take(public.unit_codes() < 60)
    rows = refit_of(model)(part, np.random.default_rng(2))(40, np.random.default_rng(3))
    assert len(rows) == 40
    assert rows.schema.names == PUBLIC.names
    assert {p: p.read_bytes() for p in (tmp_path / "book").iterdir()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["book", "m.tabsynth"]
    statement = curators[0].statement()
    assert made.statement is not None
    assert statement.budget == made.statement.budget
    assert any("NOT FOR RELEASE" in stamp for stamp in statement.stamps)
    assert Ledger.open(tmp_path / "book", "ward").totals().releases == 1


def test_evaluate_by_tier_and_section(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    holdout = table.take(table.unit_codes() >= 80)
    counts = evaluate(table, table, holdout, tier=0, sections=("privacy",), policy="internal-test")
    made = {f.id for f in counts.findings}
    assert {"P0a", "P0e", "control.exchangeable"} <= made
    assert not made & {"kway.2", "P3a", "validity", "tstr"}
    monkeypatch.setattr(protocol, "measures", lambda tier, sections: ["canaries", "shadow"] if tier == 2 else [])
    refits: list[int] = []

    def refused(rows: Table, rng: np.random.Generator) -> Any:
        refits.append(len(rows))
        raise ModelError("no luck with these rows.")

    for given, reason in ((refused, "no luck with these rows."), (None, NO_REFIT)):
        audit = evaluate(table, table, holdout, tier=2, refit=given, policy="internal-test")
        assert {f.id: f.reason for f in audit.findings} == dict.fromkeys(("P3a", "P3a.worst", "P3c"), reason)
    assert len(refits) == 2


def test_a_policy_is_asked_about_what_was_measured_only() -> None:
    rules: dict[str, Any] = {"validity": "amplification", "P0a": "excess", "P3a": "auc",
                             "control.exchangeable": "control"}
    policy = load_policy("controlled").model_copy(update={"limits": tuple(
        Limit(finding=finding, rule=rule, limit=0.5, source="test") for finding, rule in rules.items()),
        "bounds": tuple(Bound(finding=finding, at_most=1, source="test") for finding in ("P1a", "kway.2"))})
    names, whole = scope(policy)
    assert whole is policy
    assert "shadow" not in names
    names, part = scope(policy, tier=1, sections=("privacy", "diagnostic"))
    assert "detection" in names
    assert not {"validity", "kway", "shadow"} & set(names)
    assert {limit.finding for limit in part.limits} == set(rules) - {"validity"}
    assert [bound.finding for bound in part.bounds] == ["P1a"]
    part = part.model_copy(update={"bounds": ()})
    verdict = judge([Finding("P0a", "", "privacy", 0.0, "lower is safer", n=9)], part)
    assert "P3a" in verdict.because, "a mandatory limit of a higher tier is missing, not passed"
    assert "validity" not in verdict.because
    names, part = scope(policy, sections=("validity",))
    assert names == ["validity"]
    assert {limit.finding for limit in part.limits} == set(rules), "what was not attacked stays missing"
    assert judge([], part).outcome == "finding", "nothing was held against the bound on P1a"


def test_the_python_face_takes_a_tier(visits: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    train, holdout = face.split(visits, unit="patient", seed=1)
    model = TabularSynthesizer("independent").fit(train, unit="patient", rng=1)
    result = face.evaluate(model.sample(100, rng=1), train, holdout, unit="patient", fitted=model, tier=0)
    assert "kway.2" not in {f.id for f in result.findings}
    assert result.selection is None, "frames are logged only where a log is named"
    assert not list(tmp_path.iterdir()), "no log unless a folder is given"
    for expected in (1, 2):
        result = face.evaluate(model.sample(100, rng=1), train, holdout, unit="patient", tier=0, log="book")
        assert result.selection.evaluations == expected
    assert result.selection.models_compared == 1
