"""The audit's arithmetic against hand and simulation, its two slow layers at the size that a test may have."""

from __future__ import annotations

from collections import Counter
from math import log

import numpy as np
import pytest
from scipy import stats

from tabsynth.core.errors import UsageError
from tabsynth.core.table import Table
from tabsynth.pipeline.audit import black_box, chunks, distinguish, evidence, run, tables
from tabsynth.pipeline.audit.evidence import Evidence
from tabsynth.pipeline.audit.transcript import Asked, Divergence, Recorder, Replayer
from tabsynth.privacy.accountant import gdp_delta, gdp_mu
from tabsynth.privacy.events import GRID

ALPHA = 1e-6


# --- what error rates prove --------------------------------------------------------------------------------------


@pytest.mark.parametrize("events, n", [(0, 20), (3, 20), (19, 20), (700, 5_000)])
def test_the_upper_limit_is_where_so_few_events_become_improbable(events: int, n: int) -> None:
    limit = evidence.upper_limit(events, n, 0.01)
    assert stats.binom.cdf(events, n, limit) == pytest.approx(0.01)


def test_nothing_is_proven_by_a_test_that_is_always_wrong_or_never_alarms() -> None:
    for found in (Evidence(100, 100, 100), Evidence(100, 0, 100), Evidence(100, 100, 0), Evidence(100, 50, 50)):
        assert found.mu(0.05) == found.epsilon(0.05, 1e-5) == found.direct_epsilon(0.05, 1e-5) == 0


def test_a_test_that_is_never_wrong_proves_what_the_number_of_runs_allows() -> None:
    found = Evidence(100, 0, 0)
    limit = 1 - 0.025 ** (1 / 100)
    assert found.limits(0.05) == pytest.approx((limit, limit))
    assert found.mu(0.05) == pytest.approx(2 * stats.norm.isf(limit))
    assert found.direct_epsilon(0.05, 1e-5) == pytest.approx(log((1 - limit - 1e-5) / limit))
    assert gdp_delta(found.mu(0.05), found.epsilon(0.05, 1e-5)) == pytest.approx(1e-5, rel=1e-3)


@pytest.mark.parametrize("epsilon, expected", [(1, (0.38, 0.72, 0.91)), (4, (3.21, 3.64, 3.89)),
                                               (10, (8.86, 9.49, 9.84))])
def test_expected_power_is_that_of_two_normals(epsilon: float, expected: tuple[float, ...]) -> None:
    """Against figures computed elsewhere, and against the median of simulated tight mechanisms."""
    mu = gdp_mu(epsilon, 1e-5)
    computed = [evidence.expected_epsilon(mu, n, 1e-5) for n in (1_000, 5_000, 50_000)]
    assert computed == pytest.approx(expected, abs=0.04)
    rng = np.random.default_rng(0)
    simulated = [evidence.at_threshold(rng.normal(-mu / 2, 1, 5_000), rng.normal(mu / 2, 1, 5_000), 0.0)
                 .epsilon(0.05, 1e-5) for _ in range(41)]
    assert np.median(simulated) == pytest.approx(computed[1], rel=0.1)


def test_limits_hold_as_often_as_they_say() -> None:
    """400 tight mechanisms; more than 40 proven too much at 95 %: probability below 1e-5."""
    rng, mu = np.random.default_rng(1), 1.0
    over = [evidence.at_threshold(rng.normal(-mu / 2, 1, 300), rng.normal(mu / 2, 1, 300), 0.0).mu(0.05) > mu
            for _ in range(400)]
    assert sum(over) <= 40


def test_sight_is_tested_only_where_a_tight_mechanism_would_pass() -> None:
    """At N = 1000: epsilon 4 and 10, not 1. 2000 tight mechanisms at epsilon 4 are never blind."""
    sees = {e: evidence.can_go_blind(gdp_mu(e, 1e-5), 1_000, 1e-5, distinguish.SIGHT, ALPHA) for e in (1, 4, 10)}
    assert sees == {1: False, 4: True, 10: True}
    mu = gdp_mu(4, 1e-5)
    limit = distinguish.SIGHT * evidence.expected_epsilon(mu, 1_000, 1e-5)
    errors = np.random.default_rng(2).binomial(1_000, stats.norm.cdf(-mu / 2), (2_000, 2))
    assert min(Evidence(1_000, int(a), int(b)).epsilon(0.05, 1e-5) for a, b in errors) > limit


def test_a_held_out_threshold_finds_either_direction_and_rare_certainties() -> None:
    rng = np.random.default_rng(3)
    absent, present = rng.normal(0, 1, 2_000), rng.normal(3, 1, 2_000)
    assert evidence.held_out(absent, present, 1e-5).mu(0.05) > 2.4
    assert evidence.held_out(present, absent, 1e-5).mu(0.05) > 2.4
    rare = np.where(rng.random(2_000) < 0.1, 50.0, absent)     # one run in ten gives the person away for certain
    assert evidence.held_out(absent, rare, 1e-5).direct_epsilon(0.05, 1e-5) > 2


def test_what_is_judged_over_and_blind() -> None:
    tight = distinguish.judge("x", 4.0, Evidence(1_000, 322, 322), 1e-4, expected_mu=gdp_mu(4, 1e-5))
    assert tight.ok
    over = distinguish.judge("x", 4.0, Evidence(1_000, 177, 177), 1e-4)
    assert not over.ok
    assert "more than is claimed" in over.says
    blind = distinguish.judge("x", 4.0, Evidence(1_000, 450, 450), 1e-4, expected_mu=gdp_mu(4, 1e-5))
    assert not blind.ok
    assert blind.says.endswith("the audit has gone blind")


# --- layers 3 and 4 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [4.0, 10.0])
def test_the_best_test_proves_nearly_what_is_claimed_and_no_more(epsilon: float) -> None:
    """Layer 3 at N = 1000; false alarms of the two gates 1e-6 each, and as much of sight."""
    transcript, rows = distinguish.audit(epsilon, 1_000, gate=ALPHA)
    assert transcript.ok, transcript.says
    assert rows.ok, rows.says
    assert not transcript.figures["blind"]
    assert transcript.figures["n"] == 1_000
    assert rows.figures["n"] == 500


def test_the_best_test_is_not_known_for_choices() -> None:
    recorder = Recorder()
    recorder.choose([1, 2], num=1, den=1)
    replayer = Replayer(recorder.asked)
    replayer.choose([1, 2], num=1, den=1)
    with pytest.raises(UsageError, match="also makes choices"):
        distinguish.log_likelihood_ratio(recorder, replayer, 1.0)


def test_the_ratio_is_that_of_the_densities() -> None:
    asked = Asked(3, None, np.array([5, 0]), np.array([7, -1]))
    replayer = Replayer([asked])
    replayer.release(np.array([4, 2]), sigma=3)
    by_hand = stats.norm(np.array([4, 2]), 3).logpdf(asked.answer) - stats.norm(asked.true, 3).logpdf(asked.answer)
    recorder = Recorder(asked=[asked])
    assert distinguish.log_likelihood_ratio(recorder, replayer, 1.0) == pytest.approx(by_hand.sum())
    assert distinguish.log_likelihood_ratio(recorder, replayer, -1.0) == pytest.approx(-by_hand.sum())


def test_the_worlds_differ_by_one_person() -> None:
    without, with_ = distinguish.worlds()
    assert with_.take(np.arange(len(without))) == without
    assert len(with_) == len(without) + 1
    absent, present = (black_box.table(p) for p in (False, True))
    assert rows_of(present) > rows_of(absent)
    assert len(present) == len(absent) + 1


def test_workers_give_what_one_process_gives() -> None:
    scores = distinguish.score(10.0, 20, jobs=2)
    assert [len(s) for s in (*scores.transcript, *scores.rows)] == [20] * 4
    assert len(set(np.concatenate(scores.transcript).tolist())) == 40, "two processes drew the same noise"


def test_chunks_add_up() -> None:
    for runs, jobs in ((1, 1), (7, 2), (1_200, 2), (50_000, 2)):
        assert sum(chunks.sizes(runs, jobs)) == runs
        assert max(chunks.sizes(runs, jobs)) <= chunks.CHUNK
    heard: list[tuple[float, float | None]] = []
    found = list(chunks.done(abs, [-1, -2], jobs=1, stage="s", progress=lambda s, d, t=None: heard.append((d, t))))
    assert found == [1, 2]
    assert heard == [(0, 2), (1, 2), (2, 2)]


# --- tables and transcripts --------------------------------------------------------------------------------------


def rows_of(table: Table) -> Counter[tuple[object, ...]]:
    columns = [[(c.levels[v] if c.levels else v) if s == 0 else f"state {s}"
                for v, s in zip(c.values.tolist(), c.state.tolist(), strict=True)] for c in table.columns.values()]
    return Counter(zip(*columns, strict=True))


def test_every_neighbour_is_one_unit_more_or_less() -> None:
    rng = np.random.default_rng(0)
    for case in tables.cases(rng):
        for _ in range(5):
            neighbour = case.neighbour(rng)
            one, two = rows_of(case.table), rows_of(neighbour)
            less, more = one - two, two - one
            assert not (less and more), case.name
            changed = less + more
            units = {row[0] for row in changed} if case.table.schema.unit else changed.elements()
            assert len(set(units)) == 1, case.name


def test_a_replayer_refuses_another_question() -> None:
    record = [Asked(4, None, np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.int64))]
    for values, sigma, keys in (([0, 0], 5, None), ([0], 4, None), ([0, 0], 4, ["a", "b"])):
        with pytest.raises(Divergence):
            Replayer(record).release(np.array(values), sigma=sigma, keys=keys)
    replayer = Replayer(record)
    assert replayer.release(np.array([2, 0]), sigma=4).tolist() == [1, 1]
    assert replayer.spent == 4 / 16
    with pytest.raises(Divergence, match="asked more"):
        replayer.release(np.array([2, 0]), sigma=4)


def test_values_of_discovery_are_matched_by_name() -> None:
    record = [Asked(4, ("a", "b"), np.array([8, 16]), np.array([9, 15]))]
    replayer = Replayer(record, tail=2.0)
    assert replayer.release(np.array([17, GRID]), sigma=4, keys=("b", "new")).tolist() == [15, GRID + 8]
    assert (replayer.vanished, replayer.appeared) == ({"a"}, {"new"})
    assert replayer.spent == 1 / 16


@pytest.mark.parametrize("wrong", [{"runs": 99}, {"fits": 5}, {"epsilons": (11.0,)}, {"epsilons": (0.0,)},
                                   {"jobs": 0}, {"pairs": 0}])
def test_plans_that_prove_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        run.Plan(long=True, **wrong)  # type: ignore[arg-type]


def test_what_is_run() -> None:
    assert len(list(run.steps(run.Plan()))) == 2
    assert len(list(run.steps(run.Plan(long=True, epsilons=(1.0, 4.0))))) == 5
