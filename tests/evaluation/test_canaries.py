"""P3c: canaries that come back are noticed, those that do not are not, and epsilon is bounded as published."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, Cells, Table
from tabsynth.evaluation.attacks import canaries
from tabsynth.evaluation.attacks._refitted import NO_REFIT
from tabsynth.evaluation.attacks.canaries import Audit, largest_rejected, made_up, p_value
from tabsynth.evaluation.features import Embedding
from tabsynth.evaluation.protocol import Refit, evaluate, measures, prepare
from tabsynth.evaluation.variants import variants_of

from .people import cells, people, with_units
from .test_shadow import copier, ignorant


def audit(refit: Refit | None, train: Table, seed: int = 1) -> Finding:
    finding, = evaluate(prepare(people(60, 3), train, people(60, 2), seed=seed, refit=refit), only=["canaries"])
    assert "stopped with" not in str(finding.reason)
    json.dumps(asdict(finding), allow_nan=False)
    return finding


def test_it_is_an_audit_and_needs_a_model() -> None:
    assert "canaries" not in measures()
    finding = audit(None, people(60, 1))
    assert (finding.state, finding.reason) == ("not_run", NO_REFIT)


def test_a_copier_is_caught_and_its_epsilon_bounded() -> None:
    finding = audit(copier(), people(600, 1))
    assert finding.state == "ok"
    assert finding.value is not None
    assert finding.value > 0.2
    assert min(v.p for v in variants_of(finding)) < 1e-6
    assert 0.8 < finding.details["epsilon_lower_bound"] < finding.details["epsilon_if_every_guess_were_right"]
    assert finding.details["p_of_claimed_epsilon"]["0.5"] < 0.01
    assert "not the released rows" in finding.method


def test_a_recipe_that_ignores_its_rows_is_not_accused() -> None:
    """Two rows; one run in forty gives a false alarm, two of eight in one of fifty. Epsilon: at most one run in twenty
    refutes the truth, and 0 is the truth here."""
    found = [audit(ignorant, people(120, 10 + seed), seed) for seed in range(8)]
    assert sum(min(v.p for v in variants_of(f)) < 0.025 / 2 for f in found) <= 1
    assert sum(f.details["epsilon_lower_bound"] > 0 for f in found) <= 2
    assert {f.state for f in found} == {"insufficient_power"}


def test_coins_decide_who_is_in() -> None:
    seen: list[Table] = []

    def watching(table: Table, rng: np.random.Generator) -> object:
        seen.append(table)
        return ignorant(table, rng)

    train = with_units(people(300, 1), 2)
    samples = prepare(train, train, with_units(people(60, 2), 2, first=900), seed=1, refit=watching)  # type: ignore
    finding, = canaries.canaries(samples)
    included, out = finding.breakdown[0]["train_n"], finding.breakdown[0]["control_n"]
    assert included + out == finding.details["canaries"] == 500
    assert 180 < included < 320
    assert len(seen[0]) == 300 + included
    assert seen[0].unit_codes().max() + 1 == 150 + included, "every canary is a new person"


# --- canaries -------------------------------------------------------------------------------------------


RULED = Schema((
    Column("who", "integer", role="unit"), Column("low", "number"), Column("high", "number"),
    Column("town", "category"), Column("country", "category"), Column("note", "text"), Column("empty", "number"),
), rules=({"compare": "low <= high"}, {"mapped": {"from": ["town"], "to": "country"}}))


def ruled(n: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    low, town = rng.normal(0, 1, n), rng.integers(0, 6, n)
    return Table(RULED, {
        "who": cells("integer", np.arange(n)), "low": cells("number", low),
        "high": cells("number", low + rng.exponential(1, n)), "town": cells("category", town),
        "country": cells("category", town // 2), "note": Cells(np.full(n, "x", object), np.zeros(n, np.uint8)),
        "empty": Cells(np.zeros(n), np.full(n, INVALID, np.uint8))})


def test_canaries_keep_the_rules_are_new_people_and_lie_far_off() -> None:
    base = ruled(300, 1)
    embedding = Embedding.of(("low", "high", "town", "country"), [base])
    made = made_up(base, 100, embedding, np.random.default_rng(1))
    assert (made["low"].values <= made["high"].values).all()
    countries = {(t, c) for t, c in zip(base["town"].values, base["country"].values)}
    names = base["town"].levels, base["country"].levels
    assert {(made["town"].levels[t], made["country"].levels[c]) for t, c in zip(
        made["town"].values, made["country"].values)} <= {(names[0][t], names[1][c]) for t, c in countries}
    assert not set(made["who"].values) & set(base["who"].values)
    assert len(set(made["who"].values)) == 100
    assert np.isin(made["low"].values, base["low"].values).all()
    near = [canaries.nearest(embedding.points(t), embedding.points(base), 1).mean() for t in (made, ruled(100, 2))]
    assert near[0] > 2 * near[1]


@pytest.mark.parametrize("kind", ["id", "category", "date"])
def test_new_people_whatever_the_unit_is(kind: str) -> None:
    train = with_units(people(60, 1), 1)
    who = {"id": Cells(np.array([f"made up {i}" for i in range(60)], object), np.zeros(60, np.uint8)),
           "category": cells("category", range(60)), "date": cells("date", range(60))}[kind]
    schema = train.schema.with_columns((Column("person", kind, role="unit"),  # type: ignore[arg-type]
                                        *train.schema.columns[1:]))
    base = Table(schema, {**train.columns, "person": who})
    columns = tuple(c.name for c in schema.columns if c.modelled)
    made = made_up(base, 20, Embedding.of(columns, [base]), np.random.default_rng(1))
    both = Table.concat([base, made])
    assert both.unit_codes().max() + 1 == 80


# --- epsilon --------------------------------------------------------------------------------------------


def test_epsilon_as_published_and_in_closed_form() -> None:
    """100 of 100 right, delta 0: q^100 = .05. 1,439 of 1,510 right of 100,000, delta 1e-5: section 7 of the paper."""
    q = 0.05 ** (1 / 100)
    exact = np.log(q / (1 - q))
    assert largest_rejected(lambda e: p_value(100, 100, 100, e, 0.0)) == pytest.approx(exact, abs=2e-4)
    assert exact == pytest.approx(3.493, abs=1e-3)
    assert largest_rejected(lambda e: p_value(100_000, 1510, 1439, e, 1e-5)) == pytest.approx(2.675, abs=1e-3)


@settings(max_examples=30)
@given(st.integers(1, 40), st.data(), st.floats(0, 5), st.floats(0, 1e-3))
def test_p_against_a_loop_over_the_theorem(guesses: int, data: st.DataObject, epsilon: float, delta: float) -> None:
    right, m = data.draw(st.integers(0, guesses)), 50
    chance = stats.binom(guesses, 1 / (1 + np.exp(-epsilon)))
    tail = sum(chance.pmf(k) for k in range(right, guesses + 1))
    means = [sum(chance.pmf(right - j) for j in range(1, i + 1)) / i for i in range(1, right + 1)]
    slow = min(1.0, tail + 2 * m * delta * max(means, default=0.0))
    assert p_value(m, guesses, right, epsilon, delta) == pytest.approx(slow, rel=1e-7, abs=1e-12)


def test_guesses_are_counted_from_both_ends() -> None:
    order = Audit(np.array([True, True, False, True, False, False, True, False]))
    assert order.guessed((0.25, 0.0)) == (2, 2)
    assert order.guessed((0.25, 0.25)) == (4, 3)
    assert order.guessed((0.5, 0.5)) == (8, 6)


def test_randomised_response_stays_below_its_epsilon() -> None:
    """An order that follows from epsilon-private answers: the bound exceeds epsilon in one run of twenty at most; of 40
    runs six or more would do so by chance once in 70 tests of this kind."""
    rng, epsilon = np.random.default_rng(5), 1.0
    over = []
    for _ in range(40):
        included = rng.random(600) < 0.5
        answer = included ^ (rng.random(600) > 1 / (1 + np.exp(-epsilon)))
        over.append(Audit(included[np.lexsort((rng.random(600), ~answer))]).epsilon())
    assert np.mean(np.array(over) > epsilon) <= 5 / 40
    assert np.median(over) > 0.5


def test_odd_tables_give_a_finding_with_a_reason() -> None:
    gone = people(60, 1)
    gone = replace(gone, columns={name: replace(c, state=np.full(60, INVALID, np.uint8))
                                  for name, c in gone.columns.items()})
    for table in (people(60, 1).take(np.zeros(60, np.intp)), gone, people(25, 4)):
        finding = audit(lambda t, rng: lambda n, rng: t.take(np.arange(n) % len(t)), table)
        assert finding.state == "insufficient_power"
        assert finding.value is not None
        assert finding.interval is not None
        assert finding.interval[0] <= finding.value <= finding.interval[1]
