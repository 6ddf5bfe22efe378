"""The shape of ``manifest.json`` and ``manifest.sig``: the one place that says what their fields mean.

Every field is required and unknown ones are rejected, when a manifest is written and when it is verified.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue

from tabsynth.reports.model import Count, IsoDate, LedgerPart, Part, Sha256, Share, Text

MANIFEST_TYPE: Final = "tabsynth.manifest/1"
SIGNATURE_TYPE: Final = "tabsynth.signature/1"

KINDS: Final = {
    "synthetic": "synthetic table", "report": "report", "statement": "privacy statement", "model": "model",
    "split": "split", "fingerprint-key": "fingerprint key", "packages": "installed packages",
    "croissant": "description", "ro-crate-metadata": "description", "prov": "description", "DATASHEET": "description",
    "MODEL_CARD": "description"}
"""First part of a file's name -> what it is; anything else is a "file"."""
MEANING: Final = {
    "synthetic table": "the figures of the report no longer describe it",
    "report": "what a reader finds in it is not what was released",
    "privacy statement": "the guarantee that it states need not be the one that was given",
    "model": "it need not be the model that the synthetic rows came from",
    "split": "it no longer shows who was held out",
    "fingerprint key": "fingerprints can no longer be checked with it",
    "description": "what it says of the release is not what was released",
    "installed packages": "it no longer shows what the release was made with"}
"""What it means that a file of this kind was changed after the release."""


def kind_of(name: str) -> str:
    """What a file of a release is, by its name.

    >>> kind_of("synthetic.REFUSED.csv"), kind_of("report.pdf"), kind_of("croissant.json")
    ('synthetic table', 'report', 'description')
    """
    return KINDS.get(PurePosixPath(name).name.partition(".")[0], "file")


class FileEntry(Part):
    """One file. rows, columns, schema_sha256: of a table, else null."""

    sha256: Sha256
    bytes: Count
    kind: Text
    rows: Count | None
    columns: Count | None
    schema_sha256: Sha256 | None


class SplitEntry(Part):
    """How people were held out. The key itself is in ``internal/split.json`` and nowhere else."""

    method: Text
    holdout_share: Share
    commitment: Sha256 = Field(description="SHA-256 of the key: shows later which one was used, without telling it")


class Manifest(Part):
    """One part of a release folder, and where it came from."""

    type: Literal["tabsynth.manifest/1"]
    part: Literal["share", "internal"]
    synthetic: Literal[True] = Field(description="the rows of the table are made by a program")
    outcome: Literal["RELEASED", "REVIEW", "REFUSED"]
    dataset: Text
    created: IsoDate
    generation_depth: Annotated[int, Field(ge=1)] = Field(
        description="1: learned from real rows; 2: from rows of generation 1; and so on")
    parents: list[Sha256] = Field(description="of the manifest, label or file of the synthetic table learned from; "
                                              "empty under a privacy guarantee")
    files: dict[str, FileEntry] = Field(description="every file of this part but the manifest and its signature")
    schema_sha256: Sha256 = Field(description="of the canonical JSON of the schema that the table was read by")
    split: SplitEntry
    training_fingerprint: Sha256 | None = Field(
        description="HMAC of the training file under a key that stays in the house; null under a privacy guarantee, "
                    "and where the table was in no file")
    evaluation_fingerprint: Sha256 | None = Field(
        description="the same of the internal report: its plain hash would confirm guesses at what it was computed "
                    "from; null under a privacy guarantee")
    model_sha256: Sha256 | None = Field(description="of the model file; null where it follows from rows unprotected")
    statement_sha256: Sha256 | None
    report_sha256: Sha256
    ledger: LedgerPart | None = Field(description="where the privacy statement says that the budget was booked")
    config: dict[str, JsonValue]
    sampling_seed: int | None = Field(description="of model randomness, never of noise")
    environment: dict[str, str] = Field(description="versions that figures depend on")
    lock_sha256: Sha256 = Field(description="of internal/packages.txt: every installed package, NAME==VERSION a line")
    signature: Text = Field(description='"unsigned", or the fingerprint of the key whose signature lies beside')
    share_manifest_sha256: Sha256 | None = Field(description="in internal/: of share/manifest.json, else null")
    manifest_sha256: Sha256 = Field(description="of the canonical JSON of everything else here")


class Signature(Part):
    """A detached signature over the exact bytes of a manifest. Keys and signatures are hexadecimal."""

    type: Literal["tabsynth.signature/1"]
    algorithm: Literal["Ed25519"]
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    fingerprint: Sha256 = Field(description="SHA-256 of the raw public key")
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
