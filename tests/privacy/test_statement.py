"""Everything the statement says can be derived again without data, and no part can be changed unnoticed."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tabsynth.core.errors import VerificationError
from tabsynth.privacy import second_accountant
from tabsynth.privacy.accountant import allowance, epsilon_of
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger
from tabsynth.privacy.second_accountant import AGREEMENT, second_opinion
from tabsynth.privacy.statement import Statement, _hash
from tests.privacy.kit import BUDGET, SCHEMA, Recorder, build, random_rows


@pytest.fixture
def statement(tmp_path: Path) -> Statement:
    ledger = Ledger.open(tmp_path, "cardio registry")
    reservation = ledger.reserve(BUDGET, purpose="release")
    curator = Curator(build(random_rows(0)), SCHEMA, BUDGET, reservation=reservation)
    curator.measure(("sex", "age"), sigma=20.0)
    curator.errors({("sex",): 0 * curator.measure(("sex",), sigma=30.0)}, sigma=30.0)
    made = curator.statement()
    reservation.settle(made.ledger_facts())
    return made


def test_round_trip_and_recompute(statement: Statement) -> None:
    statement.recompute()
    again = Statement.from_json(json.loads(json.dumps(statement.to_json())))
    again.recompute()
    assert again == statement
    assert again.budget == BUDGET
    assert [e.mechanism for e in again.events] == ["discovery", "counts", "counts", "errors"]
    assert again.stamps == ()


def test_settled_in_the_ledger(statement: Statement, tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "cardio registry", create=False)
    assert ledger.entries()[-1].body["facts"]["statement_sha256"] == statement.sha256
    line = statement.document["ledger"]
    assert ledger.entries()[line["line"]].hash == line["sha256"]
    assert ledger.totals().cost == statement.total


def test_text_says_what_matters(statement: Statement) -> None:
    text = statement.to_text()
    for part in ("epsilon = 1 at delta = 1e-06", "'patient'", "at most 8 %", "discovery", "ISO/IEC 5218",
                 "level A: exact integer noise", "cardio registry", statement.sha256, "Not protected"):
        assert part in text


def test_claim_is_the_whole_budget(statement: Statement) -> None:
    assert statement.total == BUDGET.allowance
    numbers = statement.document["claim"]
    at_delta = next(p["epsilon"] for p in numbers["curve"] if p["delta"] == "1e-6")
    assert at_delta == pytest.approx(1.0)
    assert numbers["zcdp_epsilon"] > 1.0
    below_keys = next(p["epsilon"] for p in numbers["curve"] if p["delta"] == "1e-8")
    assert below_keys is None  # discovery alone may fail with 5e-8


def leaves(value: Any, path: tuple = ()) -> list[tuple]:
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in leaves(v, (*path, k))]
    if isinstance(value, list) and value:
        return [p for i, v in enumerate(value) for p in leaves(v, (*path, i))]
    return [path]


def changed(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int | float):
        return value * 2 + 1
    return value + "0" if isinstance(value, str) else ["something"]


def test_no_part_can_be_changed(statement: Statement) -> None:
    for path in leaves(statement.to_json()):
        document = deepcopy(statement.to_json())
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = changed(place[path[-1]])
        with pytest.raises(VerificationError):
            Statement.from_json(document).recompute()


def forge(statement: Statement, **parts: Any) -> Statement:
    document = {**statement.to_json(), **parts}
    return Statement.from_json({**document, "sha256": _hash(document)})


def test_a_new_hash_does_not_help_a_false_claim(statement: Statement) -> None:
    document = statement.to_json()
    smaller = {**document["budget"], "epsilon": "1/2"}
    quieter = [{**e, "sigma_steps": e["sigma_steps"] // 16} for e in document["events"]]
    larger = {k: str(Fraction(v) * 2) for k, v in document["total"].items()}
    for parts, message in (
        ({"budget": smaller}, "smaller epsilon"),
        ({"events": quieter}, "more than its budget"),
        ({"total": larger}, "smaller epsilon or delta"),
        ({"claim": {**document["claim"], "mu": 0.1}}, "'mu'"),
        ({"claim": {**document["claim"], "plain": "Safe."}}, "'plain'"),
        ({"protected": "Everybody."}, "'protected'"),
        ({"events": [{**e, "squared_sensitivity": 1, "cells": 9} if e["mechanism"] == "errors" else e
                     for e in document["events"]]}, "wrong sensitivity"),
        ({"declared_units": 10**7}, "damaged"),
        ({"assurance": "A"}, "assurance"),
        ({"events": [*document["events"], *document["events"]] * 40}, "more than its budget"),
        ({"claim": {}}, "damaged"),
        ({"total": {"mu_squared": "x"}}, "damaged"),
    ):
        with pytest.raises(VerificationError, match=message) as caught:
            forge(statement, **parts).recompute()
        assert caught.value.exit_code == 6


def test_events_and_totals_are_those_that_this_program_makes(statement: Statement) -> None:
    document = statement.to_json()
    first = next(e for e in document["events"] if e["mechanism"] == "counts")
    rest = [e for e in document["events"] if e is not first]
    to_date = document["ledger"]["total_to_date"]
    for parts, message in (
        *(({"events": [{**first, **change}, *rest]}, message) for change, message in (
            ({"mechanism": "exact counts"}, "unknown mechanism"), ({"columns": ["nobody's"]}, "unknown mechanism"),
            ({"cells": None}, "no mechanism"), ({"cells": -4}, "no mechanism"), ({"delta_key": "1/9"}, "no mechanism"),
            ({"delta_key": "-1"}, "damaged"), ({"sigma_steps": 2**60}, "no mechanism"))),
        *(({"ledger": {**document["ledger"], "total_to_date": {**to_date, **change}}}, message) for change, message in (
            ({"epsilon": 0.1}, "epsilon to date"), ({"delta": "0"}, "leaves out"), ({"releases": 0}, "leaves out"),
            ({"epsilon": 10**400}, "damaged"), ({"delta": "1e9999999999"}, "damaged"))),
        ({"budget": {**document["budget"], "adjacency": "replace-one"}}, "damaged"),
        ({"noise": {**document["noise"], "grid_steps_per_unit": 1}}, "'noise'"),
        ({"public": ["x"]}, "damaged"),
    ):
        with pytest.raises(VerificationError, match=message):
            forge(statement, **parts).recompute()


@pytest.mark.parametrize("value", [None, -1, 10**400, "1e400", [], {"a": 1}],
                         ids=["null", "negative", "huge", "power", "list", "mapping"])
def test_whatever_stands_in_a_statement_it_is_checked_or_refused(statement: Statement, value: Any) -> None:
    """With a hash that fits: either a VerificationError, or a statement that can be printed."""
    whole = statement.to_json()
    for path in {p[:n] for p in leaves(whole) for n in range(1, len(p) + 1)}:
        document = deepcopy(whole)
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with suppress(VerificationError):
            forged = Statement.from_json({**document, "sha256": _hash(document)})
            forged.recompute()
            assert forged.to_text()


def test_test_noise_and_scratch_ledgers_are_stamped() -> None:
    reservation = Ledger.scratch("attack").reserve(BUDGET, purpose="refit")
    curator = Curator(build(random_rows(0)), SCHEMA, BUDGET, reservation=reservation, _noise=Recorder())
    made = curator.statement()
    assert "NOT PRIVATE" in made.to_text()
    assert "NOT FOR RELEASE" in made.to_text()
    with pytest.raises(VerificationError, match="NOT PRIVATE"):
        made.recompute()
    with pytest.raises(VerificationError):
        forge(made, stamps=[]).recompute()


def test_real_sources_verify_and_no_other_name_does(statement: Statement) -> None:
    """A statement made with OpenDP's noise is checked on a computer that has no OpenDP, and the other way round."""
    noise = statement.document["noise"]
    for source in ("tabsynth exact discrete Gaussian 1", "OpenDP 0.16.0 exact discrete Gaussian"):
        forge(statement, noise={**noise, "source": source}).recompute()
    for source in ("OpenDP 0.14.1 exact discrete Gaussian", "recorder", "", "OpenDP", None, 1):
        with pytest.raises(VerificationError):
            forge(statement, noise={**noise, "source": source}).recompute()


# --- the second accountant ---------------------------------------------------------------------------------------


def no_package(*_: object) -> float:
    raise ImportError("No module named 'dp_accounting'")


@pytest.mark.parametrize("epsilon", ["0.01", "0.1", "1", "4", "10", "50"])
@pytest.mark.parametrize(("delta", "discovery"), [("1e-6", True), ("1e-12", False)])
def test_the_second_accountant_agrees_at_every_budget(epsilon: str, delta: str, discovery: bool) -> None:
    pytest.importorskip("dp_accounting")
    total = allowance(Fraction(epsilon), Fraction(delta), 100, discovery=discovery)
    second = second_opinion(total, Fraction(delta))
    assert second is not None
    assert abs(second["difference"]) < AGREEMENT / 3
    assert second["epsilon"] - second["difference"] == pytest.approx(epsilon_of(total, Fraction(delta)))


def test_the_statement_names_the_second_accountant(statement: Statement) -> None:
    pytest.importorskip("dp_accounting")
    second = statement.document["second_accountant"]
    assert second["epsilon"] == pytest.approx(1.0, abs=1e-6)
    assert f"a second accountant (dp-accounting {second['version']}, PLD) gives epsilon = 1 for" in statement.to_text()


def test_without_the_package_there_is_no_second_opinion(monkeypatch: pytest.MonkeyPatch, statement: Statement) -> None:
    monkeypatch.setattr(second_accountant, "_pld_epsilon", no_package)
    assert second_opinion(BUDGET.allowance, BUDGET.delta) is None
    without = forge(statement, second_accountant=None)
    without.recompute()
    assert "second accountant" not in without.to_text()


@pytest.mark.parametrize("installed", [True, False])
def test_a_false_second_opinion_is_found(monkeypatch: pytest.MonkeyPatch, statement: Statement,
                                         installed: bool) -> None:
    if installed:
        pytest.importorskip("dp_accounting")
    else:
        monkeypatch.setattr(second_accountant, "_pld_epsilon", no_package)
    true = {"name": "dp-accounting PLD", "version": "0.6.0", "epsilon": 1.00000001, "difference": 1e-8}
    forge(statement, second_accountant=true).recompute()
    forge(statement, second_accountant={**true, "version": "0.7"}).recompute()
    for wrong in ({"name": "my own"}, {"version": "best"}, {"version": 6}, {"epsilon": 0.9}, {"difference": 1e-4},
                  {"epsilon": 0.9, "difference": -0.1}, {"epsilon": None}, {"more": 1}, {"epsilon": "1"}):
        with pytest.raises(VerificationError):
            forge(statement, second_accountant={**true, **wrong}).recompute()
    for wrong_document in ({}, [], "none", 0):
        with pytest.raises(VerificationError):
            forge(statement, second_accountant=wrong_document).recompute()


def test_an_accountant_that_disagrees_stops_the_statement(monkeypatch: pytest.MonkeyPatch,
                                                          statement: Statement) -> None:
    """If the other one finds a larger epsilon than this program claims, nothing verifies."""
    monkeypatch.setattr(second_accountant, "_pld_epsilon", lambda mu, delta, interval: 1.01)
    second = second_opinion(BUDGET.allowance, BUDGET.delta)
    for stated in (second, statement.document["second_accountant"]):
        if stated is not None:
            with pytest.raises(VerificationError, match="second accountant"):
                forge(statement, second_accountant=stated).recompute()


@pytest.mark.parametrize("document", [{}, {"type": "other"}, [], None])
def test_other_documents_are_refused(document: Any) -> None:
    with pytest.raises(VerificationError):
        Statement.from_json(document)
