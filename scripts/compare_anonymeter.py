"""Counts of Anonymeter on public files, as an oracle for our own attacks. Never imported by the package.

    python3.11 -m venv VENV && VENV/bin/pip install "anonymeter==1.0.0" "pandas<2.2"      # or anonymeter==1.1.0
    VENV/bin/python scripts/compare_anonymeter.py FOLDER > anonymeter.json                # two minutes

Anonymeter (Clear BSD licence; Giomi et al. 2023) needs Python below 3.12 and numpy below 1.27, hence an environment of
its own; nothing of it is copied here. FOLDER holds ``anonymeter_adults_{ori,syn}.csv`` (its own fixtures, 100 rows) and
``census2k-{trn,hol,syn_mostly,syn_flip30}.csv.gz`` (2,000 rows each).

One JSON object is printed: data set -> attack -> variant -> {"issued", "hits", "control"}: predicates or guesses that
were made, successes on the training rows, successes on the holdout (null without one). Every row is attacked and every
univariate predicate issued, so that links, guesses and univariate counts hold in every run, but for this:

* 1.0.0 takes two predicates whose texts are anagrams (``x == 12``, ``x == 21``) for one, and chance says which of them
  stays: hits of univariate predicates differ by a few between seeds. 1.1.0 counts them all, as we do.
* Multivariate predicates are drawn (``--seed``): compare rates within their intervals.
* Both divide by the number of predicates that was asked for (1.0.0, 1.1.0) and not by "issued".
* A numeric guess is held against the *signed* guess, so that every negative one is right; ours uses the range.
* Duplicated rows are dropped before singling out; ours counts people.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anonymeter.evaluators import (  # type: ignore[import-not-found]
    InferenceEvaluator,
    LinkabilityEvaluator,
    SinglingOutEvaluator,
    singling_out_evaluator,
)

EVERYTHING = 5_000
"""More univariate predicates than any of these files has."""
MULTIVARIATE = 200
MAX_TRIES = 100_000
COLUMNS = (2, 3, 4, 5, 6)
NEIGHBOURS = (1, 2, 3, 5, 10)
CENSUS_PARTS = (["workclass", "education", "hours_per_week", "capital_loss", "capital_gain"],
                ["race", "sex", "fnlwgt", "age", "native_country"])
CENSUS_SECRETS = ("income", "marital_status", "occupation", "age")


@contextmanager
def issued() -> Iterator[list[int]]:
    """How many predicates Anonymeter really makes, attack by attack; it tells only how many were asked for."""
    counts: list[int] = []
    make = singling_out_evaluator._generate_singling_out_queries

    def noted(*args: Any, **named: Any) -> Any:
        predicates = make(*args, **named)
        counts.append(len(predicates))
        return predicates

    singling_out_evaluator._generate_singling_out_queries = noted
    try:
        yield counts
    finally:
        singling_out_evaluator._generate_singling_out_queries = make


def singling_out(train: pd.DataFrame, synth: pd.DataFrame, control: pd.DataFrame | None, columns: Sequence[int],
                 seed: int) -> dict[str, Any]:
    """All univariate predicates, and `MULTIVARIATE` of each number of columns."""
    singling_out_evaluator.rng = np.random.default_rng(seed)  # where 1.0.0 draws from
    seeded = {} if version("anonymeter") == "1.0.0" else {"seed": seed}
    found = {}
    with issued() as counts:
        for k in (1, *columns):
            what, asked = ("univariate", EVERYTHING) if k == 1 else ("multivariate", MULTIVARIATE)
            evaluator = SinglingOutEvaluator(train, synth, asked, n_cols=k, control=control, max_attempts=MAX_TRIES,
                                             **seeded)
            results = evaluator.evaluate(what).results()
            found[what if k == 1 else f"{k} columns"] = _count(results, counts[-1])
    return found


def linkability(train: pd.DataFrame, synth: pd.DataFrame, control: pd.DataFrame | None,
                parts: tuple[list[str], list[str]]) -> dict[str, Any]:
    """Links of every row among the k nearest on either part of the columns."""
    evaluator = LinkabilityEvaluator(train, synth, aux_cols=parts, n_attacks=len(train), control=control,
                                     n_neighbors=max(NEIGHBOURS)).evaluate(n_jobs=1)
    return {f"k={k}": _count(evaluator.results(n_neighbors=k), len(train)) for k in NEIGHBOURS}


def inference(train: pd.DataFrame, synth: pd.DataFrame, control: pd.DataFrame | None,
              secrets: Sequence[str]) -> dict[str, Any]:
    """Guesses of one column from all others, for every row; numbers within 5 % of the guess."""
    found = {}
    for secret in secrets:
        evaluator = InferenceEvaluator(train, synth, aux_cols=[c for c in train if c != secret], secret=secret,
                                       regression=pd.api.types.is_numeric_dtype(train[secret]),
                                       n_attacks=len(train), control=control)
        found[secret] = _count(evaluator.evaluate(n_jobs=1).results(), len(train))
    return found


def fixtures(folder: Path, seed: int) -> dict[str, Any]:
    """Anonymeter's own 100 rows, without a control."""
    train, synth = (pd.read_csv(folder / f"anonymeter_adults_{part}.csv") for part in ("ori", "syn"))
    names = list(train.columns)
    return {"singling_out": singling_out(train, synth, None, (), seed),
            "linkability": linkability(train, synth, None, (names[:7], names[7:])),
            "inference": inference(train, synth, None, names)}


def census(folder: Path, name: str, seed: int) -> dict[str, Any]:
    """2,000 rows of a census extract and a table made from them, against 2,000 others."""
    train, holdout, synth = (pd.read_csv(folder / f"census2k-{part}.csv.gz") for part in ("trn", "hol", name))
    synth = synth[train.columns]
    return {"singling_out": singling_out(train, synth, holdout, COLUMNS, seed),
            "linkability": linkability(train, synth, holdout, CENSUS_PARTS),
            "inference": inference(train, synth, holdout, CENSUS_SECRETS)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    print(json.dumps({"anonymeter": version("anonymeter"), "seed": given.seed,
                      "adults": fixtures(given.folder, given.seed),
                      **{name: census(given.folder, name, given.seed) for name in ("syn_mostly", "syn_flip30")}},
                     indent=1))
    return 0


def _count(results: Any, issued: int) -> dict[str, Any]:
    return {"issued": issued, "hits": int(results.n_success),
            "control": None if results.n_control is None else float(results.n_control)}


if __name__ == "__main__":
    sys.exit(main())
