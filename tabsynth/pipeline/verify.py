"""Checking a release folder or a model file without the data it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tabsynth.core import artifact, registry
from tabsynth.core.codec.base import Codec
from tabsynth.core.codec.line import LineCodec
from tabsynth.core.codec.scale import Scale
from tabsynth.core.coding import Coding
from tabsynth.core.errors import SourceError, UsageError, VerificationError
from tabsynth.core.files import sha256_file
from tabsynth.core.signing import PublicKey
from tabsynth.pipeline.activity_log import PARTS
from tabsynth.pipeline.fit import Fitted, load_model
from tabsynth.pipeline.inspect import is_model_file
from tabsynth.privacy.statement import Statement
from tabsynth.reports import document, provenance
from tabsynth.reports.context import UNSIGNED


def verify(path: Path, *, key: PublicKey | None = None, passphrase: str | None = None) -> dict[str, Any]:
    """Recompute everything that can be recomputed.

    Args:
        path: a release folder, one of its parts, or a model file.
        key: who must have signed the release; None = nobody in particular.
        passphrase: of an encrypted model file.

    Returns:
        What was checked, in words, the claims that hold, what the signature says, and what nothing vouches for.

    Raises:
        VerificationError: says what does not match and what that means. SourceError: nothing to verify here.
    """
    if is_model_file(path):
        if key is not None:
            raise UsageError(f"{path} is a model file, and --key is for a release: its manifest is what is signed.",
                             fix="Leave --key out, or name the release folder.")
        return verify_model(path, passphrase=passphrase)
    if passphrase is not None:
        raise UsageError(f"{path} is not a model file, so a passphrase opens nothing in it.",
                         fix="Leave the passphrase out, or name the .tabsynth file.")
    if not path.is_dir():
        raise SourceError(f"{path} is neither a release folder nor a model file.",
                          fix="Name a release folder, its share part, or a .tabsynth file.")
    return verify_release(path, key=key)


def verify_release(folder: Path, *, key: PublicKey | None = None) -> dict[str, Any]:
    """Every part that is there: manifest, signature, every file's hash, the documents and what they say together."""
    refuse_refused(folder, key)
    try:
        return checked_parts(folder, key)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise VerificationError("the manifest or the report is damaged: a part of it is missing, or is nothing that "
                                "this program writes.", fix=provenance.AGAIN) from error


def refuse_refused(folder: Path, key: PublicKey | None) -> None:
    """Say of a refused release that it is one, and what was changed in it."""
    for part in (folder, folder / "internal", folder / "share"):
        if (part / provenance.REFUSED_NAME).is_file():
            state = "Its files are as they were written."
            try:
                provenance.verify_manifest(part, key=key, name=provenance.REFUSED_NAME)
            except VerificationError as error:
                state = f"Besides, {error.message}"
            raise VerificationError(f"{folder.name} is a refused release: nothing in it may be shared. {state}",
                                    fix="The report in internal/ says why; release again once that is mended.")


def checked_parts(folder: Path, key: PublicKey | None) -> dict[str, Any]:
    """The parts of a release, or the one that `folder` is."""
    roots = parts_of(folder)
    manifests = {root: provenance.verify_manifest(root, key=key) for root in roots}
    found = {manifest["part"]: root for root, manifest in manifests.items()}
    if len(found) < len(roots) or any(root != folder and root.name != part for part, root in found.items()):
        raise VerificationError("a part of the release stands in the place of the other one.", fix=provenance.AGAIN)
    main = found.get("share", roots[0])
    result = checked_release(main, manifests[main])
    if len(roots) > 1:
        inside = manifests[found["internal"]]
        if inside["share_manifest_sha256"] != sha256_file(main / provenance.MANIFEST_NAME):
            raise VerificationError("share/ and internal/ are not of one release: the manifest of internal/ names "
                                    "another manifest of share/ than the one that is there.", fix=provenance.AGAIN)
        result["checked"].append(f"{len(inside['files'])} files in internal/ match its manifest")
    fingerprint = manifests[main]["signature"]
    if {manifest["signature"] for manifest in manifests.values()} != {fingerprint}:
        raise VerificationError("the parts of the release do not name the same signature.", fix=provenance.AGAIN)
    return {**result, "signature": {
        "fingerprint": None if fingerprint == UNSIGNED else fingerprint, "checked_with_given_key": key is not None,
        "meaning": provenance.what_a_signature_says(fingerprint, expected=key is not None)},
        "not_covered": sorted(p.name for p in folder.iterdir() if p not in roots) if folder not in roots else []}


def parts_of(folder: Path) -> list[Path]:
    """Folders that must have a manifest: `folder` itself if it is a part, else those of its parts that are there.

    Raises:
        SourceError: this is no release. VerificationError: ``internal/`` is there alone, although nothing was refused.
    """
    if (folder / provenance.MANIFEST_NAME).is_file():
        return [folder]
    present = [folder / part for part in PARTS if (folder / part).is_dir()]
    if not any((part / provenance.MANIFEST_NAME).is_file() for part in present):
        raise SourceError(f"there is no {provenance.MANIFEST_NAME} in {folder}.",
                          fix="Name a release folder or its share part.")
    for part in present:
        if not (part / provenance.MANIFEST_NAME).is_file():
            raise VerificationError(f"{part.name}/{provenance.MANIFEST_NAME} was removed: nothing vouches for what is "
                                    f"in {part.name}/.", fix=provenance.AGAIN)
    if present == [folder / "internal"]:
        raise VerificationError("share/ was removed: internal/ belongs to a release that was not refused.",
                                fix=f"{provenance.AGAIN} To check internal/ alone, name it.")
    return present


def checked_release(root: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Whether the documents of a part say the same; their hashes match already."""
    checked = [f"{len(manifest['files'])} files in {manifest['part']}/ match the manifest"]
    report = read_listed(root, "report.json", manifest["report_sha256"], manifest)
    try:
        document.validate(report)
    except SourceError as error:
        raise VerificationError(error.message, fix=provenance.AGAIN) from error
    refuse_other_facts(report, manifest)
    checked.append("the report is a valid document")
    claims: dict[str, Any] = {"outcome": manifest["outcome"]}
    if manifest["generation_depth"] > 1:
        claims["generation_depth"] = manifest["generation_depth"]
    if manifest["part"] == "internal":
        return {"what": "release", "checked": checked, "claims": claims}
    claimed = manifest["config"].get("differential_privacy") or report["privacy"]["guarantee"]
    if manifest["statement_sha256"] is None:
        if claimed:
            raise VerificationError("the release claims differential privacy, but holds no privacy statement.",
                                    fix=provenance.AGAIN)
        return {"what": "release", "checked": checked, "claims": claims}
    statement = read_listed(root, "statement.json", manifest["statement_sha256"], manifest)
    if report["privacy"]["statement"] != statement:
        raise VerificationError("the report holds another privacy statement than statement.json.",
                                fix=provenance.AGAIN)
    claims |= check_statement(Statement.from_json(statement))
    checked.append("epsilon and delta follow from the listed mechanisms")
    if report["report_class"] != "statement":
        claims["withdrawn"] = "for the folder as a whole: its report was made from real rows"
    if (model := root.parent / "internal" / "model.tabsynth").is_file():
        refuse_other_model(model, manifest, statement)
        checked.append("the model file carries the same statement")
    return {"what": "release", "checked": checked, "claims": claims}


def refuse_other_facts(report: dict[str, Any], manifest: dict[str, Any]) -> None:
    """The report must be that of this release."""
    for what, told in (("outcome", report["outcome"]), ("generation_depth", report["model"]["generation_depth"]),
                       ("signature", report["provenance"]["signature"])):
        if told != manifest[what]:
            raise VerificationError(f"the report and the manifest do not name the same {what.replace('_', ' ')}.",
                                    fix=provenance.AGAIN)


def read_listed(root: Path, name: str, sha256: Any, manifest: dict[str, Any]) -> dict[str, Any]:
    """The document `name`, which the manifest must list under this hash."""
    listed = manifest["files"].get(name)
    if listed is None or listed["sha256"] != sha256:
        raise VerificationError(f"the manifest does not vouch for {name}.", fix=provenance.AGAIN)
    content = json.loads((root / name).read_text("utf-8"))
    if not isinstance(content, dict):
        raise VerificationError(f"{name} is not a document of this program.", fix=provenance.AGAIN)
    return content


def refuse_other_model(path: Path, manifest: dict[str, Any], statement: dict[str, Any]) -> None:
    """Inside the house, the model file lies beside what is shared: it must be the one that is claimed."""
    if sha256_file(path) != manifest["model_sha256"]:
        raise VerificationError(f"file 'internal/{path.name}' is not the model that the manifest names.",
                                fix=provenance.AGAIN)
    if artifact.read_header(path)["privacy"].get("statement") != statement:
        raise VerificationError("the model file carries another privacy statement than statement.json.",
                                fix=provenance.AGAIN)


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
