"""What every companion of a release is made from: the report that goes out, and the files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tabsynth.core.errors import UsageError
from tabsynth.core.files import sha256_file
from tabsynth.reports.manifest import kind_of
from tabsynth.reports.provenance import FileFact

REPORT: Final = "report.json"
STATEMENT: Final = "statement.json"
OTHER: Final = "application/octet-stream"
MEDIA_TYPES: Final[dict[str, str]] = {
    ".csv": "text/csv", ".parquet": "application/vnd.apache.parquet", ".json": "application/json", ".html": "text/html",
    ".md": "text/markdown", ".pdf": "application/pdf", ".svg": "image/svg+xml", ".txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the folder. rows, columns: of a table, else None.

    sha256 and bytes are None for a report: they change with the verdict, which was formed on real records. Its hash
    stands in the manifest.
    """

    name: str
    kind: str
    sha256: str | None = None
    bytes: int | None = None
    rows: int | None = None
    columns: int | None = None

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES.get(Path(self.name).suffix, OTHER)


@dataclass(frozen=True)
class Facts:
    """Everything that a companion may say.

    Args:
        document: the report of the class that goes out; see ``reports.model``.
        files: of the folder, sorted by name, without the companions and the manifest.
        training_fingerprint: keyed (``provenance.fingerprint``); only without a privacy guarantee, since it follows
            from real rows.

    Raises:
        UsageError: a fingerprint beside a guarantee.
    """

    document: Mapping[str, Any]
    files: tuple[File, ...]
    training_fingerprint: str | None = None

    def __post_init__(self) -> None:
        if self.training_fingerprint is not None and self.document["privacy"]["guarantee"]:
            raise UsageError("a fingerprint of the training table cannot stand beside a privacy guarantee.",
                             fix="Leave it out.")

    @property
    def tables(self) -> tuple[File, ...]:
        """The synthetic table in each of its formats."""
        return tuple(f for f in self.files if f.rows is not None)

    @property
    def reports(self) -> tuple[File, ...]:
        """The evaluation report in each of its formats."""
        return tuple(f for f in self.files if Path(f.name).stem == Path(REPORT).stem)

    @property
    def software(self) -> str:
        """Version of tabsynth that made the release."""
        return str(self.document["provenance"]["versions"].get("tabsynth", "unknown"))


def gather(folder: Path, *, tables: Mapping[str, FileFact], training_fingerprint: str | None,
           companions: frozenset[str]) -> Facts:
    """The facts of `folder` as it lies there now.

    Args:
        tables: name of each file that holds the synthetic table -> what is known of it.
        companions: names of the files that are made from the facts or after them, and so are none of them.
    """
    document = json.loads((folder / REPORT).read_text("utf-8"))
    names = sorted({p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - companions)
    return Facts(document, tuple(_file(folder, name, tables.get(name)) for name in names), training_fingerprint)


def _file(folder: Path, name: str, table: FileFact | None) -> File:
    path = folder / name
    if table is not None:
        return File(name, kind_of(name), sha256_file(path), path.stat().st_size, table.rows, table.columns)
    if name == STATEMENT:
        return File(name, kind_of(name), sha256_file(path), path.stat().st_size)
    return File(name, kind_of(name))


def as_json(value: Any) -> str:
    """Indented JSON in the order given, so that equal facts are equal bytes."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
