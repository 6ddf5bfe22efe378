"""Copy ratios, against counting by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from copies import copies, copy_rates

TRAIN = pd.DataFrame({"sex": ["f", "f", "m", "m", "f", "m"], "age": ["30", "30", "41", "52", "63", ""]})
HOLDOUT = pd.DataFrame({"sex": ["f", "m", "m"], "age": ["30", "41", "70"]})


def test_the_expected_share_is_the_mean_over_all_samples_of_the_training_rows() -> None:
    synth, train, holdout = np.array([0, 0, 1, 4, 9]), np.array([0, 0, 1, 2, 3, 4]), np.array([0, 1, 7])
    by_hand = np.mean([np.isin(synth, train[list(chosen)]).mean() for chosen in combinations(range(6), 3)])
    found = copy_rates(synth, train, holdout)
    assert found["train"] == pytest.approx(by_hand)
    assert found["holdout"] == pytest.approx(3 / 5)
    assert found["ratio"] == pytest.approx(by_hand / (3 / 5))
    assert found["nature"] == pytest.approx(3 / 6)


def test_a_copier_has_a_high_ratio_and_a_repeater_of_the_holdout_a_low_one() -> None:
    looks = {"all": ["sex", "age"]}
    copier = copies(TRAIN, TRAIN, HOLDOUT, looks)["all"]
    assert copier["ratio"] > 1.1
    assert copier["holdout"] == copier["nature"] == pytest.approx(3 / 6)
    assert copies(HOLDOUT, TRAIN, HOLDOUT, looks)["all"]["ratio"] < 0.9


def test_fewer_columns_make_more_copies() -> None:
    synth = pd.DataFrame({"sex": ["f", "m"], "age": ["99", "98"]})
    found = copies(synth, TRAIN, HOLDOUT, {"all": ["sex", "age"], "sex": ["sex"]})
    assert found["all"]["train"] == found["all"]["holdout"] == 0
    assert found["all"]["ratio"] is None
    assert found["sex"]["holdout"] == 1


def test_spellings_of_a_number_are_one_value_and_a_missing_cell_is_none_of_them() -> None:
    one = pd.DataFrame({"x": ["1"]})
    for text, equal in (("1.0", True), ("1.0000001", True), ("1.01", False), ("", False), ("one", False)):
        synth = pd.DataFrame({"x": [text]})
        assert copies(synth, one, one, {"all": ["x"]})["all"]["holdout"] == equal
    assert copies(pd.DataFrame({"x": [""]}), one, pd.DataFrame({"x": [""]}), {"all": ["x"]})["all"]["holdout"] == 1


def test_codes_are_text_if_one_of_them_is() -> None:
    codes, asked = pd.DataFrame({"diag": ["250", "V57"]}), pd.DataFrame({"diag": ["250.00"]})
    assert copies(asked, codes, codes, {"all": ["diag"]})["all"]["holdout"] == 0


def test_a_row_that_is_often_in_train_is_seldom_missing_from_a_sample() -> None:
    often, once = (copy_rates(np.array([1]), np.array(train), np.array([5, 6]))["train"]
                   for train in ([1, 1, 1, 2], [1, 2, 3, 4]))
    assert often == 1
    assert once == pytest.approx(0.5)
