"""Demonstration tables that need no network: one bundled real panel and a simulated ward."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from typing import Final

import numpy as np

from tabsynth.core.errors import UsageError
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import load_schema
from tabsynth.core.table import Table
from tabsynth.datasets import formats, schemas
from tabsynth.datasets.simulate import joined_admissions, simulate_ward
from tabsynth.datasets.ward_schema import ward_schemas

WARD_PATIENTS: Final = 2_000
WARD_SEED: Final = 0


def names() -> list[str]:
    """What `load_demo` knows.

    >>> names()
    ['rand_hie', 'ward', 'ward_measurements']
    """
    return sorted(_DEMOS)


def demo_schema(name: str) -> Schema:
    """The public schema of a demonstration table; raises UsageError for other names."""
    _refuse_unknown(name)
    return load_schema(schemas.path(name)) if name in schemas.names() else ward_schemas()[_WARD[name]]


def load_demo(name: str) -> Table:
    """A demonstration table: always the same rows, read from this package or simulated, never fetched.

    | name | rows |
    |---|---|
    | rand_hie | real: 20,190 person-years of 5,912 people of the RAND Health Insurance Experiment |
    | ward | simulated: the admissions of 2,000 patients with what is known of the patient |
    | ward_measurements | simulated: their vital signs and laboratory values, long and irregular |

    Raises:
        UsageError: there is no table of this name; lists the names.
    """
    _refuse_unknown(name)
    return _DEMOS[name]()


def _refuse_unknown(name: str) -> None:
    if name not in _DEMOS:
        raise UsageError(f"there is no demonstration table called {name!r}; there are: {', '.join(names())}.")


def _rand_hie() -> Table:
    with as_file(files("tabsynth.datasets") / "bundled" / "rand_hie.csv.gz") as path:
        return formats.read(path, schema=demo_schema("rand_hie"))


def _ward() -> Table:
    return joined_admissions(simulate_ward(WARD_PATIENTS, np.random.default_rng(WARD_SEED)))


def _ward_measurements() -> Table:
    return simulate_ward(WARD_PATIENTS, np.random.default_rng(WARD_SEED))["measurements"]


_WARD: Final = {"ward": "ward", "ward_measurements": "measurements"}
_DEMOS: Final[dict[str, Callable[[], Table]]] = {
    "rand_hie": _rand_hie, "ward": _ward, "ward_measurements": _ward_measurements,
}
