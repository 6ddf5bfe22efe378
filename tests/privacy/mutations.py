"""Fourteen planted bugs, each known from a program that claimed differential privacy, and who must catch it.

A bug is planted by patching the running program. Who catches it is a layer of the audit, run small, or an oracle of the
tests; it must say why in words that fit the bug. ``python -m tests.privacy.mutations`` prints the list.
"""

from __future__ import annotations

import random
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from tabsynth.models._marginal import choosing
from tabsynth.models._marginal.estimation import Measurement
from tabsynth.models.marginal import Marginal
from tabsynth.pipeline import release
from tabsynth.pipeline.audit import black_box, distinguish, replay, sampling
from tabsynth.pipeline.audit.evidence import at_threshold
from tabsynth.pipeline.audit.report import Check
from tabsynth.pipeline.audit.tables import people
from tabsynth.privacy import bounding, curator, mechanisms, noise
from tabsynth.privacy.accountant import Filter, cost_of
from tabsynth.privacy.bounding import Bounded
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.events import GRID
from tabsynth.privacy.noise import Noise
from tests.pipeline import test_privacy_replay as shared

Patch = pytest.MonkeyPatch
ALPHA = 1e-6


# --- who catches -------------------------------------------------------------------------------------------------


def by_replay() -> str:
    """Layer 1 on six neighbours of every table."""
    return caught(replay.audit(pairs=6, seed=3, models=["marginal"]))


def by_noise() -> str:
    """Layer 2 on fewer draws."""
    return caught(sampling.audit(draws=3_000))


def by_distinguishing() -> str:
    """Layer 3 at epsilon 4 on 600 runs a world: half the noise is missed, and the right noise caught, once in 10^6."""
    scores = distinguish.score(4.0, 600, rows=False)
    return caught(distinguish.judge("transcript", 4.0, at_threshold(*scores.transcript, 0.0), ALPHA))


def by_black_box() -> str:
    """Layer 4 on 110 fits a world: as few as can prove anything at this confidence."""
    return "; ".join(filter(None, map(caught, black_box.audit(110, gate=ALPHA))))


def caught(check: Check) -> str:
    return "" if check.ok else f"{check.name}: {check.says}"


def by_reported_error() -> str:
    """Utility oracle: measured pairs of a fitted model are as far from the truth as the model believes (chi-square).

    At this size and budget sigma is 8 or more in 26 cells or more, far from what a misreported one would look like.
    """
    table = people(6_000, np.random.default_rng(0))
    budget = Budget.of(1, unit="row", max_rows_per_unit=1)
    gate = replay.curate(table, budget)
    model = Marginal().fit(gate, rng=np.random.default_rng(0))
    codes, view = gate.coding.encode(table), model._view
    squares = []
    for clique, found in model.fitted_.measurements.items():
        if len(clique) == 2:
            groups = [view.groups[view.names[i]][codes.column(view.names[i])] for i in clique]
            true = np.zeros(found.values.shape)
            np.add.at(true, tuple(groups), 1)
            squares.append(((found.values - true) ** 2 / found.variance).reshape(-1))
    z = np.concatenate(squares)
    low, high = chi2.ppf(ALPHA / 2, len(z)), chi2.isf(ALPHA / 2, len(z))
    return "" if low < z.sum() < high else f"errors are {np.sqrt(z.mean()):.2f} times what the model believes"


def by_shared_folder() -> str:
    """Release oracle: share/ is the same with and without a person, apart from the verdict."""
    with tempfile.TemporaryDirectory() as folder, Patch.context() as patch:
        shared.fix_split(patch)
        try:
            shared.check_what_is_shared(Path(folder), shared.write_schema(Path(folder)), patch, "extreme")
        except AssertionError as error:
            return str(error).splitlines()[0]
    return ""


ORACLES: dict[str, Callable[[], str]] = {
    "replay": by_replay, "noise": by_noise, "distinguish": by_distinguishing, "black box": by_black_box,
    "reported error": by_reported_error, "shared folder": by_shared_folder}


# --- what is planted ---------------------------------------------------------------------------------------------


def sigma_halved(patch: Patch) -> None:
    exact = Noise.discrete_gaussian
    patch.setattr(Noise, "discrete_gaussian", lambda self, sigma, size: exact(self, (sigma + 1) // 2, size))


def sensitivity_two_counted_as_one(patch: Patch) -> None:
    bound = bounding.bound

    def doubled(*args: Any, **named: Any) -> Bounded:
        kept = bound(*args, **named)
        return replace(kept, weights=2 * kept.weights)

    patch.setattr(curator, "bound", doubled)


def second_measurement_free(patch: Patch) -> None:
    charge = Filter.charge

    def once(self: Filter, event: Any) -> None:
        if event.mechanism != "counts" or not any(e.columns == event.columns for e in self.events):
            charge(self, event)

    patch.setattr(Filter, "charge", once)


def rounds_overspend(patch: Patch) -> None:
    """Rounds that share out the whole budget each, and a book that never refuses."""

    def book(self: Filter, event: Any) -> None:
        self.spent = self.spent + cost_of(event, self.max_rows_per_unit)
        self.events = (*self.events, event)

    patch.setattr(Filter, "charge", book)
    patch.setattr(Curator, "remaining", property(lambda self: self.total))


def seed_fixed(patch: Patch) -> None:
    def words() -> Iterator[int]:
        seeded = random.Random(0)
        while True:
            yield seeded.getrandbits(64)

    patch.setattr(noise, "_words", words)


def float_addition(patch: Patch) -> None:
    def release_(self: Noise, values: Any, *, sigma: int, keys: Any = None) -> Any:
        return (values.astype(np.float64) + self.discrete_gaussian(sigma, values.size)).astype(np.int64)

    patch.setattr(Noise, "release", release_)


def exact_n(patch: Patch) -> None:
    fit = Marginal.fit

    def counted(self: Marginal, gate: Any, **named: Any) -> Marginal:
        fit(self, gate, **named)
        self.total_ = float(getattr(gate, "_curator", gate)._Curator__weights.sum() / GRID)
        return self

    patch.setattr(Marginal, "fit", counted)


def domain_from_data(patch: Patch) -> None:
    init = Curator.__init__

    def narrowed(self: Curator, table: Any, schema: Any, *args: Any, **named: Any) -> None:
        def cut(column: Any) -> Any:
            cells = table[column.name]
            known = cells.values[cells.present].tolist() if column.bounds is not None else []
            inside = [v for v in known if column.bounds[0] <= v <= column.bounds[1]]
            return replace(column, bounds=(min(inside), max(inside))) if len(set(inside)) > 1 else column

        init(self, table, schema.with_columns(map(cut, schema.columns)), *args, **named)

    patch.setattr(Curator, "__init__", narrowed)


def threshold_five(patch: Patch) -> None:
    patch.setattr(mechanisms, "discovery_threshold", lambda event, max_rows_per_unit: 5 * GRID)


def noise_after_fork(patch: Patch) -> None:
    """Words come from a pool that a forked process inherits, and nobody asks in which process it is."""
    pool = iter(memoryview(secrets.token_bytes(1 << 24)).cast("Q"))
    patch.setattr(noise, "_words", lambda: pool)
    patch.setattr(Noise, "_refuse_other_process", lambda self: None)


def truncation_skipped(patch: Patch) -> None:
    patch.setattr(bounding, "_chosen", lambda table, units, k, key: np.ones(len(units), dtype=np.bool_))


def error_misreported(patch: Patch) -> None:
    """Every measurement says that its standard deviation is 1, whatever sigma was."""
    patch.setattr(choosing, "Measurement", lambda clique, values, variance: Measurement(
        clique, values, np.ones_like(variance)))


def evaluation_shared(patch: Patch) -> None:
    patch.setattr(release, "share_class", lambda request, policy: "recipient")


def retry_on_failure(patch: Patch) -> None:
    """An answer that is too far from the truth is drawn again, and only one of them is booked."""
    measure = Curator.measure

    def again(self: Curator, columns: Any, *, sigma: float, coarse: Any = None) -> Any:
        answer = measure(self, columns, sigma=sigma, coarse=coarse)
        true = self._Curator__count(columns, coarse)  # type: ignore[attr-defined]
        while abs(answer.sum() - true.sum() / GRID) > sigma * np.sqrt(answer.size):
            answer = (self._noise.release(true, sigma=int(sigma * GRID) + 1) / GRID).reshape(answer.shape)
        return answer

    patch.setattr(Curator, "measure", again)


@dataclass(frozen=True)
class Mutation:
    """A bug; the oracles that must catch it, each with words that its reason must hold."""

    name: str
    plant: Callable[[Patch], None]
    catches: dict[str, str]


MUTATIONS = (
    Mutation("sigma halved", sigma_halved, {"noise": "variance", "distinguish": "more than is claimed"}),
    Mutation("sensitivity 2 counted as 1", sensitivity_two_counted_as_one, {"replay": "one unit changes the answers"}),
    Mutation("second measurement not charged", second_measurement_free, {"replay": "answers were given and"}),
    Mutation("rounds overspend", rounds_overspend, {"replay": "more was booked than the budget allows"}),
    Mutation("seed fixed", seed_fixed, {"noise": "the same noise came"}),
    Mutation("float addition", float_addition, {"noise": "addition: "}),
    Mutation("exact n", exact_n, {"replay": "model is another one", "black box": "number of people"}),
    Mutation("domain from data", domain_from_data, {"replay": "coded differently"}),
    Mutation("threshold 5", threshold_five, {"replay": "discovery shows what one unit alone has"}),
    Mutation("noise reused after fork", noise_after_fork, {"noise": "fork: "}),
    Mutation("truncation of rows skipped", truncation_skipped, {"replay": "more cells of a marginal than it may"}),
    Mutation("standard deviation misreported", error_misreported, {"reported error": "times what the model believes"}),
    Mutation("evaluation in share/", evaluation_shared, {"shared folder": "judgements on real rows"}),
    Mutation("retry on failure", retry_on_failure, {"replay": "answers were given and"}),
)


def reasons(mutation: Mutation) -> dict[str, str]:
    """What every oracle that must catch the planted bug says; nothing is left planted."""
    with Patch.context() as patch:
        mutation.plant(patch)
        return {name: ORACLES[name]() for name in mutation.catches}


def main() -> int:
    """Print who catches what; 1 if anything gets through, or if the program as it is fails an oracle."""
    sound = {name: oracle() for name, oracle in ORACLES.items()}
    for name in filter(sound.get, sound):
        print(f"the program as it is is caught by {name}: {sound[name]}")
    right = 0
    for mutation in MUTATIONS:
        said = reasons(mutation)
        held = all(words in said[name] for name, words in mutation.catches.items())
        right += held
        print(f"{'caught' if held else 'MISSED':<8}{mutation.name:<34}{', '.join(mutation.catches)}")
    print(f"mutations: {right}/{len(MUTATIONS)} caught")
    return int(right < len(MUTATIONS) or any(sound.values()))


if __name__ == "__main__":
    sys.exit(main())
