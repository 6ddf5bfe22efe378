"""Worker processes that draw blocks of rows; the table is the same for any number of them.

Worker w of N draws the blocks w, w + N, w + 2N, ...; the parent takes them in order, and gives ids and types. A
worker that has finished a block waits until it is taken, so at most two blocks per worker are held at any time.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Self

from tabsynth.core import registry
from tabsynth.core.blocks import Blocks, Part
from tabsynth.core.coding import Coding
from tabsynth.core.errors import ModelError, TabsynthError
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules.expression import Expression
from tabsynth.core.synthesizer import Generative, State
from tabsynth.core.table import Table


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is told: the model as data, the streams, and which blocks are its own."""

    model: str
    coding: Coding
    state: State
    streams: Streams
    where: Expression | None
    given: Table | None
    first: int
    step: int


class Workers:
    """`jobs` processes that draw the blocks of one table. Use as a context: leaving it ends them.

    Calling it starts them and yields the parts of blocks 0, 1, 2, ... in order (``assemble.Parts``).
    """

    def __init__(self, generator: Generative, jobs: int, *, where: Expression | None = None,
                 given: Table | None = None) -> None:
        self.generator, self.jobs, self.where, self.given = generator, jobs, where, given
        self.processes: list[SpawnProcess] = []
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

    def __call__(self, streams: Streams) -> Iterator[Part]:
        """Parts in order.

        Raises:
            ModelError: what a worker raised, or that one has died.
        """
        state = self.generator.state()
        for first in range(self.jobs):
            self._start(Task(self.generator.name, self.generator.coding_, state, streams, self.where, self.given,
                             first, self.jobs))
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
        spawn = multiprocessing.get_context("spawn")
        pipe, far_end = spawn.Pipe(duplex=False)
        process = spawn.Process(target=work, args=(task, far_end), daemon=True)
        with interrupts_held():
            process.start()
            self.processes.append(process)
            self.pipes.append(pipe)
        far_end.close()      # so that a worker that dies ends the pipe


def work(task: Task, out: Connection[Any, Any]) -> None:
    """Send one list of parts per block, or the error that ended it; None after the last block."""
    try:
        generator = registry.load("models", task.model).from_state(task.state, task.coding)
        blocks = Blocks(generator.draw, task.coding, task.streams, where=task.where, given=task.given)
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


def useful_jobs(jobs: int, n: int, *, where: bool) -> int:
    """At most so many processes have something to do: a unit has a row at least, unless `where` throws it away."""
    return jobs if where else max(1, min(jobs, -(-n // BLOCK_ROWS)))


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until afterwards; a process that is started meanwhile never gets it, its parent ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()      # starting it later would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
