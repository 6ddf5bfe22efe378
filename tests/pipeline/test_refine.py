"""Refinement: what the gate lets pass and what not, and a refined model as a model like any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tabsynth.core.coding import Codes, Coding
from tabsynth.core.errors import UsageError
from tabsynth.core.table import Table
from tabsynth.models._critic import ensemble
from tabsynth.models._critic.critic import Critic
from tabsynth.models._critic.view import View
from tabsynth.models.independent import Independent
from tabsynth.models.refined import Refined
from tabsynth.pipeline import refine, workers
from tabsynth.pipeline.contents import inspect_model, lines, refinement
from tabsynth.pipeline.fit import Fitted, Privacy, fit, load_model
from tabsynth.pipeline.held_back import Sides
from tabsynth.pipeline.inputs import Reading
from tabsynth.pipeline.refine import Looks, objection
from tabsynth.pipeline.refit import refit_of
from tabsynth.pipeline.rehearsal import rehearse
from tabsynth.pipeline.release import Request, refuse_early
from tabsynth.pipeline.scoring import Copies
from tabsynth.pipeline.synthesizer import TabularSynthesizer


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def related(n: int, *, people: bool = False) -> Table:
    """Three columns that hang together, which `independent` misses and a critic sees; with people, two rows each."""
    x = rng(1).normal(size=n)
    frame = pd.DataFrame({"x": np.round(x, 1), "y": np.round(x + 0.6 * rng(2).normal(size=n), 1),
                          "z": np.where(x + 0.5 * rng(3).normal(size=n) > 0, "high", "low")})
    if not people:
        return Table.from_pandas(frame)
    frame.insert(0, "person", np.sort(rng(4).integers(0, n // 2, n)))
    plain = Table.from_pandas(frame)
    return Table(plain.schema.with_unit("person"), plain.columns)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """The relations of these tables are seen at a glance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refine, "LOOKS", 1)
        patch.setattr(refine, "POOL_ROWS", 20_000)
        patch.setitem(ensemble.SETTINGS, "max_iter", 40)
        yield


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(related(4_000), model="independent", rng=rng(1), refine=True)   # the gate refuses 1 fit in 50 by chance


def relation(table: Table) -> float:
    return float(np.corrcoef(table["x"].values, table["y"].values)[0, 1])


def test_a_critic_that_helps_is_kept_and_says_what_it_did(fitted: Fitted) -> None:
    facts = fitted.info["refinement"]
    assert isinstance(fitted.generator, Refined)
    assert facts["kept"]
    assert facts["rounds"] == 2
    assert 0 < facts["share_kept"] < 1
    assert facts["after"]["detection"]["value"] < facts["before"]["detection"]["value"] - 0.05
    assert "% of drawn rows kept" in refinement(facts)
    plain = fit(related(4_000), model="independent", rng=rng(1)).generator.sample(2_000, rng=rng(1))
    thinned = fitted.generator.sample(2_000, rng=rng(1))
    assert abs(relation(plain)) < 0.1
    assert relation(thinned) > 0.3
    for name in ("x", "y"):
        assert abs(thinned[name].values.mean() - related(2_000)[name].values.mean()) < 0.15, "margins stay"


def test_a_refined_model_is_saved_loaded_and_inspected_like_any_other(fitted: Fitted, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.tabsynth")
    again = load_model(tmp_path / "m.tabsynth")
    rows = fitted.generator.sample(9_000, rng=rng(2))
    assert again.choice.model == "independent"
    assert again.info["refinement"] == fitted.info["refinement"]
    assert again.generator.sample(9_000, rng=rng(2)) == rows
    assert dict(lines(inspect_model(tmp_path / "m.tabsynth")))["Refined"] == refinement(fitted.info["refinement"])
    with workers.Workers(again.generator, 2) as drawn:
        assert Table.concat(again.generator.sample_batches(9_000, rng=rng(2), parts=drawn)) == rows


def test_same_seed_same_rows_and_a_prefix_is_the_shorter_table(fitted: Fitted) -> None:
    again = fit(related(4_000), model="independent", rng=rng(1), refine=True)
    assert again.info == fitted.info
    rows = fitted.generator.sample(500, rng=rng(3))
    assert again.generator.sample(500, rng=rng(3)) == rows
    assert fitted.generator.sample(77, rng=rng(3)) == rows.take(slice(0, 77))


def test_rows_for_given_cells_are_weighted_too(fitted: Fitted) -> None:
    given = related(2_000).select(["x"])
    drawn = fitted.generator.sample(2_000, rng=rng(4), given=given)
    assert drawn["x"].same_as(given["x"])
    assert relation(drawn) > 0.3


def test_people_with_several_rows() -> None:
    """All rows of a person are weighted, the first one by rejection, further ones by choice."""
    model = fit(related(4_000, people=True), model="independent", rng=rng(), refine=True)
    assert model.info["refinement"]["kept"]
    rows = model.generator.sample(6_000, rng=rng(5))
    first = np.r_[True, np.diff(rows.unit_codes()) > 0]
    assert 0 < first.mean() < 1
    assert relation(rows.take(first)) > 0.3
    assert relation(rows.take(~first)) > 0.3


def test_a_refit_for_attacks_is_refined_too(fitted: Fitted) -> None:
    assert relation(refit_of(fitted)(related(2_000), rng(6))(2_000, rng(7))) > 0.3


def test_few_people_are_a_reason_and_no_error() -> None:
    few = fit(related(300), model="independent", rng=rng(), refine=True)
    assert not few.info["refinement"]["kept"]
    assert "300" in few.info["refinement"]["reason"]
    assert few.generator.sample(50, rng=rng(1)) == fit(related(300), model="independent", rng=rng()).generator.sample(
        50, rng=rng(1))


# --- the gate -----------------------------------------------------------------------------------------------


def sides(n: int = 1_200) -> Sides:
    """Rows of two independent columns of 60 codes each: nothing to learn but the rows themselves."""
    table = Table.from_pandas(pd.DataFrame(rng(8).integers(0, 60, (2 * n, 2)), columns=["a", "b"]))
    coding = Coding.learn(table, min_units=1)
    codes = coding.encode(table)
    half = Codes(codes.names, codes.sizes, codes.values[:n], codes.weights[:n])
    return Sides(coding, half, codes.values[n:], np.arange(n), codes.values[:n])


@dataclass(frozen=True, eq=False)
class Overfitted(Critic):
    """Lets through the rows it has learned from, and few others."""

    known: frozenset[tuple[int, ...]] = frozenset()

    def weights(self, columns: Mapping[str, NDArray[np.int32]]) -> NDArray[np.float64]:
        rows = zip(*(codes.tolist() for codes in columns.values()), strict=True)
        return np.array([1.0 if row in self.known else 0.3 for row in rows])


def test_a_critic_that_knows_its_rows_by_heart_is_refused() -> None:
    gate = sides()
    model = Independent()
    model.coding_ = gate.coding
    model.fit_codes(gate.train, rng=rng())
    view = View.learn(gate.train, gate.coding)
    critic = Overfitted(view, (), (), 1.0, 0.5, frozenset(map(tuple, gate.train.values.tolist())))
    before, after = (Looks.at(one, gate, rng(9)) for one in (model, Refined(model, critic)))
    assert "copy more" in str(objection(before, after))
    assert "copy more" not in str(objection(before, before))


def looks(auc: float = 0.55, dcr: float = 0.5, ratio: float | None = 1.0) -> Looks:
    return Looks(auc, 0.005, dcr, 0.005, None if ratio is None else Copies(ratio, 0.05 * ratio))


@pytest.mark.parametrize("before, after, words", [
    (looks(0.60), looks(0.55), None),
    (looks(0.60), looks(0.596), "no harder"),
    (looks(0.55), looks(0.60), "no harder"),
    (looks(0.60), looks(dcr=0.54), "nearer to training rows"),
    (looks(0.60), looks(dcr=0.522), None),
    (looks(0.60, dcr=0.56), looks(dcr=0.555), None),
    (looks(0.60), looks(ratio=1.5), "copy ratio"),
    (looks(0.60, ratio=1.6), looks(ratio=1.5), None),
    (looks(0.60, ratio=None), looks(ratio=1.5), "copy ratio"),
    (looks(0.60), looks(ratio=None), None),
])
def test_the_gate(before: Looks, after: Looks, words: str | None) -> None:
    """Limits hold within the error of the measurement, or as far as the plain model passes them itself."""
    reason = objection(before, after)
    assert reason is None if words is None else words in str(reason)


def test_what_the_gate_refuses_leaves_the_plain_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "objection", lambda before, after: "planted.")
    model = fit(related(1_200), model="independent", rng=rng(), refine=True)
    assert isinstance(model.generator, Independent)
    assert model.info["refinement"]["reason"] == "planted."
    assert refinement(model.info["refinement"]) == "refused, the plain model stands: planted."


# --- not with epsilon ---------------------------------------------------------------------------------------


def test_refused_with_epsilon(table: Table, csv_file: Path, tmp_path: Path) -> None:
    def by_face() -> Any:
        return TabularSynthesizer(epsilon=1, refine=True).fit(table)

    def by_rehearsal() -> Any:
        return rehearse(str(csv_file), Reading(), model="auto", settings=None, privacy=None, files=(), refine=True)

    request = Request(table=str(csv_file), output=tmp_path / "out", privacy=Privacy(epsilon=1), refine=True)
    for refused in (lambda: fit(table, privacy=Privacy(epsilon=1), rng=rng(), refine=True), by_face,
                    lambda: refuse_early(request)):
        with pytest.raises(UsageError, match="does not go with epsilon"):
            refused()
    assert by_rehearsal().choice.model
