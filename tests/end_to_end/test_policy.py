"""The release gate on the real command line: what is refused when, with which reasons, and what is left behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tabsynth.evaluation.policy import load_policy
from tests.end_to_end.conftest import Command

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def policy(tmp_path: Path) -> Any:
    def write(**content: Any) -> Path:
        path = tmp_path / "ours.yaml"
        path.write_text(yaml.safe_dump({"name": "ours", "summary": "ours", "based_on": "internal-test", **content}))
        return path

    return write


def fact(name: str, **limit: float) -> dict[str, Any]:
    return {"fact": name, **limit, "source": "the board"}


def bound(finding: str, **limit: Any) -> dict[str, Any]:
    return {"finding": finding, **limit, "source": "the protocol"}


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


PRIVATE = ["--epsilon", "1"]


@pytest.mark.parametrize("privacy, requirement, words", [
    (PRIVATE, fact("epsilon", at_most=0.5), ["epsilon", "1, at most 0.5", "the board", "smaller --epsilon"]),
    (PRIVATE, fact("delta", at_most=1e-9), ["1e-06, at most 1e-09", "smaller --delta"]),
    (PRIVATE, fact("total_epsilon", at_most=0.9), ["total_epsilon", "at most 0.9"]),
    (PRIVATE, fact("train_people", at_least=97), ["train_people", "96, at least 97", "the board"]),
    (["--no-dp"], fact("guarantee"), ["guarantee", "required", "--epsilon E"]),
    (["--no-dp"], fact("epsilon", at_most=3), ["epsilon", "Without a guarantee nothing bounds it"]),
    (["--no-dp"], fact("holdout_people", at_least=100), ["holdout_people", "at least 100", "more people"]),
    (["--no-dp", "--unit", "row"], fact("guarantee"), ["guarantee"]),
])
def test_what_no_fit_could_mend_is_refused_before_anything_is_booked(
        tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path, policy: Any, privacy: list[str],
        requirement: dict[str, Any], words: list[str]) -> None:
    asked = ["release", patients, "--schema", schema, *privacy, "--seed", 5, "--policy",
             policy(requirements=[requirement]), "-o", "out"]
    tabsynth_here(*asked).refused(1, *words)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "tabsynth-ledger").exists()
    assert not (tmp_path / "tabsynth-evaluations").exists()
    dry = tabsynth_here(*asked, "--dry-run")
    if requirement["fact"] != "holdout_people":  # without epsilon people are counted, which a dry run does not
        dry.refused(1, *words)


def test_a_limit_on_what_the_schema_does_not_declare_costs_no_budget(
        tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path, policy: Any) -> None:
    asked = ["release", patients, "--schema", schema, *PRIVATE, "--policy", policy(bounds=[
        bound("tstr", of="delta", at_least=-0.5)]), "-o", "out"]
    for dry in ([], ["--dry-run"]):
        tabsynth_here(*asked, *dry).refused(1, "tstr", "declares no evaluation target", "leave the bound out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "tabsynth-ledger").exists()
    asked[asked.index("-o") - 1] = policy(bounds=[bound("tstr"), bound("subgroup.representation")])
    run = tabsynth_here(*asked, "--dry-run")
    assert run.code == 0, "what is only asked for is left to the verdict"


def test_a_table_whose_unit_nobody_named(tabsynth_here: Command, tmp_path: Path, policy: Any) -> None:
    (tmp_path / "plain.csv").write_text("a,b\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(60)), "utf-8")
    unit = policy(requirements=[fact("unit")])
    run = tabsynth_here("release", "plain.csv", "--no-dp", "--policy", unit, "-o", "out", "--dry-run")
    run.refused(1, "unit", "--unit row")
    named = tabsynth_here("release", "plain.csv", "--no-dp", "--unit", "row", "--policy", unit, "-o", "out",
                          "--dry-run")
    assert named.code == 0, named.err


def test_the_total_to_date_counts_what_was_spent(tabsynth_here: Command, patients: Path, schema: Path,
                                                 policy: Any) -> None:
    once = tabsynth_here("fit", patients, "--schema", schema, "--epsilon", "1", "-o", "m.tabsynth")
    assert once.code == 0, once.err
    capped = policy(requirements=[fact("total_epsilon", at_most=1)])
    again = ["release", patients, "--schema", schema, "--epsilon", "0.5", "--policy", capped, "-o", "out"]
    tabsynth_here(*again).refused(1, "total_epsilon", "at most 1")
    shown = tabsynth_here("ledger", "show", "--json").document
    assert shown["populations"][0]["releases"] == 1


@pytest.mark.parametrize("options, content", [
    (["--fail-under", "kway.2=1.5"], {}),
    ([], {"bounds": [bound("kway.2", of="normalised", at_least=1.5), bound("c2st", at_most=1)]})])
def test_a_release_that_misses_a_limit_is_refused_and_shares_nothing(
        tabsynth: Command, patients: Path, schema: Path, tmp_path: Path, policy: Any, options: list[str],
        content: dict[str, Any]) -> None:
    run = tabsynth("release", patients, "--schema", schema, "--no-dp", "--model", "independent", "--seed", 5,
                   "--policy", policy(**content), *options, "-o", "out")
    run.refused(1, "1 limit not met", "kway.2")
    assert "Not met:" in run.out
    assert "at least 1.5 is asked for" in " ".join(run.out.split())
    assert not (tmp_path / "out" / "share").exists()
    internal = tmp_path / "out" / "internal"
    assert read(internal / "manifest.REFUSED.json")["outcome"] == "REFUSED"
    report = read(internal / "report.json")
    assert (report["outcome"], report["verdict"]["refused"]) == ("REFUSED", True)
    first = report["verdict"]["gates"][0]
    assert (first["name"], first["limit"], first["met"]) == ("kway.2", 1.5, False)
    tabsynth("verify", "out").refused(6, "refused")


def test_a_release_that_meets_its_policy(tabsynth: Command, patients: Path, schema: Path, tmp_path: Path,
                                         policy: Any) -> None:
    ours = policy(requirements=[fact("unit"), fact("holdout_people", at_least=5), fact("generation_depth", at_most=1)],
                  bounds=[bound("c2st", at_most=1), bound("kway.1", at_least=0), bound("validity")],
                  report_class="public", report_class_source="the board")
    run = tabsynth("release", patients, "--schema", schema, "--no-dp", "--model", "independent", "--seed", 5,
                   "--policy", ours, "-o", "out", "--json")
    assert run.code == 0, run.err
    assert [g["met"] for g in run.document["gates"]] == [True] * 6
    report = read(tmp_path / "out" / "share" / "report.json")
    assert report["report_class"] == "public"
    assert [g["value"] for g in report["verdict"]["gates"]] == [None, None, 1.0, None, None, None]
    assert tabsynth("verify", "out").code == 0


def test_under_a_guarantee_the_shared_report_tells_the_facts_and_no_figure(
        tabsynth: Command, patients: Path, schema: Path, tmp_path: Path, policy: Any) -> None:
    ours = policy(requirements=[fact("guarantee"), fact("epsilon", at_most=1), fact("delta", at_most=1e-6),
                                fact("total_epsilon", at_most=1), fact("total_delta", at_most=1e-6),
                                fact("train_people", at_least=60)], bounds=[bound("c2st", at_most=1)])
    run = tabsynth("release", patients, "--schema", schema, "--epsilon", "1", "--policy", ours, "-o", "out", "--json")
    assert run.code == 0, run.err
    assert [g["met"] for g in run.document["gates"]] == [True] * 7
    shared = read(tmp_path / "out" / "share" / "report.json")["verdict"]["gates"]
    assert [g["name"] for g in shared] == ["guarantee", "epsilon", "delta", "total_epsilon", "total_delta"]


def test_evaluate_holds_the_same_policy(tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path,
                                        policy: Any) -> None:
    assert tabsynth_here("split", patients, "--schema", schema, "--seed", 1, "-o", "parts").code == 0
    parts = ["--train", "parts/train.csv", "--holdout", "parts/holdout.csv", "--schema", schema]
    asked = ["evaluate", "parts/holdout.csv", *parts, "--policy"]
    run = tabsynth_here(*asked, policy(bounds=[bound("c2st", at_most=0.001)]), "-o", "e.json")
    run.refused(1, "c2st", "at most 0.001", "the protocol")
    assert read(tmp_path / "e.json")["outcome"] == "REFUSED", "the document says what the exit code says"
    run = tabsynth_here(*asked, policy(requirements=[fact("guarantee")]), "-o", "f.json", "--json")
    assert run.document["verdict"]["because"][-1] == "guarantee", "nobody knows the model: a person must look"
    assert run.document["verdict"]["gates"][0]["met"] is None
    tabsynth_here("attack", *asked[1:], policy(), "--fail-over", "kway=1").refused(2, "'kway'", "kway.2")


def test_show_a_policy(tabsynth_here: Command, policy: Any) -> None:
    assert "controlled" in tabsynth_here("policy").out
    shown = " ".join(tabsynth_here("policy", "public").out.split())
    assert "P1a residual, limit 0.09 (0.09 = 1/11: EMA Policy 0070" in shown
    ours = tabsynth_here("policy", policy(requirements=[fact("epsilon", at_most=1)]), "--json").document
    assert ours["requirements"][0]["at_most"] == 1
    tabsynth_here("policy", "strict").refused(2, "strict", "controlled")


def test_the_policy_of_the_readme(tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path) -> None:
    """It is valid as it stands, asks for every kind of thing, and refuses this small ward for what it says."""
    block, = re.findall(r"```yaml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "our-policy.yaml"
    path.write_text(block, "utf-8")
    ours = load_policy(path)
    assert {r.fact for r in ours.requirements} >= {"guarantee", "epsilon", "total_epsilon", "train_people"}
    assert {b.of for b in ours.bounds} == {"value", "normalised", "delta"}
    assert ours.limits
    assert ours.on_review == "refuse"
    run = tabsynth_here("release", patients, "--schema", schema, "--epsilon", "1", "--policy", path, "-o", "out")
    run.refused(1, "1 limit not met", "train_people", "96, at least 500")
    path.write_text(block.replace("at_least: 500", "at_least: 50"), "utf-8")
    run = tabsynth_here("release", patients, "--schema", schema, "--epsilon", "1", "--policy", path, "-o", "out")
    run.refused(1, "tstr")  # the schema of this ward declares no target to predict
    assert not (tmp_path / "out" / "share").exists()
