"""Worker processes that draw blocks of rows; the table is the same for any number of them.

Worker w of N draws the blocks w, w + N, w + 2N, ...; the parent takes them in order, and gives ids and types. A
worker that has finished a block waits until it is taken, so at most two blocks per worker are held at any time.

A process with a single thread forks: the workers start at once, with the model and all modules in shared memory. Where
other threads run (in a notebook, after Arrow was loaded), what they hold would stay held in a fork, so workers are new
processes, which get the model as data.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess, SpawnProcess
from types import TracebackType
from typing import Any, Final, Self

from tabsynth.core.blocks import Blocks, Part
from tabsynth.core.coding import Coding
from tabsynth.core.errors import ModelError, TabsynthError
from tabsynth.core.given import Given
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules.expression import Expression
from tabsynth.core.synthesizer import Generative, State

LONG: Final = 32 * BLOCK_ROWS
"""Rows from which on more than one process pays, if nobody says how many."""
MOST_JOBS: Final = 4
"""What one process can write is drawn by about so many."""


@dataclass(frozen=True)
class Task:
    """What a worker is told: the model, the streams, and which blocks are its own."""

    generator: Generative
    streams: Streams
    where: Expression | None
    given: Given | None
    first: int
    step: int

    def __reduce__(self) -> tuple[Any, ...]:
        model = self.generator
        return _received, (type(model), model.state(), model.coding_, self.streams, self.where, self.given, self.first,
                           self.step)


def _received(model: type[Generative], state: State, coding: Coding, *rest: Any) -> Task:
    return Task(model.from_state(state, coding), *rest)


class Workers:
    """`jobs` processes that draw the blocks of one table. Use as a context: leaving it ends them.

    Calling it starts them and gives the parts of all blocks from the first on, in order (``assemble.Parts``).
    """

    def __init__(self, generator: Generative, jobs: int, *, where: Expression | None = None,
                 given: Given | None = None) -> None:
        self.generator, self.jobs, self.where, self.given = generator, jobs, where, given
        self.processes: list[ForkProcess | SpawnProcess] = []
        self.pipes: list[Connection[Any, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for process in self.processes:
            process.terminate()
        for process, pipe in zip(self.processes, self.pipes, strict=True):
            process.join()
            pipe.close()

    def __call__(self, streams: Streams, first: int = 0) -> Iterator[Part]:
        """Parts in order.

        Raises:
            ModelError: what a worker raised, or that one has died.
        """
        for block in range(first, first + self.jobs):
            self._start(Task(self.generator, streams, self.where, self.given, block, self.jobs))
        return self._parts()

    def _parts(self) -> Iterator[Part]:
        for pipe in cycle(self.pipes):
            try:
                block: list[Part] | TabsynthError | None = pipe.recv()
            except (EOFError, OSError) as error:
                raise ModelError("a worker process ended before its time.",
                                 fix="If memory is short, use fewer --jobs.") from error
            if isinstance(block, TabsynthError):
                raise block
            if block is None:      # this worker has no more blocks, so the ones after it have none either
                return
            yield from block

    def _start(self, task: Task) -> None:
        fork = may_fork()
        context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        pipe, far_end = context.Pipe(duplex=False)
        inherited = [*self.pipes, pipe] if fork else []
        process = context.Process(target=work, args=(task, far_end, inherited), daemon=True)
        with interrupts_held(fork=fork):
            process.start()
            self.processes.append(process)
            self.pipes.append(pipe)
        far_end.close()      # so that a worker that dies ends the pipe


def work(task: Task, out: Connection[Any, Any], inherited: Sequence[Connection[Any, Any]]) -> None:
    """Send one list of parts per block, or the error that ended it; None after the last block.

    Args:
        inherited: the parent's ends of pipes, which a fork holds too; open, they would hide that the parent has died.
    """
    for pipe in inherited:
        pipe.close()
    try:
        blocks = Blocks(task.generator.draw, task.generator.coding_, task.streams, where=task.where, given=task.given)
        for number in blocks.numbers(task.first, task.step):
            out.send(list(blocks(number)))
        out.send(None)
    except BrokenPipeError:
        return      # nobody waits for it any more
    except TabsynthError as error:
        out.send(error)
    except Exception as error:      # its message may quote a cell
        out.send(ModelError(f"internal error in a worker process: {type(error).__name__}.",
                            fix="This is a bug; --jobs 1 shows where."))


def may_fork() -> bool:
    """True where the kernel says that this process has one thread."""
    return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1


def useful_jobs(jobs: int | None, n: int, *, where: bool) -> int:
    """How many processes to use: as many as asked for, if they have something to do; else by cores and rows.

    A unit has a row at least, unless `where` throws it away.
    """
    if jobs is None:
        return 1 if n < LONG else min(MOST_JOBS, usable_cores())
    return jobs if where else max(1, min(jobs, -(-n // BLOCK_ROWS)))


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def interrupts_held(*, fork: bool) -> Iterator[None]:
    """Ctrl-C waits until afterwards; a process that is started meanwhile never gets it, its parent ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    if not fork:
        resource_tracker.ensure_running()      # starting it later would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
