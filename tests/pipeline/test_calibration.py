"""Complexity is chosen by what copies no more than chance: planted copiers are refused, natural rows pass."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabsynth.core import registry
from tabsynth.core.coding import Coding
from tabsynth.core.compact import Compact
from tabsynth.core.complexity import Calibrated
from tabsynth.core.errors import UsageError
from tabsynth.core.rng import Streams
from tabsynth.core.table import Table
from tabsynth.evaluation.policy import load_policy
from tabsynth.models.seqforest import SeqForest
from tabsynth.pipeline import calibration, held_back
from tabsynth.pipeline.auto import better, choose, compared
from tabsynth.pipeline.calibration import GIVEN_OUT, Calibration, Candidate, calibrate, mode_for
from tabsynth.pipeline.calibration import choose as chosen_of
from tabsynth.pipeline.fit import Privacy, fit
from tabsynth.pipeline.held_back import Sides, hold_back
from tabsynth.pipeline.scoring import Copies, Places, Score, copies, dcr_share, detection, given_out, nearest, score

QUICK = {"parents": 2}


def people(n: int = 900, *, seed: int = 0, visits: bool = False) -> Compact:
    """Rows whose columns depend on each other; with visits, 1 to 4 rows a person."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n), rng.integers(1, 5, n) if visits else 1)
    m = len(person)
    level = rng.normal(0, 1, n)[person]
    frame = pd.DataFrame({
        "person": [f"p{i}" for i in person], "a": np.round(level, 1), "b": np.round(level + rng.normal(0, 1, m), 2),
        "ward": np.where(level + rng.normal(0, 1, m) > 0, "x", "y"), "c": rng.choice(list("uvw"), m)})
    table = Table.from_pandas(frame if visits else frame.drop(columns="person"))
    return Compact.of(Table(table.schema.with_unit("person"), table.columns) if visits else table)


def sides_of(rows: Compact, seed: int = 0) -> Sides:
    coding = Coding.learn(rows)
    return hold_back(coding, coding.encode(rows), np.random.default_rng(seed))


def candidate(detection: float, dcr: float = 0.5, ratio: Copies | None = None, model: str = "seqforest",
              **settings: Any) -> Candidate:
    return Candidate(model, settings, Score(detection, 0.005, dcr, 0.006, {"all columns": ratio}))


def test_a_person_is_on_one_side_and_the_sample_is_as_large_as_the_other_side() -> None:
    rows = people(visits=True)
    coding = Coding.learn(rows)
    codes = coding.encode(rows)
    tagged = replace(codes, values=np.c_[codes.values, rows.units.astype(np.int32)], names=(*codes.names, "who"),
                     sizes=(*codes.sizes, 900))
    sides = hold_back(coding, tagged, np.random.default_rng(3))
    held, fitted = set(sides.held[:, -1]), set(sides.train.values[:, -1])
    assert not held & fitted
    assert len(held | fitted) == 900
    assert sides.people == len(held) == int(0.15 * 900)
    assert set(sides.units) == held
    assert len(sides.sample) == len(sides.held)
    assert set(sides.sample[:, -1]) <= fitted


def test_large_tables_are_cut_to_whole_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_back, "HELD_ROWS", 100)
    monkeypatch.setattr(held_back, "FIT_ROWS", 300)
    rows = people(visits=True)
    sides = sides_of(rows)
    assert 90 < len(sides.held) <= 100
    assert 290 < len(sides.train.values) <= 300
    per_person = np.bincount(rows.units)
    assert all((sides.units == who).sum() == per_person[who] for who in set(sides.units))


def test_distances_are_those_of_counting_by_hand() -> None:
    sides = sides_of(people())
    to_code = Places.of(sides)
    some, pool = sides.sample[:9], sides.held[:50]
    found = nearest(to_code.points(some), to_code.points(pool), to_code.one)

    def apart(x: Any, y: Any) -> int:
        lines, one = to_code.lines, to_code.one
        return sum(min(abs(int(lines[j][x[j]]) - int(lines[j][y[j]])), one) if j in lines else one * int(x[j] != y[j])
                   for j in range(len(x)))

    assert found.tolist() == [min(apart(x, y) for y in pool) for x in some]
    assert len(to_code.lines) == 2
    assert len(to_code.categories) == 2
    assert found.max() > 0


def test_rows_of_the_training_side_raise_every_alarm() -> None:
    sides = sides_of(people())
    copied = score(sides.sample, sides.train.values, sides, np.random.default_rng(0))
    assert copied.dcr > 0.9
    ratio = copied.copies["all columns"]
    assert ratio is not None
    assert ratio.exceeds(1.1, 3)
    assert Candidate("m", {}, copied).copies_too_much("balanced")


def with_key(n: int = 3000, seed: int = 0) -> Sides:
    """Rows of which a tenth of the people hold one alone, beside a number that is nearly unique to each."""
    rng = np.random.default_rng(seed)
    wards = rng.choice([f"w{i}" for i in range(60)], n)
    frame = pd.DataFrame({"weight": rng.normal(0, 1, n), "ward": wards, "age": rng.integers(0, 40, n)})
    return sides_of(Compact.of(Table.from_pandas(frame)))


def test_rows_of_one_person_are_found_behind_a_number_that_hides_them() -> None:
    sides = with_key()
    copied = sides.train.values.copy()
    copied[:, 0] = np.random.default_rng(1).permutation(copied[:, 0])      # the near-key, drawn anew
    found = given_out(copied, sides)
    assert found is not None
    assert found.low > 0.5
    harmless = Score(0.5, 0.01, 0.5, 0.01, {"all columns": None})
    assert not Candidate("m", {}, harmless).copies_too_much("balanced")
    assert Candidate("m", {}, replace(harmless, given_out=found)).copies_too_much("balanced")
    assert not Candidate("m", {}, replace(harmless, given_out=found)).copies_too_much("max_fidelity")


def test_people_held_back_are_found_as_often_by_chance() -> None:
    """Rows of the same population: 2.5 % of intervals lie above 0, so over the limit in at most 6 of 40 (p < 1e-3)."""
    refused = 0
    for seed in range(40):
        sides = with_key(seed=seed)
        others = with_key(seed=1000 + seed)
        made = np.stack([sides.train.values[:, 0], *others.train.values[:, 1:].T], axis=1)
        found = given_out(made, sides)
        assert found is not None
        refused += found.low > GIVEN_OUT
    assert refused <= 6


def test_what_may_be_given_out_is_what_the_profile_allows() -> None:
    limits = {limit.finding: limit.limit for limit in load_policy("controlled").limits}
    assert limits["P0a"] == GIVEN_OUT


def test_natural_rows_pass() -> None:
    """With 67 held-back people a side the DCR share refuses a natural draw in 9 % of cases: 4 of 40, at most 9."""
    refused = 0
    for seed in range(40):
        rows = people(1035, seed=seed)
        sides = sides_of(rows)
        natural = sides.held[::2]
        sides = replace(sides, held=sides.held[1::2], units=sides.units[1::2], sample=sides.sample[::2])
        found = Score(0.5, 0.01, dcr_share(natural, sides), 0.5 / len(natural) ** 0.5, copies(natural, sides))
        refused += Candidate("m", {}, found).copies_too_much("balanced")
    assert refused <= 9


def test_detection_is_chance_for_real_rows_and_plain_for_others() -> None:
    sides = sides_of(people(2000))
    real, error = detection(sides.sample, sides, np.random.default_rng(0))
    assert abs(real - 0.5) < 4 * error
    shuffled = np.random.default_rng(1).permuted(sides.sample, axis=0)
    assert detection(shuffled, sides, np.random.default_rng(0))[0] > real + 4 * error


def test_few_copies_are_no_evidence() -> None:
    assert Copies.of(10, 0) is None
    many = Copies.of(60, 20)
    assert many is not None
    assert many.exceeds(1.1, 1.645)
    assert many.ratio == pytest.approx(60.5 / 20.5)
    equal = Copies.of(30, 30)
    assert equal is not None
    assert not equal.exceeds(1.1, 1.645)


CLOSE, MIDDLE, SIMPLE = candidate(0.50, 0.60), candidate(0.52, 0.515), candidate(0.523, 0.505)


@pytest.mark.parametrize(("mode", "place"), [("max_fidelity", 0), ("balanced", 1), ("cautious", 2)])
def test_each_mode_chooses_its_own(mode: Any, place: int) -> None:
    assert chosen_of(mode, [CLOSE, MIDDLE, SIMPLE])[0] == place


def test_an_over_copying_candidate_is_refused_by_either_measure() -> None:
    ratio = Copies.of(60, 20)
    assert chosen_of("balanced", [candidate(0.5, ratio=ratio), SIMPLE])[0] == 1
    place, reason = chosen_of("balanced", [candidate(0.5, 0.7), candidate(0.5, 0.6), candidate(0.5, 0.65)])
    assert place == 1
    assert "all 3 candidates copy more than chance" in reason


def test_of_equals_the_simplest_and_below_one_half_is_noise() -> None:
    assert chosen_of("balanced", [candidate(0.48), candidate(0.5), candidate(0.51)])[0] == 1


def test_the_same_seed_makes_the_same_choice_and_given_settings_stay() -> None:
    sides = sides_of(people())
    made = [calibrate("seqforest", {"leaf": 30, **QUICK}, "balanced", sides,
                      Streams.from_rng(np.random.default_rng(5))) for _ in range(2)]
    evidence = [one.evidence(winner=one.winner) for one in made]
    assert evidence[0] == evidence[1]
    tried = [one["settings"] for one in evidence[0]["candidates"]]
    assert {one["leaf"] for one in tried} == {30}
    assert 2 <= len(tried) <= 6
    passed = [one["outcome"] in ("chosen", "passed") for one in evidence[0]["candidates"]]
    assert sum(passed) >= 2 or len(tried) == 6      # simpler ones are tried until two have passed
    assert made[0].settings in tried
    assert [one["outcome"] for one in evidence[0]["candidates"]].count("chosen") == 1


@pytest.mark.parametrize(("mode", "copier", "skipped"), [
    ("balanced", True, 2), ("cautious", True, 2), ("balanced", False, 0), ("max_fidelity", True, 0)])
def test_closer_candidates_than_a_middle_one_that_copies_are_not_tried(
        monkeypatch: pytest.MonkeyPatch, mode: Any, copier: bool, skipped: int) -> None:
    levels = SeqForest.complexity.levels
    middle = (len(levels) - 1) // 2

    def scored(wanted: Any, sides: Any, streams: Any, **_: Any) -> list[Candidate]:
        places = [next(i for i, level in enumerate(levels) if level.items() <= one.items()) for _, one in wanted]
        return [candidate(0.5 + 0.01 * i, 0.7 if copier and i <= middle else 0.5, **one)
                for i, (_, one) in zip(places, wanted, strict=True)]

    monkeypatch.setattr(calibration, "candidates", scored)
    made = calibrate("seqforest", {}, mode, sides_of(people()), Streams.from_rng(np.random.default_rng(5)))
    tried = [next(i for i, level in enumerate(levels) if level.items() <= one.settings.items())
             for one in made.candidates]
    assert tried[0] == skipped
    assert tried == list(range(skipped, skipped + len(tried)))
    assert made.chosen is not None
    assert mode == "max_fidelity" or not copier or tried[made.chosen] > middle


def test_whatever_can_be_calibrated_lists_its_settings() -> None:
    able = [name for name, plugin in registry.plugins("models").items() if plugin.facts.get("calibrated")]
    assert "seqforest" in able
    for name in able:
        build = registry.load("models", name)
        assert isinstance(build, Calibrated)
        for one in (*build.complexity.levels, *build.complexity.variants, build.complexity.few):
            build(**one)
        assert all(a.keys() == b.keys() for a, b in itertools.pairwise(build.complexity.variants))


@pytest.mark.parametrize(("n", "mode", "reason"), [(250, None, "fewer than 500 people"),
                                                   (600, "off", "the settings are those given")])
def test_nobody_is_held_back_from_small_tables_and_when_off(n: int, mode: str | None, reason: str) -> None:
    fitted = fit(people(n), model="seqforest", mode=mode, settings=QUICK, rng=np.random.default_rng(0))
    made = fitted.info["calibration"]
    assert made["candidates"] == []
    assert made["reason"].startswith(reason)
    assert made["held_back_people"] == 0
    assert fitted.info["settings"] == (QUICK if mode else {**SeqForest.complexity.few, **QUICK})


def test_auto_goes_by_size_and_then_by_what_the_baselines_do() -> None:
    assert choose("auto", private=False, people=199).model == "copula"
    assert choose("auto", private=False, people=200).model == "seqforest"
    fitted = fit(people(700), rng=np.random.default_rng(0))
    assert "for independent on 105 held-back people; DCR share" in fitted.choice.reason
    tried = {one["model"] for one in fitted.info["calibration"]["candidates"]}
    assert tried == {"seqforest", "copula", "independent"}
    small = fit(people(150), rng=np.random.default_rng(0))
    assert (small.choice.model, small.info["calibration"]) == ("copula", None)
    assert "150 people are too few" in small.choice.reason


def test_a_baseline_wins_only_where_it_is_as_hard_to_detect_and_copies_less() -> None:
    mine = candidate(0.52, 0.515)
    copula = candidate(0.524, 0.51, model="copula")
    assert better(mine, [copula]) is copula
    assert better(mine, [candidate(0.53, 0.50), candidate(0.50, 0.516)]) is mine
    made = Calibration("balanced", {}, "", (mine,), 0, sides_of(people()))
    assert compared(copula, [mine, copula], made) == \
        "detection 0.524 against 0.520 for seqforest on 135 held-back people; DCR share 0.510."


@pytest.mark.parametrize(("mode", "model", "private", "words"), [
    ("bold", "auto", False, "there are: max_fidelity, balanced, cautious, off"),
    ("balanced", "copula", False, "'copula' has nothing to calibrate; seqforest has"),
    ("cautious", "auto", True, "without differential privacy")])
def test_a_mode_that_would_do_nothing_is_refused(mode: str, model: str, private: bool, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        mode_for(mode, model, private=private)
    with pytest.raises(UsageError, match=words):
        fit(people(60), model=model, mode=mode, privacy=Privacy(1) if private else None,
            rng=np.random.default_rng(0))
