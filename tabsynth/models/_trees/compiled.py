"""Machine code for the inner loops where numba is installed; elsewhere the caller takes its plain numpy twin."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any, Final

AVAILABLE: Final = importlib.util.find_spec("numba") is not None and not os.environ.get("TABSYNTH_PLAIN")
"""False without numba, or where TABSYNTH_PLAIN is set: then the plain twins do the work, with the same results."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call and keep the machine code beside the source file for the next process."""
    if not AVAILABLE:
        return function
    import numba

    return numba.njit(cache=True, nogil=True)(function)
