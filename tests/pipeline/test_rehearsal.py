"""A dry run says what would be done, refuses what would be refused, and touches nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tabsynth.core.errors import ColumnNotFoundError, PrivacyError, UsageError
from tabsynth.pipeline.fit import Privacy
from tabsynth.pipeline.inputs import Reading
from tabsynth.pipeline.rehearsal import Rehearsal, rehearse

SCHEMA = """\
population: {name: visits, declared_units: 5000}
columns:
  - {name: patient, kind: id, role: unit}
  - {name: age, kind: integer, bounds: [0, 120], source: form}
  - {name: ward, kind: category, levels: [icu, medicine, surgery], source: list}
"""


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SCHEMA, "utf-8")
    return tmp_path / "s.yaml"


def dry(spec: object, reading: Reading, privacy: Privacy | None = None, model: str = "auto") -> Rehearsal:
    return rehearse(str(spec), reading, model=model, settings=None, privacy=privacy, files=["m.tabsynth"])


def test_with_epsilon(csv_file: Path, schema: Path, tmp_path: Path) -> None:
    before = sorted(p.name for p in tmp_path.iterdir())
    found = dry(csv_file, Reading(schema), Privacy("1"))
    assert (found.unit, found.choice.model, found.population) == ("patient", "marginal", "visits")
    assert found.left_out == ("sex", "weight")
    assert found.budget is not None
    assert (float(found.budget.epsilon), float(found.budget.delta)) == (1, 1e-6)
    assert (found.ledger, found.spent) == (tmp_path / "tabsynth-ledger", 0.0)
    assert json.loads(json.dumps(found.to_json()))["privacy"]["epsilon"] == 1
    text = " ".join(words for _, words in found.lines())
    assert "nothing spent yet" in text
    assert "Dry run" in text
    assert sorted(p.name for p in tmp_path.iterdir()) == before, "something was written"


def test_without_a_schema_only_the_header_is_looked_at(csv_file: Path) -> None:
    lines = csv_file.read_text("utf-8").splitlines()
    csv_file.write_text("\n".join([lines[0], "x;\"never parsed"]) + "\n", "utf-8")
    found = dry(csv_file, Reading(unit="patient"))
    assert (found.schema_source, found.unit, found.budget) == ("guessed from the rows", "patient", None)


def test_it_refuses_what_the_run_would_refuse(csv_file: Path, schema: Path) -> None:
    with pytest.raises(UsageError, match="needs --schema"):
        dry(csv_file, Reading(), Privacy("1"))
    with pytest.raises(PrivacyError, match="epsilon"):
        dry(csv_file, Reading(schema), Privacy("11"))
    with pytest.raises(UsageError, match="cannot be fitted with --epsilon"):
        dry(csv_file, Reading(schema), Privacy("1"), model="copula")
    schema.write_text(SCHEMA.replace("bounds: [0, 120], ", ""), "utf-8")
    with pytest.raises(PrivacyError, match="age"):
        dry(csv_file, Reading(schema), Privacy("1"))
    schema.write_text(SCHEMA.replace("name: ward", "name: wards"), "utf-8")
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'ward'"):
        dry(csv_file, Reading(schema))
