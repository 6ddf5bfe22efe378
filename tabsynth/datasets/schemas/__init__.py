"""Schemas of public data sets, written from their code books: what `fit` may know before it sees a row."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tabsynth.core.errors import UsageError

_FOLDER: Final = Path(__file__).resolve().parent


def names() -> list[str]:
    """The data sets that have a schema here.

    >>> names()
    ['adult', 'diabetes130', 'rand_hie']
    """
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def path(name: str) -> Path:
    """The schema file of a data set.

    Raises:
        UsageError: there is none of this name; lists the names.
    """
    if name not in names():
        raise UsageError(f"there is no schema called {name!r}; there are: {', '.join(names())}.")
    return _FOLDER / f"{name}.yaml"
