"""Small private tables, and a noise source that records what was asked and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, MISSING, PRESENT, Cells, Table
from tabsynth.privacy.accountant import selection_mu
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger
from tabsynth.privacy.mechanisms import SCORE_SENSITIVITY
from tabsynth.privacy.noise import Noise, NoiseSource

SCHEMA = Schema((
    Column("patient", "id", role="unit"),
    Column("sex", "category", levels=("female", "male"), source="ISO/IEC 5218"),
    Column("diagnosis", "category", open=True),
    Column("age", "integer", bounds=(0, 110), source="code book"),
    Column("weight", "number", bounds=(0, 300), decimals=1, source="code book"),
))
CLOSED = SCHEMA.with_columns(c for c in SCHEMA.columns if c.name != "diagnosis")
BUDGET = Budget.of(1, "1e-6", unit="patient", max_rows_per_unit=5)

Row = tuple[str | None, str | None, str | None, int | None, float | None]
"""patient, sex, diagnosis, age, weight; None = missing, age -1 = INVALID."""


def build(rows: Sequence[Row], schema: Schema = SCHEMA) -> Table:
    """A table of rows given as tuples."""
    columns = {}
    for i, column in enumerate(SCHEMA.columns):
        given = [r[i] for r in rows]
        state = np.array([MISSING if v is None else INVALID if v == -1 else PRESENT for v in given], dtype=np.uint8)
        if column.kind == "category":
            levels = tuple(dict.fromkeys(str(v) for v in given if v is not None))
            values = np.array([0 if v is None else levels.index(str(v)) for v in given], dtype=np.int32)
            columns[column.name] = Cells(values, state, levels)
        elif column.kind == "id":
            columns[column.name] = Cells(np.array([v or "" for v in given], dtype=object), state)
        else:
            kind = np.int64 if column.kind == "integer" else np.float64
            columns[column.name] = Cells(np.array([0 if v in (None, -1) else v for v in given], dtype=kind), state)
    return Table(SCHEMA, columns).select(schema.names)


def without(table: Table, patient: str) -> Table:
    """The neighbour: the same table with all rows of one patient removed."""
    return table.take(np.flatnonzero(table["patient"].values != patient))


def curate(table: Table, budget: Budget = BUDGET, noise: NoiseSource | None = None) -> Curator:
    reservation = Ledger.scratch("test").reserve(budget, purpose="test")
    return Curator(table, table.schema, budget, reservation=reservation, _noise=noise)


def random_rows(seed: int, patients: int = 30) -> list[Row]:
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for p in range(patients):
        for _ in range(int(rng.integers(1, 9))):
            rows.append((f"p{p}", str(rng.choice(["female", "male", "other"])),
                         str(rng.choice(["flu", "gout", "mumps"])), int(rng.integers(-1, 130)),
                         float(np.round(rng.normal(80, 30), 1))))
    return rows


@dataclass
class Asked:
    """One call of `release`: what was true, and what was answered."""

    sigma: int
    keys: tuple[str, ...] | None
    true: NDArray[np.int64]
    answer: NDArray[np.int64]


@dataclass
class Chosen:
    """One call of `choose`: the true scores, and the index that came out."""

    num: int
    den: int
    true: tuple[int, ...]
    answer: int


@dataclass
class Recorder:
    """Real noise (or none, for counting only) and a fixed key, with a record."""

    noisy: bool = True
    name: str = "recorder"
    private: bool = False
    asked: list[Asked | Chosen] = field(default_factory=list)

    def key(self) -> bytes:
        return b"k" * 32

    def release(self, values, *, sigma, keys=None):  # type: ignore[no-untyped-def]
        answer = values + (Noise().discrete_gaussian(sigma, values.size) if self.noisy else 0)
        self.asked.append(Asked(sigma, None if keys is None else tuple(keys), values.copy(), answer))
        return answer

    def choose(self, scores, *, num, den):  # type: ignore[no-untyped-def]
        answer = Noise().choose(scores, num=num, den=den)
        self.asked.append(Chosen(num, den, tuple(scores), answer))
        return answer


@dataclass
class Replayer:
    """Answers what another run was answered, and adds up how far the true values are apart."""

    record: list[Asked | Chosen]
    name: str = "replayer"
    private: bool = False
    step: int = 0
    spent: Fraction = Fraction(0)
    vanished: set[str] = field(default_factory=set)

    def key(self) -> bytes:
        return b"k" * 32

    def release(self, values, *, sigma, keys=None):  # type: ignore[no-untyped-def]
        before = self._next(Asked)
        assert sigma == before.sigma
        true, answer = before.true, before.answer
        if before.keys is not None:
            assert set(keys) <= set(before.keys)
            self.vanished |= set(before.keys) - set(keys)
            rows = [before.keys.index(k) for k in keys]
            true, answer = true[rows], answer[rows]
        assert values.shape == true.shape
        change = (values - true).astype(object)
        self.spent += Fraction(int((change * change).sum()), sigma**2)
        return answer

    def choose(self, scores, *, num, den):  # type: ignore[no-untyped-def]
        before = self._next(Chosen)
        assert (num, den, len(scores)) == (before.num, before.den, len(before.true))
        changes = [now - then for now, then in zip(scores, before.true, strict=True)]
        assert max(map(abs, changes)) <= SCORE_SENSITIVITY
        # the log ratios of the two tables' probabilities lie in an interval of exactly this length
        self.spent += Fraction(selection_mu(Fraction((max(changes) - min(changes)) * num, den))) ** 2
        return before.answer

    def _next(self, kind):  # type: ignore[no-untyped-def]
        before = self.record[self.step]
        self.step += 1
        assert isinstance(before, kind)
        return before
