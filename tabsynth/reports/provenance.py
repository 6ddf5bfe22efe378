"""The manifest of a release folder: what every file is, where it came from, and how to check it without data.

A manifest is canonical JSON. It never holds what would help an attacker: no noise seed, no split or bounding key,
no plain hash of the training table (a plain hash of a small table confirms guesses, so the fingerprint is keyed and
its key stays in the house).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from tabsynth.core.artifact import canonical_json
from tabsynth.core.errors import SourceError, UsageError, VerificationError
from tabsynth.core.files import chunks, replace_file, sha256_file
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import schema_to_json
from tabsynth.reports.context import Outcome

MANIFEST_TYPE: Final = "tabsynth.manifest/1"
MANIFEST_NAME: Final = "manifest.json"
PACKAGES: Final = ("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "pydantic", "safetensors")

_SECRET: Final = re.compile(r"noise.?seed|(split|bounding|fingerprint|private|secret|hmac).?key|password|token",
                            re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileFact:
    """What is known of a file beside its bytes. rows, columns: of a table, else None."""

    rows: int | None = None
    columns: int | None = None
    schema_sha256: str | None = None
    kind: str = "file"


@dataclass(frozen=True)
class Origin:
    """Where a release came from.

    Args:
        parents: manifests' hashes of releases that the training table was itself made from; () for real data.
        training_fingerprint: see `fingerprint`; None to leave it out.
        config: settings as given. A key that names a secret is refused.
        sampling_seed: of the synthetic rows, never of the noise. statement, report, model: names of the files that
            hold them, None where there is none.
    """

    dataset: str
    outcome: Outcome
    created: str
    config: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    generation_depth: int = 1
    training_fingerprint: str | None = None
    model_sha256: str | None = None
    sampling_seed: int | None = None
    statement: str | None = None
    report: str | None = None


def manifest(folder: Path, origin: Origin, *, facts: Mapping[str, FileFact] | None = None) -> dict[str, Any]:
    """Describe every file under `folder` (the part to be handed out) as it lies there now.

    Args:
        facts: file name relative to `folder` -> what the caller knows of it.

    Raises:
        UsageError: the configuration names a secret, or a file is named that is not there.
    """
    refuse_secrets(origin.config)
    known = dict(facts or {})
    names = [n for n in _files_under(folder) if n != MANIFEST_NAME]
    for name in (*known, *(n for n in (origin.statement, origin.report) if n is not None)):
        if name not in names:
            raise UsageError(f"file {name!r} is not in {folder.name}; it has: {', '.join(names) or 'nothing'}.")
    files = {name: {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size,
                    **asdict(known.get(name, FileFact()))} for name in names}
    body = {
        "type": MANIFEST_TYPE, "synthetic": True, "outcome": origin.outcome, "dataset": origin.dataset,
        "created": origin.created, "generation_depth": origin.generation_depth, "parents": list(origin.parents),
        "files": files, "training_fingerprint": origin.training_fingerprint, "model_sha256": origin.model_sha256,
        "statement_sha256": None if origin.statement is None else files[origin.statement]["sha256"],
        "report_sha256": None if origin.report is None else files[origin.report]["sha256"],
        "config": dict(origin.config), "sampling_seed": origin.sampling_seed, "environment": environment(),
    }
    return {**body, "manifest_sha256": sha256_json(body)}


def write_manifest(folder: Path, content: Mapping[str, Any], *, force: bool = False) -> Path:
    """Write the manifest into `folder` under its fixed name and return the path."""
    path = folder / MANIFEST_NAME
    with replace_file(path, force=force) as handle:
        handle.write(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode())
        handle.write(b"\n")
    return path


def verify_manifest(folder: Path) -> dict[str, Any]:
    """Recompute every hash of a release folder (or of its ``share`` part) and return the manifest.

    Raises:
        SourceError: there is no manifest here.
        VerificationError: names the first thing that does not match: the manifest itself, a file that is changed,
            missing or not listed, or anything but plain files.
    """
    root = _root(folder)
    content = _read(root / MANIFEST_NAME)
    body = {k: v for k, v in content.items() if k != "manifest_sha256"}
    if content.get("manifest_sha256") != sha256_json(body):
        raise VerificationError("the manifest was changed after it was written: its own hash does not match.",
                                fix="Ask for the release again.")
    present = [n for n in _files_under(root) if n != MANIFEST_NAME]
    listed: Mapping[str, Any] = content["files"]
    for name in sorted({*present, *listed}):
        _check_file(root, name, listed.get(name), present)
    for key in ("statement_sha256", "report_sha256"):
        if content[key] is not None and content[key] not in {f["sha256"] for f in listed.values()}:
            raise VerificationError(f"the manifest's {key} belongs to no file that it lists.")
    return content


def environment() -> dict[str, str]:
    """Versions of tabsynth, Python and the packages that figures depend on.

    >>> sorted(environment())[0]
    'numpy'
    """
    found = {"python": platform.python_version(), "tabsynth": code_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def code_version() -> str:
    """Version of the installed distribution, "0+source" when run from a source tree."""
    try:
        return version("tabsynth-dp")
    except PackageNotFoundError:
        return "0+source"


def sha256_json(value: Any) -> str:
    """SHA-256 of a value's canonical JSON.

    >>> sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(value)).hexdigest()


def schema_sha256(schema: Schema) -> str:
    """Hash of a schema's canonical JSON."""
    return sha256_json(schema_to_json(schema))


def fingerprint(path: Path, key: bytes) -> str:
    """Keyed HMAC-SHA-256 of a file: only who has the key can check a guess at its content.

    Raises:
        UsageError: a key of fewer than 32 bytes, which could itself be guessed.
    """
    if len(key) < 32:
        raise UsageError(f"a fingerprint key has at least 32 bytes, got {len(key)}.")
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for chunk in chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def refuse_secrets(config: Mapping[str, Any], path: Sequence[str] = ()) -> None:
    """Raise UsageError if a configuration that is about to be published names a secret."""
    for key, value in config.items():
        if _SECRET.search(str(key)):
            raise UsageError(f"the setting {'.'.join((*path, str(key)))!r} names a secret and cannot be published.",
                             fix="Leave it out of the manifest.")
        if isinstance(value, Mapping):
            refuse_secrets(value, (*path, str(key)))


def _check_file(root: Path, name: str, listed: Mapping[str, Any] | None, present: Sequence[str]) -> None:
    if listed is None:
        raise VerificationError(f"file {name!r} is in the folder but not in the manifest.",
                                fix="Remove it, or ask for the release again.")
    if name not in present:
        raise VerificationError(f"file {name!r} is in the manifest but not in the folder.",
                                fix="Ask for the release again.")
    if sha256_file(root / name) != listed["sha256"]:
        raise VerificationError(f"file {name!r} was changed: its SHA-256 does not match the manifest.",
                                fix="Ask for the release again.")


def _root(folder: Path) -> Path:
    """The folder that the manifest describes: `folder` itself, or its ``share`` or ``internal`` part."""
    for candidate in (folder, folder / "share", folder / "internal"):
        if (candidate / MANIFEST_NAME).is_file():
            return candidate
    raise SourceError(f"there is no {MANIFEST_NAME} in {folder}.", fix="Name a release folder or its share part.")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise VerificationError(f"{path.name} cannot be read as JSON.", fix="Ask for the release again.") from error
    if not isinstance(content, dict) or content.get("type") != MANIFEST_TYPE:
        raise VerificationError(f"{path.name} is not a {MANIFEST_TYPE} document.")
    if not isinstance(content.get("files"), dict):
        raise VerificationError(f"{path.name} lists no files.")
    return content


def _files_under(root: Path) -> list[str]:
    """Names of the plain files under `root`, sorted, with forward slashes.

    Raises:
        VerificationError: a link or another thing that is not a plain file.
    """
    names = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise VerificationError(f"{name!r} is not a plain file.", fix="Replace it by the file itself.")
        if path.is_file():
            names.append(name)
    return sorted(names)
