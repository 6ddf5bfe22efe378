"""Many independent runs in chunks, here or on worker processes that start afresh and make their own noise sources."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final, TypeVar

from tabsynth.core.progress import Progress

CHUNK: Final = 500
"""Most runs of one task."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def sizes(runs: int, jobs: int) -> list[int]:
    """Sizes of the chunks, with something to do for every worker.

    >>> sizes(1_200, 2)
    [500, 500, 200]
    """
    chunk = max(1, min(CHUNK, -(-runs // jobs)))
    return [min(chunk, runs - start) for start in range(0, runs, chunk)]


def done(work: Callable[[Task], Result], tasks: Sequence[Task], *, jobs: int, stage: str,
         progress: Progress) -> Iterator[Result]:
    """Results in the order in which they are ready."""
    progress(stage, 0, len(tasks))
    for number, result in enumerate(_results(work, tasks, jobs), start=1):
        progress(stage, number, len(tasks))
        yield result


def _results(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    if jobs == 1:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(work, task) for task in tasks]):
            yield future.result()
