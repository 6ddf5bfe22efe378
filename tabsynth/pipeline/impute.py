"""Missing cells of a real table, filled by a model: once, or several times for multiple imputation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tabsynth.core.conditioning import Conditioning, Weighing
from tabsynth.core.errors import UsageError
from tabsynth.core.files import check_writable, refuse_existing
from tabsynth.core.holes import Holes
from tabsynth.core.impute import Completed, impute
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rng import Streams
from tabsynth.core.table import INVALID, Table
from tabsynth.pipeline.fit import Fitted
from tabsynth.pipeline.inputs import DEMO, stem

if TYPE_CHECKING:
    from tabsynth.datasets.formats.verbatim import Original

STDOUT: Final = "-"
PROBED: Final = 200
"""Incomplete rows whose effective sample size is looked at; nearly every one lacks other columns."""
MARKS: Final = {"tabsynth.synthetic": "false", "tabsynth.imputed": "true"}
"""Of a completed table's file: its rows are real."""


@dataclass(frozen=True)
class Written:
    """One completed table in a file."""

    file: str
    cells: int
    left: int

    @classmethod
    def of(cls, file: str, done: Completed) -> Written:
        return cls(file, sum(int(mask.sum()) for mask in done.filled.values()), sum(done.left.values()))


def completions(fitted: Fitted, table: Table, *, draws: int, rng: np.random.Generator,
                progress: Progress = silent) -> Iterator[Completed]:
    """The table, completed `draws` times independently; the first ones do not depend on how many there are.

    Raises:
        UsageError: fewer than one. ColumnNotFoundError, SchemaError: the table does not fit the model.
    """
    if isinstance(draws, bool) or draws < 1:
        raise UsageError(f"draws must be 1 or more, got {draws}.")
    model, streams = fitted.generator, Streams.from_rng(rng)
    for number in range(1, draws + 1):
        yield impute(model.draw, model.coding_, table, streams=streams.child(f"impute {number}"), progress=progress)


def impute_to_files(fitted: Fitted, original: Original, path: str, *, draws: int, rng: np.random.Generator,
                    format: str = "auto", force: bool = False,
                    progress: Progress = silent) -> tuple[list[Written], Completed]:
    """Write the completed tables; what is filled, and the last of them.

    Args:
        original: see ``formats.verbatim``. Cells of delimited text that are not filled are written as they were.
        path: one draw's file, "-" for stdout; of several NAME.1.csv, NAME.2.csv, ...

    Raises:
        SourceError: a file exists. UsageError: several draws for stdout.
    """
    from tabsynth.datasets import formats

    files = numbered(path, draws)
    for file in files:
        if file != STDOUT:
            refuse_existing(Path(file), force=force)
            check_writable(Path(file))
    written = []
    found = completions(fitted, original.table, draws=draws, rng=rng, progress=progress)
    for file, done in zip(files, found, strict=True):
        blocks = original.blocks(done.table, done.filled, delimited=formats.is_delimited(file, format))
        formats.write(blocks, file, format=format, force=force, synthetic=False, marks=MARKS)
        written.append(Written.of(file, done))
    return written, done


def numbered(path: str, draws: int) -> list[str]:
    """Names of the files.

    >>> numbered("out/a.csv.gz", 2)
    ['out/a.1.csv.gz', 'out/a.2.csv.gz']
    """
    if draws == 1:
        return [path]
    if path == STDOUT:
        raise UsageError("several draws need files, not stdout.", fix="Pass -o TABLE.")
    name, start = Path(path).name, stem(path)
    return [str(Path(path).with_name(f"{start}.{number}{name.removeprefix(start)}")) for number in range(1, draws + 1)]


def read_original(spec: str, fitted: Fitted) -> Original:
    """The table that a person names, read as the model's table was."""
    from tabsynth.datasets import load
    from tabsynth.datasets.formats import verbatim

    schema = fitted.generator.coding_.schema
    if spec.startswith(DEMO):
        return verbatim.Original(load.load_demo(spec.removeprefix(DEMO)))
    return verbatim.read(spec, schema)


def exactness(fitted: Fitted, table: Table, rng: np.random.Generator) -> Conditioning | None:
    """How exactly draws follow what is known of incomplete rows, seen on some; None where the model cannot tell."""
    model = fitted.generator
    if not isinstance(model, Weighing):
        return None
    holes = Holes.of(table, model.coding_)
    rows = np.flatnonzero(holes.incomplete())
    probe = rows[np.unique(np.linspace(0, max(0, len(rows) - 1), PROBED).astype(np.intp))] if len(rows) else rows
    codes = {name: holes.codes(name) for name in model.coding_.names}
    sizes = [np.full(len(members), float(model.particles)) if model.is_exact(known) else
             model.effective_sizes({name: codes[name][members] for name in known}, rng=rng)
             for known, members in holes.patterns(probe)]
    return Conditioning(("what is known of a row",), model.particles, np.concatenate(sizes)) if sizes else None


def notes(table: Table, fitted: Fitted, done: Completed) -> Iterator[str]:
    """What a person should know of a completed table, besides how many cells were filled."""
    coding = fitted.generator.coding_
    if not done.filled:
        yield "no cell that the model can fill is missing: the table is a copy."
    if done.by_rule:
        yield f"missing by rule, and left so: {_listed(done.by_rule)}."
    if done.left:
        yield f"left missing, because no draw within the rules filled them: {_listed(done.left)}."
    outside = {c.name: int((~table[c.name].present).sum()) for c in coding.schema.columns if not c.modelled}
    if any(outside.values()):
        yield f"not modelled (ids, texts), left as they are: {_listed(outside)}."
    unreadable = {name: int((table[name].state == INVALID).sum()) for name in coding.schema.names}
    if any(unreadable.values()):
        yield f"not readable as the column's kind, left as they are: {_listed(unreadable)}."


def _listed(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
