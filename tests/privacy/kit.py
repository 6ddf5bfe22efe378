"""Small private tables for the tests; the noise sources that record and replay are the audit's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tabsynth.core.schema import Schema
from tabsynth.core.table import Table
from tabsynth.pipeline.audit import replay, tables
from tabsynth.pipeline.audit.tables import Row, without
from tabsynth.pipeline.audit.transcript import Asked, Chosen, Recorder, Replayer
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.noise import NoiseSource

__all__ = ["BUDGET", "CLOSED", "OPEN", "SCHEMA", "Asked", "Chosen", "Recorder", "Replayer", "Row", "build",
           "curate", "random_rows", "without"]

SCHEMA = tables.VISITS
CLOSED = SCHEMA.with_columns(c for c in SCHEMA.columns if c.name != "diagnosis")
OPEN = tables.OPEN_VISITS
BUDGET = Budget.of(1, "1e-6", unit="patient", max_rows_per_unit=5)


def build(rows: Sequence[Row], schema: Schema = SCHEMA) -> Table:
    """A table of rows given as tuples."""
    return tables.visits(rows, schema)


def curate(table: Table, budget: Budget = BUDGET, noise: NoiseSource | None = None) -> Curator:
    return replay.curate(table, budget, noise)


def random_rows(seed: int, patients: int = 30) -> list[Row]:
    return tables.random_rows(np.random.default_rng(seed), patients)
