"""The book of what was done to tables: fits, samples, evaluations, releases, one JSON object a line.

Each line is chained to the one before by its hash, in ``tabsynth-log/log.jsonl`` beside the table that an act started
from, or for a sample beside the table that it wrote. Digests let a line be matched with a file that somebody holds, so
the book stays in the house; of it only two counts enter a report, how often a training table was evaluated and how many
models were compared: choosing among models by their privacy figures leaks a little. A chain shows changes, not that its
end was cut off.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

import tabsynth
from tabsynth.core.artifact import canonical_json
from tabsynth.core.errors import PrivacyError, SourceError
from tabsynth.core.files import check_folder, sha256_file
from tabsynth.core.table import Cells, Table
from tabsynth.pipeline.inputs import DEMO
from tabsynth.privacy.ledger_file import FileLines
from tabsynth.reports.context import Selection

FOLDER: Final = "tabsynth-log"
PARTS: Final = ("share", "internal")
"""Of a release folder."""
FILE: Final = "log.jsonl"
GENESIS: Final = "0" * 64
FIX: Final = "Name another folder with --log FOLDER, or pass --no-log."

Act = Literal["fit", "sample", "evaluation", "release"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. Digests are SHA-256 in hex, None where there is no such thing or it was not at hand.

    Args:
        date: a UTC day.
        input: of the file that was read; a bundled table, a frame and stdin have none.
        rows: of the real rows, in any order, see `digest_of`. synthetic: of the synthetic rows that were judged.
        model: of the model file. output: of the table that was written, or of a release's manifest.
        policy, tier, outcome: of an evaluation or a release.
        versions: of tabsynth and Python.
        previous, hash: of the line before and of this one.
    """

    index: int
    date: str
    act: Act
    input: str | None
    rows: str | None
    synthetic: str | None
    model: str | None
    output: str | None
    policy: str | None
    tier: int | None
    outcome: str | None
    versions: Mapping[str, str]
    previous: str
    hash: str = ""

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Raises ValueError, TypeError or RecursionError where the line is no entry, or not as it was written."""
        entry = cls(**json.loads(line))
        if entry.line() != line + b"\n":
            raise ValueError("not as written, or another hash")
        return entry

    def expected_hash(self) -> str:
        return hashlib.sha256(canonical_json({k: v for k, v in asdict(self).items() if k != "hash"})).hexdigest()

    def line(self) -> bytes:
        """The entry as it is written, with its hash."""
        return canonical_json({**asdict(self), "hash": self.expected_hash()}) + b"\n"


class ActivityLog:
    """The acts of one folder. Every method reads the file anew, so that several processes may share it."""

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
            raise SourceError(f"the activity log cannot be kept: {error.message}", fix=FIX) from error
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
                    f"the activity log {self._path.name} was changed or damaged: line {number} does not follow from "
                    "those before.", fix=f"Restore it from a backup. {FIX}") from error
            entries.append(entry)
        return tuple(entries)

    def add(self, act: Act, *, input: str | None = None, rows: str | None = None, synthetic: str | None = None,
            model: str | None = None, output: str | None = None, policy: str | None = None, tier: int | None = None,
            outcome: str | None = None) -> tuple[Entry, ...]:
        """Append one act, see `Entry`; returns all of them, the new one last."""
        with self._in_own_words(), self._lines.locked():
            before = self.entries()
            versions = {"tabsynth": tabsynth.__version__, "python": platform.python_version()}
            unsealed = Entry(len(before), datetime.now(UTC).date().isoformat(), act, input, rows, synthetic, model,
                             output, policy, tier, outcome, versions, before[-1].hash if before else GENESIS)
            entry = replace(unsealed, hash=unsealed.expected_hash())
            self._lines.append(entry.line())
        return (*before, entry)

    def evaluated(self, train: Table, synth: Table, *, input: str | None = None, model: str | None, policy: str,
                  tier: int, outcome: str) -> Selection:
        """Append one evaluation.

        Args:
            train: the real rows that a choice among evaluations would leak about. synth: the rows that were judged.
            input, model: digests of the files of the real rows and of the model, if at hand.

        Returns:
            How often these rows were evaluated, this time included, and how many models (tables, where the model is
            not known) were.
        """
        rows = digest_of(train)
        entries = self.add("evaluation", input=input, rows=rows, synthetic=digest_of(synth), model=model, policy=policy,
                           tier=tier, outcome=outcome)
        looks = [e for e in entries if e.act == "evaluation" and e.rows == rows]
        return Selection(len(looks), len({e.model or e.synthetic for e in looks}))

    @contextmanager
    def _in_own_words(self) -> Iterator[None]:
        """The file is kept as a ledger's is; its errors are told as this book's."""
        try:
            yield
        except PrivacyError as error:
            raise SourceError(f"the activity log {self._path.name} is locked by another process.",
                              fix="Wait until it has finished.") from error
        except SourceError as error:
            if error.message.startswith("the activity log"):
                raise
            raise SourceError(f"the activity log {self._path} cannot be read or written.", fix=FIX) from error


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whether and where acts are written down.

    Args:
        wanted: False = nowhere.
        folder: None = ``tabsynth-log`` beside the table.
    """

    wanted: bool = True
    folder: Path | None = None

    def open(self, beside: Path) -> ActivityLog | None:
        """The log of tables that lie in `beside`, checked, or None.

        In a part of a release it would be a file that nothing vouches for: it lies beside the release then.
        """
        if not self.wanted:
            return None
        whole = beside.resolve()  # "." has no name and no parent
        if whole.name in PARTS and any(whole.glob("manifest*.json")):
            beside = whole.parent.parent
        log = log_in(self.folder or beside / FOLDER)
        log.check()
        return log

    def open_for(self, spec: str) -> ActivityLog | None:
        """The log of a table as the command line names it; bundled tables, stdin and stdout lie in the current
        folder."""
        return self.open(Path(".") if is_nameless(spec) else Path(spec).parent)


def log_in(folder: Path) -> ActivityLog:
    """The log that is kept in `folder`, which need not be there yet."""
    return ActivityLog(folder / FILE)


def entries_in(folder: Path) -> tuple[Entry, ...]:
    """Every line of the log in `folder`, checked.

    Raises:
        SourceError: there is no log, it cannot be read, or its chain is broken.
    """
    if not (folder / FILE).is_file():
        raise SourceError(f"there is no log in {folder}.", fix="Name its folder with --log FOLDER.")
    return log_in(folder).entries()


def described(entry: Entry) -> str:
    """An act in one line: the beginnings of its digests, and what came of it.

    >>> described(Entry(0, "2026-11-26", "fit", "ab" * 32, None, None, "cd" * 32, None, None, None, None, {}, GENESIS))
    'input abababababab, model cdcdcdcdcdcd'
    """
    digests = (f"{name} {value[:12]}" for name in ("input", "rows", "synthetic", "model", "output")
               if (value := getattr(entry, name)) is not None)
    judged = [] if entry.policy is None else [f"{entry.outcome} by policy {entry.policy}"]
    return ", ".join((*digests, *judged)) or "-"


def is_nameless(spec: str) -> bool:
    """True for tables that are in no file: stdin, stdout, bundled ones, frames."""
    return spec in ("", "-") or spec.startswith(DEMO)


def file_digest(spec: str) -> str | None:
    """SHA-256 of the file that `spec` names; None for what is in no file."""
    return None if is_nameless(spec) or not Path(spec).is_file() else sha256_file(Path(spec))


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
