"""Rows to a file, part by part, in bounded memory."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from tabsynth.core.errors import UsageError
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rules.expression import Expression
from tabsynth.core.table import Table
from tabsynth.pipeline.fit import Fitted
from tabsynth.pipeline.workers import Workers, useful_jobs


def sample_to_file(fitted: Fitted, path: Path | str, n: int, *, rng: np.random.Generator, given: Table | None = None,
                   where: str | None = None, format: str = "auto", force: bool = False, jobs: int = 1,
                   progress: Progress = silent) -> int:
    """Draw `n` rows and write them; nothing appears under the name before the last row is written.

    Args:
        fitted: the model.
        path: where to; "-" is stdout.
        n, rng, given, where: see ``Generative.sample``.
        format, force: see ``formats.write``.
        jobs: processes that draw; the bytes are the same for any number.
        progress: told after every part.

    Returns:
        Rows written.
    """
    from tabsynth.datasets import formats

    if jobs < 1:
        raise UsageError(f"--jobs must be 1 or more, got {jobs}.")
    condition = None if where is None else Expression.parse(where, fitted.generator.coding_.schema)
    jobs = useful_jobs(jobs, n, where=where is not None)
    with nullcontext() if jobs == 1 else Workers(fitted.generator, jobs, where=condition, given=given) as parts:
        batches = fitted.generator.sample_batches(n, rng=rng, given=given, where=condition, progress=progress,
                                                  parts=parts)
        return formats.write(batches, path, format=format, force=force)
