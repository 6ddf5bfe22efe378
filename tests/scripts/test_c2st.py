"""The classifier test of the literature rewards copying: that is what the benchmark says about it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from c2st import c2st, design
from sklearn.tree import DecisionTreeClassifier

RNG = np.random.default_rng(0)


def table(n: int, shift: float = 0.0) -> pd.DataFrame:
    x = RNG.normal(shift, 1, n).round(1)
    return pd.DataFrame({"x": x, "high": np.where(x > 0, "yes", "no")})


def test_a_copy_of_train_scores_best_and_a_shifted_table_worst() -> None:
    train, judge = table(300), DecisionTreeClassifier(max_depth=2, random_state=0)
    copied, shifted = (c2st(train, synth, judge)["score"] for synth in (train.copy(), table(300, shift=3)))
    assert copied > 0.9
    assert shifted < 0.3


def test_both_sides_have_the_same_number_of_rows() -> None:
    judge = DecisionTreeClassifier(max_depth=1, random_state=0)
    assert c2st(table(300), table(60), judge)["auc"] < 0.75


def test_numbers_stay_and_text_becomes_one_column_a_level() -> None:
    cells = design(pd.DataFrame({"n": [0.0, 2.5, 0.0], "t": ["b", "a", "b"], "flag": [True, False, True]}))
    assert cells.toarray().tolist() == [[0, 1, 0, 1, 0], [2.5, 0, 1, 0, 1], [0, 1, 0, 1, 0]]
    assert cells.nnz == 9, "a number of 0 is stored: XGBoost takes an absent cell for a missing one"
