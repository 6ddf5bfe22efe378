"""Small tables made to break a guarantee, and their neighbours: the same table with one unit more, or one less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, MISSING, PRESENT, Cells, Table
from tabsynth.datasets.simulate import joined_admissions, simulate_ward
from tabsynth.pipeline.split import split

SPLIT_KEY: Final = b"s" * 16
"""Under it the patient `VICTIM` is on the training side."""
MAX_ROWS: Final = 5
"""Rows of a unit that the audit's budgets use."""

VISITS: Final = Schema((
    Column("patient", "id", role="unit"),
    Column("sex", "category", levels=("female", "male"), source="ISO/IEC 5218"),
    Column("diagnosis", "category", open=True),
    Column("age", "integer", bounds=(0, 110), source="code book"),
    Column("weight", "number", bounds=(0, 300), decimals=1, source="code book"),
))
"""One column of every kind that is coded in its own way."""
OPEN_VISITS: Final = VISITS.with_columns(replace(c, bounds=None, open=True) if c.bounds else c for c in VISITS.columns)
"""The same columns, of which neither levels nor bounds are public."""

Row = tuple[str | None, str | None, str | None, int | None, float | None]
"""patient, sex, diagnosis, age, weight; None = missing, age or weight -1 = INVALID."""
VICTIM: Final = "v"

Neighbour = Callable[[np.random.Generator], Table]


@dataclass(frozen=True)
class Case:
    """A table and a way to draw neighbours of it; neither depends on privacy noise. `parted`: split before a fit."""

    name: str
    table: Table
    neighbour: Neighbour
    parted: bool = True

    def train(self, table: Table) -> Table:
        """The rows that a model would be given, under one split key for all neighbours."""
        return split(table, key=SPLIT_KEY).train if self.parted else table


def visits(rows: Sequence[Row], schema: Schema = VISITS) -> Table:
    """A table of rows given as tuples, under a schema that has some of the columns of `VISITS`."""
    columns = {}
    for i, column in enumerate(VISITS.columns):
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
    return Table(schema, {name: columns[name] for name in schema.names})


def random_rows(rng: np.random.Generator, patients: int, *, most: int = 8) -> list[Row]:
    """1 to `most` rows of each patient, some cells undeclared, out of bounds or unreadable."""
    return [row for p in range(patients) for row in random_patient(rng, f"p{p}", int(rng.integers(1, most + 1)))]


def random_patient(rng: np.random.Generator, name: str, rows: int) -> list[Row]:
    """Rows of one patient like everybody else's."""
    return [(name, str(rng.choice(["female", "male", "other"])), str(rng.choice(["flu", "gout", "mumps"])),
             int(rng.integers(-1, 130)), float(np.round(rng.normal(80, 30), 1))) for _ in range(rows)]


def without(table: Table, patient: str) -> Table:
    """The same table with all rows of one patient removed."""
    return table.take(np.flatnonzero(table["patient"].values != patient))


def people(rows: int, rng: np.random.Generator) -> Table:
    """Six columns of the kinds and dependences of a census table; every row is another person."""
    age = rng.integers(17, 91, rows)
    education = rng.integers(1, 17, rows)
    income = rng.random(rows) < 0.04 * education * (age > 25)
    hours = np.clip(np.rint(rng.normal(40, 12, rows)), 1, 99)
    levels = tuple(f"class {c}" for c in "abcdefgh")
    schema = Schema((
        Column("age", "integer", bounds=(17, 90), source="code book"),
        Column("workclass", "category", levels=levels, source="code book"),
        Column("education", "integer", bounds=(1, 16), source="code book"),
        Column("hours", "integer", bounds=(1, 99), source="code book"),
        Column("gain", "number", bounds=(0, 99_999), special=(0.0,), decimals=0, source="code book"),
        Column("income", "boolean", source="code book"))).with_unit("row")
    present = np.full(rows, PRESENT, dtype=np.uint8)
    gain = np.where(rng.random(rows) < 0.9, 0.0, np.rint(rng.lognormal(8, 1, rows)).clip(0, 99_999))
    cells = {"age": age, "education": education, "hours": hours.astype(np.int64), "gain": gain, "income": income}
    return Table(schema, {c.name: Cells(rng.integers(0, 8, rows).astype(np.int32), present, levels)
                          if c.name == "workclass" else Cells(cells[c.name], present) for c in schema.columns})


WARD_COLUMNS: Final = ("patient", "sex", "age", "region", "smoker", "triage", "monitoring", "treatment")


def ward(patients: int, rng: np.random.Generator) -> Table:
    """Admissions of a simulated ward, cut to eight columns, without rules on the others."""
    whole = joined_admissions(simulate_ward(patients, rng))
    cut = whole.select(WARD_COLUMNS)
    return Table(replace(cut.schema, rules=()), cut.columns)


def cases(rng: np.random.Generator) -> Iterator[Case]:
    """Ordinary tables of which somebody leaves, and tables that somebody joins who stands out."""
    admitted = ward(80, rng)
    yield Case("simulated ward", admitted, lambda r: _one_unit_less(admitted, r))
    census = people(500, rng)
    yield Case("people", census, lambda r: _one_unit_less(census, r))
    others = visits(random_rows(rng, 30, most=MAX_ROWS))
    for name, draw in _UNUSUAL.items():
        yield Case(name, others, lambda r, draw=draw: _joined(others, draw(r), r))  # type: ignore[misc]
    crowd = visits(random_rows(rng, 300, most=MAX_ROWS), OPEN_VISITS)
    yield Case("outlier among bought bounds", crowd, lambda r: _joined(crowd, _outlier(r), r))
    empty = visits([])
    yield Case("empty table", empty, lambda r: _joined(empty, random_patient(r, VICTIM, int(r.integers(1, 9))), r),
               parted=False)
    alone = visits(random_patient(rng, "p0", 3))
    yield Case("one patient", alone, lambda r: empty if r.random() < 0.2 else _joined(
        alone, random_patient(r, VICTIM, int(r.integers(1, 9))), r), parted=False)


def _one_unit_less(table: Table, rng: np.random.Generator) -> Table:
    units = table.unit_codes()
    return table.take(np.flatnonzero(units != rng.integers(0, units.max() + 1)))


def _joined(others: Table, rows: Sequence[Row], rng: np.random.Generator) -> Table:
    """Others with one patient more, whose rows come first or last."""
    parts = [others, visits(rows, others.schema)]
    return Table.concat(parts if rng.random() < 0.5 else parts[::-1])


def _outlier(rng: np.random.Generator) -> list[Row]:
    age, weight = ((110, 300.0), (0, 0.0), (2**62, -1e308), (-(2**62), 1e308))[rng.integers(0, 4)]
    return [(VICTIM, "female", "flu", age, weight)]


def _unseen(rng: np.random.Generator) -> list[Row]:
    return [(VICTIM, f"unicorn {rng.integers(0, 9)}", f"mine {rng.integers(0, 9)}", 5, 5.0)
            for _ in range(rng.integers(1, 9))]


_UNUSUAL: Final[dict[str, Callable[[np.random.Generator], list[Row]]]] = {
    "unique outlier": _outlier,
    "patient with 500 rows": lambda rng: random_patient(rng, VICTIM, 500),
    "all-missing patient": lambda rng: [(VICTIM, None, None, None, None)] * int(rng.integers(1, 9)),
    "unseen categories": _unseen,
}
