"""The page of results says what the lines say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench_table import document, read


def ran(model: str, seed: int, **figures: Any) -> dict[str, Any]:
    best = {"marg1_10": 0.99, "marg2": 0.98, "marg3": 0.96, "det_hgb_auc": 0.5, "tstr_auc": 0.9, "trtr_auc": 0.9,
            "dcr_share": 0.5, "c2st_train": {"score": 0.98, "auc": 0.51, "xgboost": "3.2.0"},
            "copies": {"all": {"nature": 0.01}}}
    return {"bench": "tabular", "which": model, "data": "adult", "model": model, "seed": seed, **best, **figures}


COST = {"fit_cpu_s": 1.5, "sample_cpu_s": 0.5, "sample_rows": 1000, "peak_mb": 200}
COPIES = {"all": {"train": 0.02, "holdout": 0.01, "ratio": 2.0, "nature": 0.01}}
LINES = [
    {"bench": "environment", "which": "compare", "cpu": "Some CPU", "cores": 2, "numpy": "2.0"},
    ran("ceiling", 0),
    ran("copula", 0, marg1_10=0.98, tstr_auc=0.88, copies=COPIES, **COST),
    ran("copula", 1, marg1_10=0.96, tstr_auc=0.86, copies=COPIES, **COST),
    ran("ctgan", 0, copies=COPIES, version="2.0", settings={"epochs": 3}, **{**COST, "sample_cpu_s": 0.0}),
    {"bench": "tabular", "which": "tvae", "data": "adult", "model": "tvae", "seed": 0, "failed": "out of | luck"},
    {"bench": "scale", "which": "fit", "wall_s": 2.0, "cpu_s": 1.9, "peak_mb": 90, "together_mb": 100},
]


def rows(page: str) -> dict[str, list[str]]:
    lines = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("|")]
    return {first.strip(): [cell.strip() for cell in others] for first, *others in lines}


def test_distance_is_put_over_that_of_the_ceiling_and_seeds_are_summed_up() -> None:
    found = rows(document(LINES))
    column = dict(zip(found["generator"], found["copula"], strict=True))
    assert column["1-way"] == "0.9700 ±0.0141 (3.00)"
    assert column["TSTR loss"] == "0.0300 ±0.0141"
    assert column["copies, all"] == "2.00 ±0.00 (0.0200)"
    assert column["rows/s"] == "2,000 ±0"
    assert dict(zip(found["generator"], found["ceiling"], strict=True))["copies, all"] == "nature 0.0100"


def test_what_was_not_measured_is_a_dash_and_what_failed_says_why() -> None:
    found = rows(document(LINES))
    assert dict(zip(found["generator"], found["ctgan"], strict=True))["rows/s"] == "–"
    assert found["tvae"][0] == "failed: out of / luck"
    assert len(found["tvae"]) == len(found["generator"])


def test_the_score_that_rewards_copying_says_so_and_versions_are_given() -> None:
    page = document(LINES)
    assert "It rewards copying" in page
    assert "Some CPU, 2 cores" in page
    assert "ctgan 2.0 (epochs 3), xgboost 3.2.0" in page
    assert "| fit | 2.0 | 1.9 | 100 |" in page


def test_results_without_xgboost_and_an_absent_file(tmp_path: Path) -> None:
    assert "–" in rows(document([ran("ceiling", 0, c2st_train=None)]))["ceiling"]
    assert read(tmp_path / "none.jsonl") == []
    (tmp_path / "some.jsonl").write_text("\n".join(map(json.dumps, LINES)) + "\n", "utf-8")
    assert read(tmp_path / "some.jsonl") == LINES
