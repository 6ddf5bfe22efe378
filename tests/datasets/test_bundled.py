"""The bundled table is what its script makes of the public source, and demonstration tables need no network."""

from __future__ import annotations

import gzip
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tabsynth.core.errors import UsageError
from tabsynth.core.rules import Rules
from tabsynth.core.table import Table
from tabsynth.datasets import load

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "tabsynth/datasets/bundled"
FILE = BUNDLED / "rand_hie.csv.gz"


@pytest.fixture(scope="module")
def hie() -> Table:
    return load.load_demo("rand_hie")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_rand_hie", ROOT / "scripts/build_rand_hie.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_bundled_file_is_what_the_script_makes() -> None:
    pytest.importorskip("statsmodels")
    build = script()
    assert gzip.decompress(FILE.read_bytes()) == build.to_csv_bytes(build.build())


def test_bundled_file_is_small_and_without_a_date() -> None:
    data = FILE.read_bytes()
    assert len(data) <= 400_000
    assert data[4:8] == bytes(4), "the time stamp of the gzip header must be zero, so that builds are reproducible"


def test_all_people_and_years_are_there(hie: Table) -> None:
    people = hie.unit_codes()
    assert (len(hie), len(np.unique(people))) == (20_190, 5_912)
    assert len({*zip(people.tolist(), hie["year"].values.tolist(), strict=True)}) == 20_190
    assert np.bincount(people).max() == hie.schema.max_rows_per_unit


def test_missing_cells_are_those_of_the_source(hie: Table) -> None:
    missing = {name: int((~hie[name].present).sum()) for name in hie.schema.names}
    assert {name: count for name, count in missing.items() if count} == {
        "spending_limit": 5, "education_years": 4, "physical_limitation": 1_052, "general_health_index": 5_223}


def test_columns_declared_constant_are(hie: Table) -> None:
    people = hie.unit_codes()
    first = np.unique(people, return_index=True)[1][people]
    constant = [c.name for c in hie.schema.columns if c.constant_per_unit]
    assert len(constant) >= 10
    for name in constant:
        assert hie[name].same_as(hie[name].take(first)), name
    assert not hie["age"].same_as(hie["age"].take(first)), "age grows; it shows that this test can fail"


@pytest.mark.parametrize("name", load.names())
def test_demo_keeps_its_schema(name: str) -> None:
    table, schema = load.load_demo(name), load.demo_schema(name)
    assert table.schema.names == schema.names
    assert set(Rules.compile(schema).violations(table).values()) == {0}
    for column in schema.columns:
        assert column.nullable or table[column.name].present.all(), column.name


def test_rules_of_the_panel_notice_a_broken_row(hie: Table) -> None:
    wrong = hie.take(np.array([0, 1]))
    wrong["inpatient_spending"].values[0] = 1e4
    broken = Rules.compile(hie.schema).violations(wrong)
    assert broken["inpatient_spending <= total_spending"] == 1


def test_unknown_demo_lists_the_names() -> None:
    with pytest.raises(UsageError, match="rand_hie, ward, ward_measurements"):
        load.load_demo("hie")
    with pytest.raises(UsageError, match="rand_hie, ward, ward_measurements"):
        load.demo_schema("hie")


def test_no_demo_opens_a_socket() -> None:
    watch = """
import sys
def refuse(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(f"a demonstration table used the network: {event}")
sys.addaudithook(refuse)
from tabsynth.datasets import load
for name in load.names():
    assert len(load.load_demo(name)) > 0
print("offline")
"""
    run = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.stdout.strip() == "offline", run.stderr


def test_licence_notice_travels_with_the_data() -> None:
    notice = (BUNDLED / "DATA_LICENSES.md").read_text("utf-8")
    assert notice == (ROOT / "datasets/DATA_LICENSES.md").read_text("utf-8")
    for file in BUNDLED.iterdir():
        assert file.name in notice or file.suffix in (".md", ".py") or file.name.startswith("__"), file.name
