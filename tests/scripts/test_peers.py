"""What peers are given and what comes back, without any of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import peers

TRAIN = pd.DataFrame({"sex": ["f", "m", "f", ""], "grade": [3, 1, 2, 3], "weight": [50.5, 71.25, 60.0, 64.0],
                      "returned": [True, False, False, True]}).assign(fee=np.arange(4) * 1000)


def test_codes_lead_back_to_the_table() -> None:
    codes, decode = peers.coded(TRAIN)
    assert all(pd.api.types.is_numeric_dtype(codes[c]) for c in codes)
    pd.testing.assert_frame_equal(peers.like(decode(codes), TRAIN).astype(str), TRAIN.astype(str))


def test_whole_numbers_come_back_rounded_in_the_order_of_the_table() -> None:
    drawn = TRAIN[list(TRAIN)[::-1]].assign(grade=[2.6, 1.2, 3.0, 2.4])
    back = peers.like(drawn, TRAIN)
    assert list(back) == list(TRAIN)
    assert back["grade"].tolist() == [3, 1, 3, 2]


def test_whole_numbers_of_few_values_are_codes_and_others_are_numbers() -> None:
    many = pd.DataFrame({"few": np.arange(100) % 20, "many": np.arange(100) % 21, "half": np.arange(100) / 2})
    assert peers.discrete_columns(many) == ["few"]
    assert peers.as_text(many)["few"].map(type).eq(str).all()


def test_a_peer_that_is_not_installed_is_not_offered() -> None:
    assert set(peers.installed()) <= set(peers.PEERS)
