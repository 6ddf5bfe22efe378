"""Samples: sizes, people, bins, the floor; and what happens to a measure that fails."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core import registry
from tabsynth.core.errors import ColumnNotFoundError, SchemaError, UsageError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, MISSING, Cells, Table, empty_cells
from tabsynth.evaluation import protocol
from tabsynth.evaluation.agreement import compare, subsets
from tabsynth.evaluation.bins import LevelBins, LineBins, learn_bins
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.protocol import GROUPS, Samples, evaluate, pick, prepare, units_of
from tabsynth.evaluation.verdict import judge

from .people import SCHEMA, cells, people, with_units

TITLES = {id: title for name in protocol.measures()
          for id, title in registry.find("measures", name).facts["findings"].items()}


def test_samples_are_of_one_size_and_seeded() -> None:
    first, again = (prepare(people(500, 1), people(900, 2), people(300, 3), seed=5) for _ in range(2))
    assert {len(side) for side in (first.T, first.H, first.S, first.F)} == {300}
    assert first.T.table == again.T.table
    other = prepare(people(500, 1), people(900, 2), people(300, 3), seed=6)
    assert first.T.table != other.T.table


def test_people_stay_whole_in_samples_and_groups() -> None:
    train = with_units(people(400, 0), 4)
    samples = prepare(train, train, with_units(people(120, 1), 4, first=1000), seed=0)
    assert samples.columns == SCHEMA.names
    assert samples.left_out == ("person",)
    assert all(size == 4 for size in Counter(samples.T.units.tolist()).values())
    assert len({(u, g) for u, g in zip(samples.T.units.tolist(), samples.T.groups.tolist())}) == 30
    reference, others = samples.halves
    units = units_of(samples.holdout)
    assert not set(units[reference]) & set(units[others])
    assert abs(len(reference) - len(others)) <= 4


@given(st.integers(0, 60), st.integers(0, 70), st.integers(1, 7))
@settings(max_examples=30)
def test_pick_takes_exactly_n_rows_of_as_few_people_as_needed(rows: int, n: int, each: int) -> None:
    units = np.arange(rows) // each
    chosen = pick(units, n, np.random.default_rng(0))
    assert len(chosen) == min(n, rows)
    assert len(set(chosen.tolist())) == len(chosen)
    whole = [u for u, size in Counter(units[chosen].tolist()).items() if size == (units == u).sum()]
    assert len(whole) >= len(set(units[chosen].tolist())) - 1


def test_rows_without_a_person_are_people_of_their_own() -> None:
    train = with_units(people(10, 0), 5)
    state = np.array([0] * 8 + [MISSING] * 2, np.uint8)
    lost = replace(train, columns={**train.columns, "person": replace(train["person"], state=state)})
    assert len(set(units_of(lost).tolist())) == 4


def test_the_floor_keeps_values_and_breaks_rows_apart() -> None:
    train = people(600, 0)
    floor = prepare(train, train, people(600, 1), seed=0).F.table
    assert set(floor["cost"].values) <= set(train["cost"].values)
    pairs = set(zip(train["cost"].values, train["income"].values, train["age"].values))
    kept = sum(row in pairs for row in zip(floor["cost"].values, floor["income"].values, floor["age"].values))
    assert kept < 30  # of 600; about 5 % by chance among rows without cost and income


def test_the_floor_keeps_rows_of_a_person_together_within_a_column() -> None:
    """Otherwise single columns would look closer to the holdout than real rows do."""
    train = with_units(people(300, 0).take(np.repeat(np.arange(300), 4)), 4)
    samples = prepare(train, train, train, seed=0)
    cost = samples.F.table["cost"].values.reshape(-1, 4)
    assert (cost == cost[:, :1]).all()
    assert (samples.F.units == np.arange(1200) // 4).all()
    assert not (samples.F.table["age"].values == train["age"].values).all()


def test_bins_of_a_line_hold_atoms_and_equal_shares() -> None:
    values = np.concatenate([np.zeros(400), np.arange(1, 601)])
    bins = learn_bins(Column("x", "number"), cells("number", values))
    assert isinstance(bins, LineBins)
    shares = np.bincount(bins.codes(cells("number", values)), minlength=bins.size)
    assert shares.tolist() == [400, 100, 100, 100, 100, 100, 100, 0, 0]
    outside = bins.codes(cells("number", [-5.0, 0.0, 1e9]))
    assert outside.tolist() == [1, 0, 6]


def test_bins_of_categories_keep_the_ten_most_frequent_and_hold_strangers_with_the_others() -> None:
    train = cells("category", [f"c{i}" for i in range(12) for _ in range(12 - i)])
    bins = learn_bins(Column("x", "category"), train)
    assert isinstance(bins, LevelBins)
    seen = Cells(np.array([0, 1, 2, 0, 0], np.int32), np.array([0, 0, 0, MISSING, INVALID], np.uint8),
                 ("c11", "c0", "never seen"))
    assert bins.codes(seen).tolist() == [10, 0, 10, 11, 12]


@pytest.mark.parametrize("kind", ["number", "integer", "category", "boolean", "date", "timedelta"])
def test_empty_and_constant_columns_have_bins(kind: str) -> None:
    column = Column("x", kind)  # type: ignore[arg-type]
    nothing = empty_cells(column, 5)
    assert len(set(learn_bins(column, nothing).codes(nothing).tolist())) == 1
    constant = cells(kind, ["z"] * 5 if kind == "category" else [1] * 5)
    bins = learn_bins(column, constant)
    assert len(set(bins.codes(constant).tolist())) == 1
    assert bins.codes(nothing)[0] != bins.codes(constant)[0]
    assert learn_bins(column, nothing).codes(constant).max() < learn_bins(column, nothing).size


def test_what_measures_share_is_made_once_for_each_samples() -> None:
    asked = []

    def shared(samples: Samples) -> int:
        asked.append(samples)
        return samples.n

    first, second = (prepare(people(n, 1), people(n, 2), people(n, 3), seed=0) for n in (30, 40))
    assert [s.once(shared) for s in (first, first, second, first)] == [30, 30, 40, 30]
    assert asked == [first, second]
    assert replace(first, seed=1).once(shared) == 30
    assert len(asked) == 3


def test_agreement_matches_counting_by_hand() -> None:
    samples = prepare(people(150, 1), people(150, 2), people(150, 3), seed=0)
    over, exact = subsets(len(samples.columns), 2, samples.streams)
    assert exact
    fast = compare([(samples.S, samples.H)], samples.sizes, over)[0]
    for i, (a, b) in enumerate(over[:5]):
        assert fast.values[i] == pytest.approx(_slow_overlap(samples.S, samples.H, (a, b), leave_out=None))
        assert fast.without[i, 3] == pytest.approx(_slow_overlap(samples.S, samples.H, (a, b), leave_out=3))


def _slow_overlap(one: protocol.Side, two: protocol.Side, columns: tuple[int, int], leave_out: int | None) -> float:
    tables = []
    for side in (one, two):
        rows = [tuple(row) for row, g in zip(side.codes[:, columns].tolist(), side.groups) if g != leave_out]
        tables.append({cell: count / len(rows) for cell, count in Counter(rows).items()})
    return 1 - sum(abs(tables[0].get(c, 0) - tables[1].get(c, 0)) for c in {*tables[0], *tables[1]}) / 2


def test_many_triples_are_sampled_without_repeats() -> None:
    samples = prepare(people(50, 1), people(50, 2), people(50, 3), seed=0)
    over, exact = subsets(40, 3, samples.streams)
    assert not exact
    assert len(set(over)) == len(over) == 500
    assert all(a < b < c < 40 for a, b, c in over)


def test_every_measure_gives_the_findings_that_its_file_lists() -> None:
    findings = evaluate(prepare(people(250, 3), people(250, 1), people(250, 2), seed=0))
    assert sorted(f.id for f in findings) == sorted(TITLES)
    assert all(f.title == TITLES[f.id] for f in findings)
    assert all(f.interval is None or f.interval[0] <= (f.value or 0) <= f.interval[1] for f in findings)
    shareable = [f.id for f in findings if f.shareable]
    assert sorted(shareable) == ["safe_harbor", "validity.synthetic"]


def test_every_measure_file_is_registered() -> None:
    folder = Path(protocol.__file__).parent
    files = {p.stem for kind in ("fidelity", "utility", "attacks") for p in (folder / kind).glob("[!_]*.py")}
    assert files == {p.module.rsplit(".", 1)[1] for p in registry.plugins("measures").values()}


@pytest.mark.parametrize("rows", [(0, 50, 50), (50, 0, 50), (50, 50, 0), (1, 1, 1), (19, 500, 500)])
def test_too_few_rows_give_lines_that_say_so(rows: tuple[int, int, int]) -> None:
    synth, train, holdout = (people(n, i) for i, n in enumerate(rows))
    findings = evaluate(prepare(synth, train, holdout, seed=0))
    assert sorted(f.id for f in findings) == sorted(TITLES)
    assert all(f.state == "not_run" and f.reason and "fewer than 20 rows" in f.reason for f in findings)


def test_few_rows_are_measured_and_marked() -> None:
    findings = evaluate(prepare(people(40, 0), people(40, 1), people(40, 2), seed=0))
    about_people = [f for f in findings if not f.shareable]  # the others count what stands in the synthetic table
    assert not [f for f in about_people if f.state == "ok" and f.section in ("fidelity", "utility", "privacy")]


def test_a_failing_measure_becomes_a_line_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(samples: object) -> None:
        raise ValueError("cell 'Mrs Smith' is odd")

    monkeypatch.setattr(registry, "load", lambda group, name: explode)
    findings = evaluate(prepare(people(50, 0), people(50, 1), people(50, 2), seed=0), only=["kway"])
    assert [f.id for f in findings] == ["kway.1", "kway.2", "kway.3"]
    assert all(f.state == "not_run" and f.reason == "the measure stopped with ValueError" for f in findings)


def test_a_measure_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="kway"):
        evaluate(prepare(people(50, 0), people(50, 1), people(50, 2), seed=0), only=["quality"])


def test_progress_counts_measures() -> None:
    seen: list[tuple[str, float, float | None]] = []
    evaluate(prepare(people(50, 0), people(50, 1), people(50, 2), seed=0), only=["tails", "missingness"],
             progress=lambda *step: seen.append(step))
    assert [step[1:] for step in seen] == [(0, 2), (1, 2), (2, 2)]


def test_columns_must_match_by_name_and_kind() -> None:
    train = people(50, 0)
    with pytest.raises(ColumnNotFoundError, match="the synthetic table"):
        prepare(train.select(["age", "cost"]), train, train, seed=0)
    other = Table(Schema((Column("age", "number"),)), {"age": cells("number", [1.0])})
    with pytest.raises(SchemaError, match="'age' is number in the holdout table"):
        prepare(train.select(["age"]), train.select(["age"]), other, seed=0)
    ids = Table(Schema((Column("id", "id"),)), {"id": cells("id", ["x"])})
    with pytest.raises(SchemaError, match="no column"):
        prepare(ids, ids, ids, seed=0)


def test_odd_columns_go_through_every_measure() -> None:
    columns = (Column("empty", "number"), Column("constant", "integer"), Column("blank", "category"),
               Column("half", "boolean"), Column("huge", "integer"), Column("broken", "number"))
    schema = Schema(columns)

    def odd(seed: int) -> Table:
        rng, n = np.random.default_rng(seed), 250
        unreadable = np.where(rng.random(n) < 0.2, INVALID, 0).astype(np.uint8)
        return Table(schema, {
            "empty": empty_cells(columns[0], n), "constant": cells("integer", [7] * n),
            "blank": empty_cells(columns[2], n),
            "half": cells("boolean", rng.random(n) < 0.5, missing=list(rng.random(n) < 0.5)),
            "huge": cells("integer", rng.integers(-(2**62), 2**62, n)),
            "broken": Cells(np.where(unreadable, 0, rng.normal(size=n)), unreadable)})

    findings = {f.id: f for f in evaluate(prepare(odd(1), odd(2), odd(3), seed=0))}
    assert not [i for i, f in findings.items() if (f.reason or "").startswith("the measure stopped with")]
    assert findings["validity"].value == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize("searched, reason", [
    (1000, "only 40 % of the released rows were searched"), (1250, None), (2500, None)])
def test_attacks_on_a_small_part_of_the_released_rows_say_so(searched: int, reason: str | None,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_RELEASED", searched)
    samples = prepare(people(2500, 1), people(1000, 2), people(1000, 3), seed=1)
    assert samples.searched_share == searched / 2500
    names = ["singling_out_univariate", "singling_out_multivariate", "linkability", "inference", "membership",
             "vulnerable"]
    found = {f.id: f for f in evaluate(samples, only=names)}
    assert set(found) == {"P1a", "P1b", "P1c", "P1d", "P2a", "P2a.tpr", "P2b"}
    assert {f.reason for f in found.values()} == {reason}
    assert {f.state for f in found.values()} == {"ok" if reason is None else "insufficient_power"}


def test_a_leak_in_a_small_part_of_the_released_rows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_RELEASED", 900)
    train = people(2000, 1)
    found = evaluate(prepare(train, train, people(1000, 3), seed=1), only=["singling_out_univariate", "membership"])
    assert all(f.state == "insufficient_power" for f in found)
    assert {j.finding_id for j in judge(found, load_policy()).judgements if j.verdict == "finding"} >= {"P1a", "P2a"}


def test_further_draws_give_a_spread() -> None:
    calls = itertools.count(10)
    samples = prepare(people(200, 0), people(200, 1), people(200, 2), seed=0,
                      draw=lambda n, rng: people(n, next(calls)))
    kway = evaluate(samples, only=["kway"])[0]
    assert kway.details["draws"] == 5
    assert 0 < kway.details["draw_sd"] < 0.05
    assert GROUPS == 20
