"""The literature's classifier two-sample test, printed as one JSON object. Needs pandas, scikit-learn and xgboost.

    python scripts/c2st.py TRAIN.csv SYNTH.csv [--seed 0]

As SDMetrics defines it and articles on generators report it: XGBoost with its default settings, 3 folds, text columns
one-hot, equally many real and synthetic rows; score = 1 - (2 * max(AUC, .5) - 1), mean over folds, 1 is best. The real
side is the TRAINING table, so the score rewards copying: a table that repeats training rows gets 1. Read it beside the
copy ratio, never alone.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold


def c2st(train: pd.DataFrame, synth: pd.DataFrame, classifier: Any, seed: int = 0) -> dict[str, float]:
    """Mean AUC and score over 3 folds. The classifier has ``fit`` and ``predict_proba``; each fold refits it."""
    n = min(len(train), len(synth))
    sides = [side.sample(n, random_state=seed) for side in (train, synth[train.columns])]
    features, real = design(pd.concat(sides, ignore_index=True)), np.repeat([1, 0], n)
    folds = StratifiedKFold(3, shuffle=True, random_state=seed).split(features, real)
    aucs = [roc_auc_score(real[test], classifier.fit(features[fit], real[fit]).predict_proba(features[test])[:, 1])
            for fit, test in folds]
    return {"auc": float(np.mean(aucs)), "score": float(np.mean([score(auc) for auc in aucs]))}


def score(auc: float) -> float:
    """1 for an AUC of at most .5, 0 for an AUC of 1.

    >>> score(0.5), score(0.75), score(0.3)
    (1.0, 0.5, 1.0)
    """
    return 1 - (2 * max(auc, 0.5) - 1)


def design(table: pd.DataFrame) -> sparse.csr_matrix:
    """Numbers as they are, other columns one-hot; sparse, since a code of diagnoses has hundreds of levels.

    Numbers are stored cell by cell, zeros too, because XGBoost takes an absent cell for a missing one.
    """
    blocks = []
    for name in table.columns:
        column = table[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        codes = np.zeros(len(column), int) if numeric else pd.factorize(column.astype(str))[0]
        cells = column.to_numpy(np.float32) if numeric else np.ones(len(column), np.float32)
        blocks.append(sparse.csr_matrix((cells, codes, np.arange(len(column) + 1)), (len(column), codes.max() + 1)))
    return sparse.hstack(blocks, format="csr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("synth")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    import xgboost  # type: ignore[import-not-found]

    tables = [pd.read_csv(path, keep_default_na=False, low_memory=False) for path in (given.train, given.synth)]
    found = c2st(*tables, xgboost.XGBClassifier(n_jobs=1, random_state=given.seed), given.seed)
    print(json.dumps({**found, "xgboost": xgboost.__version__}))


if __name__ == "__main__":
    main()
