"""``tabsynth plan`` and ``tabsynth answer``: before and after a private fit, without a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.conftest import SCHEMA, Command


def test_a_plan_fits_the_terminal_and_says_what_to_expect(tabsynth: Command, schema: Path) -> None:
    run = tabsynth("plan", "--schema", schema, "--rows", 20_000, "--epsilon", 1)
    assert run.code == 0, run.err
    assert max(map(len, run.out.splitlines())) <= 80
    text = " ".join(run.out.split())
    assert "20,000 people (patient)" in text
    assert "the honest answer at this size is:" in text
    assert all(f"\n{epsilon} " in run.out for epsilon in ("0.3", "1", "3"))
    assert all(name in run.out for name in ("sex", "age", "weight", "(rows per unit)"))


def test_few_people_are_told_the_truth(tabsynth: Command, schema: Path) -> None:
    few = tabsynth("plan", "--schema", schema, "--epsilon", "0.3", "--json").document  # 120 people, as declared
    assert few["forecast"]["units"] == 120
    assert few["answer"] in ("next to nothing: even single columns are mostly noise",
                             "single columns only; independent columns would do as well")
    many = tabsynth("plan", "--schema", schema, "--epsilon", 3, "--rows", 500_000, "--json").document
    assert many["answer"] == "columns, pairs, and most of what three columns share"
    assert many["forecast"]["one_way_error"] < few["forecast"]["one_way_error"] / 10


@pytest.mark.parametrize(("change", "options"), [
    (("bounds: [20, 250], ", ""), ["--epsilon", "1"]),
    (("", ""), ["--epsilon", "20"]),
    (("", ""), ["--epsilon", "1", "--delta", "0.1"]),
    (("declared_units: 120", "declared_units: 1"), ["--epsilon", "1"]),
    (("", ""), ["--epsilon", "1", "--model", "copula"]),
    (("", ""), ["--epsilon", "1", "--unit", "nobody"]),
    ((", role: unit", ""), ["--epsilon", "1"]),
])
def test_a_plan_is_refused_as_the_fit_is(tabsynth_here: Command, patients: Path, tmp_path: Path,
                                         change: tuple[str, str], options: list[str]) -> None:
    path = tmp_path / "changed.yaml"
    path.write_text(SCHEMA.replace(*change), "utf-8")
    fit = tabsynth_here("fit", patients, "--schema", path, "-o", "m.tabsynth", *options)
    plan = tabsynth_here("plan", "--schema", path, *options)
    assert plan.code == fit.code != 0
    assert plan.err.splitlines()[-1] == fit.err.splitlines()[-1]


def test_a_plan_needs_a_number_of_people(tabsynth: Command, tmp_path: Path) -> None:
    path = tmp_path / "unsaid.yaml"
    path.write_text(SCHEMA.replace("population: {name: test-ward, declared_units: 120}\n", ""), "utf-8")
    tabsynth("plan", "--schema", path, "--epsilon", 1).refused(2, "--rows", "declared_units")


def test_an_answer_from_a_model_file(tabsynth: Command, patients: Path, schema: Path) -> None:
    assert tabsynth("fit", patients, "--schema", schema, "--epsilon", 9, "-o", "m.tabsynth").code == 0
    run = tabsynth("answer", "m.tabsynth", "--where", "age >= 40", "--population")
    assert run.code == 0, run.err
    assert max(map(len, run.out.splitlines())) <= 80
    assert [line.split(":")[0] for line in run.out.splitlines() if not line.startswith(" ")] \
        == ["Where", "Count", "Share", "People", "Noise", "From"]
    found = tabsynth("answer", "m.tabsynth", "--where", "age >= 40", "--population", "--json").document
    assert found["count"]["low"] <= found["count"]["value"] <= found["count"]["high"]
    assert found["population"]["high"] > found["share"]["high"]
    assert abs(found["count"]["value"] - 80) < 6 * found["count"]["sigma"]  # 80 of 120 people; false alarm 2e-9
    tabsynth("answer", "m.tabsynth", "--where", "name == 'x'").refused(2, "'name' is not measured")
    tabsynth("answer", "m.tabsynth", "--where", "sex == 'f' and age > 3 and weight > 50").refused(2, "more than two")
    tabsynth("answer", "m.tabsynth", "--where", "admitted <= discharged").refused(2)


def test_a_model_without_measurements_is_told_which_has_them(tabsynth: Command, patients: Path) -> None:
    assert tabsynth("fit", patients, "--unit", "patient", "-o", "m.tabsynth").code == 0
    tabsynth("answer", "m.tabsynth", "--where", "age >= 40").refused(2, "copula", "marginal")
