"""Does the evaluation accuse the innocent, and does it miss the guilty? Null calibration and planted cases.

    python scripts/audit_evaluation.py null     --runs 200 --units 1000 5000   # independent draws, and copiers
    python scripts/audit_evaluation.py planted  --units 5000                   # who catches which planted leak

The truth is the simulated ward: stays of patients, one to eight rows each. A real table of `units` patients is split
80 / 20 by patient as `tabsynth split` does. Under the null the synthetic table is an independent draw of the same ward,
as long as the training table: whatever is found then is a false alarm. A copier hands out the training table under new
ids. Only measures that a policy has a limit for can end a run in a finding; of the others distances and k-way accuracy
are computed beside them (--all runs everything). The nominal rate of false alarms is 1 %: more than 4 in 200 runs, the
target that is missed then, have a chance of 5 %.

Each run is one JSON line in --keep FILE, so that an interrupted audit goes on where it stopped. The figures come last.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tabsynth.core import registry
from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import Cells, Table
from tabsynth.datasets.simulate import simulate_ward
from tabsynth.evaluation import protocol
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.verdict import judge, tried
from tabsynth.pipeline.split import key_from_seed, split

POLICIES = ("controlled", "public")
NUMBERS = tuple(f"measurement {i}" for i in range(1, 7))
NEAR_COPIES = "20 outliers, near copies"
"""Needs 100 controls among the people who stand out most: a holdout five times the training table."""
PURPOSE = Evaluation(target="died", subgroups=("sex", "region"),
                     quasi_identifiers=("sex", "age", "region", "blood_group"))


def stays(n_patients: int, seed: int) -> Table:
    """A ward as one table: a row per stay, with the patient's columns and the first chart entry of the stay."""
    ward = simulate_ward(n_patients, np.random.default_rng(seed))
    admissions, chart = ward["admissions"], ward["measurements"]
    patient = matching(admissions, ward["patients"], "patient")
    entry = matching(admissions, chart, "admission")
    parts = (("admissions", admissions, np.arange(len(admissions)), set()),
             ("patients", ward["patients"], patient, {"patient"}),
             ("measurements", chart, entry, {"patient", "admission", "time"}))
    columns, cells = [], {}
    for _, table, rows, left_out in parts:
        for column in table.schema.columns:
            if column.name not in left_out:
                columns.append(replace(column, constant_per_unit=False))
                cells[column.name] = table[column.name].take(rows)
    columns = [replace(c, role="sensitive") if c.name == "diagnosis" else c for c in columns]
    return Table(Schema(tuple(columns), name="ward stays", evaluation=PURPOSE), cells)


def matching(of: Table, among: Table, key: str) -> np.ndarray[Any, np.dtype[np.intp]]:
    """For each row of `of` the first row of `among` with the same key."""
    first: dict[str, int] = {}
    for row, name in enumerate(texts(among[key])):
        first.setdefault(name, row)
    return np.array([first[name] for name in texts(of[key])], np.intp)


def texts(cells: Cells) -> list[str]:
    return [cells.levels[i] for i in cells.values] if cells.levels else list(map(str, cells.values))


def measured(rng: np.random.Generator, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Six correlated measurements of `n` people; two in a hundred lie far outside."""
    common = rng.normal(size=(n, 1))
    values = 0.6 * common + 0.8 * rng.normal(size=(n, len(NUMBERS)))
    return np.where(rng.random((n, 1)) < 0.02, 4 * values, values)


def people(values: np.ndarray[Any, np.dtype[np.float64]]) -> Table:
    """One row a person."""
    schema = Schema(tuple(Column(name, "number") for name in NUMBERS), name="measurements")
    return Table(schema, {name: Cells(values[:, j], np.zeros(len(values), np.uint8))
                          for j, name in enumerate(NUMBERS)})


# --- planted cases ----------------------------------------------------------------------------------------


def independent(train: Table, seed: int) -> Table:
    """Another ward of the same law: nothing of the training people is in it."""
    units = int(protocol.units_of(train).max()) + 1
    other = stays(units, seed + 5_000_000)
    return Table(train.schema, other.columns)


def copier(train: Table, seed: int) -> Table:
    """The training table under new ids."""
    return renamed(train)


def bootstrap(train: Table, seed: int) -> Table:
    return renamed(train.take(np.random.default_rng(seed).integers(0, len(train), len(train))))


def resampled(train: Table, seed: int) -> Table:
    """Every column drawn on its own: no association is left, the values are those of real people."""
    rng = np.random.default_rng(seed)
    return renamed(Table(train.schema, {name: cells.take(rng.integers(0, len(train), len(train)))
                                        for name, cells in train.columns.items()}))


def perturbed(train: Table, seed: int, share: float = 0.3) -> Table:
    """Training rows with 30 % of the cells taken from other rows."""
    rng = np.random.default_rng(seed)
    n = len(train)
    return renamed(Table(train.schema, {
        name: cells.take(np.where(rng.random(n) < share, rng.integers(0, n, n), np.arange(n)))
        for name, cells in train.columns.items()}))


def smoothed(train: Table, seed: int) -> Table:
    """Independent columns from another ward: marginals right, no association, no value copied from a person."""
    return resampled(independent(train, seed), seed + 1)


def near_copies(train: Table, seed: int, copies: int = 20, noise: float = 0.02) -> Table:
    """Another draw of the law of `measured`, with the training people farthest out copied and shaken a little."""
    rng = np.random.default_rng(seed + 5_000_000)
    own = np.stack([train[name].values for name in NUMBERS], axis=1)
    fresh = measured(rng, len(train))
    outliers = np.argsort(-np.square(own).sum(axis=1))[:copies]
    fresh[:copies] = own[outliers] + rng.normal(0, noise, (copies, len(NUMBERS)))
    return people(fresh)


CASES: Mapping[str, Callable[[Table, int], Table]] = {
    "training table (S = T)": copier, "bootstrap": bootstrap, "30 % perturbed": perturbed,
    "resampled columns": resampled, "smoothed marginals": smoothed, NEAR_COPIES: near_copies,
    "independent draw": independent}


def renamed(table: Table) -> Table:
    """Every row another person, under ids that no real person has."""
    columns = dict(table.columns)
    for column in table.schema.columns:
        if column.kind == "id":
            names = np.array([f"S{i:07d}" for i in range(len(table))], dtype=object)
            columns[column.name] = Cells(names, np.zeros(len(table), np.uint8))
    return Table(table.schema, columns)


# --- one run ----------------------------------------------------------------------------------------------


def judged_measures() -> list[str]:
    """The measures whose findings a policy has a limit for."""
    wanted = {limit.finding for name in POLICIES for limit in load_policy(name).limits}
    return [name for name in protocol.measures()
            if wanted & set(registry.find("measures", name).facts.get("findings", {}))]


def run(job: tuple[str, int, int, float, bool]) -> dict[str, Any]:
    """Evaluate one synthetic table of a planted case; which findings each policy makes of it."""
    case, units, seed, holdout, everything = job
    start = time.perf_counter()
    train, control = real_rows(case, units, seed, holdout)
    samples = protocol.prepare(CASES[case](train, seed), train, control, seed=seed)
    findings = protocol.evaluate(samples, only=None if everything else [*judged_measures(), "distances", "kway"])
    return {"case": case, "units": units, "seed": seed, "holdout": holdout,
            "seconds": round(time.perf_counter() - start, 2), "verdicts": verdicts(findings),
            "values": {f.id: f.value for f in findings}, "p": smallest_p(findings)}


def real_rows(case: str, units: int, seed: int, holdout: float) -> tuple[Table, Table]:
    """Training and holdout rows of a case."""
    if case == NEAR_COPIES:
        rng = np.random.default_rng(seed)
        return people(measured(rng, 1000)), people(measured(rng, 5000))
    parts = split(stays(units, seed), holdout=holdout, key=key_from_seed(seed))
    return parts.train, parts.holdout


def verdicts(findings: tuple[Finding, ...]) -> dict[str, dict[str, str]]:
    """Policy -> finding id -> judgement, and the outcome under "outcome"."""
    made = {}
    for name in POLICIES:
        verdict = judge(findings, load_policy(name))
        made[name] = {"outcome": verdict.outcome, **{j.finding_id: j.verdict for j in verdict.judgements}}
    return made


def smallest_p(findings: tuple[Finding, ...]) -> dict[str, float]:
    """Finding id -> smallest adjusted p of its variants, under the default policy."""
    found: dict[str, float] = {}
    for one in tried(findings, load_policy()):
        found[one.variant.finding_id] = min(one.adjusted, found.get(one.variant.finding_id, 1.0))
    return found


def results(jobs: list[tuple[str, int, int, float, bool]], keep: Path | None, workers: int) -> Iterator[dict[str, Any]]:
    """Results of the jobs: those kept from an earlier run, then the others as they come."""
    lines = keep.read_text("utf-8").splitlines() if keep is not None and keep.exists() else []
    known = {(r["case"], r["units"], r["seed"], r["holdout"]): r for r in map(json.loads, lines)}
    yield from (known[job[:4]] for job in jobs if job[:4] in known)
    left = [job for job in jobs if job[:4] not in known]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for done, result in enumerate(pool.map(run, left), start=1):
            if keep is not None:
                with keep.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps(result) + "\n")
            if done % 10 == 0 or done == len(left):
                print(f"... {done} of {len(left)}", file=sys.stderr, flush=True)
            yield result


# --- the figures ------------------------------------------------------------------------------------------


def null(arguments: argparse.Namespace) -> bool:
    """False alarms on independent draws and catches on copiers; True if both targets are met."""
    jobs = [(case, units, seed, arguments.holdout, arguments.all) for units in arguments.units
            for case in ("independent draw", "training table (S = T)") for seed in range(arguments.runs)]
    found: dict[tuple[str, int, str], Counter[str]] = {}
    total: Counter[tuple[str, int]] = Counter()
    for result in results(jobs, arguments.keep, arguments.jobs):
        total[result["case"], result["units"]] += 1
        for policy, judged in result["verdicts"].items():
            counts = found.setdefault((result["case"], result["units"], policy), Counter())
            counts.update(id for id, verdict in judged.items() if verdict == "finding")
    good = True
    print(f"\n{'case':<26}{'units':>7}{'runs':>6}  {'policy':<12}{'end in a finding':>17}  by attack")
    for (case, units, policy), counts in sorted(found.items()):
        runs, ended = total[case, units], counts.pop("outcome", 0)
        by = ", ".join(f"{id} {n}" for id, n in counts.most_common())
        print(f"{case:<26}{units:>7}{runs:>6}  {policy:<12}{ended:>17}  {by}")
        good &= ended <= 0.02 * runs if case == "independent draw" else ended >= 0.99 * runs
    print(f"\nTarget: at most 2 % false alarms, at least 99 % of the copiers: {'met' if good else 'MISSED'}.")
    return good


def planted(arguments: argparse.Namespace) -> bool:
    """The table of planted cases and attacks."""
    jobs = [(case, units, 0, arguments.holdout, arguments.all) for units in arguments.units for case in CASES]
    rows = list(results(jobs, arguments.keep, arguments.jobs))
    signs = {"finding": "FINDING", "review": "review", "no_finding": "-", "insufficient_power": "few", "not_run": "."}
    ids = sorted({id for row in rows for id in row["verdicts"]["controlled"]} - {"outcome"})
    print(f"\n{'planted case':<24}{'units':>7} " + "".join(f"{id[:12]:>13}" for id in ids))
    for row in rows:
        judged = row["verdicts"]["controlled"]
        print(f"{row['case']:<24}{row['units']:>7} " + "".join(f"{signs[judged.get(id, 'not_run')]:>13}" for id in ids))
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("null", "planted"))
    parser.add_argument("--runs", type=int, default=200, help="simulated pairs per size and case")
    parser.add_argument("--units", type=int, nargs="+", default=[1000, 5000], help="patients in the real table")
    parser.add_argument("--holdout", type=float, default=0.2, help="share of the patients kept from training")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--all", action="store_true", help="run every measure, not only those with a limit")
    parser.add_argument("--keep", type=Path, help="file of results, continued if it exists")
    arguments = parser.parse_args()
    sys.exit(0 if (null if arguments.what == "null" else planted)(arguments) else 1)


if __name__ == "__main__":
    main()
