"""What every model keeps, by existing: one suite over the registry."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tabsynth.core import artifact, registry
from tabsynth.core.coding import ROWS
from tabsynth.core.errors import ColumnNotFoundError, ModelError, NotFittedError
from tabsynth.core.impute import impute
from tabsynth.core.rng import Streams
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.mapped import values_of
from tabsynth.core.synthesizer import State
from tabsynth.core.table import CANONICAL, MISSING, LogicalType, Table
from tests.contract.kit import SCHEMA, fit_any, ward

pytestmark = pytest.mark.parametrize("name", registry.names("models"))

fitted = cache(lambda name: fit_any(name, ward()))


@cache
def sampled(name, n=2_500, seed=1):
    return fitted(name).sample(n, rng=np.random.default_rng(seed))


def test_facts_name_the_class(name):
    facts = registry.find("models", name).facts
    assert registry.load("models", name).name == facts["name"] == name
    assert facts["summary"]
    assert isinstance(facts["private"], bool)


def test_same_seed_same_rows(name):
    assert sampled(name) == fitted(name).sample(2_500, rng=np.random.default_rng(1))


def test_other_seed_other_rows(name):
    assert sampled(name) != sampled(name, seed=2)


def test_rows_do_not_depend_on_how_they_are_consumed(name):
    parts = fitted(name).sample_batches(2_500, rng=np.random.default_rng(1))
    pieces = [part.take(slice(i, i + 100)) for part in parts for i in range(0, len(part), 100)]
    assert Table.concat(pieces) == sampled(name)


def test_state_is_json_and_arrays_and_draws_the_same_rows(name):
    model = fitted(name)
    state = model.state()
    values = json.loads(json.dumps(state.values, allow_nan=False))
    assert all(isinstance(a, np.ndarray) and a.dtype != object for a in state.arrays.values())
    again = type(model).from_state(State(values, {k: v.copy() for k, v in state.arrays.items()}), model.coding_)
    assert again.sample(2_500, rng=np.random.default_rng(1)) == sampled(name)


def test_a_model_file_draws_the_same_rows(name, tmp_path):
    model = fitted(name)
    path = tmp_path / "model.tabsynth"
    artifact.save(path, artifact.Artifact(name, model.coding_, model.state(), {"personal_data": True}, {}))
    loaded = artifact.load(path)
    again = registry.load("models", loaded.model).from_state(loaded.state, loaded.coding)
    assert again.sample(2_500, rng=np.random.default_rng(1)) == sampled(name)


def test_no_rows_are_kept(name):
    state = fitted(name).state()
    n_rows, n_units = len(ward()), ward().unit_codes().max() + 1
    sides = {side for a in state.arrays.values() for side in a.shape}
    assert not {n_rows, n_units} & sides
    text = json.dumps([state.values, fitted(name).coding_.state()])
    assert not any(secret in text for secret in ("Name17", "P17", "v17", "seen"))


def test_fitting_leaves_the_table_alone(name):
    fitted(name)
    untouched = ward.__wrapped__()
    for column in SCHEMA.names:
        assert np.array_equal(ward()[column].values, untouched[column].values), column
        assert np.array_equal(ward()[column].state, untouched[column].state), column


@pytest.mark.parametrize("n", [0, 1, 2, 777])
def test_exactly_n_rows(name, n):
    table = fitted(name).sample(n, rng=np.random.default_rng(1))
    assert len(table) == n
    assert table == sampled(name).take(slice(0, n))


def test_kinds_levels_and_storage_types_come_back(name):
    for table in (sampled(name), fitted(name).sample(0, rng=np.random.default_rng(0))):
        assert table.schema.names == SCHEMA.names
        for column in SCHEMA.columns:
            cells = table[column.name]
            assert cells.values.dtype == CANONICAL[column.kind], column.name
            assert cells.logical == LogicalType.from_json(column.logical), column.name
            if column.kind == "category":
                assert cells.levels == column.levels
            if not column.nullable:
                assert cells.present.all(), column.name


def test_values_stay_within_public_bounds_and_on_their_grid(name):
    """Bounds of open columns are the real extremes without epsilon, and with it what was bought, which ends at most six
    bins (two guards, four that noise makes look likely: .023^4 < 1e-6) beyond the bin of the real one."""
    table = sampled(name)
    bounds = {"systolic": (60, 260)}
    for column in ("creatinine", "stay"):
        codec, cells = fitted(name).coding_.codecs[column], ward()[column]
        real = cells.values[cells.present]
        bounds[column] = (real.min(), real.max()) if codec.bounds is None else tuple(codec.axis.values(codec.bounds))
        assert 0 <= bounds[column][0] <= real.max() <= bounds[column][1] <= 2**7 * real.max(), column
    for column, (low, high) in bounds.items():
        values = table[column].values[table[column].present]
        assert low <= values.min() <= values.max() <= high, column
    creatinine = table["creatinine"].values
    assert np.array_equal(creatinine, np.round(creatinine, 2))
    assert set(np.unique(table["hospital"].values[table["hospital"].present])) <= {0}


def test_units_stay_together_and_get_new_ids(name):
    table = sampled(name)
    unit = table.unit_codes()
    assert (np.diff(unit) >= 0).all()
    assert set(np.bincount(unit)) <= {1, 2, 3, 4}
    assert len(set(np.bincount(unit))) > 1
    assert not set(values_of(table["patient"])) & set(values_of(ward()["patient"]))
    assert len(set(values_of(table["visit"]))) == len(table)
    assert not {*values_of(table["surname"]), *values_of(table["note"])} & {*values_of(ward()["surname"]), "seen"}


def test_constants_are_constant_within_a_unit(name):
    table = sampled(name)
    unit = table.unit_codes().tolist()
    for column in ("sex", "birth"):
        assert len(set(zip(unit, values_of(table[column]), strict=True))) == len(set(unit))


def test_rules_are_kept(name):
    rules = fitted(name).coding_.rules
    assert rules.violations(sampled(name)) == dict.fromkeys((rule.text for rule in rules.all), 0)
    assert len(rules.all) == 4


@pytest.mark.parametrize("column", ["sex", "stage", "systolic", "creatinine", "smoker"])
def test_shares_of_values_and_of_missing_cells_are_near_the_real_ones(name, column):
    """Loose on purpose: it finds a column that is broken, not one that is a little off."""
    real, synth = ward()[column], sampled(name)[column]
    assert abs(real.present.mean() - synth.present.mean()) < 0.1
    real_values, synth_values = (c.values[c.present].astype(float) for c in (real, synth))
    grid = np.quantile(real_values, [0.25, 0.5, 0.75])
    shares = [np.bincount(np.searchsorted(grid, v), minlength=4) / len(v) for v in (real_values, synth_values)]
    assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.12


def test_row_counts_are_near_the_real_ones(name):
    real, synth = (np.bincount(np.bincount(t.unit_codes()), minlength=5)[1:] for t in (ward(), sampled(name)))
    assert np.abs(real / real.sum() - synth / synth.sum()).sum() / 2 < 0.12


def test_constant_and_empty_columns_survive(name):
    table = sampled(name)
    hospital, empty = table["hospital"], table["never given"]
    assert hospital.present.mean() > 0.95
    assert empty.present.mean() < 0.05


def test_given_cells_are_taken_over(name):
    known = ward().select(["stage", "creatinine", "sex"]).take(slice(0, 400))
    table = fitted(name).sample(400, rng=np.random.default_rng(3), given=known)
    for column in known.schema.names:
        assert table[column].same_as(known[column])
    assert fitted(name).coding_.rules.valid(table.columns).all()
    assert table.unit_codes().max() == 399
    with pytest.raises(ColumnNotFoundError):
        fitted(name).sample(1, rng=np.random.default_rng(0), given=Table(
            SCHEMA.with_columns([SCHEMA["sex"]]), {"sex": known["sex"].take(slice(0, 1))}).select(["sxe"]))


def test_where_holds_in_every_row(name):
    where = Expression.parse("sex == 'm' and systolic > 120 and stage in ['II', 'III']", SCHEMA)
    table = fitted(name).sample(300, rng=np.random.default_rng(3), where=where)
    assert len(table) == 300
    assert where.holds(table.columns).all()


def test_missing_cells_of_real_rows_are_filled_within_the_rules(name):
    """Where the model has a value for them; known cells stay, a person's rows share what they share."""
    rng, coding = np.random.default_rng(4), fitted(name).coding_
    real = ward().take(slice(0, 300))
    gaps = {column: rng.random(300) < 0.4 for column in ("stage", "smoker", "birth")}
    table = Table(SCHEMA, {**real.columns, **{
        column: replace(real[column], state=np.where(gap, MISSING, real[column].state).astype(np.uint8))
        for column, gap in gaps.items()}})
    done = impute(fitted(name).draw, coding, table, streams=Streams.from_rng(rng))
    for column in SCHEMA.names:
        known = table[column].present
        assert table[column].take(known).same_as(done.table[column].take(known)), column
        assert done.table[column].values.dtype == table[column].values.dtype
    assert coding.rules.valid(done.table.columns)[done.table["stage"].present].all()
    for column in (*gaps, "systolic", "points"):
        assert done.table[column].present.mean() > 0.85, column
    unit = done.table.unit_codes().tolist()
    assert len(set(zip(unit, values_of(done.table["birth"]), strict=True))) == len(set(unit))


def test_draw_returns_given_codes_and_codes_in_range(name):
    model = fitted(name)
    coding = model.coding_
    real = coding.encode(ward().take(slice(0, 200)))
    known = {column: real.column(column) for column in ("stage", ROWS, "smoker")}
    drawn = model.draw(200, rng=np.random.default_rng(0), given=known)
    assert set(drawn) == set(coding.names)
    for column, size in zip(coding.names, coding.sizes, strict=True):
        assert drawn[column].shape == (200,)
        assert 0 <= drawn[column].min() <= drawn[column].max() < size
    for column, codes in known.items():
        assert np.array_equal(drawn[column], codes)
    everything = {column: real.column(column) for column in coding.names}
    again = model.draw(200, rng=np.random.default_rng(0), given=everything)
    assert all(np.array_equal(again[column], codes) for column, codes in everything.items())
    assert all(len(codes) == 0 for codes in model.draw(0, rng=np.random.default_rng(0)).values())


def test_sampling_before_fitting_is_refused(name):
    with pytest.raises(NotFittedError):
        registry.load("models", name)().sample(1, rng=np.random.default_rng(0))


def test_without_a_unit_every_row_is_its_own(name):
    columns = [SCHEMA[c] for c in ("sex", "stage", "points", "systolic", "smoker")]
    schema = replace(SCHEMA.with_columns(columns), rules=SCHEMA.rules[:1])
    table = Table(schema, {c: ward()[c] for c in schema.names})
    model = fit_any(name, table)
    assert ROWS not in model.coding_.names
    synth = model.sample(500, rng=np.random.default_rng(0))
    assert len(synth) == 500
    assert model.coding_.rules.valid(synth.columns).all()


def without_rules(table):
    """The same rows and no rule: what noise alone gives need not be able to keep one."""
    return Table(replace(table.schema, rules=()), table.columns)


def test_no_rows_are_an_error_without_a_guarantee_and_no_news_with_one(name):
    nobody = without_rules(ward().take(slice(0, 0)))
    if registry.find("models", name).facts["private"]:
        assert len(fit_any(name, nobody).sample(20, rng=np.random.default_rng(0))) == 20
    else:
        with pytest.raises(ModelError):
            fit_any(name, nobody)


def test_three_rows_give_a_model(name):
    few = without_rules(ward().take(slice(0, 3)))
    assert len(fit_any(name, few).sample(20, rng=np.random.default_rng(0))) == 20


def test_one_column_is_enough(name):
    schema = replace(SCHEMA.with_columns([SCHEMA["smoker"]]), rules=())
    model = fit_any(name, Table(schema, {"smoker": ward()["smoker"]}))
    real, synth = ward()["smoker"], model.sample(1_000, rng=np.random.default_rng(0))["smoker"]
    assert abs(real.present.mean() - synth.present.mean()) < 0.1
    assert abs(real.values[real.present].mean() - synth.values[synth.present].mean()) < 0.1
