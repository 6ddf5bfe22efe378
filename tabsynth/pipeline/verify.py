"""Checking a release folder or a model file without the data it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tabsynth.core import artifact, registry
from tabsynth.core.codec.base import Codec
from tabsynth.core.codec.line import LineCodec
from tabsynth.core.codec.scale import Scale
from tabsynth.core.coding import Coding
from tabsynth.core.errors import SourceError, UsageError, VerificationError
from tabsynth.core.files import sha256_file
from tabsynth.pipeline.fit import Fitted, load_model
from tabsynth.pipeline.inspect import is_model_file
from tabsynth.privacy.statement import Statement
from tabsynth.reports import document, provenance

REFUSED: Final = "manifest.REFUSED.json"


def verify(path: Path, *, passphrase: str | None = None) -> dict[str, Any]:
    """Recompute everything that can be recomputed; the passphrase is that of an encrypted model file.

    Returns:
        What was checked, in words, and the claims that hold.

    Raises:
        VerificationError: names the first thing that does not match. SourceError: nothing to verify here.
    """
    if is_model_file(path):
        return verify_model(path, passphrase=passphrase)
    if passphrase is not None:
        raise UsageError(f"{path} is not a model file, so a passphrase opens nothing in it.",
                         fix="Leave the passphrase out, or name the .tabsynth file.")
    if not path.is_dir():
        raise SourceError(f"{path} is neither a release folder nor a model file.",
                          fix="Name a release folder, its share part, or a .tabsynth file.")
    return verify_release(path)


def verify_release(folder: Path) -> dict[str, Any]:
    """Manifest, every file's hash, the report's shape, the privacy statement and its place in all of them."""
    if any((folder / part / REFUSED).is_file() for part in (".", "internal")):
        raise VerificationError(f"{folder.name} is a refused release: nothing in it may be shared.")
    try:
        manifest = provenance.verify_manifest(folder)
        root = folder if (folder / provenance.MANIFEST_NAME).is_file() else folder / "share"
        return checked_release(root, manifest)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise VerificationError("the manifest or the report is damaged: a part of it is missing, or is nothing that "
                                "this program writes.", fix="Ask for the release again.") from error


def checked_release(root: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Whether the documents of a release say the same; their hashes match already."""
    checked = [f"{len(manifest['files'])} files match the manifest"]
    report = read_listed(root, "report.json", manifest["report_sha256"], manifest)
    try:
        document.validate(report)
    except SourceError as error:
        raise VerificationError(error.message, fix="Ask for the release again.") from error
    if report["outcome"] != manifest["outcome"]:
        raise VerificationError("the report and the manifest do not name the same outcome.")
    checked.append("the report is a valid document")
    claims: dict[str, Any] = {"outcome": manifest["outcome"]}
    claimed = manifest["config"].get("differential_privacy") or report["privacy"]["guarantee"]
    if manifest["statement_sha256"] is None:
        if claimed:
            raise VerificationError("the release claims differential privacy, but holds no privacy statement.")
        return {"what": "release", "checked": checked, "claims": claims}
    statement = read_listed(root, "statement.json", manifest["statement_sha256"], manifest)
    if report["privacy"]["statement"] != statement:
        raise VerificationError("the report holds another privacy statement than statement.json.")
    claims |= check_statement(Statement.from_json(statement))
    checked.append("epsilon and delta follow from the listed mechanisms")
    if report["report_class"] != "statement":
        claims["withdrawn"] = "for the folder as a whole: its report was made from real rows"
    if (model := root.parent / "internal" / "model.tabsynth").is_file():
        refuse_other_model(model, manifest, statement)
        checked.append("the model file carries the same statement")
    return {"what": "release", "checked": checked, "claims": claims}


def read_listed(root: Path, name: str, sha256: Any, manifest: dict[str, Any]) -> dict[str, Any]:
    """The document `name`, which the manifest must list under this hash."""
    listed = manifest["files"].get(name)
    if listed is None or listed["sha256"] != sha256:
        raise VerificationError(f"the manifest does not vouch for {name}.", fix="Ask for the release again.")
    content = json.loads((root / name).read_text("utf-8"))
    if not isinstance(content, dict):
        raise VerificationError(f"{name} is not a document of this program.", fix="Ask for the release again.")
    return content


def refuse_other_model(path: Path, manifest: dict[str, Any], statement: dict[str, Any]) -> None:
    """Inside the house, the model file lies beside what is shared: it must be the one that is claimed."""
    if sha256_file(path) != manifest["model_sha256"]:
        raise VerificationError(f"file 'internal/{path.name}' is not the model that the manifest names.")
    if artifact.read_header(path)["privacy"].get("statement") != statement:
        raise VerificationError("the model file carries another privacy statement than statement.json.")


def verify_model(path: Path, *, passphrase: str | None = None) -> dict[str, Any]:
    """Checksums, readability, the privacy statement that the file carries, and whether its content can be under it."""
    fitted = load_model(path, passphrase=passphrase)
    checked = ["checksums match", "the content fits the format"]
    statement = fitted.statement
    if fitted.personal_data is not (statement is None):
        raise VerificationError("the model file contradicts itself: either it holds a privacy statement, or it is "
                                "personal data.")
    if statement is None:
        return {"what": "model", "checked": checked, "claims": {"personal_data": True}}
    claims = check_statement(statement)
    refuse_learned(fitted, statement)
    return {"what": "model", "checked": [*checked, "epsilon and delta follow from the listed mechanisms",
                                         "codes follow from the public schema"], "claims": claims}


def refuse_learned(fitted: Fitted, statement: Statement) -> None:
    """Refuse a model that cannot have been fitted under the statement that it carries.

    Every code must follow from the schema, apart from what the statement says was bought for open columns, and the
    model must be one that learns through the privacy gate. What its numbers follow from cannot be told from the file.
    """
    coding = fitted.generator.coding_
    bought = {name: _bought(coding.codecs[name]) for event in statement.events for name in event.columns
              if event.mechanism in ("discovery", "bounds") and name in coding.codecs}
    public = Coding.public(coding.schema, discovered={name: what for name, what in bought.items() if what is not None})
    if not registry.find("models", fitted.choice.model).facts.get("private") or coding.state() != public.state():
        raise VerificationError("the model file carries a privacy statement, but holds what was learned from rows "
                                "without it.")
    measured = {name for event in statement.events for name in event.columns}
    if unknown := sorted(measured - set(coding.names)):
        raise VerificationError(f"the privacy statement measures column {unknown[0]!r}, which the model has not.")


def _bought(codec: Codec) -> tuple[Any, ...] | None:
    """The levels or bounds of an open column; None for bounds that no scale could have given."""
    if not isinstance(codec, LineCodec):
        return tuple(getattr(codec, "levels", ()))
    ends = None if codec.bounds is None else tuple(codec.bounds.tolist())
    return ends if ends is not None and Scale.of(codec.column).fits(ends) else None


def check_statement(statement: Statement) -> dict[str, Any]:
    """Recompute a privacy statement; returns its claim."""
    statement.recompute()
    budget = statement.budget
    return {"epsilon": float(budget.epsilon), "delta": float(budget.delta), "unit": budget.unit}
