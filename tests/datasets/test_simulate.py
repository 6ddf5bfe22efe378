"""Every planted truth of the simulated ward holds. Statistical bounds are over 5 standard errors wide."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, spearmanr

from tabsynth.core.rules import Rules
from tabsynth.core.table import Table
from tabsynth.datasets import simulate
from tabsynth.datasets.simulate import joined_admissions, simulate_ward
from tabsynth.datasets.ward_schema import FEMALE_CODES, MALE_CODES, ward_schemas

N = 4_000
TINY = 1e-6


@pytest.fixture(scope="module")
def ward() -> dict[str, Table]:
    return simulate_ward(N, np.random.default_rng(20))


@pytest.fixture(scope="module")
def joined(ward: dict[str, Table]) -> Table:
    return joined_admissions(ward)


def labels(table: Table, name: str) -> NDArray[Any]:
    cells = table[name]
    return np.array(cells.levels, dtype=object)[cells.values] if cells.levels else cells.values


def p_value(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Of a chi-squared test of independence on the cells that are expected often enough."""
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    table = table[table.sum(1) > 50][:, table.sum(0) > 50]
    return float(chi2_contingency(table).pvalue) if min(table.shape) > 1 else 1.0


def test_same_state_same_ward() -> None:
    one, two = (simulate_ward(150, np.random.default_rng(3)) for _ in range(2))
    assert all(one[name] == two[name] for name in one)
    other = simulate_ward(150, np.random.default_rng(4))
    assert one["patients"] != other["patients"]


@pytest.mark.parametrize("n", [1, 2, 60])
def test_small_wards(n: int) -> None:
    assert len(simulate_ward(n, np.random.default_rng(0))["patients"]) == n


def test_thousand_patients_in_two_seconds() -> None:
    start = time.process_time()
    simulate_ward(1_000, np.random.default_rng(0))
    assert time.process_time() - start < 2


def test_keys_join(ward: dict[str, Table]) -> None:
    patients, admissions = set(ward["patients"]["patient"].values), ward["admissions"]
    assert len(patients) == N
    assert set(admissions["patient"].values) == patients
    owner = dict(zip(admissions["admission"].values, admissions["patient"].values, strict=True))
    assert len(owner) == len(admissions)
    rows = ward["measurements"]
    assert all(owner[a] == p for a, p in zip(rows["admission"].values, rows["patient"].values, strict=True))


@pytest.mark.parametrize("name", ["admissions", "measurements", "ward"])
def test_hard_rules(name: str, ward: dict[str, Table], joined: Table) -> None:
    table = joined if name == "ward" else ward[name]
    rules = Rules.compile(ward_schemas()[name])
    assert len(rules.checks) >= 1
    assert set(rules.violations(table).values()) == {0}


def test_bmi_follows_from_weight_and_height(ward: dict[str, Table]) -> None:
    p = ward["patients"]
    metres = p["height"].values / 100
    np.testing.assert_array_equal(p["bmi"].values, np.round(p["weight"].values / metres**2, 1))


def test_sex_specific_codes(joined: Table) -> None:
    sex, code = labels(joined, "sex"), labels(joined, "diagnosis")
    assert set(sex[np.isin(code, FEMALE_CODES)]) == {"female"}
    assert set(sex[np.isin(code, MALE_CODES)]) == {"male"}


def test_nobody_returns_from_death(ward: dict[str, Table]) -> None:
    a = ward["admissions"]
    last = dict(zip(a["patient"].values, a["admitted"].values, strict=True))
    dead = a["died"].values
    assert dead.sum() > 100
    assert all(last[p] == d for p, d in zip(a["patient"].values[dead], a["admitted"].values[dead], strict=True))


def test_stays_do_not_overlap(ward: dict[str, Table]) -> None:
    a = ward["admissions"]
    same = a["patient"].values[1:] == a["patient"].values[:-1]
    assert same.sum() > 500
    assert (a["admitted"].values[1:][same] > a["discharged"].values[:-1][same]).all()


def test_treatment_effect(ward: dict[str, Table]) -> None:
    a = ward["admissions"]
    score, treated = a["recovery_score"].values, a["treatment"].values == 1
    effect = score[treated].mean() - score[~treated].mean()
    error = np.sqrt(score[treated].var() / treated.sum() + score[~treated].var() / (~treated).sum())
    assert abs(effect - simulate.TREATMENT_EFFECT) < 5 * error
    assert error < 0.3, "the interval must be narrow enough to see a wrong effect"


def test_treatment_is_randomised(joined: Table) -> None:
    for name in ("triage", "sex", "region"):
        assert p_value(joined["treatment"].values, joined[name].values) > TINY


def test_blood_group_is_independent(joined: Table) -> None:
    first = np.unique(joined.unit_codes(), return_index=True)[1]
    rare = np.isin(labels(joined, "diagnosis"), [code for *_, code in simulate.RARE])
    rows = np.setdiff1d(first, joined.unit_codes()[rare])
    for name in ("region", "sex", "triage", "died", "smoker"):
        assert p_value(joined["blood_group"].values[rows], joined[name].values[rows].astype(int)) > TINY


def test_stay_and_monitoring_meet_only_through_triage(joined: Table) -> None:
    stay = joined["discharged"].values - joined["admitted"].values
    monitoring, triage = joined["monitoring"].values, joined["triage"].values
    assert p_value(stay, monitoring) < TINY
    assert all(p_value(stay[triage == t], monitoring[triage == t]) > TINY for t in range(5))


def test_dialysis_subgroup(ward: dict[str, Table]) -> None:
    p, m = ward["patients"], ward["measurements"]
    assert p["dialysis"].values.sum() == round(0.01 * N)
    on = dict(zip(p["patient"].values, p["dialysis"].values, strict=True))
    dialysis = np.array([on[key] for key in m["patient"].values])
    given = m["creatinine"].present
    medians = [np.median(m["creatinine"].values[given & rows]) for rows in (dialysis, ~dialysis)]
    assert 0.6 < medians[0] / medians[1] / simulate.DIALYSIS_FACTOR < 1.6


def test_missing_lactate_says_something(ward: dict[str, Table]) -> None:
    a, m = ward["admissions"], ward["measurements"]
    died = dict(zip(a["admission"].values, a["died"].values, strict=True))
    dead = np.array([died[key] for key in m["admission"].values])
    given = m["lactate"].present
    assert dead[given].mean() > 1.5 * dead[~given].mean()


def test_digit_preference_and_charting_errors(ward: dict[str, Table]) -> None:
    m = ward["measurements"]
    urine = m["urine"].values[m["urine"].present]
    expected = simulate.ROUNDED_URINE + (1 - simulate.ROUNDED_URINE) / 5
    assert abs((urine % 5 == 0).mean() - expected) < 0.01
    hot = m["temperature"].values[m["temperature"].present] > 90
    share, n = simulate.FAHRENHEIT_SHARE, len(hot)
    assert abs(hot.mean() - share) < 6 * np.sqrt(share / n)
    assert hot.sum() > 20


def test_each_rare_combination_once(joined: Table) -> None:
    code = labels(joined, "diagnosis")
    codes = Counter(code)
    seen = Counter(zip(labels(joined, "region"), labels(joined, "blood_group"), code, strict=True))
    for rare in simulate.RARE:
        assert seen[rare] == 1
        assert codes[rare[2]] == 1


def test_bands_of_real_intensive_care(ward: dict[str, Table], joined: Table) -> None:
    """Bands around figures of 4,000 real intensive-care stays (PhysioNet 2012, set a)."""
    m = ward["measurements"]

    def together(a: str, b: str) -> float:
        both = m[a].present & m[b].present
        return float(spearmanr(m[a].values[both], m[b].values[both])[0])

    assert 0.70 < together("urea", "creatinine") < 0.90
    assert 0.60 < together("sodium", "chloride") < 0.85
    assert 0.45 < together("systolic", "diastolic") < 0.70
    assert 0.10 < joined["died"].values.mean() < 0.18
    assert abs(ward["patients"]["age"].values.mean() - 64) < 2
    often = np.sort(np.bincount(joined["diagnosis"].values))[::-1]
    assert 0.15 < often[:8].sum() / often.sum() < 0.40
    assert (often == 1).sum() > 0.3 * (often > 0).sum(), "codes that one person has are the disclosure risk"
