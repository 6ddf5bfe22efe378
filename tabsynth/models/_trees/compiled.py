"""Machine code for the inner loops where numba works; elsewhere their plain numpy twins do everything."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

try:
    import numba
except (ImportError, OSError):      # not installed, made for another numpy, or without its shared library
    numba = None  # type: ignore[assignment]

FORCED: Final = bool(os.environ.get("TABSYNTH_PLAIN"))
AVAILABLE: Final = numba is not None and not FORCED
"""False where numba does not work or TABSYNTH_PLAIN is set."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call and keep the machine code for the next process.

    It is kept beside the source file or, where that folder is read-only, in the user's cache folder; where neither
    can be written, every process compiles anew. What is kept goes by the text of the function's own file: it outlives
    a change of the options below.
    """
    if not AVAILABLE:
        return function
    try:
        return numba.njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:    # no folder for a cache
        return numba.njit(function, nogil=True, error_model="numpy")


def engine_in_use() -> str:
    """For people: what runs the loops of trees."""
    if AVAILABLE:
        return f"compiled by numba {numba.__version__}"
    return f"plain numpy, four to eight times slower ({'TABSYNTH_PLAIN is set' if FORCED else 'numba does not load'})"
