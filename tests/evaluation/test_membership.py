"""P2a, P2b, P2c: members are told from non-members where there is a leak, and nowhere else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, Cells, Table
from tabsynth.evaluation.attacks._membership_scores import (
    SCORES,
    Attacker,
    folds,
    kernel_width,
    look,
    share_of_first,
    smallest,
    targets,
)
from tabsynth.evaluation.attacks._pooled_auc import Ranking, detectable_auc, null_error, pooled_auc
from tabsynth.evaluation.attacks.membership import alarms, epsilon_lower_bound, exceeded_by
from tabsynth.evaluation.attacks.vulnerable import highest_threshold, matched
from tabsynth.evaluation.features import nearest, squared_distances
from tabsynth.evaluation.intervals import Floats, auc, delong
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.protocol import Draw, evaluate, prepare, units_of
from tabsynth.evaluation.variants import variants_of
from tabsynth.evaluation.verdict import judge

from .people import cells, people, resampled, smoothed, table, with_units

MEASURES = ["membership", "vulnerable", "scale"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As `evaluate` does: spinning threads slow small trees down."""
    with threadpool_limits(limits=1):
        yield


def run(synth: Table, train: Table, holdout: Table, *names: str, draw: Draw | None = None,
        seed: int = 1) -> dict[str, Finding]:
    return {f.id: f for f in evaluate(prepare(synth, train, holdout, seed=seed, draw=draw), only=names or MEASURES)}


def verdicts(found: dict[str, Finding], policy: str = "controlled") -> dict[str, str]:
    """Held against the limits that the profile has on membership, whatever else it holds."""
    given = load_policy(policy)
    limits = tuple(x for x in given.limits if x.finding.startswith("P2"))
    judged = judge(found.values(), given.model_copy(update={"limits": limits}))
    return {j.finding_id: j.verdict for j in judged.judgements}


def areas(finding: Finding) -> dict[str, float]:
    return {row["key"]: row["value"] for row in finding.breakdown}


def numbers(x: Floats) -> Table:
    """A table of numeric columns."""
    names = [f"x{j}" for j in range(x.shape[1])]
    return table(Schema(tuple(Column(name, "number") for name in names)),
                 {name: cells("number", x[:, j]) for j, name in enumerate(names)})


def flipped(part: Table, seed: int, share: float = 0.3) -> Table:
    """Each cell replaced, with chance `share`, by one of another row: one-to-one perturbed microdata."""
    rng, mixed = np.random.default_rng(seed), resampled(part, seed)
    columns = {}
    for name, column in part.columns.items():
        swap = rng.random(len(part)) < share
        columns[name] = replace(column, values=np.where(swap, mixed[name].values, column.values),
                                state=np.where(swap, mixed[name].state, column.state))
    return Table(part.schema, columns)


def with_outliers(n: int, rng: np.random.Generator) -> Floats:
    """Six-dimensional Gaussian whose first 2 % lie six to ten deviations out, in all directions."""
    x = rng.normal(size=(n, 6))
    far = x[: n // 50]
    far *= rng.uniform(6, 10, (len(far), 1)) / np.linalg.norm(far, axis=1, keepdims=True)
    return x


@pytest.fixture(scope="module")
def train() -> Table:
    return people(1000, 1)


@pytest.fixture(scope="module")
def holdout() -> Table:
    return people(1000, 2)


# --- planted leaks ---------------------------------------------------------------------------------------


def test_twenty_copied_outliers_are_found_by_nothing_but_the_vulnerable_set() -> None:
    """An average over all people hides them, and so do distances."""
    rng = np.random.default_rng(1)
    synth, train, holdout = with_outliers(1000, rng), with_outliers(1000, rng), with_outliers(5000, rng)
    synth[:20] = train[:20] + rng.normal(0, 0.02, (20, 6))
    found = run(numbers(synth), numbers(train), numbers(holdout), *MEASURES, "distances")
    assert verdicts(found)["P2b"] == "finding"
    assert verdicts(found)["P2a"] != "finding"
    assert areas(found["P2b"])["nearest"] > 0.97
    assert max(areas(found["P2a"]).values()) < 0.54
    assert found["D1.dcr"].value == pytest.approx(0.5, abs=0.05)
    assert found["D3.identical"].value == 0
    assert found["P2b"].details["share_of_people"] == 0.02


def test_copies_and_perturbed_rows_are_found(train: Table, holdout: Table) -> None:
    bootstrap = train.take(np.random.default_rng(0).integers(0, 1000, 1000))
    for synth in (train, bootstrap):
        judged = verdicts(run(synth, train, holdout))
        assert judged["P2a"] == judged["P2b"] == "finding"
    perturbed = run(flipped(train, 3), train, holdout)
    assert verdicts(perturbed, "public")["P2a"] == "finding"
    assert max(areas(perturbed["P2b"]).values()) > 0.6


def test_the_training_table_itself_is_told_almost_without_false_alarms(train: Table, holdout: Table) -> None:
    found = run(train, train, holdout)
    assert areas(found["P2a"])["nearest"] > 0.99
    assert found["P2a.tpr"].value is not None
    assert found["P2a.tpr"].value > 0.9
    assert 3 < found["P2a.tpr"].details["epsilon_lower"] <= found["P2a.tpr"].details["epsilon_ceiling"]
    assert found["P2a.tpr"].details["f1_over_naive"] > 0.9


@pytest.mark.parametrize("independent", [resampled, smoothed])
def test_columns_without_association_are_not_found(independent: object, train: Table, holdout: Table) -> None:
    """Values that are one person's are P0e's business; no row leads back to a person."""
    found = run(independent(train, 0), train, holdout)  # type: ignore[operator]
    assert "finding" not in verdicts(found).values()


def test_all_released_rows_are_searched() -> None:
    """Every synthetic row is a training row moved by a little; of 2 % of them the AUC is about .52."""
    rng = np.random.default_rng(0)
    train = rng.normal(size=(30_000, 5))
    synth = train + rng.normal(0, 0.02, train.shape)
    found = run(numbers(synth), numbers(train), numbers(rng.normal(size=(600, 5))), "membership")["P2a"]
    assert areas(found)["nearest"] > 0.98
    assert found.state == "ok"


def test_more_rows_of_a_leaking_model_are_found(train: Table, holdout: Table) -> None:
    """The released rows are clean, the model is not: one row in five that it draws is a training row."""

    def draw(n: int, rng: np.random.Generator) -> Table:
        clean = people(n, int(rng.integers(10**6)))
        copied = train.take(rng.integers(0, len(train), n // 5))
        return Table.concat([copied, clean.take(slice(n // 5, n))])

    found = run(people(1000, 9), train, holdout, draw=draw)
    assert verdicts(found)["P2c"] == "finding"
    assert verdicts(found)["P2a"] != "finding"
    assert found["P2c"].details["synthetic_rows"] == 10_000


def test_without_a_model_more_rows_are_not_drawn(train: Table, holdout: Table) -> None:
    found = run(people(200, 9), train, holdout, "scale")["P2c"]
    assert (found.state, found.reason) == ("not_run", "no fitted model at hand")


# --- no leak, no finding ---------------------------------------------------------------------------------


def test_independent_tables_show_nothing() -> None:
    """False-alarm rate: below 1 % (5 runs, 18 variants each, one-sided p below 1e-4)."""
    for seed in range(5):
        found = run(*(people(n, 1000 + 3 * seed + i) for i, n in enumerate((400, 400, 1000))), seed=seed)
        assert min(v.p for f in found.values() for v in variants_of(f)) > 1e-4


def test_a_perfect_generator_has_a_vulnerable_set_at_chance_however_small_the_holdout() -> None:
    """Many members, few non-members: judged by different rules the null AUC would be far from one half.

    False-alarm rate: below 0.1 % (mean of 6 runs, standard error about .016).
    """
    values = [areas(run(people(1000, 50 + i), people(3000, 100 + i), people(400, 150 + i), "vulnerable")["P2b"])
              for i in range(6)]
    for name in SCORES:
        assert np.mean([value[name] for value in values]) == pytest.approx(0.5, abs=0.055)


def test_non_members_are_scored_without_a_look_at_the_training_table(train: Table, holdout: Table) -> None:
    synth = people(300, 5)
    for one, other in zip(*(folds(prepare(synth, t, holdout, seed=3)) for t in (train, people(500, 77)))):
        for name in SCORES:
            assert np.array_equal(one.controls.scores[name], other.controls.scores[name])


def test_the_same_seed_gives_the_same_findings(holdout: Table) -> None:
    small = people(200, 1)
    assert run(small, small, holdout, seed=4) == run(small, small, holdout, seed=4)


# --- census extract --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, nearest, calibrated, classifier", [
    ("syn_mostly", 0.519, 0.536, 0.535), ("syn_flip30", 0.610, 0.600, 0.576), (None, 0.499, 0.499, 0.499)])
def test_census_rows_are_near_the_figures_of_the_protocol(
        data_folder: Path, name: str | None, nearest: float, calibrated: float, classifier: float) -> None:
    """Published areas of another distance, other trees and half as many rows: within .035. None = resampled columns."""
    import pandas as pd

    read = {part: pd.read_csv(data_folder / "oracles" / f"census2k-{part}.csv.gz")
            for part in ("trn", "hol", "syn_mostly", "syn_flip30")}
    kinds = {c: "number" if read["trn"][c].dtype.kind in "if" else "category" for c in read["trn"]}
    schema = Schema(tuple(Column(c, kind) for c, kind in kinds.items()))  # type: ignore[arg-type]
    tables = {part: table(schema, {
        c: cells(kind, frame[c].fillna(0 if kind == "number" else "?").to_numpy(), missing=frame[c].isna().to_numpy())
        for c, kind in kinds.items()}) for part, frame in read.items()}
    found = run(resampled(tables["trn"], 1) if name is None else tables[name], tables["trn"], tables["hol"])
    measured = areas(found["P2a"])
    for score, expected in {"nearest": nearest, "calibrated": calibrated, "classifier": classifier}.items():
        assert measured[score] == pytest.approx(expected, abs=0.035)
    assert verdicts(found)["P2a"] == ("finding" if name == "syn_flip30" else verdicts(found)["P2a"])
    assert (verdicts(found, "public")["P2a"] == "finding") == (name == "syn_flip30")


# --- people ----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 5), st.integers(1, 9))
@settings(max_examples=30)
def test_targets_are_people_with_their_rows_up_to_a_cap(units: list[int], n: int, cap: int) -> None:
    schema = Schema((Column("person", "id", role="unit"), Column("x", "integer")))
    part = Table(schema, {"person": Cells(np.array([f"p{u}" for u in units], object), np.zeros(len(units), np.uint8)),
                          "x": cells("integer", units)})
    chosen = targets(part, np.arange(len(units)), n, cap, np.random.default_rng(0))
    assert chosen.n == min(n, len(set(units)))
    held = Counter(units)
    for i in range(chosen.n):
        whose = set(chosen.table["x"].values[chosen.person == i].tolist())
        assert len(whose) == 1
        assert (chosen.person == i).sum() == min(held[whose.pop()], cap)


def test_people_not_rows_are_counted(train: Table, holdout: Table) -> None:
    sides = [with_units(part, 4, first) for part, first in ((train, 0), (holdout, 10_000))]
    found = run(people(500, 3), *sides)["P2a"]
    assert found.n == 250
    assert found.breakdown[0]["control_n"] == 250
    assert found.unit_of_n == "people"


# --- scores against slow ones ----------------------------------------------------------------------------


def test_looking_around_matches_all_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(n, 3)).astype(np.float32) for n in (30, 50))
    every = np.linalg.norm(a[:, None].astype(float) - b[None], axis=2)
    seen = look(a, b, 0.7, 4, first=20)
    assert np.allclose(seen.distances, np.sort(every, axis=1)[:, :4], atol=1e-3)
    assert np.array_equal(seen.rows, np.argsort(every, axis=1)[:, :4])
    assert np.allclose(seen.among_first, np.sort(every[:, :20], axis=1)[:, :4], atol=1e-3)
    assert np.allclose(seen.mass, np.log(np.exp(-every**2 / (2 * 0.7**2)).sum(axis=1)), atol=1e-3)
    blocks = np.concatenate([block for _, block in squared_distances(a, b, block=7)])
    assert np.allclose(np.sort(blocks, axis=1)[:, :2], nearest(a, b, 2), atol=1e-5)


@given(st.integers(1, 700), st.integers(1, 6), st.integers(0, 10**6), st.booleans())
@settings(max_examples=60)
def test_the_smallest_are_those_of_sorting(n: int, k: int, seed: int, tied: bool) -> None:
    rng, k = np.random.default_rng(seed), min(k, n)
    block = (rng.integers(0, 4, (3, n)) if tied else rng.random((3, n))).astype(np.float32)
    values, places = smallest(block, k)
    assert np.array_equal(values, np.sort(block, axis=1)[:, :k])
    assert np.array_equal(np.take_along_axis(block, places, axis=1), values)
    assert all(len(set(row)) == k for row in places.tolist())


def test_density_and_influence_match_kernels_summed_by_hand(train: Table) -> None:
    synth, reference, asked = people(60, 4), people(40, 5), train.take(slice(0, 12))
    attacker = Attacker.prepare(synth, reference, train.schema.names)
    s, r, x = (attacker.embedding.points(part).astype(float) for part in (synth, reference, asked))

    def density(at: Floats, of: Floats) -> Floats:
        squared = np.square(at[:, None] - of[None]).sum(axis=2)
        return np.asarray(np.exp(-squared / (2 * attacker.width**2)).mean(axis=1))

    scores = attacker.rows(asked).scores
    with np.errstate(divide="ignore", invalid="ignore"):
        by_hand = np.log(density(x, s)) - np.log(density(x, r)) + math.log(len(s) / len(r))
    plain = np.isfinite(by_hand)
    assert plain.sum() >= 5
    assert np.allclose(scores["density"][plain], by_hand[plain], atol=0.02)
    for i, person in enumerate(x):
        near = s[np.argsort(np.square(s - person).sum(axis=1))[:20]]
        before, after = density(near, r), density(near, np.vstack([r, person]))
        if (before > 1e-250).all():
            rise = np.log(after * (len(r) + 1)) - np.log(before * len(r))
            assert scores["influence"][i] == pytest.approx(rise.sum(), rel=0.02, abs=0.02)


def test_the_share_of_synthetic_neighbours_matches_sorting() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = (np.sort(rng.random((40, 5)), axis=1) for _ in range(2))
    for share, a, b in zip(share_of_first(ours, theirs, 5), ours, theirs):
        told = sorted([(d, 1) for d in a] + [(d, 0) for d in b])[:5]
        assert share == sum(one for _, one in told) / 5


def test_the_kernel_tells_a_copy_from_a_neighbour_and_takes_equal_rows() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 3)).astype(np.float32)
    to_neighbour = nearest(points, points, 2)[:, 1]
    assert 0 < kernel_width(points) < np.sqrt(np.median(to_neighbour))
    assert kernel_width(np.zeros((50, 3), np.float32)) == 1.0


# --- pooling ---------------------------------------------------------------------------------------------


def test_one_ranking_is_delong() -> None:
    rng = np.random.default_rng(0)
    members, controls = rng.normal(0.3, 1, 80), rng.normal(size=60)
    value, error = pooled_auc([Ranking(members, controls, np.arange(80))])
    expected, (_, high) = delong(members, controls)
    assert value == pytest.approx(expected)
    assert error == pytest.approx((high - expected) / 1.959963984540054)


@pytest.mark.parametrize("n, expected", [(250, 0.026), (500, 0.018), (1000, 0.013), (2000, 0.009), (5000, 0.006)])
def test_null_errors_are_those_of_the_protocol(n: int, expected: float) -> None:
    """Section 4.3, of scores that carry nothing and of the formula."""
    rng = np.random.default_rng(n)
    error = pooled_auc([Ranking(rng.normal(size=n), rng.normal(size=n), np.arange(n))])[1]
    assert round(null_error(n, n), 3) == expected
    assert error == pytest.approx(null_error(n, n), rel=0.05)
    assert detectable_auc(n, n) > 0.5 + 2 * null_error(n, n)


@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(2, 30), st.integers(2, 30))
@settings(max_examples=30)
def test_pooling_weighs_by_non_members_and_claims_no_more_than_one_half_does(
        seed: int, m: int, n: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    halves = [Ranking(rng.integers(0, 9, m) * 1.0, rng.integers(0, 9, k) * 1.0, np.arange(m)) for k in (n, more)]
    value, error = pooled_auc(halves)
    each = [auc(r.members, r.controls) for r in halves]
    assert value == pytest.approx((n * each[0] + more * each[1]) / (n + more))
    once, twice = pooled_auc(halves[:1])[1], pooled_auc(halves[:1] * 2)[1]
    assert twice == pytest.approx(once) or once == 1 / min(m, n)  # at the smallest error that is stated
    assert error >= 1 / (n + more)


# --- the vulnerable set ----------------------------------------------------------------------------------


def test_members_are_matched_to_non_members_without_repeats() -> None:
    rng = np.random.default_rng(0)
    wanted, offered = rng.exponential(1, 100), rng.exponential(2, 2000)
    chosen = matched(wanted, offered, rng)
    assert len(chosen) == len(set(chosen.tolist())) == 1000
    assert abs(np.median(offered[chosen]) - np.median(wanted)) < 0.2 < np.median(offered) - np.median(wanted)
    assert matched(wanted, offered[:70], rng).tolist() == list(range(70))


def test_the_threshold_is_the_highest_with_enough_non_members() -> None:
    values = np.random.default_rng(0).random(300)
    assert (values >= highest_threshold(values)).sum() == 100
    assert (values[:60] >= highest_threshold(values[:60])).all()


@pytest.mark.parametrize("n, state, reason", [
    (48, "not_run", "fewer than 50 non-members"), (60, "insufficient_power", "fewer than 100 non-members"),
    (200, "ok", None)])
def test_too_few_non_members_say_so(n: int, state: str, reason: str | None, train: Table) -> None:
    found = run(people(200, 5), train, people(n, 6), "vulnerable")["P2b"]
    assert found.state == state
    assert reason is None or (found.reason or "").startswith(reason)


# --- few false alarms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts, expected", [
    ((60, 10, 1000), 0.923), ((100, 10, 1000), 1.500), ((500, 250, 1000), 0.522), ((950, 50, 1000), 2.660)])
def test_the_lower_bound_on_epsilon_is_that_of_the_protocol(counts: tuple[int, int, int], expected: float) -> None:
    assert epsilon_lower_bound(*counts) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("n, expected", [(100, 3.3), (250, 4.2), (500, 4.9), (1000, 5.6), (5000, 7.2), (10_000, 7.9)])
def test_a_perfect_attack_reaches_the_ceiling_of_an_audit(n: int, expected: float) -> None:
    assert epsilon_lower_bound(n, 0, n) == pytest.approx(expected, abs=0.05)


@given(st.integers(0, 60), st.integers(0, 60))
def test_no_attack_exceeds_the_ceiling_of_an_audit(tp: int, fp: int) -> None:
    assert 0 <= epsilon_lower_bound(tp, fp, 60) <= epsilon_lower_bound(60, 0, 60)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.floats(0, 0.99))
def test_a_threshold_keeps_its_rate_of_false_alarms(scores: list[int], rate: float) -> None:
    values = np.array(scores, np.float64)
    threshold = exceeded_by(values, rate)
    assert (values > threshold).mean() <= rate
    lower = values[values < threshold]
    assert not len(lower) or (values > lower.max()).mean() > rate


def test_each_person_is_tried_once(holdout: Table) -> None:
    both = folds(prepare(people(300, 5), people(203, 1), holdout, seed=3))
    parts = [np.arange(len(fold.controls)) % 2 for fold in both]
    told = alarms(both, "nearest", 0.1, np.arange(203) % 4, parts)
    assert (told.n, told.controls) == (203, 1000)
    assert told.false_alarms / told.controls == pytest.approx(0.1, abs=0.04)


def test_low_rates_are_not_told_of_few_non_members(train: Table) -> None:
    assert run(train, train, people(999, 2))["P2a.tpr"].state == "not_run"


# --- odd tables ------------------------------------------------------------------------------------------


def odd_tables() -> dict[str, Table]:
    n, rng = 120, np.random.default_rng(0)
    part = people(n, 0)
    gone = np.ones(n, bool)
    huge = np.where(rng.random(n) < 0.1, np.inf, rng.normal(size=n) * 1e300)
    unreadable = np.where(rng.random(n) < 0.3, INVALID, 0).astype(np.uint8)
    return {
        "constant": numbers(np.ones((n, 3))),
        "one column": numbers(rng.normal(size=(n, 1))),
        "all missing": replace(part, columns={**part.columns, "cost": cells("number", np.zeros(n), missing=gone),
                                              "group": Cells(np.zeros(n, np.int32), gone.astype(np.uint8))}),
        "infinite": replace(part, columns={**part.columns, "cost": cells("number", huge)}),
        "unreadable": replace(part, columns={**part.columns, "income": replace(part["income"], state=unreadable)}),
        "new categories": replace(part, columns={**part.columns,
                                                 "group": cells("category", [f"g{i}" for i in range(n)])}),
    }


@pytest.mark.parametrize("name", list(odd_tables()))
@pytest.mark.parametrize("where", ["synth", "everywhere"])
def test_odd_tables_give_findings(name: str, where: str) -> None:
    odd = odd_tables()[name]
    usual = odd if where == "everywhere" or odd.schema.names != people(1, 0).schema.names else people(120, 3)
    found = run(odd, usual, usual.take(np.arange(119, -1, -1)), draw=lambda n, rng: odd)
    assert set(found) == {"P2a", "P2a.tpr", "P2b", "P2c"}
    for finding in found.values():
        assert not (finding.reason or "").startswith("the measure stopped")
        if finding.value is not None and finding.interval is not None:
            assert finding.interval[0] <= finding.value <= finding.interval[1]


@pytest.mark.parametrize("n", [20, 30, 41, 60])
def test_few_people_are_told_as_few(n: int) -> None:
    part = people(n, 1)
    for finding in run(part, part, people(n, 2), draw=lambda k, rng: people(k, 3)).values():
        assert finding.state in ("not_run", "insufficient_power")
        assert finding.reason


def test_one_person_with_all_training_rows_is_too_few() -> None:
    one = with_units(people(100, 1), 100)
    found = run(people(100, 2), one, with_units(people(100, 3), 1, 500))
    assert len(np.unique(units_of(one))) == 1
    assert {f.state for f in found.values()} == {"not_run"}
