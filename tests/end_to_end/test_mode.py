"""``--mode``: settings chosen on people held back, told by the fit and by the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def test_a_fit_chooses_its_settings_and_says_why(tabsynth_here, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    age = rng.integers(20, 90, 600)
    pd.DataFrame({"age": age, "sick": rng.random(600) < age / 100, "ward": rng.choice(list("xyz"), 600)}).to_csv(
        tmp_path / "t.csv", index=False)
    fit = ("fit", "t.csv", "--model", "seqforest", "--seed", 3, "--force", "-o", "m.tabsynth")
    made = tabsynth_here(*fit, "--set", "leaf=9", "--mode", "cautious", "--json").document
    assert made["settings"]["leaf"] == 9
    assert made["calibration"]["mode"] == "cautious"
    assert made["calibration"]["held_back_people"] == 90
    assert {one["settings"]["leaf"] for one in made["calibration"]["candidates"]} == {9}
    told = tabsynth_here(*fit).out
    assert "Settings: " in told
    assert "mode balanced: " in told
    assert "mode balanced: " in tabsynth_here("inspect", "m.tabsynth").out
    tabsynth_here(*fit, "--mode", "bold").refused(2, "bold", "balanced")
    tabsynth_here("fit", "t.csv", "--model", "copula", "--mode", "off", "-o", "n.tabsynth").refused(2, "copula")
