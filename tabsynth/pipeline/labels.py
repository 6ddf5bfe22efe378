"""What says that a table is synthetic: metadata of its file, a label beside it, a manifest that lists it.

Formats without metadata get a label: ``rows.csv.synthetic.json`` beside ``rows.csv``. It is found by the file's hash,
so it may be renamed, and says nothing of a file that was changed. In a release folder the manifest is the label.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import tabsynth
from tabsynth.core.artifact import canonical_json
from tabsynth.core.errors import UsageError
from tabsynth.core.files import refuse_existing, replace_file, sha256_file
from tabsynth.pipeline.activity_log import is_nameless

# Nothing here loads Arrow before it is needed: sampling forks first (``pipeline.sample``).

LABEL_TYPE: Final = "tabsynth.label/1"
SUFFIX: Final = ".synthetic.json"
GENERATION: Final = "tabsynth.generation_depth"
"""Key of a file's metadata beside ``formats.SYNTHETIC``."""
ALLOW: Final = "--allow-synthetic-parent"


@dataclass(frozen=True, slots=True)
class Parentage:
    """What a model learned from. generation_depth: 1 for real rows; parents: see ``reports.manifest``."""

    generation_depth: int = 1
    parents: tuple[str, ...] = ()

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        """As a model file's info keeps it."""
        return cls(info.get("generation_depth", 1), tuple(info.get("parents", ())))

    def to_json(self) -> dict[str, Any]:
        return {"generation_depth": self.generation_depth, "parents": list(self.parents)}


REAL: Final = Parentage()


@dataclass(frozen=True, slots=True)
class Label:
    """That a table is synthetic. said_by: in words; sha256: of what says so, a manifest, a label or the file."""

    generation_depth: int
    said_by: str
    sha256: str

    @property
    def child(self) -> Parentage:
        """Of a model that learns from the table."""
        return Parentage(self.generation_depth + 1, (self.sha256,))

    @property
    def part(self) -> Parentage:
        """Of some of the table's rows."""
        return Parentage(self.generation_depth, (self.sha256,))

    def text(self) -> str:
        """In one sentence."""
        return f"a SYNTHETIC table, generation {self.generation_depth}: {self.said_by}."


def label_of(spec: str) -> Label | None:
    """What is said of a table; None where nothing says that it is synthetic, and for tables that are in no file."""
    from tabsynth.datasets import formats

    path = Path(spec)
    if is_nameless(spec) or not path.is_file():
        return None
    beside = next(_beside(path), None)
    if beside is not None:
        return beside
    told = formats.metadata(path)
    if told.get(formats.SYNTHETIC) != "true":
        return None
    return Label(_depth(told.get(GENERATION)), "its own metadata say so", sha256_file(path))


def parentage(spec: str, *, allow: bool = False) -> Parentage:
    """What a model of this table learns from.

    Raises:
        UsageError: the table is synthetic and `allow` is not set.
    """
    label = label_of(spec)
    if label is None:
        return REAL
    if not allow:
        raise UsageError(
            f"{spec} is a synthetic table: {label.said_by}. A model of it learns what another model got wrong or left "
            "out, and tells nothing new of the people behind it.",
            fix=f"Name the real table, or pass {ALLOW}: what follows is then marked as generation "
                f"{label.generation_depth + 1}.")
    return label.child


def further_generation(parentage: Parentage) -> str:
    """What a person is told of a model of synthetic rows."""
    return f"learned from a synthetic table: its rows are generation {parentage.generation_depth}, and tell nothing " \
           "new of real people."


def marks(generation_depth: int) -> dict[str, str]:
    """What the metadata of a synthetic table's file say besides."""
    return {GENERATION: str(generation_depth)}


def needs_label(path: str, format: str = "auto") -> bool:
    """True for files that cannot say by themselves what they are; what goes to stdout gets no label."""
    from tabsynth.datasets import formats

    return not is_nameless(path) and not formats.has_metadata(path, format)


def label_path(path: Path) -> Path:
    """Where the label of `path` lies.

    >>> label_path(Path("rows.csv.gz")).name
    'rows.csv.gz.synthetic.json'
    """
    return path.with_name(path.name + SUFFIX)


def refuse_label(path: Path, *, force: bool) -> None:
    """Raise SourceError where the label of `path` would replace a file without `force`."""
    refuse_existing(label_path(path), force=force)


def write_label(path: Path, *, parentage: Parentage, force: bool = False) -> Path:
    """Write what `path`, a synthetic table, is; equal tables of equal models get equal labels."""
    target = label_path(path)
    with replace_file(target, force=force) as handle:
        handle.write(canonical_json({
            "type": LABEL_TYPE, "synthetic": True, "file": path.name, "sha256": sha256_file(path),
            **parentage.to_json(), "tabsynth": tabsynth.__version__}) + b"\n")
    return target


def _beside(path: Path) -> Iterator[Label]:
    """Manifests and labels in the folder of `path` that vouch for exactly this file."""
    from tabsynth.reports.provenance import MANIFEST_NAME, REFUSED_NAME

    said = [p for p in (*(path.parent / name for name in (MANIFEST_NAME, REFUSED_NAME)),
                        *sorted(path.parent.glob(f"*{SUFFIX}"))) if p.is_file()]
    digest = sha256_file(path) if said else ""
    for file in said:
        content = _document(file)
        if content.get("synthetic") is True and digest in _vouched(content):
            yield Label(_depth(content.get("generation_depth")), f"{file.name} beside it says so", sha256_file(file))


def _vouched(content: dict[str, Any]) -> list[Any]:
    """Hashes of the synthetic tables that a document names."""
    from tabsynth.reports.manifest import MANIFEST_TYPE

    if content.get("type") == LABEL_TYPE:
        return [content.get("sha256")]
    files = content.get("files") if content.get("type") == MANIFEST_TYPE else None
    return [fact.get("sha256") for fact in (files.values() if isinstance(files, dict) else ())
            if isinstance(fact, dict) and fact.get("kind") == "synthetic table"]


def _document(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one for anything else, since other programs have files of these names too."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _depth(told: Any) -> int:
    """The generation as a label tells it; 1, the least it can be, where that cannot be read."""
    text = str(told)
    return max(1, int(text)) if text.isdecimal() and len(text) < 9 else 1
