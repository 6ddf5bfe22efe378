"""A simulated hospital ward with planted truths, to check models and measures against what is known.

No real data set says which independences, effects and rare people it truly holds; this one does. It is for tests
and tutorials. Fidelity on simulated rows proves nothing, so no claim is made from it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import code_lists
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import CANONICAL, MISSING, Cells, Table
from tabsynth.datasets.ward_schema import (
    BLOOD_GROUPS,
    DIAGNOSES,
    FEMALE_CODES,
    MALE_CODES,
    REGIONS,
    ward_schemas,
)

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]

TREATMENT_EFFECT: Final = 5.0
"""Points that the new treatment adds to the recovery score, for everybody."""
DIALYSIS_SHARE: Final = 0.01
DIALYSIS_FACTOR: Final = 4.0
"""Creatinine of dialysis patients relative to what it would be without."""
FAHRENHEIT_SHARE: Final = 0.003
ROUNDED_URINE: Final = 0.94
"""Share of urine volumes that the charting person rounds to a multiple of 5."""
RARE: Final = (("coast", "AB", "E84"), ("north", "AB", "D66"), ("east", "B", "G10"), ("west", "AB", "Q87"),
               ("south", "B", "E75"))
"""(region, blood group, diagnosis) that exactly one admission has; nobody else has one of these diagnoses."""

STAY_MEAN: Final = np.array([1.5, 2.5, 4.0, 6.0, 9.0])
"""Mean days in hospital by triage level; length depends on nothing else."""
MONITORING_GIVEN_TRIAGE: Final = np.array(
    [[.90, .09, .01], [.75, .22, .03], [.50, .40, .10], [.25, .50, .25], [.05, .35, .60]])
EPOCH: Final = np.datetime64("2020-01-01").astype(np.int64)
MINUTE: Final = 60_000_000


def simulate_ward(n_patients: int, rng: np.random.Generator) -> dict[str, Table]:
    """Draw a ward: "patients" (one row each), "admissions" (1 to 8 a patient), "measurements" (long, irregular).

    One hidden severity per patient (standard normal, correlated with age) runs as an AR(1) path through the stays;
    it moves death, triage, vital signs, laboratory values, how often they are charted and which are missing.

    Planted truths:
        Hard rules, in every row: admitted <= discharged; bmi = weight / (height / 100)^2 to one decimal;
            diastolic <= mean_pressure <= systolic; `FEMALE_CODES` only with women and `MALE_CODES` only with men;
            a patient dies in the last admission or not at all.
        Effect: treatment is randomised 1:1 and adds `TREATMENT_EFFECT` points to the recovery score.
        Independence: blood group, of everything but the planted rare people. Conditional independence: length of
            stay and monitoring given triage, although they depend on each other without it.
        Subgroup: round(1 %) of the patients are on dialysis, with `DIALYSIS_FACTOR` times the creatinine.
        Informative missingness: lactate is measured with probability 1 / (1 + exp(1.2 - 1.2 severity)), so deaths
            are more frequent where it was.
        Charting: `ROUNDED_URINE` of the urine volumes rounded to 5 ml; `FAHRENHEIT_SHARE` of the temperatures in
            degree Fahrenheit.
        Rare people: each of `RARE` occurs in exactly one admission (from 100 patients on).

    Args:
        n_patients: at least 1.
        rng: the only source of randomness; same state, same ward.
    """
    schemas = ward_schemas()
    patients, severity = _patients(n_patients, rng)
    admissions, patient_of, severe = _admissions(patients, severity, rng)
    if n_patients >= 100:
        _plant_rare(patients, admissions, patient_of, rng)
    measurements = _measurements(patients, admissions, patient_of, severe, rng)
    arrays = {"patients": patients, "admissions": admissions, "measurements": measurements}
    return {name: to_table(schemas[name], columns) for name, columns in arrays.items()}


def joined_admissions(ward: dict[str, Table]) -> Table:
    """Admissions with the columns of their patients: one table with a unit, a time and constants per unit."""
    schema = ward_schemas()["ward"]
    patients, admissions = ward["patients"], ward["admissions"]
    order = {key: row for row, key in enumerate(patients["patient"].values)}
    rows = np.array([order[key] for key in admissions["patient"].values], dtype=np.intp)
    return Table(schema, {name: admissions[name] if name in admissions.columns else patients[name].take(rows)
                          for name in schema.names})


# --- the three tables, as arrays; NaN = not charted ---------------------------------------------------------


def _patients(n: int, rng: np.random.Generator) -> tuple[Arrays, Floats]:
    female = rng.random(n) < 0.44
    age = np.clip(np.rint(rng.normal(64.2, 18.2, n)), 18, 95)
    severity = 0.4 * (age - 64.2) / 17.6 + np.sqrt(1 - 0.4**2) * rng.normal(size=n)
    height = np.rint(np.clip(rng.normal(np.where(female, 163, 176), 7), 140, 210))
    weight = np.round(np.clip(np.exp(rng.normal(np.log(26.5), 0.2, n)) * (height / 100) ** 2, 35, 240), 1)
    dialysis = np.zeros(n, bool)
    dialysis[rng.choice(n, round(DIALYSIS_SHARE * n), replace=False)] = True
    return {
        "patient": _keys("P", n), "sex": female.astype(int), "age": age,
        "region": rng.choice(5, n, p=[.3, .25, .2, .15, .1]), "blood_group": rng.choice(4, n, p=[.45, .4, .1, .05]),
        "smoker": rng.random(n) < _logistic(-1.0 - 0.02 * (age - 64)), "dialysis": dialysis,
        "height": height, "weight": weight, "bmi": np.round(weight / (height / 100) ** 2, 1),
    }, severity


def _admissions(patients: Arrays, severity: Floats,
                rng: np.random.Generator) -> tuple[Arrays, NDArray[np.intp], Floats]:
    """The admissions, the row of each one's patient, and its severity."""
    n = len(severity)
    planned = np.minimum(1 + rng.poisson(0.35 * np.exp(0.4 * severity)), 8)
    patient_of = np.repeat(np.arange(n), planned)
    ordinal = np.arange(len(patient_of)) - np.repeat(np.cumsum(planned) - planned, planned)
    severe = 0.8 * severity[patient_of] + 0.6 * rng.normal(size=len(patient_of))
    died = rng.random(len(patient_of)) < _logistic(-2.2 + 1.2 * severe)
    first_death = np.full(n, 99)
    np.minimum.at(first_death, patient_of[died], ordinal[died])
    keep = ordinal <= first_death[patient_of]          # nobody is admitted after death
    patient_of, ordinal, severe, died = patient_of[keep], ordinal[keep], severe[keep], died[keep]
    m = len(patient_of)
    triage = np.digitize(severe + 0.5 * rng.normal(size=m), [-1.0, -0.2, 0.6, 1.5])
    stay = rng.poisson(STAY_MEAN[triage])
    monitoring = (rng.random((m, 1)) > np.cumsum(MONITORING_GIVEN_TRIAGE, axis=1)[triage][:, :2]).sum(axis=1)
    treated = rng.random(m) < 0.5
    admitted = EPOCH + rng.integers(0, 200, n)[patient_of] + 230 * ordinal + rng.integers(0, 60, m)
    score = 55 - 7 * severe + TREATMENT_EFFECT * treated + rng.normal(0, 6, m)
    return {
        "patient": patients["patient"][patient_of], "admission": _keys("A", m), "admitted": admitted,
        "discharged": admitted + stay, "diagnosis": _diagnoses(patients["sex"][patient_of] == 1, rng),
        "triage": triage, "monitoring": monitoring, "treatment": treated.astype(int),
        "recovery_score": np.round(np.clip(score, 0, 120), 1), "died": died,
    }, patient_of, severe


def _diagnoses(female: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.intp]:
    """Codes with Zipf-like frequencies (a fixed, public order of the codes), kept to the codes of each sex."""
    drawable = np.array([code not in {rare[2] for rare in RARE} for code in DIAGNOSES])
    rank = np.random.default_rng(130).permutation(len(DIAGNOSES))
    weights = drawable / (rank + 3.0)
    out = np.empty(len(female), dtype=np.intp)
    for rows, foreign in ((female, MALE_CODES), (~female, FEMALE_CODES)):
        allowed = weights * ~np.isin(DIAGNOSES, foreign)
        out[rows] = rng.choice(len(DIAGNOSES), int(rows.sum()), p=allowed / allowed.sum())
    return out


def _plant_rare(patients: Arrays, admissions: Arrays, patient_of: NDArray[np.intp], rng: np.random.Generator) -> None:
    """Give `RARE` to the first admission of as many patients, in place."""
    first = np.unique(patient_of, return_index=True)[1]
    for patient, (region, group, code) in zip(rng.choice(len(first), len(RARE), replace=False), RARE, strict=True):
        patients["region"][patient] = REGIONS.index(region)
        patients["blood_group"][patient] = BLOOD_GROUPS.index(group)
        admissions["diagnosis"][first[patient]] = DIAGNOSES.index(code)


def _measurements(patients: Arrays, admissions: Arrays, patient_of: NDArray[np.intp], severe: Floats,
                  rng: np.random.Generator) -> Arrays:
    rows = np.minimum(4 + rng.poisson(6 * np.exp(0.4 * severe)), 24)       # the sicker, the more often charted
    stay = np.repeat(np.arange(len(severe)), rows)
    step = np.arange(len(stay)) - np.repeat(np.cumsum(rows) - rows, rows)
    path = _ar1(severe, 24, 0.9, rng)[stay, step]
    gap = np.where(rng.random(len(stay)) < 0.57, 60, rng.integers(1, 16, len(stay)) * 15) * (step > 0)
    minutes = np.cumsum(gap) - np.repeat(np.cumsum(gap)[np.cumsum(rows) - rows], rows) + 480
    who = patient_of[stay]
    own = rng.normal(size=(len(patients["age"]), 4))[who]          # a patient's own level carries most of the variance

    def noise(scale: float) -> Floats:
        return rng.normal(0, scale, len(stay))

    systolic = np.rint(np.clip(118 + 12 * own[:, 0] - 8 * path + noise(14), 50, 250))
    diastolic = np.rint(np.clip(60 + 0.3 * (systolic - 118) + 6 * own[:, 1] + noise(7), 20, systolic - 3))
    kidney = 0.55 * own[:, 2] + 0.3 * path
    salt = 3.2 * own[:, 3] + noise(2.5)
    factor = np.where(patients["dialysis"][who], DIALYSIS_FACTOR, 1.0)
    celsius = np.clip(37.0 + 0.25 * path + noise(0.6), 33, 42)
    fahrenheit = rng.random(len(stay)) < FAHRENHEIT_SHARE
    urine = np.rint(np.clip(np.exp(4.2 - 0.15 * path + noise(0.9)), 0, 2500))
    lab = rng.random(len(stay)) < _logistic(-1.5 + 0.5 * path)

    def charted(values: Floats, where: NDArray[np.bool_]) -> Floats:
        return np.where(where, values, np.nan)

    return {
        "patient": patients["patient"][who], "admission": admissions["admission"][stay],
        "time": (admissions["admitted"][stay] * 1440 + minutes) * MINUTE,
        "heart_rate": np.rint(np.clip(85 + 9 * path + noise(13), 30, 220)),
        "systolic": systolic, "diastolic": diastolic,
        "mean_pressure": np.rint(diastolic + (systolic - diastolic) / 3),
        "temperature": charted(np.round(np.where(fahrenheit, celsius * 1.8 + 32, celsius), 1),
                               rng.random(len(stay)) < 0.6),
        "sodium": charted(np.rint(139 + salt + noise(1.5)), lab),
        "chloride": charted(np.rint(104 + salt + noise(3.0)), lab),
        "creatinine": charted(np.round(np.clip(factor * np.exp(kidney + noise(0.12)), 0.2, 38), 1), lab),
        "urea": charted(np.rint(np.clip(22 * np.exp(1.0 * kidney + noise(0.35)), 2, 390)), lab),
        "lactate": charted(np.round(np.clip(np.exp(0.55 + 0.3 * path + noise(0.4)), 0.3, 28), 1),
                           rng.random(len(stay)) < _logistic(-1.2 + 1.2 * path)),
        "urine": charted(np.where(rng.random(len(stay)) < ROUNDED_URINE, 5 * np.rint(urine / 5), urine),
                         rng.random(len(stay)) < 0.7),
    }


# --- small pieces -------------------------------------------------------------------------------------------


def _ar1(start: Floats, steps: int, rho: float, rng: np.random.Generator) -> Floats:
    """Shape (len(start), steps): paths that start at `start` and return to it, with stationary variance 0.25."""
    deviation = np.zeros((len(start), steps))
    for t in range(1, steps):
        deviation[:, t] = rho * deviation[:, t - 1] + 0.5 * np.sqrt(1 - rho**2) * rng.normal(size=len(start))
    return start[:, None] + deviation


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def _keys(letter: str, n: int) -> NDArray[Any]:
    return np.array([f"{letter}{i:06d}" for i in range(1, n + 1)], dtype=object)


def to_table(schema: Schema, arrays: Arrays) -> Table:
    """Cells of arrays in canonical units; category values are indices into the levels, NaN is missing."""
    columns = {}
    for column in schema.columns:
        values = arrays[column.name]
        state = np.zeros(len(values), np.uint8)
        if values.dtype.kind == "f":
            state[np.isnan(values)] = MISSING
            values = np.nan_to_num(values)
        cells = Cells(values.astype(CANONICAL[column.kind]), state)
        columns[column.name] = replace(cells, levels=levels_of(column)) if column.kind == "category" else cells
    return Table(schema, columns)


def levels_of(column: Column) -> tuple[str, ...]:
    """A category's public levels, listed or by rule."""
    return code_lists.codes(column.code_list) if column.code_list else column.levels or ()
