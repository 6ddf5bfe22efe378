"""What ``inspect MODEL`` tells: counts that can be checked by hand, and no value that was learned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabsynth.core.errors import ArtifactError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.pipeline.contents import inspect_model, learned, lines, notice
from tabsynth.pipeline.fit import Privacy, fit
from tabsynth.pipeline.synthesizer import generator

WORDS = "correct horse battery staple"


@pytest.fixture
def stays() -> Table:
    """400 people; two wards that many and three that few have been in, a code with its meaning, a measured number."""
    rng = np.random.default_rng(8)
    code = rng.integers(0, 3, 400)
    frame = pd.DataFrame({
        "patient": [f"P{i:03d}" for i in range(400)], "code": [f"K{c}" for c in code],
        "meaning": [f"meaning of K{c}" for c in code], "smoker": rng.random(400) < 0.3,
        "ward": ["zeta", "eta", "theta", *rng.choice(["icu", "surgery"], 397)],
        "weight": np.round(rng.normal(75, 12, 400), 3), "points": rng.integers(0, 4, 400)})
    table = Table.from_pandas(frame)
    schema = replace(table.schema.with_unit("patient"), rules=({"mapped": {"from": "code", "to": "meaning"}},))
    return Table(schema, table.columns)


def test_counts_of_what_was_learned(stays: Table, tmp_path: Path) -> None:
    fitted = fit(stays, model="independent", rng=generator(1))
    fitted.save(tmp_path / "m.tabsynth")
    facts = inspect_model(tmp_path / "m.tabsynth")
    columns = {c["name"]: c for c in facts["columns"]}
    assert columns["code"]["holds"] == {"levels": 3}
    assert columns["ward"]["holds"] == {"levels": 2}
    assert columns["ward"]["pooled"] == {"levels": 3, "share": 0.0075}
    assert columns["points"]["holds"] == {"atoms": 4, "bins": 0}
    assert columns["weight"]["holds"]["bins"] > 10
    assert columns["smoker"]["holds"] == {"values": 2}
    for column in columns.values():
        if column["modelled"]:
            assert column["codes"] == sum(column["holds"].values()) + 3, column
    told = {name: learned(column) for name, column in columns.items()}
    assert told["ward"] == "2 levels; 3 rare pooled (0.8 % of rows)"
    assert told["meaning"] == "computed from code by a table of 3 learned entries"
    assert told["patient"] == "nothing; made anew"
    assert told["points"] == "4 single values"
    assert told["(rows per unit)"] == "1 single value"
    arrays = fitted.generator.state().arrays
    assert facts["parameters"] == sum(a.size for a in arrays.values()) == sum(c["codes"] or 0 for c in columns.values())
    assert set(facts["members"]) == {"schema.json", "coding.json", "state.json", "arrays.safetensors"}
    assert facts["members"]["arrays.safetensors"] > 8 * facts["parameters"]


def test_formulas_are_told_by_column_and_share(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    bill, other = (np.round(1000 * np.exp(rng.normal(size=2000))).astype(int) for _ in range(2))
    table = Table.from_pandas(pd.DataFrame({"bill": bill, "paid": np.where(np.arange(2000) < 500, bill, other)}))
    fit(table, model="independent", rng=generator(1)).save(tmp_path / "m.tabsynth")
    columns = {c["name"]: c for c in inspect_model(tmp_path / "m.tabsynth")["columns"]}
    assert list(columns) == ["bill", "paid"]
    assert columns["paid"]["equals"][0]["formula"] == "bill"
    assert 0.2 < columns["paid"]["equals"][0]["share"] < 0.26
    assert "; equals bill in 2" in learned(columns["paid"])
    assert "equals" not in learned(columns["bill"])


def test_no_value_and_all_that_a_reader_should_know(stays: Table, tmp_path: Path) -> None:
    fit(stays, model="copula", rng=generator(1), settings={"sweeps": 7}).save(tmp_path / "m.tabsynth")
    facts = inspect_model(tmp_path / "m.tabsynth")
    text = "\n".join(f"{label}: {sentence}" for label, sentence in lines(facts))
    text += "\n".join(map(learned, facts["columns"]))
    for word in ("PERSONAL DATA. This file was fitted without differential privacy", "not encrypted", "sweeps = 7",
                 "chosen by name", "column patient", "learned from real rows"):
        assert word in text
    for value in ("surgery", "icu", "zeta", "K0", "meaning of"):
        assert value not in text + json.dumps(facts)


def test_a_file_with_a_guarantee(tmp_path: Path) -> None:
    schema = Schema((Column("sex", "category", levels=("f", "m"), source="form"),))
    table = Table.from_pandas(pd.DataFrame({"sex": pd.Categorical(["f", "m"] * 100)}))
    privacy = Privacy("1", "1e-6")
    fit(Table(schema, table.columns), model="marginal", privacy=privacy, rng=generator(1)).save(tmp_path / "m.tabsynth")
    facts = inspect_model(tmp_path / "m.tabsynth")
    assert facts["privacy"]["personal_data"] is False
    assert "epsilon 1 at delta 1e-06 per row" in notice(facts)
    assert "NOT FOR RELEASE" in notice(facts)
    assert "public schema" in dict(lines(facts))["Codes"]
    assert facts["statement"]


def test_an_encrypted_file_tells_more_with_its_passphrase(stays: Table, tmp_path: Path) -> None:
    fitted = fit(stays, model="independent", rng=generator(1))
    fitted.save(tmp_path / "m.tabsynth", passphrase=WORDS)
    closed = inspect_model(tmp_path / "m.tabsynth")
    assert closed["model"] == "independent"
    assert closed["encryption"]["cipher"] == "AES-256-GCM"
    assert not {"columns", "info", "arrays", "members"} & set(closed)
    told = dict(lines(closed))
    assert told["Privacy"].startswith("PERSONAL DATA")
    assert "tabsynth inspect m.tabsynth --passphrase-env NAME" in told["Inside"]
    fitted.save(tmp_path / "plain.tabsynth")
    opened, plain = inspect_model(tmp_path / "m.tabsynth", passphrase=WORDS), inspect_model(tmp_path / "plain.tabsynth")
    differ = {"file", "bytes", "encryption"}
    assert {k: v for k, v in opened.items() if k not in differ} == {k: v for k, v in plain.items() if k not in differ}
    with pytest.raises(ArtifactError, match="passphrase is wrong"):
        inspect_model(tmp_path / "m.tabsynth", passphrase="another horse altogether")
