"""Rows to a file, part by part, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

import tabsynth
from tabsynth.core.assemble import START, Cursor
from tabsynth.core.errors import UsageError
from tabsynth.core.given import Balanced, Given
from tabsynth.core.partial import Partial, partial_file
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rules.expression import Expression
from tabsynth.core.table import Table
from tabsynth.pipeline import labels
from tabsynth.pipeline.fit import Fitted
from tabsynth.pipeline.workers import Workers, useful_jobs

STDOUT: Final = "-"
BALANCED: Final = "tabsynth.balanced"
"""Key of a file's metadata: the column whose levels come equally often by design, so that its shares mean nothing."""


def sample_to_file(fitted: Fitted, path: Path | str, n: int, *, rng: np.random.Generator, given: Given | None = None,
                   where: str | None = None, format: str = "auto", force: bool = False, jobs: int | None = 1,
                   origin: Mapping[str, Any] | None = None, resume: bool = False, progress: Progress = silent) -> int:
    """Draw `n` rows and write them; nothing appears under the name before the last row is written.

    Args:
        fitted: the model.
        path: where to; "-" is stdout.
        n, rng, given, where: see ``Generative.sample``. A table that is balanced by design says so in its metadata.
        format, force: see ``formats.write``.
        jobs: processes that draw; the bytes are the same for any number. None: as many as pay.
        origin: JSON values that decide the rows together with the other arguments: model, seed, given rows. With them,
            what was finished stays when the work ends early (``core.partial``).
        resume: go on with what stayed.
        progress: told after every part.

    Returns:
        Rows in the file.

    Raises:
        UsageError: `resume` for rows that nothing decides.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs must be 1 or more, got {jobs}.")
    if resume and (origin is None or str(path) == STDOUT):
        raise UsageError("--resume needs a seed, and a file to go on with.", fix="Pass --seed and -o FILE.")
    condition = None if where is None else Expression.parse(where, fitted.generator.coding_.schema)
    balance = given if isinstance(given, Balanced) else None
    marks = {**labels.marks(fitted.parentage.generation_depth),
             **({} if balance is None else {BALANCED: balance.column.name})}
    jobs = useful_jobs(jobs, n, where=where is not None)
    pool: AbstractContextManager[Workers | None] = nullcontext() if jobs == 1 else Workers(
        fitted.generator, jobs, where=condition, given=given)

    def rows(start: Cursor, parts: Workers | None) -> Iterator[tuple[Table, Cursor]]:
        return fitted.generator.sample_onwards(n, rng=rng, given=given, where=condition, start=start,
                                               progress=progress, parts=parts)

    with pool as parts:
        if origin is None or str(path) == STDOUT:
            found = rows(START, parts)
            return _written(found, path, format=format, force=force, marks=marks)
        what = {**origin, "n": n, "where": where, "balance": balance and balance.to_json(), "format": format,
                "versions": _versions()}
        with partial_file(Path(path), what, resume=resume, force=force) as partial:
            found = rows(partial.cursor, parts)
            return _added(found, partial, path, format=format, marks=marks)


# Both functions below get rows whose workers have been started. They load Arrow, after which no process may fork.


def _written(found: Iterator[tuple[Table, Cursor]], path: Path | str, *, format: str, force: bool,
             marks: Mapping[str, str]) -> int:
    from tabsynth.datasets import formats

    return formats.write((table for table, _ in found), path, format=format, force=force, marks=marks)


def _added(found: Iterator[tuple[Table, Cursor]], partial: Partial, path: Path | str, *, format: str,
           marks: Mapping[str, str]) -> int:
    """Add the pieces of the file that are not there yet."""
    from tabsynth.datasets import formats

    writing = formats.writing(path, format=format, marks=marks)
    for piece in partial.finished():
        writing.taken(piece)
    for made in writing.pieces(found):
        partial.add(made.data, made.mark)
    partial.data.write(writing.end())
    return partial.cursor.rows


def _versions() -> dict[str, str]:
    """Of what may write other bytes in another version."""
    return {"tabsynth": tabsynth.__version__, "numpy": np.__version__, "pyarrow": version("pyarrow")}
