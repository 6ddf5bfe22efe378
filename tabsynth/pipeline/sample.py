"""Rows to a file, block by block, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tabsynth.core.progress import Progress, silent
from tabsynth.core.rules.expression import Expression
from tabsynth.core.table import Table
from tabsynth.pipeline.fit import Fitted


def sample_to_file(fitted: Fitted, path: Path | str, n: int, *, rng: np.random.Generator, given: Table | None = None,
                   where: str | None = None, format: str = "auto", force: bool = False,
                   progress: Progress = silent) -> int:
    """Draw `n` rows and write them; nothing appears under the name before the last row is written.

    Returns:
        Rows written.
    """
    from tabsynth.datasets import formats

    condition = None if where is None else Expression.parse(where, fitted.generator.coding_.schema)
    batches = fitted.generator.sample_batches(n, rng=rng, given=given, where=condition, progress=progress)
    return formats.write(counted(batches, n, progress), path, format=format, force=force)


def counted(batches: Iterator[Table], n: int, progress: Progress) -> Iterator[Table]:
    """The same batches, telling how many rows have passed."""
    done = 0
    progress("sample", 0, n)
    for batch in batches:
        yield batch
        done += len(batch)
        progress("sample", done, n)
