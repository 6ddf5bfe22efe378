"""P3a: a recipe that hands out its rows is caught, one that ignores them is not; the statistics are what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from tabsynth.core.finding import Finding
from tabsynth.core.table import MISSING, Table
from tabsynth.evaluation.attacks import shadow
from tabsynth.evaluation.attacks._refitted import NO_REFIT
from tabsynth.evaluation.protocol import Draw, Refit, evaluate, measures, prepare
from tabsynth.evaluation.variants import variants_of

from .people import people, with_units

FITS = 16


@pytest.fixture(autouse=True)
def few_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "REFITS", FITS)
    monkeypatch.setattr(shadow, "REASSIGNED", 30)


def copier(share: float = 1.0, of: Callable[[Table], np.ndarray] = lambda t: np.arange(len(t))) -> Refit:
    """Hands out some of its rows with a little noise on two numbers, and strangers otherwise."""
    def refit(table: Table, rng: np.random.Generator) -> Draw:
        rows = of(table)

        def draw(n: int, rng: np.random.Generator) -> Table:
            copied = int(share * n) if len(rows) else 0
            part = table.take(rows[rng.integers(0, len(rows), copied)] if copied else np.zeros(0, np.intp))
            noisy = {name: replace(part[name], values=part[name].values * np.exp(rng.normal(0, 0.01, copied)))
                     for name in ("cost", "income")}
            strangers = people(n - copied, int(rng.integers(2**31)))
            names = strangers.schema.names
            return Table.concat([Table(strangers.schema, {k: noisy.get(k, part[k]) for k in names}), strangers])

        return draw

    return refit


def ignorant(table: Table, rng: np.random.Generator) -> Draw:
    """A recipe that knows the law and looks at no row."""
    return lambda n, rng: people(n, int(rng.integers(2**31)))


def attack(refit: Refit | None, train: Table, holdout: Table, seed: int = 1) -> dict[str, Finding]:
    found = evaluate(prepare(people(60, 3), train, holdout, seed=seed, refit=refit), only=["shadow"])
    assert "stopped with" not in str([f.reason for f in found])
    json.dumps([asdict(f) for f in found], allow_nan=False)
    return {f.id: f for f in found}


def test_it_is_an_audit_and_needs_a_model() -> None:
    assert "shadow" not in measures(tier=1)
    assert "shadow" in measures(tier=2, sections=["privacy"])
    for finding in attack(None, people(60, 1), people(60, 2)).values():
        assert (finding.state, finding.reason) == ("not_run", NO_REFIT)


def test_a_copier_is_caught() -> None:
    found = attack(copier(), people(200, 1), people(100, 2))
    assert found["P3a"].state == "ok"
    for finding in found.values():
        assert finding.value is not None
        assert finding.value > 0.7
        assert min(v.p for v in variants_of(finding)) < 0.001
    assert found["P3a"].details["person_by_person"]["nearest row"]["median"] > 0.7


def test_a_recipe_that_ignores_its_rows_is_not_accused() -> None:
    """Six rows are tried; with 2.5 % false alarms over all of them, two alarms in six runs have a chance below 1 %."""
    alarms = 0
    for seed in range(6):
        found = attack(ignorant, people(120, 10 + seed), people(60, 20 + seed), seed)
        rows = [v for f in found.values() for v in variants_of(f)]
        alarms += min(v.p for v in rows) < 0.025 / len(rows)
        assert abs((found["P3a"].value or 0) - 0.5) < 0.1
    assert alarms <= 1


def test_a_few_people_who_are_copied_are_found_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten of 500 people leak, all others are strangers' look-alikes: the average hides it, the worst found do not."""
    monkeypatch.setattr(shadow, "REFITS", 32)
    leaking = people(400, 1)["cost"].values[np.argsort(-people(400, 1)["cost"].values)[:10]]
    refit = copier(0.2, of=lambda t: np.flatnonzero(np.isin(t["cost"].values, leaking)))
    found = attack(refit, people(400, 1), people(100, 2))
    average = {row["key"]: row["value"] for row in found["P3a"].breakdown}["nearest row, all targets"]
    assert average < 0.55
    worst = found["P3a.worst"]
    assert worst.value is not None
    assert worst.value > 0.8
    assert min(v.p for v in variants_of(worst)) < 1e-4
    assert 5 <= found["P3a"].details["person_by_person"]["individually significant"] <= 15


def test_same_seed_same_findings() -> None:
    first, again = (attack(copier(0.5), people(80, 1), people(40, 2)) for _ in range(2))
    assert first == again


def test_few_people_and_people_with_several_rows() -> None:
    several = [with_units(people(120, i), 3, first=100 * i) for i in (1, 2)]

    def refit(table: Table, rng: np.random.Generator) -> Draw:
        assert len(np.unique(table.unit_codes())) * 3 == len(table), "people are not torn apart"
        return lambda n, rng: table.take(rng.integers(0, len(table), n))

    found = {f.id: f for f in evaluate(prepare(several[0], *several, seed=1, refit=refit), only=["shadow"])}
    assert found["P3a"].state == "insufficient_power"
    assert found["P3a"].details["person_by_person"]["people"] == 80
    barely = attack(ignorant, people(20, 1), people(20, 2))
    assert barely["P3a"].state == "insufficient_power"


def test_equal_rows_tell_nothing() -> None:
    same, gone = people(60, 1).take(np.zeros(60, np.intp)), people(60, 1)
    gone = replace(gone, columns={name: replace(c, state=np.full(60, MISSING, np.uint8))
                                  for name, c in gone.columns.items()})
    for table in (same, gone):
        found = attack(lambda t, rng: lambda n, rng: t.take(np.arange(n) % len(t)), table, table)
        for finding in found.values():
            assert finding.value == pytest.approx(0.5, abs=1e-9)


# --- the statistics -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n, m", [(1, 1), (3, 5), (8, 8), (7, 2)])
def test_mann_whitney_tail_against_counting(n: int, m: int) -> None:
    wins = [sum(i > j for i in chosen for j in set(range(n + m)) - set(chosen))
            for chosen in combinations(range(n + m), n)]
    slow = [np.mean([w >= u for w in wins]) for u in range(n * m + 1)]
    assert shadow.mann_whitney_tail(n, m) == pytest.approx(slow, abs=1e-12)


def test_mann_whitney_against_scipy() -> None:
    rng = np.random.default_rng(1)
    used = np.array([rng.permutation(64) < 32 for _ in range(20)])
    scores = rng.normal(size=used.shape) + np.linspace(0, 2, 20)[:, None] * used
    area, p = shadow.mann_whitney(scores, used, rng)
    for i in range(20):
        known = stats.mannwhitneyu(scores[i][used[i]], scores[i][~used[i]], alternative="greater", method="exact")
        assert area[i] == pytest.approx(known.statistic / 32**2)
        assert p[i] == pytest.approx(known.pvalue, rel=1e-9)


def test_ratios_leave_one_out_against_a_loop() -> None:
    rng = np.random.default_rng(2)
    used = np.array([rng.permutation(12) < 6 for _ in range(4)])
    scores = rng.normal(size=used.shape) * np.array([1, 5, 0.1, 0])[:, None] - 100
    floor = shadow._floor(scores, used)
    fast = shadow.likelihood_ratios(scores, used)
    for i in range(4):
        for j in range(12):
            others = np.arange(12) != j
            inside, outside = scores[i][others & used[i]], scores[i][others & ~used[i]]
            slow = (stats.norm.logpdf(scores[i, j], inside.mean(), np.sqrt(inside.var(ddof=1) + floor))
                    - stats.norm.logpdf(scores[i, j], outside.mean(), np.sqrt(outside.var(ddof=1) + floor)))
            assert fast[i, j] == pytest.approx(slow, abs=2e-6)
    assert not fast[3].any(), "equal scores have no ratio"


def test_the_error_covers_what_chance_does() -> None:
    """z of the corrected AUC over 50 tables of noise: its spread lies within 0.75 .. 1.25 but for 2 % of runs."""
    rng = np.random.default_rng(3)
    z = []
    for _ in range(50):
        used = np.concatenate([half := np.array([rng.permutation(40) < 20 for _ in range(12)]), ~half]).T
        scores = rng.normal(size=used.shape) + rng.normal(size=(40, 1)) + rng.standard_t(4, size=(1, 24))
        area, error = shadow.auc_by_refit(shadow.likelihood_ratios(scores, used), used)
        centre, spread = shadow._by_chance(scores, used, rng)
        z.append((area - centre) / max(error, spread))
    assert 0.75 < np.std(z) < 1.25
    assert abs(np.mean(z)) < 0.4


def test_halves_are_by_person_and_complementary() -> None:
    samples = prepare(people(60, 3), people(60, 1), people(60, 2), seed=1)
    halves = np.array([shadow._half(121, fit, samples) for fit in range(6)])
    assert (halves[::2] ^ halves[1::2]).all()
    assert set(halves.sum(axis=1)) == {60, 61}
    assert not (halves[0] == halves[2]).all()
