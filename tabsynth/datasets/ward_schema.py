"""The public schemas of the simulated ward: what ``datasets/simulate.py`` fills."""

from __future__ import annotations

from typing import Final

from tabsynth.core import code_lists
from tabsynth.core.schema import Column, Evaluation, Kind, Population, Role, Schema

SOURCE: Final = "definition of the simulator"

REGIONS: Final = ("north", "east", "south", "west", "coast")
BLOOD_GROUPS: Final = ("O", "A", "B", "AB")
TRIAGE: Final = ("1", "2", "3", "4", "5")
MONITORING: Final = ("none", "telemetry", "invasive")
TREATMENTS: Final = ("standard", "new")

FEMALE_CODES: Final = ("C56", "N80", "O14", "O80", "O82")
MALE_CODES: Final = ("C61", "N40", "N43")
DIAGNOSES: Final = code_lists.codes("icd10-3char")
"""Three-character categories of ICD-10, by rule; no text of the classification is held here."""


def number(name: str, low: float, high: float, unit: str, decimals: int = 0, *, log: bool = False,
           step: float | None = None, constant_per_unit: bool = False, nullable: bool = True) -> Column:
    return Column(name, "number" if decimals else "integer", bounds=(low, high), decimals=decimals or None, step=step,
                  scale="log" if log else "linear", unit_of_measure=unit, constant_per_unit=constant_per_unit,
                  nullable=nullable, source=SOURCE)


def choice(name: str, levels: tuple[str, ...], role: Role = "feature", *, kind: Kind = "category",
           constant_per_unit: bool = False) -> Column:
    return Column(name, kind, role=role, levels=levels, constant_per_unit=constant_per_unit, nullable=False,
                  source=SOURCE)


PATIENT: Final = Column("patient", "id", role="unit", pattern="P######", nullable=False, source=SOURCE)
ADMISSION: Final = Column("admission", "id", pattern="A######", nullable=False, source=SOURCE)

PATIENT_COLUMNS: Final = (
    choice("sex", ("male", "female"), "quasi-identifier", constant_per_unit=True),
    Column("age", "integer", role="quasi-identifier", bounds=(18, 95), unit_of_measure="years",
           constant_per_unit=True, nullable=False, source=SOURCE),
    choice("region", REGIONS, "quasi-identifier", constant_per_unit=True),
    choice("blood_group", BLOOD_GROUPS, constant_per_unit=True),
    choice("smoker", ("no", "yes"), kind="boolean", constant_per_unit=True),
    choice("dialysis", ("no", "yes"), "sensitive", kind="boolean", constant_per_unit=True),
    number("height", 120, 220, "cm", constant_per_unit=True, nullable=False),
    number("weight", 30, 250, "kg", 1, constant_per_unit=True, nullable=False),
    number("bmi", 6, 180, "kg/m2", 1, constant_per_unit=True, nullable=False),
)

ADMISSION_COLUMNS: Final = (
    Column("admitted", "date", role="time", bounds=("2020-01-01", "2025-12-31"), nullable=False, source=SOURCE),
    Column("discharged", "date", bounds=("2020-01-01", "2026-12-31"), nullable=False, source=SOURCE),
    Column("diagnosis", "category", role="sensitive", code_list="icd10-3char", nullable=False, source="ICD-10"),
    choice("triage", TRIAGE),
    choice("monitoring", MONITORING),
    choice("treatment", TREATMENTS),
    number("recovery_score", 0, 120, "points", 1, nullable=False),
    choice("died", ("no", "yes"), "outcome", kind="boolean"),
)

MEASUREMENT_COLUMNS: Final = (
    Column("time", "datetime", role="time", bounds=("2020-01-01T00:00:00", "2026-12-31T23:59:59"),
           nullable=False, source=SOURCE),
    number("heart_rate", 20, 260, "1/min"),
    number("systolic", 30, 300, "mmHg"),
    number("mean_pressure", 20, 280, "mmHg"),
    number("diastolic", 10, 250, "mmHg"),
    number("temperature", 30, 112, "degree Celsius, by mistake Fahrenheit", 1),
    number("sodium", 90, 190, "mmol/l"),
    number("chloride", 60, 160, "mmol/l"),
    number("creatinine", 0.1, 40, "mg/dl", 1, log=True),
    number("urea", 1, 400, "mg/dl", log=True),
    number("lactate", 0.2, 30, "mmol/l", 1, log=True),
    number("urine", 0, 3000, "ml"),
)

ADMISSION_RULES: Final = (
    {"compare": "admitted <= discharged"},
)
PRESSURE_RULES: Final = (
    {"compare": "diastolic <= mean_pressure"},
    {"compare": "mean_pressure <= systolic"},
)


def sex_rules() -> tuple[dict[str, str], ...]:
    """No woman has a male code and no man a female one."""
    return tuple({"forbid": f"sex == '{sex}' and diagnosis in [{', '.join(map(repr, codes))}]"}
                 for sex, codes in (("male", FEMALE_CODES), ("female", MALE_CODES)))


def ward_schemas() -> dict[str, Schema]:
    """Schemas by table name; "ward" is admissions joined with their patients."""
    return {
        "patients": Schema((PATIENT, *PATIENT_COLUMNS), name="ward_patients",
                           population=Population("ward"), max_rows_per_unit=1),
        "admissions": Schema((PATIENT, ADMISSION, *ADMISSION_COLUMNS), name="ward_admissions",
                             population=Population("ward"), rules=ADMISSION_RULES, max_rows_per_unit=8),
        "measurements": Schema((PATIENT, ADMISSION, *MEASUREMENT_COLUMNS), name="ward_measurements",
                               population=Population("ward"), rules=PRESSURE_RULES, max_rows_per_unit=200),
        "ward": Schema(
            (PATIENT, ADMISSION, *PATIENT_COLUMNS, *ADMISSION_COLUMNS), name="ward",
            population=Population("ward"), rules=(*ADMISSION_RULES, *sex_rules()), max_rows_per_unit=8,
            evaluation=Evaluation(target="died", subgroups=("sex", "dialysis"),
                                  quasi_identifiers=("sex", "age", "region")),
            description="Simulated hospital admissions: nobody in it exists."),
    }
