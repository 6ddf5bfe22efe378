"""Checking a release folder or a model file without the data it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tabsynth.core import artifact
from tabsynth.core.errors import SourceError, VerificationError
from tabsynth.pipeline.inspect import is_model_file
from tabsynth.privacy.statement import Statement
from tabsynth.reports import document, provenance


def verify(path: Path) -> dict[str, Any]:
    """Recompute everything that can be recomputed.

    Returns:
        What was checked, in words, and the claims that hold.

    Raises:
        VerificationError: names the first thing that does not match. SourceError: nothing to verify here.
    """
    if is_model_file(path):
        return verify_model(path)
    if not path.is_dir():
        raise SourceError(f"{path} is neither a release folder nor a model file.",
                          fix="Name a release folder, its share part, or a .tabsynth file.")
    return verify_release(path)


def verify_release(folder: Path) -> dict[str, Any]:
    """Manifest, every file's hash, the report's shape, the privacy statement and its place in the manifest."""
    if list(folder.glob("internal/manifest.REFUSED.json")):
        raise VerificationError(f"{folder.name} is a refused release: nothing in it may be shared.")
    manifest = provenance.verify_manifest(folder)
    root = folder if (folder / provenance.MANIFEST_NAME).is_file() else folder / "share"
    checked = [f"{len(manifest['files'])} files match the manifest"]
    document.validate(json.loads((root / "report.json").read_text("utf-8")))
    checked.append("the report is a valid document")
    claims: dict[str, Any] = {"outcome": manifest["outcome"]}
    if manifest["statement_sha256"] is not None:
        claims |= check_statement(Statement.from_json(json.loads((root / "statement.json").read_text("utf-8"))))
        checked.append("epsilon and delta follow from the listed mechanisms")
    return {"what": "release", "checked": checked, "claims": claims}


def verify_model(path: Path) -> dict[str, Any]:
    """Checksums, readability, and the privacy statement that the file carries."""
    stored = artifact.load(path)
    checked = ["checksums match", "the content fits the format"]
    statement = stored.privacy.get("statement")
    if statement is None:
        return {"what": "model", "checked": checked, "claims": {"personal_data": True}}
    claims = check_statement(Statement.from_json(statement))
    return {"what": "model", "checked": [*checked, "epsilon and delta follow from the listed mechanisms"],
            "claims": claims}


def check_statement(statement: Statement) -> dict[str, Any]:
    """Recompute a privacy statement; returns its claim."""
    statement.recompute()
    budget = statement.budget
    return {"epsilon": float(budget.epsilon), "delta": float(budget.delta), "unit": budget.unit}
