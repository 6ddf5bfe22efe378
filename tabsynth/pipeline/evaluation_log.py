"""A book of how often a training table was evaluated: choosing among models by their privacy figures leaks a little.

One JSON object a line, each chained to the one before by its hash, in ``tabsynth-evaluations/`` beside the table. The
book stays in the house; of it only two counts enter a report. A chain shows changes, not that its end was cut off.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.artifact import canonical_json
from tabsynth.core.errors import PrivacyError, SourceError
from tabsynth.core.files import check_folder
from tabsynth.core.table import Cells, Table
from tabsynth.pipeline.inputs import DEMO, stem
from tabsynth.privacy.ledger_file import FileLines
from tabsynth.reports.context import Selection

FOLDER: Final = "tabsynth-evaluations"
GENESIS: Final = "0" * 64
FIX: Final = "Name another folder with --log FOLDER, or pass --no-log."


@dataclass(frozen=True, slots=True)
class Entry:
    """One evaluation. `date` is a UTC day; digests are SHA-256 in hex.

    Args:
        train, synth: digests of the rows, see `digest_of`.
        model: digest of the model file, None where it was not at hand.
        tier: of the measures that ran. outcome: what the policy made of them.
        previous, hash: of the line before and of this one.
    """

    index: int
    date: str
    train: str
    synth: str
    model: str | None
    policy: str
    tier: int
    outcome: str
    previous: str
    hash: str = ""

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Raises ValueError, TypeError or RecursionError where the line is no entry, or not as it was written."""
        entry = cls(**json.loads(line))
        if entry.hash != entry.expected_hash():
            raise ValueError("hash")
        return entry

    def expected_hash(self) -> str:
        return hashlib.sha256(canonical_json({k: v for k, v in asdict(self).items() if k != "hash"})).hexdigest()

    def line(self) -> bytes:
        """The entry as it is written, with its hash."""
        return canonical_json({**asdict(self), "hash": self.expected_hash()}) + b"\n"


class EvaluationLog:
    """The evaluations of one table. Every method reads the file anew, so that several processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = FileLines(path, path.stem)

    def check(self) -> None:
        """Refuse, before hours of work, a book that could not be written or was changed. Makes nothing.

        Raises:
            SourceError: says how to go on without.
        """
        folder = self._path.parent
        while not folder.exists() and not folder.parent.exists():  # parents are made with it, as a ledger's are
            folder = folder.parent
        try:
            check_folder(folder)
        except SourceError as error:
            raise SourceError(f"the evaluation log cannot be kept: {error.message}", fix=FIX) from error
        self.entries()

    def entries(self) -> tuple[Entry, ...]:
        """Every line, checked.

        Raises:
            SourceError: says at which line the chain is broken.
        """
        entries: list[Entry] = []
        with self._in_own_words():
            lines = self._lines.read()
        for number, line in enumerate(lines, start=1):
            try:
                entry = Entry.parse(line)
                if entry.index != len(entries) or entry.previous != (entries[-1].hash if entries else GENESIS):
                    raise ValueError("chain")
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise SourceError(
                    f"the evaluation log {self._path.name} was changed or damaged: line {number} does not follow from "
                    "those before.", fix=f"Restore it from a backup. {FIX}") from error
            entries.append(entry)
        return tuple(entries)

    def record(self, train: Table, synth: Table, *, model: str | None, policy: str, tier: int,
               outcome: str) -> Selection:
        """Append one evaluation.

        Args:
            train: the real rows that a choice among evaluations would leak about. synth: the rows that were judged.
            model: SHA-256 of the model file, if at hand.

        Returns:
            How often these rows were evaluated, this time included, and how many models (tables, where the model is
            not known) were.
        """
        rows, drawn = digest_of(train), digest_of(synth)
        with self._in_own_words(), self._lines.locked():
            before = self.entries()
            entry = Entry.parse(Entry(
                len(before), datetime.now(UTC).date().isoformat(), rows, drawn, model, policy, tier, outcome,
                before[-1].hash if before else GENESIS).line())
            self._lines.append(entry.line())
        looks = [e for e in (*before, entry) if e.train == rows]
        return Selection(len(looks), len({e.model or e.synth for e in looks}))

    @contextmanager
    def _in_own_words(self) -> Iterator[None]:
        """The file is kept as a ledger's is; its errors are told as this book's."""
        try:
            yield
        except PrivacyError as error:
            raise SourceError(f"the evaluation log {self._path.name} is locked by another process.",
                              fix="Wait until it has finished.") from error
        except SourceError as error:
            if error.message.startswith("the evaluation log"):
                raise
            raise SourceError(f"the evaluation log {self._path} cannot be read or written.", fix=FIX) from error


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whether and where evaluations are written down.

    Args:
        wanted: False = nowhere.
        folder: None = ``tabsynth-evaluations`` beside the table.
    """

    wanted: bool = True
    folder: Path | None = None

    def open(self, beside: Path, name: str) -> EvaluationLog | None:
        """The log of a table called `name` that lies in `beside`, checked, or None."""
        if not self.wanted:
            return None
        file = re.sub(r"[^\w.-]+", "-", name) or "table"
        log = EvaluationLog((self.folder or beside / FOLDER) / f"{file}.jsonl")
        log.check()
        return log

    def open_for(self, spec: str) -> EvaluationLog | None:
        """The log of a table as the command line names it; bundled tables and stdin lie in the current folder."""
        here = spec == "-" or spec.startswith(DEMO)
        return self.open(Path(".") if here else Path(spec).parent, stem(spec.removeprefix(DEMO)))


def digest_of(table: Table) -> str:
    """SHA-256 of a table's column names and its rows in any order.

    A number is the same whether it was read as a number, an integer, a boolean or the text of a category, so that
    reading the file under another schema seldom looks like another table.
    """
    cells = [_digests(table[name]) for name in table.schema.names]
    rows = np.ascontiguousarray(np.stack(cells, axis=1)) if cells else np.zeros((len(table), 0), np.int64)
    digest = hashlib.sha256(canonical_json(list(table.schema.names)))
    for row in sorted(row.tobytes() for row in rows):
        digest.update(row)
    return digest.hexdigest()


def _digests(cells: Cells) -> NDArray[np.int64]:
    """One int64 per cell that depends on that cell alone."""
    if cells.levels:
        values = np.array([_text_digest(level) for level in cells.levels], np.int64)[cells.values]
    elif cells.values.dtype == object:
        known: Mapping[Any, int] = {text: _text_digest(str(text)) for text in set(cells.values.tolist())}
        values = np.array([known[text] for text in cells.values.tolist()], np.int64)
    else:
        values = (cells.values.astype(np.float64) + 0.0).view(np.int64)  # one bit pattern for 0.0 and -0.0
    return np.where(cells.present, values, -1 - cells.state.astype(np.int64))


def _text_digest(text: str) -> int:
    try:
        return int((np.array([float(text)]) + 0.0).view(np.int64)[0])
    except ValueError:
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "little", signed=True)
