"""Numbers of SDMetrics beside ours on one pair of public files, and why they differ. Never imported by the package.

    python3 -m venv VENV && VENV/bin/pip install "sdmetrics==0.32.0" .
    VENV/bin/python scripts/compare_sdmetrics.py --data FOLDER [--synth syn_mostly]        # one minute, Markdown

SDMetrics is MIT licensed; nothing of it is copied here. FOLDER holds
``census2k-{trn,hol,syn_mostly,syn_flip30}.csv.gz`` (2,000 rows each; "?" is read as missing). Both sides get the same
files: T = trn, H = hol, S = the synthetic one. Theirs is computed against H where ours is, so that a difference is one
of definition.

LogisticDetection and DCRBaselineProtection draw from an unseeded generator and differ a little between runs; all other
numbers hold.

First come the figures of SDMetrics' own demo, which tell whether this is the version that the table was made with.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sdmetrics  # type: ignore[import-not-found]
from sdmetrics import column_pairs, single_column, single_table
from sdmetrics.reports.single_table import QualityReport  # type: ignore[import-not-found]

from tabsynth import Table
from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.evaluation.agreement import compare
from tabsynth.evaluation.protocol import Samples, evaluate, prepare

DEMO = {"overall": 0.7767270753585065, "Column Shapes": 0.8511084702797364, "Column Pair Trends": 0.7023456804372765,
        "second_perc": 0.897674, "mba_perc": 0.925581, "high_spec": 0.986047, "degree_type": 0.939535}
MEASURES = ["kway", "univariate", "dependence", "detection", "missingness", "tails", "prdc", "distances", "validity"]
Row = tuple[str, float | None, str, float | None, str]


def demo() -> list[tuple[str, float, float]]:
    """(figure, expected, found) of the demo table `student_placements`."""
    real, synth, metadata = sdmetrics.load_demo(modality="single_table")
    report = QualityReport()
    report.generate(real["student_placements"], synth["student_placements"], metadata["tables"]["student_placements"],
                    verbose=False)
    found = {"overall": report.get_score(), **report.get_properties().set_index("Property")["Score"],
             **report.get_details("Column Shapes").set_index("Column")["Score"]}
    return [(name, expected, float(found[name])) for name, expected in DEMO.items()]


class Census:
    """The three files as frames and as our samples, with the training values' range as public bounds."""

    def __init__(self, folder: Path, synth: str) -> None:
        self.train, self.real, self.synth = (
            pd.read_csv(folder / f"census2k-{part}.csv.gz", na_values="?") for part in ("trn", "hol", synth))
        tables = [Table.from_pandas(frame) for frame in (self.synth, self.train, self.real)]
        schema = tables[1].schema
        self.numbers = [c.name for c in schema.columns if c.kind in NUMERIC]
        self.categories = [c.name for c in schema.columns if c.kind not in NUMERIC]
        bounded = schema.with_columns(
            replace(c, bounds=(self.train[c.name].min().item(), self.train[c.name].max().item()))
            if c.name in self.numbers else c for c in schema.columns)
        self.samples: Samples = prepare(*(Table(bounded, dict(t.columns)) for t in tables), seed=1)
        self.metadata = {"columns": {name: {"sdtype": "numerical" if name in self.numbers else "categorical"}
                                     for name in self.train.columns}}

    def mean(self, metric: Any, columns: Iterable[str], against: pd.DataFrame | None = None) -> float:
        """Mean of one of their single-column metrics."""
        real = self.real if against is None else against
        return float(np.mean([metric.compute(real[name], self.synth[name]) for name in columns]))

    def agreement(self, columns: list[str], k: int) -> float:
        """Our A_k over these columns alone."""
        places = [self.samples.columns.index(name) for name in columns]
        return compare([(self.samples.S, self.samples.H)], self.samples.sizes,
                       list(itertools.combinations(places, k)))[0].mean


def rows(data: Census) -> list[Row]:
    """What is compared: name of theirs, theirs, name of ours, ours, why they differ."""
    ours = {f.id: f for f in evaluate(data.samples, only=MEASURES)}
    return [*_columns(data, ours), *_pairs(data, ours), *_support(data, ours), *_rows_and_classifiers(data, ours)]


def _columns(data: Census, ours: dict[str, Finding]) -> list[Row]:
    few = [name for name in data.categories if data.real[name].nunique() <= 10
           and not any(frame[name].isna().any() for frame in (data.real, data.synth))]
    return [
        ("KSComplement, mean of numbers", data.mean(single_column.KSComplement, data.numbers), "1 - univariate.ks",
         1 - _value(ours["univariate.ks"]), "same statistic"),
        ("KSComplement, mean of numbers", data.mean(single_column.KSComplement, data.numbers), "A_1 of numbers",
         data.agreement(data.numbers, 1), "ours bins at deciles and frequent values: total variation sees every bin, "
         "KS one point of the curve"),
        ("TVComplement, complete categories of 10 levels or fewer", data.mean(single_column.TVComplement, few),
         "A_1 of these", data.agreement(few, 1), "same statistic"),
        ("TVComplement, all categories", data.mean(single_column.TVComplement, data.categories), "A_1 of categories",
         data.agreement(data.categories, 1), "ours merges levels beyond the ten most frequent, which raises it, and "
         "counts missing cells as a level, which theirs leaves out"),
        ("StatisticSimilarity (mean), numbers", data.mean(single_column.StatisticSimilarity, data.numbers), "none",
         None, "a mean alone says little; ours compares whole columns"),
        ("MissingValueSimilarity, mean", data.mean(single_column.MissingValueSimilarity, data.real.columns),
         "1 - missingness", 1 - _value(ours["missingness"]), "theirs looks at one column at a time and averages over "
         "complete ones; ours at pairs of columns with gaps, so that a broken pattern shows"),
    ]


def _pairs(data: Census, ours: dict[str, Finding]) -> list[Row]:
    numbers, categories = (list(itertools.combinations(names, 2)) for names in (data.numbers, data.categories))
    report = QualityReport()
    report.generate(data.real, data.synth, data.metadata, verbose=False)
    scores = report.get_properties().set_index("Property")["Score"]
    details = report.get_details("Column Pair Trends")
    counted = int(details["Meets Threshold?"].fillna(False).astype(bool).sum())
    return [
        ("ContingencySimilarity, category pairs", _pair_mean(data, column_pairs.ContingencySimilarity, categories),
         "A_2 of these", data.agreement(data.categories, 2),
         "same statistic; ours merges levels beyond the ten most frequent, which raises it"),
        ("CorrelationSimilarity (Pearson), number pairs", _pair_mean(data, column_pairs.CorrelationSimilarity, numbers),
         "1 - dependence", 1 - _value(ours["dependence"]),
         "theirs: numbers only, linear, one outlier moves it; ours: all pairs, ranks and Cramer's V"),
        ("QualityReport: Column Shapes", float(scores["Column Shapes"]), "kway.1", _value(ours["kway.1"]),
         "theirs mixes KS and total variation; ours is one statistic, and between floor "
         f"{ours['kway.1'].floor:.4f} and ceiling {ours['kway.1'].ceiling:.4f}"),
        ("QualityReport: Column Pair Trends", float(scores["Column Pair Trends"]), "kway.2", _value(ours["kway.2"]),
         f"theirs drops pairs that are weakly associated in the real rows ({counted} of {len(details)} count here), so "
         "that invented dependence costs nothing; ours scores all, between floor "
         f"{ours['kway.2'].floor:.4f} and ceiling {ours['kway.2'].ceiling:.4f}"),
        ("QualityReport: overall", float(report.get_score()), "none", None,
         "no composite score: one number would hide another"),
    ]


def _support(data: Census, ours: dict[str, Finding]) -> list[Row]:
    outside = sum(1 - single_column.BoundaryAdherence.compute(data.train[n], data.synth[n]) for n in data.numbers)
    return [
        ("BoundaryAdherence: sum over numbers of the share outside", float(outside), "validity",
         _value(ours["validity"]), "bounds of T on both sides; theirs counts cells, ours rows, once each"),
        ("CategoryCoverage, mean", data.mean(single_column.CategoryCoverage, data.categories), "tails.categories",
         ours["tails.categories"].value, "theirs: occurs at all, common levels too; ours: rare levels, half to twice "
         f"as often ({ours['tails.categories'].n} of them)"),
        ("RangeCoverage, mean of numbers", data.mean(single_column.RangeCoverage, data.numbers), "prdc.coverage",
         ours["prdc.coverage"].value, "theirs: two extreme values a column; ours: whole rows that have one close by"),
        ("the same", None, "tails.beta", ours["tails.beta"].value, "the rows farthest from others alone"),
    ]


def _rows_and_classifiers(data: Census, ours: dict[str, Finding]) -> list[Row]:
    new = single_table.NewRowSynthesis.compute(data.train, data.synth, data.metadata)
    known = np.logical_and.reduce([data.synth[name].isin(data.real[name]) for name in data.categories])
    detected = single_table.LogisticDetection.compute(data.real, data.synth[known], data.metadata)
    dcr = single_table.DCROverfittingProtection.compute_breakdown(data.train, data.synth, data.real, data.metadata,
                                                                  None)
    noise = single_table.DCRBaselineProtection.compute_breakdown(data.train, data.synth, data.metadata, None)
    by = ours["c2st"].details["auc_by_detector"]
    return [
        ("NewRowSynthesis against T", float(new), "1 - D3.identical", 1 - _value(ours["D3.identical"]),
         "theirs takes numbers within 1 % as equal and has no control; ours shows the holdout's rate "
         f"({1 - (ours['D3.identical'].control or 0):.4f})"),
        ("LogisticDetection as an AUC (1 - score / 2)", 1 - float(detected) / 2, "c2st, logistic regression",
         float(by["logistic regression"]), "theirs takes numbers as they are, raises no fold below .5, and stops at a "
         f"category that H lacks (without these {int((~known).sum())} rows here); ours has an indicator per bin"),
        ("the same", None, "c2st", _value(ours["c2st"]),
         f"the larger of two detectors, here {ours['c2st'].details['detector']}"),
        ("DCROverfittingProtection: share closer to T", float(dcr["synthetic_data_percentages"]["closer_to_training"]),
         "D1.dcr", _value(ours["D1.dcr"]), "another distance; theirs gives ties to the holdout. A diagnostic in ours"),
        ("DCRBaselineProtection", float(noise["score"]), "none", None,
         "its baseline is uniform noise, so that noise looks private"),
    ]


def _pair_mean(data: Census, metric: Any, pairs: list[tuple[str, str]]) -> float:
    return float(np.mean([metric.compute(data.real[list(pair)], data.synth[list(pair)]) for pair in pairs]))


def _value(finding: Finding) -> float:
    if finding.value is None:
        raise SystemExit(f"{finding.id} was not computed: {finding.reason}")
    return finding.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the census files")
    parser.add_argument("--synth", default="syn_mostly", choices=["syn_mostly", "syn_flip30"])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # theirs; the numbers are what is looked at
    print(f"SDMetrics {sdmetrics.__version__}, demo `student_placements`\n")
    print("| figure | expected | found |\n|---|---|---|")
    for name, expected, found in demo():
        print(f"| {name} | {expected:.6f} | {found:.6f} |")
    print(f"\n`census2k-{asked.synth}` against `census2k-hol`, 2,000 rows each\n\n"
          "| SDMetrics | theirs | ours | value | why they differ |\n|---|---|---|---|---|")
    for theirs, a, mine, b, why in rows(Census(asked.data, asked.synth)):
        print(f"| {theirs} | {'' if a is None else f'{a:.4f}'} | {mine} | {'' if b is None else f'{b:.4f}'} | {why} |")


if __name__ == "__main__":
    main()
