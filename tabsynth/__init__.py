"""tabsynth: synthetic tables that are measured, attacked and documented before they leave the house.

    >>> import tabsynth
    >>> table = tabsynth.load_demo("rand_hie")                                      # doctest: +SKIP
    >>> model = tabsynth.TabularSynthesizer(model="copula").fit(table, rng=7)       # doctest: +SKIP
    >>> model.sample(1000, rng=7).to_pandas()                                       # doctest: +SKIP

Importing this package imports nothing heavy; each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "TabularSynthesizer": "tabsynth.pipeline.synthesizer",
    "Schema": "tabsynth.core.schema",
    "Column": "tabsynth.core.schema",
    "Table": "tabsynth.core.table",
    "TabsynthError": "tabsynth.core.errors",
    "load_schema": "tabsynth.core.schema_file",
    "dump_schema": "tabsynth.core.schema_file",
    "read": "tabsynth.datasets.formats",
    "write": "tabsynth.datasets.formats",
    "load_demo": "tabsynth.datasets.load",
    "demo_schema": "tabsynth.datasets.load",
    "simulate_ward": "tabsynth.datasets.simulate",
    "Ledger": "tabsynth.privacy.ledger",
    "Budget": "tabsynth.privacy.budget",
    "evaluate": "tabsynth.pipeline.face",
    "release": "tabsynth.pipeline.face",
    "split": "tabsynth.pipeline.face",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tabsynth' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
