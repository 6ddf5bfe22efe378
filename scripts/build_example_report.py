"""Write reports/example.json and reports/example.html: a report on an invented table, for readers who run nothing.

Usage: python scripts/build_example_report.py [FOLDER]      (default: reports/)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tabsynth.core.errors import SourceError
from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.evaluation.verdict import judge, load_policy
from tabsynth.reports import document
from tabsynth.reports.context import Counts, Decision, ReportContext, column_facts
from tabsynth.reports.renderers import html

ROOT = Path(__file__).resolve().parent.parent

SCHEMA = Schema(
    name="ward-stays",
    columns=(
        Column("patient", "id", role="unit", description="pseudonym of the patient"),
        Column("admitted", "date", role="time", bounds=("2019-01-01", "2023-12-31"), source="study period"),
        Column("age", "integer", role="quasi-identifier", bounds=(18, 100), source="inclusion criteria"),
        Column("sex", "category", role="quasi-identifier", levels=("female", "male"), constant_per_unit=True,
               source="ISO/IEC 5218"),
        Column("diagnosis", "category", role="sensitive", code_list="icd9cm-3digit", source="ICD-9-CM"),
        Column("creatinine", "number", bounds=(20, 1500), scale="log", decimals=0, unit_of_measure="umol/l",
               source="instrument range"),
        Column("length_of_stay", "integer", bounds=(0, 120), source="hospital rule: longer stays are split"),
        Column("readmitted", "boolean", role="outcome", levels=("no", "yes")),
        Column("note", "text", role="direct-identifier", description="free text of the ward round"),
    ),
    rules=({"check": "length_of_stay >= 0"},),
)

FINDINGS = (
    Finding("validity", "Rows that break a rule", "validity", 0.0, "lower is better", n=20000,
            interval=(0.0, 0.00019), floor=0.031, ceiling=0.0015, shareable=True,
            method="Share of synthetic rows that break at least one declared rule; Wilson interval.",
            details={"broken": 0, "rows": 20000, "train_broken": 24, "train_rows": 16000}),
    Finding("kway.1", "One column at a time", "fidelity", 0.9702, "higher is better", n=4000,
            interval=(0.9671, 0.9733), floor=0.9741, ceiling=0.9768, state="uninformative",
            reason="Floor and ceiling are closer than two standard errors.",
            method="1 - half the mean L1 distance of all one-way tables, ten bins a column; delete-group jackknife.",
            breakdown=({"key": "creatinine", "value": 0.941, "n": 4000},
                       {"key": "diagnosis", "value": 0.952, "n": 4000}, {"key": "age", "value": 0.981, "n": 4000})),
    Finding("kway.2", "Two columns together", "fidelity", 0.9231, "higher is better", n=4000,
            interval=(0.9188, 0.9274), floor=0.8969, ceiling=0.9444, normalised=0.552,
            method="1 - half the mean L1 distance of all two-way tables; delete-group jackknife by person.",
            breakdown=({"key": "diagnosis × length_of_stay", "value": 0.871, "n": 4000},
                       {"key": "age × diagnosis", "value": 0.879, "n": 4000},
                       {"key": "creatinine × readmitted", "value": 0.902, "n": 4000})),
    Finding("kway.3", "Three columns together", "fidelity", 0.8512, "higher is better", n=4000,
            interval=(0.8441, 0.8583), floor=0.7903, ceiling=0.8907, normalised=0.607,
            method="All triples; delete-group jackknife by person."),
    Finding("c2st", "Can a classifier tell synthetic from real?", "fidelity", 0.642, "closer to 0.5 is better",
            n=8000, interval=(0.630, 0.654), floor=0.958, ceiling=0.511, normalised=0.707,
            method="Area under the ROC curve, 5-fold, gradient boosting, synthetic against holdout rows; DeLong."),
    Finding("tstr", "Predicting readmission", "utility", 0.731, "higher is better", n=4000,
            interval=(0.712, 0.750), floor=0.502, ceiling=0.758, normalised=0.895,
            method="Trained on synthetic, tested on the holdout; area under the ROC curve."),
    Finding("P0a", "Copies of real records", "privacy", 0.0005, "lower is safer", n=3940,
            unit_of_n="unique training rows", interval=(-0.0034, 0.0045), control=0.0074,
            method="Share of unique training rows that occur in the synthetic table, minus the same share for "
                   "holdout rows; Newcombe interval.",
            breakdown=({"key": "all columns", "train_hits": 31, "train_n": 3940, "control_hits": 29,
                        "control_n": 3940},)),
    Finding("P0e", "Reuse of single values", "privacy", 0.0031, "lower is safer", n=812,
            unit_of_n="values held by one person", interval=(-0.0172, 0.0235), control=0.0480,
            method="Values that occur once in the synthetic table and equal a value of one training person, minus the "
                   "same share for the holdout; Newcombe interval, worst column.",
            breakdown=({"key": "creatinine", "train_hits": 42, "train_n": 812, "control_hits": 39,
                        "control_n": 812},)),
    Finding("control.exchangeable", "Are training and holdout alike?", "diagnostic", 0.511,
            "closer to 0.5 is better", n=8000, interval=(0.497, 0.525), method="As above, training against holdout."),
    Finding("dcr", "Nearer to training than to holdout", "diagnostic", 0.503, "closer to 0.5 is better", n=4000,
            interval=(0.487, 0.519), method="Share of synthetic rows whose nearest real row is a training row."),
    Finding.not_run("analyses", "Agreement of declared analyses", "utility",
                    "The schema declares no analysis.", method="Coefficients on synthetic and on holdout rows."),
)

CONTEXT = ReportContext(
    dataset="Ward stays 2019 to 2023", model="copula", created="2026-11-22", outcome="REVIEW", unit="patient",
    description="Stays on a general ward, one row a stay. An invented table: no figure here is of a real hospital.",
    population="ward-stays", columns=column_facts(SCHEMA), rules=("length_of_stay >= 0",),
    counts=Counts(16000, 7310, 4000, 1828, 20000, 9102),
    decisions=(
        Decision("diagnosis", "levels held by fewer than 11 people pooled", n_levels=212, share=0.0341,
                 names=("017", "072", "104"), source="real rows"),
        Decision("note", "replaced by a placeholder", source="schema"),
    ),
    model_summary="Gaussian copula over mixed types", settings={"max_bins": 256, "rank": "mid-distribution"},
    purpose="teaching of biostatistics", recipient="registered students, under a data use agreement",
    versions={"tabsynth": "0.1.0", "python": "3.12", "numpy": "2.3", "scikit-learn": "1.7"},
    commands=("tabsynth release ward.csv --schema ward.yaml --no-dp --policy controlled -o release/",),
    sampling_seed=7, evaluation_seed=11,
)


def build() -> dict[str, object]:
    """The example's document: class "recipient", no guarantee."""
    return document.build(FINDINGS, judge(FINDINGS, load_policy("controlled")), context=CONTEXT,
                          report_class="recipient")


def main(folder: Path) -> None:
    if not folder.is_dir():
        raise SourceError(f"folder {folder} does not exist.")
    made = build()
    (folder / "example.json").write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", "utf-8")
    (folder / "example.html").write_text(html.render(made), "utf-8")
    print(f"wrote {folder / 'example.json'} and {folder / 'example.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "reports")
