"""The gate: charges before it answers, refuses and changes nothing, and shows nothing that follows from a row."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tabsynth.core.errors import ColumnNotFoundError, PrivacyError, TabsynthError
from tabsynth.core.schema import Population
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.events import GRID
from tabsynth.privacy.ledger import Ledger
from tabsynth.privacy.noise import ExactNoise
from tabsynth.privacy.noise_opendp import default_source
from tests.privacy.kit import BUDGET, CLOSED, SCHEMA, Recorder, build, curate, random_rows

ROWS = random_rows(0)


class Failing(Recorder):
    def release(self, values, *, sigma, keys=None):  # type: ignore[no-untyped-def]
        raise RuntimeError("must not be reached")


def test_measure_is_near_the_truth_and_booked() -> None:
    recorder = Recorder()
    curator = curate(build(ROWS, CLOSED), BUDGET, recorder)
    noisy = curator.measure(("sex", "age"), sigma=8.0)
    true = recorder.asked[0].true.reshape(noisy.shape) / GRID
    assert np.abs(noisy - true).max() < 8.0 * 9
    assert true.sum() == pytest.approx(30, abs=1e-4)
    assert curator.spent == pytest.approx(1 / 64)
    assert curator.events[0].columns == ("sex", "age")
    assert curator.events[0].cells == noisy.size


def test_noise_has_the_stated_scale() -> None:
    recorder = Recorder()
    curator = curate(build(ROWS, CLOSED), BUDGET, recorder)
    noisy = curator.measure(("age", "weight"), sigma=20.0)
    z = (noisy - recorder.asked[0].true.reshape(noisy.shape) / GRID) / 20.0
    assert abs((z**2).mean() - 1) < 5 * (2 / z.size) ** 0.5


def test_errors_are_l1_distances_and_cost_m() -> None:
    recorder = Recorder()
    curator = curate(build(ROWS, CLOSED), BUDGET, recorder)
    sizes = {n: curator.coding.codecs[n].size for n in curator.coding.names}
    models = {("sex",): np.ones(sizes["sex"]), ("age", "sex"): np.zeros((sizes["age"], sizes["sex"]))}
    answers = curator.errors(models, sigma=30.0)
    assert list(answers) == list(models)
    assert recorder.asked[0].true[1] == pytest.approx(30 * GRID, rel=1e-4)
    assert curator.spent == pytest.approx(2 / 900)
    assert curator.errors({}, sigma=30.0) == {}


def test_all_that_remains_can_be_spent_and_no_more() -> None:
    curator = curate(build(ROWS, CLOSED))
    share = curator.remaining / 7
    for _ in range(7):
        curator.measure(("sex",), sigma=share**-0.5)
    assert 0 <= curator.remaining <= 1e-6 * curator.total
    with pytest.raises(PrivacyError, match="mu\\^2"):
        curator.measure(("sex",), sigma=100.0)


def test_a_refused_question_is_not_counted_not_drawn_not_booked() -> None:
    curator = curate(build(ROWS, CLOSED), BUDGET, Failing())
    with pytest.raises(PrivacyError):
        curator.measure(("sex",), sigma=0.1)
    with pytest.raises(ColumnNotFoundError):
        curator.measure(("sexx",), sigma=100.0)
    with pytest.raises(PrivacyError, match="twice"):
        curator.measure(("sex", "sex"), sigma=100.0)
    with pytest.raises(PrivacyError, match="coarse"):
        curator.measure(("sex",), sigma=100.0, coarse={"sex": np.array([0])})
    with pytest.raises(PrivacyError, match="shape"):
        curator.errors({("sex",): np.zeros(1)}, sigma=100.0)
    with pytest.raises(PrivacyError, match="sigma"):
        curator.measure(("sex",), sigma=float("nan"))
    assert curator.spent == 0
    assert curator.events == ()


def test_a_question_that_fails_while_drawing_stays_booked() -> None:
    curator = curate(build(ROWS, CLOSED), BUDGET, Failing())
    with pytest.raises(RuntimeError):
        curator.measure(("sex",), sigma=10.0)
    assert curator.spent == pytest.approx(0.01)


def test_two_curators_of_the_same_rows_differ() -> None:
    answers = {tuple(curate(build(ROWS, CLOSED)).measure(("sex",), sigma=10.0)) for _ in range(3)}
    assert len(answers) == 3


def test_one_reservation_pays_for_one_curator() -> None:
    reservation = Ledger.scratch("x").reserve(BUDGET, purpose="fit")
    table = build(ROWS, CLOSED)
    Curator(table, CLOSED, BUDGET, reservation=reservation)
    with pytest.raises(PrivacyError, match="used already"):
        Curator(table, CLOSED, BUDGET, reservation=reservation)


def test_budget_schema_and_reservation_must_fit() -> None:
    table, ledger = build(ROWS, CLOSED), Ledger.scratch("x")
    by_row = Budget.of(1, unit="row")
    with pytest.raises(PrivacyError, match="unit"):
        Curator(table, CLOSED, by_row, reservation=ledger.reserve(by_row, purpose="fit"))
    ledger = Ledger.scratch("y")
    with pytest.raises(PrivacyError, match="another budget"):
        Curator(table, CLOSED, BUDGET, reservation=ledger.reserve(Budget.of(2, unit="patient"), purpose="fit"))
    crowd = replace(CLOSED, population=Population("ward", 100))
    budget = Budget.of(1, "0.02", unit="patient")
    with pytest.raises(PrivacyError, match="declared"):
        Curator(table, crowd, budget, reservation=ledger.reserve(budget, purpose="fit"))


def test_a_schema_without_public_bounds_spends_nothing() -> None:
    private = CLOSED.with_columns(replace(c, bounds=None) for c in CLOSED.columns)
    ledger = Ledger.scratch("x")
    reservation = ledger.reserve(BUDGET, purpose="fit")
    with pytest.raises(PrivacyError, match="age"):
        Curator(build(ROWS, CLOSED), private, BUDGET, reservation=reservation)
    reservation.release_unused()
    assert ledger.totals().cost.mu_squared == 0


# --- discovery ---------------------------------------------------------------------------------------------------


def test_discovery_shows_what_many_have_and_hides_what_one_has() -> None:
    rows = [(f"p{i}", "female", "flu", 30, 60.0) for i in range(3000)] + [("victim", "male", "CANARY", 99, 1.0)]
    for _ in range(3):
        curator = curate(build(rows))
        labels = curator.coding.codecs["diagnosis"].labels()
        assert "flu" in labels
        assert "CANARY" not in " ".join(labels)
    (event,) = curator.events
    assert event.mechanism == "discovery"
    assert event.cells is None
    assert curator.spent == pytest.approx(curator.total / 20, rel=1e-6)
    assert event.delta_key == BUDGET.delta / 20


def test_declared_levels_of_an_open_column_need_no_discovery() -> None:
    schema = SCHEMA.with_columns(replace(c, levels=("gout",)) if c.open else c for c in SCHEMA.columns)
    table = replace(build(ROWS), schema=schema)
    recorder = Recorder()
    curator = curate(table, BUDGET, recorder)
    assert "gout" not in (recorder.asked[0].keys or ())
    assert "gout" in curator.coding.codecs["diagnosis"].labels()


def test_discovery_threshold_bounds_the_tail_of_the_exact_noise() -> None:
    from fractions import Fraction

    from scipy import stats

    from tabsynth.privacy.mechanisms import discovery_event, discovery_threshold

    event = discovery_event("a", 20.0, Fraction(1, 10**7))
    for k in (1, 100):
        reach = discovery_threshold(event, k) - GRID
        assert k * stats.norm.sf((reach - 1) / event.sigma_steps) <= 1e-7
        assert k * stats.norm.sf((reach - 3) / event.sigma_steps) >= 0.999e-7


# --- nothing leaks -----------------------------------------------------------------------------------------------

CANARIES = ("CANARY-77", "987654321", "4711.5")


def canary_rows(patients: int) -> list:
    rows = [(f"p{i}", "female", "flu", 30, 60.0) for i in range(patients - 1)]
    return [*rows, ("CANARY-77", "CANARY-77", "CANARY-77", 987654321, 4711.5)]


def test_no_value_and_no_count_is_in_statement_events_or_errors() -> None:
    said: list[str] = []
    for patients in (617, 618):
        curator = curate(build(canary_rows(patients)))
        curator.measure(("sex", "age"), sigma=20.0)
        for bad in ({"columns": ("CANARY",), "sigma": 1.0}, {"columns": ("sex",), "sigma": 1e-3}):
            with pytest.raises(TabsynthError) as caught:
                curator.measure(**bad)  # type: ignore[arg-type]
            said.append(str(caught.value))
        document = {k: v for k, v in curator.statement().to_json().items() if k not in ("sha256", "ledger")}
        said += [json.dumps(document), repr(curator.events), repr(curator._filter.spent)]
    half = len(said) // 2
    for a, b in zip(said[:half], said[half:], strict=True):
        assert a == b  # 617 and 618 patients: not one character differs
        assert not any(c in a for c in CANARIES)


def test_public_face_of_the_curator() -> None:
    public = {n for n, _ in inspect.getmembers(Curator) if not n.startswith("_")}
    assert public == {"total", "spent", "remaining", "events", "measure", "errors", "select", "statement"}
    assert not hasattr(Curator, "__len__")


def test_a_curator_cannot_be_saved_or_copied() -> None:
    curator = curate(build(ROWS, CLOSED))
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(PrivacyError):
            copier(curator)


def test_no_warning_or_error_depends_on_values() -> None:
    """Warnings are errors here, so a table of oddities is enough."""
    odd = [(None, None, None, None, None), ("u", "??", "é\x00", -1, -0.0), ("u", None, "", 2**62, 1e308),
           ("", "female", " ", 0, float(2**53))]
    for rows in (odd, [], odd[1:2]):
        curator = curate(build(rows))
        for name in curator.coding.names:
            curator.measure((name,), sigma=30.0)


def test_empty_table_answers_noise() -> None:
    assert curate(build([], CLOSED)).measure(("sex",), sigma=20.0).std() > 0


def test_private_attributes_are_touched_in_one_file_only() -> None:
    folder = Path(inspect.getfile(Curator)).parent.parent
    names = ("__codes", "__weights", "__counted")
    holders = {p.name for p in folder.rglob("*.py") if any(n in p.read_text("utf-8") for n in names)}
    assert holders == {"curator.py"}


def test_default_noise_is_exact_and_named_in_the_statement() -> None:
    curator = curate(build(ROWS, CLOSED))
    source = vars(curator)["_noise"]
    assert isinstance(source, ExactNoise)
    assert curator.statement().document["noise"]["source"] == source.name == default_source().name


def test_the_noise_is_chosen_before_anything_is_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise PrivacyError("no noise")

    monkeypatch.setattr("tabsynth.privacy.curator.default_source", fails)
    ledger = Ledger.scratch("test")
    reservation = ledger.reserve(BUDGET, purpose="test")
    with pytest.raises(PrivacyError, match="no noise"):
        Curator(build(ROWS, CLOSED), CLOSED, BUDGET, reservation=reservation)
    assert [e.kind for e in ledger.entries()] == ["open", "reserve"]
