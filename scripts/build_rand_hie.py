"""Rebuild ``tabsynth/datasets/bundled/rand_hie.csv.gz`` from the public-domain file that statsmodels ships.

    python scripts/build_rand_hie.py              # needs statsmodels and pandas; writes the bundled file
    python scripts/build_rand_hie.py OTHER.csv.gz

All 20,190 person-years of 5,912 people are kept. Columns are chosen, named and given readable levels; money is
rounded to cents and indices to the one decimal that the questionnaire scores have. Nothing is drawn or invented:
values that the source imputed for physical limitation (fractions between 0 and 1) become missing.
"""

from __future__ import annotations

import gzip
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pandas as pd

BUNDLED: Final = Path(__file__).resolve().parent.parent / "tabsynth/datasets/bundled/rand_hie.csv.gz"

SITES: Final = {1: "Dayton", 2: "Seattle", 3: "Fitchburg", 4: "Franklin County", 5: "Charleston",
                6: "Georgetown County"}
PLANS: Final = {
    **dict.fromkeys((1, 13), "individual deductible"), **dict.fromkeys((2, 3, 4), "100%"),
    **dict.fromkeys((5, 6, 7), "25%"), **dict.fromkeys((8, 9, 10), "50%"), 11: "free",
    **dict.fromkeys((14, 15, 16), "95%"), **dict.fromkeys((17, 18, 19), "25%/50%"),
}
"""Number -> name. The names follow from each plan's coinsurance rate, deductible and sites in the file, read against
the published design of the study; the data card says how."""


def source() -> pd.DataFrame:
    """The 45-column original, one row a person and year."""
    with (files("statsmodels") / "datasets/randhie/src/randhie.csv").open("rb") as handle:
        return pd.read_csv(handle)


def self_rated_health(raw: pd.DataFrame) -> pd.Series[Any]:
    """One category of the source's three dummies; none of them set means excellent."""
    health = pd.Series("excellent", index=raw.index)
    for dummy, level in (("hlthg", "good"), ("hlthf", "fair"), ("hlthp", "poor")):
        health = health.mask(raw[dummy] == 1, level)
    return health


def fixed(values: pd.Series[Any], decimals: int) -> pd.Series[Any]:
    """Texts with this many decimals, empty where missing."""
    return values.map(lambda v: "" if pd.isna(v) else f"{v:.{decimals}f}")


def build() -> pd.DataFrame:
    """The bundled table as texts, sorted by person and year."""
    raw = source().sort_values(["zper", "year"], kind="stable", ignore_index=True)
    yes_no = {0.0: "no", 1.0: "yes"}
    return pd.DataFrame({
        "person": raw.zper,
        "year": raw.year,
        "site": raw.site.map(SITES),
        "plan": raw.plan.map(PLANS),
        "coinsurance": raw.coins,
        "spending_limit": fixed(raw.mdeoff, 2),
        "sex": raw.female.map({0: "male", 1: "female"}),
        "age": raw.xage.astype(int),
        "income": fixed(raw.income, 0),
        "education_years": fixed(raw.educdec, 1),
        "self_rated_health": self_rated_health(raw),
        "physical_limitation": raw.physlm.map(yes_no).fillna(""),
        "chronic_disease_index": fixed(raw.disea, 1),
        "general_health_index": fixed(raw.ghindx, 1),
        "doctor_visits": raw.mdvis,
        "other_visits": raw.notmdvis,
        "psychotherapy_visits": raw.mentvis,
        "admissions": raw.totadm,
        "any_admission": (raw.totadm > 0).astype(float).map(yes_no),
        "inpatient_spending": fixed(raw.inpdol, 2),
        "outpatient_spending": fixed(raw.outpdol, 2),
        "drug_spending": fixed(raw.drugdol, 2),
        "total_spending": fixed(raw.meddol, 2),
    })


def to_csv_bytes(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def main(argv: list[str]) -> None:
    target = Path(argv[0]) if argv else BUNDLED
    target.write_bytes(gzip.compress(to_csv_bytes(build()), compresslevel=9, mtime=0))
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
