"""The manifest of a release folder: what every file is, where it came from, and how to check it without data.

A manifest never holds what would help an attacker: no noise seed, no split or bounding key, no plain hash of the
training table or of the internal report (such a hash confirms guesses at a row, so these fingerprints are keyed and
the key stays in the house; under a privacy guarantee there are none). What its fields mean: ``reports.manifest``.

Its hash of itself shows damage. Only a signature shows that nobody rewrote manifest and files together.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import ValidationError

import tabsynth
from tabsynth.core.artifact import canonical_json
from tabsynth.core.errors import SourceError, UsageError, VerificationError
from tabsynth.core.files import chunks, replace_file, sha256_file
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import schema_to_json
from tabsynth.core.signing import ALGORITHM, PrivateKey, PublicKey
from tabsynth.reports.context import UNSIGNED, LedgerEntry, Outcome
from tabsynth.reports.manifest import MANIFEST_TYPE, MEANING, SIGNATURE_TYPE, Manifest, Signature, kind_of
from tabsynth.reports.model import Part

MANIFEST_NAME: Final = "manifest.json"
REFUSED_NAME: Final = "manifest.REFUSED.json"
ITSELF: Final = ("manifest.json", "manifest.sig", "manifest.REFUSED.json", "manifest.REFUSED.sig")
"""What no manifest lists: manifests and their signatures."""
PACKAGES: Final = ("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "pydantic", "safetensors")
AGAIN: Final = "Ask for the release again, or restore it from a backup."

_SECRET: Final = re.compile(r"noise.?seed|(split|bounding|fingerprint|private|secret|hmac).?key|password|token",
                            re.IGNORECASE)
Shape = TypeVar("Shape", bound=Part)


@dataclass(frozen=True, slots=True)
class FileFact:
    """What is known of a file beside its bytes. rows, columns: of a table, else None."""

    rows: int | None = None
    columns: int | None = None
    schema_sha256: str | None = None


@dataclass(frozen=True)
class Origin:
    """Where a release came from; what the fields mean is told by ``reports.manifest.Manifest``.

    Args:
        training_fingerprint, evaluation_fingerprint: see `fingerprint`; None to leave them out.
        config: settings as given. A key that names a secret is refused.
        statement, report: names of the files that hold them, None where there is none.
    """

    dataset: str
    outcome: Outcome
    created: str
    schema_sha256: str
    lock_sha256: str
    split: Mapping[str, Any]
    report: str
    statement: str | None = None
    part: Literal["share", "internal"] = "share"
    config: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    generation_depth: int = 1
    training_fingerprint: str | None = None
    evaluation_fingerprint: str | None = None
    model_sha256: str | None = None
    ledger: LedgerEntry | None = None
    sampling_seed: int | None = None
    signature: str = UNSIGNED
    share_manifest_sha256: str | None = None


def manifest(folder: Path, origin: Origin, *, facts: Mapping[str, FileFact] | None = None) -> dict[str, Any]:
    """Describe every file under `folder` (one part of a release) as it lies there now.

    Args:
        facts: file name relative to `folder` -> what the caller knows of it.

    Raises:
        UsageError: the configuration names a secret, or a file is named that is not there.
    """
    refuse_secrets(origin.config)
    known = dict(facts or {})
    names = [n for n in _files_under(folder) if n not in ITSELF]
    for name in (*known, *(n for n in (origin.statement, origin.report) if n is not None)):
        if name not in names:
            raise UsageError(f"file {name!r} is not in {folder.name}; it has: {', '.join(names) or 'nothing'}.")
    files = {name: {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size,
                    "kind": kind_of(name), **asdict(known.get(name, FileFact()))} for name in names}
    told = {k: v for k, v in asdict(origin).items() if k not in ("statement", "report")}
    body = {
        **told, "type": MANIFEST_TYPE, "synthetic": True, "files": files, "parents": list(origin.parents),
        "statement_sha256": None if origin.statement is None else files[origin.statement]["sha256"],
        "report_sha256": files[origin.report]["sha256"], "environment": environment(),
    }
    content = {**body, "manifest_sha256": sha256_json(body)}
    Manifest.model_validate(content)
    return content


def written(content: Mapping[str, Any]) -> bytes:
    """A manifest or a signature as its file holds it, byte for byte."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def write_manifest(folder: Path, content: Mapping[str, Any], *, name: str = MANIFEST_NAME,
                   signer: PrivateKey | None = None, force: bool = False) -> Path:
    """Write the manifest into `folder`, and its signature beside it if there is a key; returns the manifest's path."""
    path, data = folder / name, written(content)
    with replace_file(path, force=force) as handle:
        handle.write(data)
    if signer is not None:
        with replace_file(_signature_of(path), force=force) as handle:
            handle.write(written({
                "type": SIGNATURE_TYPE, "algorithm": ALGORITHM, "public_key": signer.public.raw.hex(),
                "fingerprint": signer.public.fingerprint, "signature": signer.sign(data).hex()}))
    return path


def verify_manifest(folder: Path, *, key: PublicKey | None = None, name: str = MANIFEST_NAME) -> dict[str, Any]:
    """Check the manifest in `folder`, its signature, and every file of this part; returns the manifest.

    Args:
        key: who must have signed. None: a signature that is there must fit the key beside it, which shows that nothing
            was changed without that key, and not whose it is.

    Raises:
        SourceError: there is no manifest here.
        VerificationError: says what does not match and what that means.
    """
    path = folder / name
    if not path.is_file():
        raise SourceError(f"there is no {name} in {folder}.", fix="Name a release folder or its share part.")
    content = _read(path, Manifest)
    body = {k: v for k, v in content.items() if k != "manifest_sha256"}
    _check_signature(path, content, key)
    if content["manifest_sha256"] != sha256_json(body):
        raise VerificationError("the manifest was changed after it was written: its own hash does not match, so "
                                "nothing that it says of the other files can be relied on.", fix=AGAIN)
    if content["outcome"] == "REFUSED" and name != REFUSED_NAME:
        raise VerificationError(f"{name} says that the release was refused, and was renamed since: nothing in it may "
                                "be shared.", fix=f"Name it {REFUSED_NAME} again, or ask for a release that passed.")
    problems = list(_differences(path, content["part"], content["files"]))
    if problems:
        raise VerificationError(f"{'; '.join(problems)}.", fix=AGAIN)
    for which in ("statement_sha256", "report_sha256"):
        if content[which] is not None and content[which] not in {f["sha256"] for f in content["files"].values()}:
            raise VerificationError(f"the manifest's {which} belongs to no file that it lists.", fix=AGAIN)
    return content


def what_a_signature_says(fingerprint: str, *, expected: bool) -> str:
    """In words: what is known of who made a release. expected: the signature was checked with a key given by --key."""
    if fingerprint == UNSIGNED:
        return "unsigned: the hashes show damage and single changes, but whoever can change a file can write a new " \
               "manifest as well, and nothing shows who made the release."
    if expected:
        return f"signed by the owner of the key with fingerprint {fingerprint}, and unchanged since."
    return f"signed with the key of fingerprint {fingerprint}, which was found in the folder itself: nothing was " \
           "changed since without that key, but whose it is remains open. Get the public key by another way and name " \
           "it with --key."


def environment() -> dict[str, str]:
    """Versions of tabsynth, Python and the packages that figures depend on.

    >>> sorted(environment())[0]
    'numpy'
    """
    found = {"python": platform.python_version(), "tabsynth": tabsynth.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def lock_text() -> bytes:
    """Every installed package, "NAME==VERSION" a line, sorted, names as package indexes normalise them."""
    found = {f"{re.sub(r'[-_.]+', '-', d.name).lower()}=={d.version}" for d in distributions()}
    return "".join(f"{line}\n" for line in sorted(found)).encode()


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


def _check_signature(path: Path, content: Mapping[str, Any], key: PublicKey | None) -> None:
    """Check the signature beside `path` against what was read from there; the file is not opened a second time."""
    beside, fingerprint = _signature_of(path), content["signature"]
    if fingerprint == UNSIGNED:
        if beside.exists():
            raise VerificationError(f"a signature lies beside a manifest that says it is unsigned: {beside.name} was "
                                    "added, or the manifest was replaced.", fix=AGAIN)
        if key is not None:
            raise VerificationError("the release is unsigned, so that no key can show who made it.",
                                    fix="Ask for a release made with --sign.")
        return
    if not beside.is_file():
        raise VerificationError(f"the signature {beside.name} was removed: the manifest says that it was signed with "
                                f"the key of fingerprint {fingerprint}.", fix=AGAIN)
    found = _read(beside, Signature)
    own = PublicKey(bytes.fromhex(found["public_key"]))
    if key is not None and key != own:
        raise VerificationError(f"the release was signed with another key than the one given: its fingerprint is "
                                f"{own.fingerprint}, not {key.fingerprint}.",
                                fix="Ask the sender which key is right; do not use the release before.")
    if {found["fingerprint"], fingerprint} != {own.fingerprint}:
        raise VerificationError("the manifest and its signature name different keys: one of them was replaced.",
                                fix=AGAIN)
    if not own.signed(written(content), bytes.fromhex(found["signature"])):
        raise VerificationError("the signature does not fit the manifest: one of them was changed after the release "
                                "was signed.", fix=AGAIN)


def _differences(path: Path, part: str, listed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A phrase for every file beside the manifest `path` that is not as it was released."""
    root = path.parent
    present = [name for name in _files_under(root) if name not in (path.name, _signature_of(path).name)]
    hashes = {name: sha256_file(root / name) for name in present}
    for name in sorted({*present, *listed}):
        shown = f"{part}/{name}"
        if name not in listed:
            yield f"file {shown!r} is in the folder but not in the manifest: it was added after the release, and " \
                  "nothing vouches for it"
        elif name not in hashes:
            yield f"file {shown!r} is in the manifest but not in the folder: it was removed or renamed after the " \
                  "release"
        elif hashes[name] != listed[name]["sha256"]:
            kind = listed[name]["kind"]
            other = next((n for n, fact in listed.items() if fact["sha256"] == hashes[name]), None)
            what, meaning = (f"the {kind}", MEANING[kind]) if kind in MEANING else (
                "file", "it is not the file that was released")
            yield f"file {shown!r} holds what was released as '{part}/{other}': names were swapped after the release" \
                if other is not None else f"{what} {shown!r} was changed after the release: {meaning}"


def _signature_of(path: Path) -> Path:
    return path.with_suffix(".sig")


def _read(path: Path, shape: type[Shape]) -> dict[str, Any]:
    """A document of the given shape, which must lie in its file as this program writes it.

    Raises:
        VerificationError: anything else.
    """
    try:
        data = path.read_bytes()
        content = json.loads(data)
        shape.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise VerificationError(f"{path.name} is damaged, or nothing that this program writes: {place}: "
                                f"{first['msg']}.", fix=AGAIN) from None
    except (OSError, ValueError, RecursionError) as error:
        raise VerificationError(f"{path.name} is damaged: it cannot be read as JSON.", fix=AGAIN) from error
    if data != written(content):
        raise VerificationError(f"{path.name} was changed after it was written: it says the same, but not in the bytes "
                                "that this program writes.", fix=AGAIN)
    return dict(content)


def _files_under(root: Path) -> list[str]:
    """Names of the plain files under `root`, sorted, with forward slashes.

    Raises:
        VerificationError: a link or another thing that is not a plain file, or a folder that holds nothing or cannot be
            looked into: its name is a message, too.
    """
    names = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise VerificationError(f"{name!r} is not a plain file.", fix="Replace it by the file itself.")
        if path.is_file():
            names.append(name)
        elif _shows_nothing(path):
            raise VerificationError(f"the folder {name!r} is empty, or cannot be looked into: no release has one.",
                                    fix="Take it away, or see what is in it.")
    return sorted(names)


def _shows_nothing(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return True

