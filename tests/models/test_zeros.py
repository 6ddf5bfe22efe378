"""What declared rules make impossible, in the junction tree: against full joint tables and against rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.coding import Coding
from tabsynth.core.errors import RuleError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.tree import All, alternatives
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.models._marginal import zeros
from tabsynth.models._marginal.estimation import Fitted, fit
from tabsynth.models._marginal.propagation import Propagation
from tabsynth.models._marginal.sampling import sample
from tabsynth.models._marginal.triangulation import Triangulation
from tabsynth.models._marginal.view import View
from tabsynth.models.aim import AIM
from tabsynth.models.marginal import Marginal
from tabsynth.models.mst import MST
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger
from tests.models.test_marginal import FakeCurator
from tests.models.test_marginal_engine import graphs, joint_of, marginal_of, measured, potentials_of, tree_of

COLUMNS = (
    Column("kind", "category", levels=("a", "b", "c")),
    Column("drug", "category", levels=("No", "Steady", "Up"), nullable=False),
    Column("dose", "integer", bounds=(0, 9)),
    Column("given", "boolean"),
)
DRUGS = [f"drug {i}" for i in range(6)]


def implies(when, then):
    return {"implies": {"if": when, "then": then}}


def view_of(coding, rng=None):
    """Codes on their own, or put together and left out at random."""
    groups, chances, merges = {}, {}, {}
    for name, size in zip(coding.names, coding.sizes, strict=True):
        group = np.arange(size) if rng is None else np.unique(rng.integers(0, 4, size), return_inverse=True)[1]
        table = np.zeros((int(group.max()) + 1, size))
        table[group, np.arange(size)] = 1.0 if rng is None else rng.integers(0, 2, size)
        table[np.arange(len(table)), [int(np.flatnonzero(group == g)[0]) for g in range(len(table))]] += 1.0
        groups[name], merges[name], chances[name] = group, group, table / table.sum(axis=1, keepdims=True)
    names = sorted((n for n, t in chances.items() if len(t) > 1), key=lambda n: len(chances[n]))
    return View(merges, groups, chances, tuple(names))


def named(tables, view):
    return {tuple(view.names[a] for a in clique): mask for clique, mask in tables.items()}


@pytest.mark.parametrize("text", [
    "not (not (kind == 'a' and (drug == 'No' or dose > 3)))", "not (kind == 'a' or not (drug == 'Up' and dose <= 3))",
    "(kind == 'a' or drug == 'No') and (kind is missing or dose > 3) and (given == true or drug != 'Up')"])
def test_alternatives_are_the_condition_and_fewer_of_them_are_enough_for_it(text):
    coding, rng = Coding.public(Schema(COLUMNS)), np.random.default_rng(0)
    where = Expression.parse(text, coding.schema)
    rows = {name: codec.decode(rng.integers(0, codec.size, 4_000).astype(np.int32), rng)
            for name, codec in coding.codecs.items()}
    found = [alternatives(where.tree, most) for most in (4, 2)]
    every, narrow = (np.any([All(parts).evaluate(rows).true for parts in one] or [[False]], axis=0) for one in found)
    assert np.array_equal(every, where.holds(rows))
    assert not (narrow & ~every).any()


def test_a_condition_of_too_many_alternatives_gives_none():
    columns = tuple(Column(name, "boolean") for name in "abcdefghijklmnopqrstuvwxyz")
    pairs = [f"({one} == true or a == false)" for one in "bcdefghijklmnopqrstuvwxyz"]
    assert alternatives(Expression.parse(" and ".join(pairs), Schema(columns)).tree, 99) == []


# --- the tables --------------------------------------------------------------------------------------------------

CONDITIONS = ["kind == 'a'", "kind is missing", "kind in ['a', 'b']", "drug == 'No'", "drug != 'No'", "dose <= 3",
              "dose is missing", "not dose > 6", "given == true", "given is missing", "dose == 5 or kind == 'c'",
              "drug != 'Up' and given == false", "not (dose > 2 or kind == 'b')", "drug == 'No' or dose > 1"]
RULES = st.one_of(st.builds(implies, st.sampled_from(CONDITIONS), st.sampled_from(CONDITIONS)),
                  st.sampled_from([{"forbid": "dose > 7"}, {"forbid": "drug == 'Up' and dose == 0 and kind == 'a'"}]))


@given(st.lists(RULES, min_size=1, max_size=3), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_codes_that_can_keep_all_rules_are_never_ruled_out(rules, seed):
    try:
        coding = Coding.public(Schema(COLUMNS, rules=tuple(rules)))
    except RuleError:
        return  # no row keeps them
    rng = np.random.default_rng(seed)
    view = view_of(coding, rng)
    drawn = [np.flatnonzero(view.chances[name].max(axis=0) > 0) for name in coding.names]
    codes = {name: grid.ravel() for name, grid in zip(coding.names, np.meshgrid(*drawn), strict=True)}
    kept = coding.rules.kept({name: coding.codecs[name].decode(codes[name].astype(np.int32), rng) for name in codes})
    for clique, mask in zeros.possible(coding, view).items():
        at = tuple(view.groups[view.names[a]][codes[view.names[a]][kept]] for a in clique)
        assert mask[at].all()


def test_of_codes_on_their_own_every_pair_that_breaks_a_rule_is_ruled_out():
    coding = Coding.public(Schema(COLUMNS, rules=(implies("kind == 'a'", "dose <= 3"), {"forbid": "drug == 'Up'"})))
    view = view_of(coding)
    tables = named(zeros.possible(coding, view), view)
    kind, drug, dose = (coding.codecs[name] for name in ("kind", "drug", "dose"))
    expected = np.ones((kind.size, dose.size), dtype=bool)
    expected[0, 4:10] = False
    assert set(tables) == {("drug",), ("kind", "dose")}
    assert np.array_equal(tables["kind", "dose"], expected)
    assert np.flatnonzero(~tables["drug",]).tolist() == [drug.labels().index("Up")]


def test_a_conjunction_is_taken_apart_and_a_long_disjunction_is_left_to_redrawing():
    columns = (Column("any", "category", levels=("No", "Yes"), nullable=False),
               *(Column(name, "category", levels=("No", "Steady"), nullable=False) for name in DRUGS))
    none, some = (f" {word} ".join(f"`{name}` {sign} 'No'" for name in DRUGS) for word, sign in
                  (("and", "=="), ("or", "!=")))
    coding = Coding.public(Schema(columns, rules=(implies("any == 'No'", none), implies("any == 'Yes'", some))))
    view = view_of(coding)
    assert set(map(frozenset, named(zeros.possible(coding, view), view))) == {frozenset({"any", d}) for d in DRUGS}


def test_groups_are_ruled_out_only_as_a_whole_and_codes_that_never_come_do_not_count():
    coding = Coding.public(Schema(COLUMNS, rules=(implies("kind == 'a'", "drug == 'No'"),)))
    plain = view_of(coding)

    def merged(chance_of_no):
        group = np.array([0, 0, 1, 2, 3, 4])  # No and Steady together
        table = np.zeros((5, 6))
        table[group, np.arange(6)] = [chance_of_no, 1 - chance_of_no, 1, 1, 1, 1]
        return View(plain.merges, {**plain.groups, "drug": group}, {**plain.chances, "drug": table}, plain.names)

    for chance, possible in ((0.2, True), (0.0, False)):
        tables = named(zeros.possible(coding, view := merged(chance)), view)
        (names, mask), = tables.items()
        mask = mask if names == ("kind", "drug") else mask.T
        assert mask[0, 0] == possible
        assert not mask[0, 1]


def test_cliques_of_rules_join_smallest_first_and_only_within_their_share_of_the_tree():
    sizes = [4, 4, 4, 9]
    tables = {(0, 1): np.eye(4, dtype=bool), (0, 3): np.zeros((4, 9), bool), (1, 2): np.eye(4, dtype=bool)}
    empty = Triangulation.empty(sizes)
    assert zeros.joined(empty, tables, 1e6).covers((0, 3))
    small = zeros.joined(empty, tables, 45 / zeros.TREE_SHARE)
    assert [small.covers(c) for c in tables] == [True, False, True]
    assert zeros.joined(empty, tables, 1).cells == empty.cells


# --- the engine --------------------------------------------------------------------------------------------------


def walls(sizes, cliques, seed, share):
    rng = np.random.default_rng(seed)
    return {c: rng.random([sizes[a] for a in c]) > share for c in cliques}


@given(graphs(most=5), st.integers(0, 99), st.sampled_from([0.1, 0.4, 0.8]))
@settings(max_examples=80, deadline=None)
def test_beliefs_equal_brute_force_and_contradictions_are_passed_over(graph, seed, share):
    sizes, pairs = graph
    tree, potentials = tree_of(sizes, pairs), potentials_of(sizes, pairs, seed)
    tables = walls(sizes, [*pairs, (0,), *(c for c in tree.cliques if len(c) == 3)], seed, share)
    joint, mask = joint_of(sizes, potentials), np.ones(sizes, dtype=bool)
    for clique, table in tables.items():
        mask &= table.reshape([sizes[a] if a in clique else 1 for a in range(len(sizes))])
    joint = joint * mask / (joint * mask).sum() if mask.any() else joint
    engine = Propagation(tree, potentials, tables)
    for clique, belief in zip(tree.cliques, engine.beliefs(potentials), strict=True):
        np.testing.assert_allclose(belief, marginal_of(joint, clique), atol=1e-12)
    assert bool(engine.open) == (mask.any() and bool(tables))
    for clique, cells in engine.open.items():
        assert np.array_equal(cells, marginal_of(mask.astype(float), clique) > 0)


def test_a_table_that_no_clique_holds_is_passed_over():
    potentials = potentials_of([2, 2], [], 0)
    assert Propagation(tree_of([2, 2], []), potentials, {(0, 1): np.eye(2, dtype=bool)}).open == {}


@pytest.mark.parametrize("noise", [0, 40])
def test_a_fit_puts_nothing_where_nothing_can_be_and_comes_back_from_its_potentials(noise):
    sizes, pairs = [3, 4, 3, 2], [(0, 1), (1, 2), (2, 3)]
    tree, tables = tree_of(sizes, pairs), walls(sizes, [(0, 1), (1, 2)], 4, 0.3)
    potentials = potentials_of(sizes, pairs, 1)
    truth = Propagation(tree, potentials, tables).beliefs(potentials)
    joint = joint_of(sizes, potentials)
    for (a, b), table in tables.items():
        joint = joint * table.reshape([sizes[x] if x in (a, b) else 1 for x in range(4)])
    answers = measured(joint / joint.sum(), [(0,), (1,), (2,), (3,), (2, 3)], noise=noise, seed=3)
    fitted = fit(tree, answers, possible=tables, iterations=400, tolerance=1e-12)
    engine = Propagation(tree, [*answers, *tables], tables)
    beliefs = engine.marginals(list(fitted.beliefs))
    assert all((beliefs[c][~table] == 0).all() for c, table in tables.items())
    if noise == 0:
        for a in range(4):
            np.testing.assert_allclose(beliefs[a,], Propagation(tree, [(a,)]).marginals(truth)[a,], atol=2e-3)
    again = Fitted.of(tree, answers, fitted.potentials, tables)
    assert all(np.array_equal(x, y) for x, y in zip(again.beliefs, fitted.beliefs, strict=True))
    rows = sample(tree, fitted.beliefs, 20_000, np.random.default_rng(0))
    assert all(table[rows[c[0]], rows[c[1]]].all() for c, table in tables.items())


def test_a_fit_goes_on_where_what_was_measured_contradicts_what_is_possible():
    tree = tree_of([2, 2], [(0, 1)])
    joint = np.array([[0.0, 1.0], [0.0, 0.0]])
    fitted = fit(tree, measured(joint, [(0,), (1,), (0, 1)]), possible={(0, 1): np.eye(2, dtype=bool)},
                 start={(0, 1): np.array([[-2e4, 0.0], [0.0, -2e4]])})
    assert np.isfinite(fitted.beliefs[0]).all()
    assert fitted.beliefs[0][~np.eye(2, dtype=bool)].tolist() == [0, 0]


# --- the models --------------------------------------------------------------------------------------------------

TIED = Schema((
    Column("work", "category", levels=("private", "public", "never")),
    Column("job", "category", levels=tuple("abcdef")),
    Column("relation", "category", levels=("husband", "wife", "own", "other"), nullable=False),
    Column("married", "category", levels=("yes", "no"), nullable=False),
    Column("age", "integer", bounds=(0, 19), nullable=False),
), rules=(implies("work is missing", "job is missing"), implies("job is missing", "work is missing or work == 'never'"),
          implies("work == 'never'", "job is missing"), implies("relation in ['husband', 'wife']", "married == 'yes'")))


def tied(n, seed=0):
    coding, rng = Coding.public(TIED), np.random.default_rng(seed)
    work = rng.choice([0, 1, 2, coding.codecs["work"].missing], n, p=[0.6, 0.2, 0.1, 0.1])
    job = np.where(work < 2, rng.integers(0, 6, n), coding.codecs["job"].missing)
    relation = rng.integers(0, 4, n)
    married = np.where(relation < 2, 0, (rng.random(n) < 0.8).astype(int))
    return {"work": work, "job": job, "relation": relation, "married": married, "age": rng.integers(0, 20, n)}


def share_kept(model):
    rng = np.random.default_rng(1)
    drawn = model.draw(20_000, rng=rng)
    cells = {name: model.coding_.codecs[name].decode(codes, rng) for name, codes in drawn.items()}
    return model.coding_.rules.kept(cells).mean()


def learned(budget=0.002):
    return Marginal().fit(FakeCurator(TIED, tied(4_000), budget), rng=np.random.default_rng(0))  # type: ignore[arg-type]


def test_with_rules_in_the_tree_nearly_every_draw_keeps_them_and_the_file_brings_the_model_back(monkeypatch):
    model = learned()
    again = Marginal.from_state(model.state(), model.coding_)
    assert all(np.array_equal(a, b) for a, b in zip(again.fitted_.beliefs, model.fitted_.beliefs, strict=True))
    kept = share_kept(model)
    tables = zeros.possible(model.coding_, model._view)
    names = model._view.names
    rows = model.draw(20_000, rng=np.random.default_rng(2))
    assert tables
    for clique, mask in tables.items():
        assert mask[tuple(model._view.groups[names[a]][rows[names[a]]] for a in clique)].all()
    monkeypatch.setattr(zeros, "possible", lambda coding, view: {})
    assert share_kept(learned()) < 0.95
    assert kept > 0.999


def test_without_rules_there_are_no_tables_and_rules_cost_nothing_before_pairs_are_chosen():
    codes = tied(4_000)
    gates = FakeCurator(TIED, codes, 0.002), FakeCurator(Schema(TIED.columns), codes, 0.002)
    models = [Marginal().fit(gate, rng=np.random.default_rng(0)) for gate in gates]  # type: ignore[arg-type]
    assert zeros.possible(gates[1].coding, models[1]._view) == {}
    counts = 1 + 2 * len(TIED.columns)  # a pilot, codes, blocks
    assert gates[0].asked[:counts] == gates[1].asked[:counts]
    assert sorted(gates[0].asked[counts]) == sorted(gates[1].asked[counts])


def test_evidence_that_breaks_a_rule_still_gives_rows():
    model = learned()
    given = {"relation": np.zeros(300, np.int32), "married": np.ones(300, np.int32)}
    assert len(model.draw(300, rng=np.random.default_rng(0), given=given)["age"]) == 300


@pytest.mark.parametrize("model", [MST, AIM])
def test_published_models_take_the_tables_where_their_tree_holds_them(model):
    rng = np.random.default_rng(0)
    coding, codes = Coding.public(TIED), tied(1_500)
    table = Table(TIED, {name: coding.codecs[name].decode(codes[name].astype(np.int32), rng) for name in codes})
    budget = Budget.of(3, "1e-6", unit="row", max_rows_per_unit=1)
    gate = Curator(table, TIED, budget, reservation=Ledger.scratch("test").reserve(budget, purpose="test"))
    fitted = model().fit(gate, rng=rng)
    tree, view = fitted.fitted_.tree, fitted._view
    held = {c: mask for c, mask in zeros.possible(coding, view).items() if tree.home(c) is not None}
    engine = Propagation(tree, held)
    beliefs = engine.marginals(list(fitted.fitted_.beliefs))
    assert held
    assert all((beliefs[c][~mask] == 0).all() for c, mask in held.items())
    again = model.from_state(fitted.state(), coding)
    assert all(np.array_equal(a, b) for a, b in zip(again.fitted_.beliefs, fitted.fitted_.beliefs, strict=True))
