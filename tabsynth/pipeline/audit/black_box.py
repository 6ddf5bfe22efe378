"""Layer 4: one person's presence, from the model file and synthetic rows alone.

Twenty people who are alike, and one who stands out in six ways at once. The whole path from a CSV file to a model and
to synthetic rows runs many times with and without that person. Each way has a score of its own, so that a leak shows
what it is of. Weak on the noise, where layer 3 is strong; strong on what is published beside it: value lists, ranges,
counts, types, where other programs leaked (Stadler, Oprisanu and Troncoso 2022; Annamalai, Ganev and De Cristofaro
2024).
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.progress import Progress, silent
from tabsynth.core.schema import Column, Schema
from tabsynth.core.schema_file import dump_schema
from tabsynth.core.table import Table
from tabsynth.pipeline.audit import chunks
from tabsynth.pipeline.audit.distinguish import DELTA, judge
from tabsynth.pipeline.audit.evidence import GATE, held_out
from tabsynth.pipeline.audit.report import Check
from tabsynth.pipeline.fit import Fitted, Privacy, fit
from tabsynth.pipeline.inputs import Reading, read_input

Floats = NDArray[np.float64]
FITS: Final = 1_000
"""Fits in each world."""
EPSILON: Final = 1.0
ROWS: Final = 200
"""Synthetic rows of each fit."""
SINGLETON: Final = "nobody else has this"
SCHEMA: Final = Schema((
    Column("patient", "id", role="unit"),
    Column("diagnosis", "category", open=True),
    Column("sex", "category", levels=("f", "m"), source="the audit"),
    Column("smoker", "boolean", source="the audit"),
    Column("weight", "number", bounds=(0, 300), decimals=1, source="the audit"),
    Column("lab", "number", bounds=(0, 10), decimals=1, source="the audit"),
    Column("visits", "integer", bounds=(0, 9), source="the audit"),
), max_rows_per_unit=2)
OTHERS: Final = tuple(f"p{i},{('flu,f,true', 'gout,m,false')[i % 2]},{60 + i}.5,{i % 5}.1,{i % 4}" for i in range(20))
TARGET: Final = f"target,{SINGLETON},f,false,299.9,,2.5"
"""A diagnosis and a pair of sex and smoker that nobody else has, a weight far from others', a lab value that is
missing where nobody's is, a half where others have whole numbers."""
SCORES: Final = ("singleton category", "outlier", "number of people", "missing cell", "type of a column", "rare pair")


@dataclass(frozen=True, slots=True)
class Task:
    """Some fits in both worlds."""

    fits: int
    model: str


def table(present: bool) -> Table:
    """The people, as read from a file, with the target or without."""
    with tempfile.TemporaryDirectory() as folder:
        rows, schema = Path(folder) / "rows.csv", Path(folder) / "schema.yaml"
        rows.write_text("\n".join([",".join(SCHEMA.names), *OTHERS, *([TARGET] if present else [])]) + "\n", "utf-8")
        schema.write_text(dump_schema(SCHEMA), "utf-8")
        return read_input(str(rows), Reading(schema), public_only=True).table


def run(task: Task) -> Floats:
    """Scores, shape (2 worlds, fits, scores)."""
    found = np.zeros((2, task.fits, len(SCORES)))
    for world in (0, 1):
        rows = table(bool(world))
        for index in range(task.fits):
            rng = np.random.default_rng(index)
            fitted = fit(rows, model=task.model, privacy=Privacy(EPSILON, DELTA), rng=rng)
            found[world, index] = scores(fitted, fitted.generator.sample(ROWS, rng=rng))
    return found


def scores(fitted: Fitted, synth: Table) -> tuple[float, ...]:
    """One number for each of `SCORES`, from what is released."""
    codes = json.dumps([fitted.generator.coding_.state(), fitted.generator.state().values], default=str)
    sex, smoker, weight = synth["sex"], synth["smoker"], synth["weight"]
    female = np.array(sex.levels)[sex.values] == "f" if sex.levels else np.zeros(len(synth), dtype=np.bool_)
    types = "".join(f"{synth[n].logical}{synth[n].values.dtype}" for n in synth.schema.names)
    return (float(SINGLETON in codes or SINGLETON in synth["diagnosis"].levels),
            float(weight.values[weight.present].max(initial=0)), float(getattr(fitted.generator, "total_", 0.0)),
            float((~synth["lab"].present).mean()), float(zlib.crc32(types.encode())),
            float((female & smoker.present & ~smoker.values.astype(np.bool_)).mean()))


def audit(fits: int = FITS, *, model: str = "marginal", gate: float = GATE, jobs: int = 1,
          progress: Progress = silent) -> Iterator[Check]:
    """One check a score; `gate` is shared among them."""
    tasks = [Task(size, model) for size in chunks.sizes(fits, jobs)]
    found = np.concatenate(list(chunks.done(run, tasks, jobs=jobs, stage="black box", progress=progress)), axis=1)
    for column, name in enumerate(SCORES):
        yield judge(name, EPSILON, held_out(found[0, :, column], found[1, :, column], float(DELTA)), gate / len(SCORES),
                    layer="black box")
