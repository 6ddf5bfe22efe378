"""The main job: from a real table to a release folder with ``share/`` and ``internal/``, all or nothing."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tabsynth.core.artifact import canonical_json
from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.files import check_folder, prepare_folder, sha256_file
from tabsynth.core.progress import Progress, silent
from tabsynth.core.sealing import check_passphrase
from tabsynth.core.signing import PrivateKey
from tabsynth.core.table import Table
from tabsynth.evaluation.policy import Policy, load_policy, own_bounds
from tabsynth.pipeline.activity_log import ActivityLog, Keeping, file_digest, is_nameless
from tabsynth.pipeline.auto import choose
from tabsynth.pipeline.evaluate import Evaluation, document, evaluate, report_context
from tabsynth.pipeline.fit import Fitted, Privacy, fit
from tabsynth.pipeline.inputs import PARTS, Input, Reading, read_input
from tabsynth.pipeline.labels import marks, parentage
from tabsynth.pipeline.limits import planned, reached, refuse_beforehand
from tabsynth.pipeline.refit import draw_of
from tabsynth.pipeline.rows import default_rows
from tabsynth.pipeline.split import HOLDOUT, Split, key_from_seed, require_units, split
from tabsynth.pipeline.synthesizer import generator
from tabsynth.reports import exports, guarantee, provenance
from tabsynth.reports.context import UNSIGNED, Outcome, ReportContext
from tabsynth.reports.renderers import html, pdf

LOCK_NAME: Final = "packages.txt"
"""In ``internal/``: what was installed."""


@dataclass(frozen=True)
class Request:
    """What a release is asked to be.

    Args:
        table: path, "-" or "demo:NAME".
        output: the release folder.
        reading: schema and dialect.
        privacy: None = no differential privacy, by the caller's explicit choice.
        model, settings, mode: see ``pipeline.fit``.
        rows: synthetic rows; None = as many as the training table, or under DP as the declared population.
        seed: model randomness and evaluation; with DP it never reaches noise, split or bounding keys.
        policy: profile that turns findings into the outcome: a name or a file.
        under, over: bounds of this run beside the policy's, by finding id.
        holdout: share of the people kept from the model.
        disclose_evaluation: put the recipient report into ``share/`` although it follows from real rows; withdraws
            the epsilon claim for the folder as a whole.
        command: as typed, for the provenance.
        force: replace an earlier release in `output`; a ledger in it stays.
        source: the table itself, where it is not in a file; then `table` and `reading` are not looked at.
        log: where the evaluation is written down; without a folder of its own next to the ledger where one is given,
            else beside the input.
        passphrase: encrypt ``internal/model.tabsynth`` under it; None = do not.
        stated: what a person says of the release, see ``reports.stated``.
        signer: whose signature stands beside the manifests; None = unsigned.
        allow_synthetic_parent: learn from a table that says it is synthetic.
    """

    table: str
    output: Path
    privacy: Privacy | None
    reading: Reading = field(default_factory=Reading)
    model: str = "auto"
    settings: Mapping[str, Any] | None = None
    mode: str | None = None
    refine: bool = False
    rows: int | None = None
    seed: int | None = None
    policy: str = "controlled"
    under: Mapping[str, float] = field(default_factory=dict)
    over: Mapping[str, float] = field(default_factory=dict)
    holdout: float = HOLDOUT
    disclose_evaluation: bool = False
    command: str = ""
    force: bool = False
    source: Input[Table] | None = None
    log: Keeping = field(default_factory=Keeping)
    passphrase: str | None = field(default=None, repr=False)
    stated: Mapping[str, Any] = field(default_factory=dict)
    signer: PrivateKey | None = field(default=None, repr=False)
    allow_synthetic_parent: bool = False

    @property
    def signature(self) -> str:
        """Fingerprint of the key that signs, or "unsigned"."""
        return UNSIGNED if self.signer is None else self.signer.public.fingerprint


@dataclass(frozen=True)
class Released:
    """What came out. `folder` holds ``share/`` unless the outcome is REFUSED."""

    folder: Path
    outcome: Outcome
    evaluation: Evaluation
    fitted: Fitted
    rows: int
    context: ReportContext


def release(request: Request, *, progress: Progress = silent) -> Released:
    """Read, split by person, fit, sample, evaluate, judge, write.

    Nothing appears in the folder before everything is done; with DP a reservation stays booked whatever happens.

    Raises:
        Every error of the steps; SourceError if a release is there already and `force` is not set; LimitExceeded if
        the policy refuses before the fit. What it refuses later is written, as REFUSED.
    """
    policy = refuse_early(request)
    origin = parentage(request.table, allow=request.allow_synthetic_parent)
    progress("read", 0, 1)
    source = request.source or read_input(request.table, request.reading, public_only=request.privacy is not None)
    progress("read", 1, 1)
    log = log_for(request, source)
    parts = split_for(request, source)
    rng = generator(request.seed)
    privacy = None if request.privacy is None else named(request.privacy, source)
    refuse_beforehand(policy, planned(source.table.schema, privacy, unit=request.reading.unit, holdout=request.holdout,
                                      generation_depth=origin.generation_depth, parts=parts),
                      source.table.schema, own_bounds(request.under, request.over))
    fitted = fit(parts.train, model=request.model, privacy=privacy, rng=rng, settings=request.settings,
                 mode=request.mode, refine=request.refine, parentage=origin, progress=progress)
    synth = draw_rows(fitted, request.rows or default_rows(fitted, parts.train), rng, progress)
    evaluation = evaluate(
        synth, parts.train, parts.holdout, seed=request.seed or 0, policy=policy,
        facts=reached(fitted, source.table.schema, unit=request.reading.unit),
        own=own_bounds(request.under, request.over), draw=draw_of(fitted), progress=progress)
    if log is not None:  # the whole table: with DP the training part is another one each time
        evaluation = replace(evaluation, selection=log.evaluated(
            source.table, synth, input=file_digest(request.table), model=None, policy=evaluation.policy.name, tier=1,
            outcome=evaluation.outcome))
    progress("write", 0, 1)
    context = report_context(
        source.table.schema, evaluation, dataset=source.name, synth=synth, train=parts.train, holdout=parts.holdout,
        fitted=fitted, commands=(request.command,) if request.command else (),
        sampling_seed=request.seed, evaluation_seed=request.seed or 0, signature=request.signature)
    context = replace(context, **request.stated)
    with staging(request.output) as folder:
        write_parts(folder, request, source, parts, fitted, synth, evaluation, context)
        if log is not None:  # before anything can be seen: a release that is out is a release that is written down
            log_release(log, folder, request, evaluation)
        publish(folder, request.output)
    progress("write", 1, 1)
    return Released(request.output, evaluation.outcome, evaluation, fitted, len(synth), context)


def split_for(request: Request, source: Input[Table]) -> Split:
    """The split; only without DP may the seed choose it, or an odd table be refused for its values."""
    if request.privacy is not None:
        return split(source.table, holdout=request.holdout)
    require_units(source.table)
    return split(source.table, holdout=request.holdout,
                 key=None if request.seed is None else key_from_seed(request.seed))


def named(privacy: Privacy, source: Input[Table]) -> Privacy:
    """Rule 11's defaults: a ledger beside the input, the population of the schema or of the file's name."""
    from tabsynth.pipeline.fit import privacy_for

    return privacy_for(source, epsilon=privacy.epsilon, delta=privacy.delta, ledger=privacy.ledger,
                       population=None if privacy.population == "unnamed" else privacy.population,
                       allow_large=privacy.allow_large)


def log_for(request: Request, source: Input[Table]) -> ActivityLog | None:
    """The log of the table's folder, refused now if it could not be written later."""
    ledger = None if request.privacy is None else request.privacy.ledger
    return request.log.open(source.folder if ledger is None else ledger.parent)


def log_release(log: ActivityLog, folder: Path, request: Request, evaluation: Evaluation) -> None:
    """Write the release in `folder` down: what it was made from, and the manifest that tells everything else."""
    refused = evaluation.outcome == "REFUSED"
    manifest = folder / ("internal" if refused else "share") / (
        provenance.REFUSED_NAME if refused else provenance.MANIFEST_NAME)
    log.add("release", input=file_digest(request.table), model=sha256_file(folder / "internal/model.tabsynth"),
            output=sha256_file(manifest), policy=evaluation.policy.name, outcome=evaluation.outcome)


def draw_rows(fitted: Fitted, n: int, rng: Any, progress: Progress) -> Table:
    """`n` synthetic rows, telling how many are done."""
    batches = []
    progress("sample", 0, n)
    done = 0
    for batch in fitted.generator.sample_batches(n, rng=rng):
        batches.append(batch)
        done += len(batch)
        progress("sample", done, n)
    return Table.concat(batches)


def write_parts(folder: Path, request: Request, source: Input[Table], parts: Split, fitted: Fitted, synth: Table,
                evaluation: Evaluation, context: ReportContext) -> None:
    """Fill the staging folder: ``internal/`` always, ``share/`` unless the release is refused."""
    refused = evaluation.outcome == "REFUSED"
    internal, share = folder / "internal", folder / ("internal" if refused else "share")
    internal.mkdir(mode=0o700)  # the model, the split's key: its owner opens it to others, if anybody does
    share.mkdir(exist_ok=True)
    mark = ".REFUSED" if refused else ""
    files = write_tables(share, synth, mark, generation_depth=fitted.parentage.generation_depth)
    context = replace(context, files={name: sha256_file(share / name) for name in files})
    write_report(internal, document(evaluation, context, "internal"), name="report")
    fitted.save(internal / "model.tabsynth", passphrase=request.passphrase)
    write_json(internal / "split.json", {"table": source.name, **parts.facts()})
    (internal / LOCK_NAME).write_bytes(provenance.lock_text())
    if not refused:
        write_report(share, document(evaluation, context, share_class(request, evaluation.policy)), name="report")
    if fitted.statement is not None:
        write_json(share / "statement.json", fitted.statement.to_json())
    origin = origin_of(request, source, parts, fitted, evaluation, internal)
    if refused:
        content = provenance.manifest(internal, replace(origin, part="internal"), facts=files)
        provenance.write_manifest(internal, content, name=provenance.REFUSED_NAME, signer=request.signer)
        return
    exports.write(share, tables=files, training_fingerprint=origin.training_fingerprint)
    content = provenance.manifest(share, origin, facts=files)
    shared = provenance.write_manifest(share, content, signer=request.signer)
    inside = replace(origin, part="internal", statement=None, share_manifest_sha256=sha256_file(shared))
    provenance.write_manifest(internal, provenance.manifest(internal, inside), signer=request.signer)


def share_class(request: Request, policy: Policy) -> str:
    """Which report may leave the house: under DP only what the guarantee covers, unless the person says otherwise."""
    return policy.report_class if request.privacy is None or request.disclose_evaluation else "statement"


def write_tables(folder: Path, synth: Table, mark: str, *, generation_depth: int) -> dict[str, provenance.FileFact]:
    """The synthetic table as CSV and Parquet, and what the manifest says of them."""
    from tabsynth.datasets import formats

    facts = {}
    for suffix in ("csv", "parquet"):
        name = f"synthetic{mark}.{suffix}"
        formats.write(synth.batches(), folder / name, marks=marks(generation_depth))
        facts[name] = provenance.FileFact(len(synth), len(synth.schema.columns), provenance.schema_sha256(synth.schema))
    return facts


def write_report(folder: Path, content: Mapping[str, Any], *, name: str) -> None:
    """The document, its one-file HTML view, and the same as PDF where typst is installed."""
    write_json(folder / f"{name}.json", content)
    (folder / f"{name}.html").write_text(html.render(content), "utf-8")
    if pdf.available():
        (folder / f"{name}.pdf").write_bytes(pdf.render(content))


def write_json(path: Path, value: Any) -> None:
    """Canonical JSON, so that equal content is equal bytes."""
    path.write_bytes(canonical_json(value) + b"\n")


def origin_of(request: Request, source: Input[Table], parts: Split, fitted: Fitted, evaluation: Evaluation,
              internal: Path) -> provenance.Origin:
    """The manifest's provenance. Under DP no fingerprint of anything real leaves the house, keyed or not."""
    statement = fitted.statement
    real = {} if statement is not None else fingerprints(request, internal)
    return provenance.Origin(
        dataset=source.name, outcome=evaluation.outcome, created=datetime.now(UTC).date().isoformat(),
        schema_sha256=provenance.schema_sha256(source.table.schema), lock_sha256=sha256_file(internal / LOCK_NAME),
        split=parts.public_facts(), report="report.json", statement=None if statement is None else "statement.json",
        config={"model": fitted.choice.model, "settings": dict(fitted.info["settings"]), "refine": request.refine,
                "policy": evaluation.policy.name,
                "holdout": request.holdout, "schema": source.schema_source,
                "differential_privacy": request.privacy is not None},
        parents=fitted.parentage.parents, generation_depth=fitted.parentage.generation_depth,
        training_fingerprint=real.get("training"), evaluation_fingerprint=real.get("evaluation"),
        model_sha256=None if statement is None else sha256_file(internal / "model.tabsynth"),
        ledger=None if statement is None else guarantee.ledger_entry(statement.document),
        sampling_seed=request.seed, signature=request.signature)


def fingerprints(request: Request, internal: Path) -> dict[str, str]:
    """Keyed hashes of the training file, if it is one, and of the internal report; their key goes to ``internal/``."""
    key = secrets.token_bytes(32)
    write_json(internal / "fingerprint-key.json", {"fingerprint_key": key.hex()})
    files = {"evaluation": internal / "report.json"}
    if not is_nameless(request.table):
        files["training"] = Path(request.table)
    return {name: provenance.fingerprint(path, key) for name, path in files.items()}


def refuse_early(request: Request) -> Policy:
    """Refuse, before a row is read or a budget booked, what would otherwise fail after the fit.

    Returns:
        The policy, read once: what is promised now is what will be judged by.
    """
    policy = load_policy(request.policy)
    own_bounds(request.under, request.over)
    choose(request.model, private=request.privacy is not None, refine=request.refine)
    check_folder(request.output)
    if request.passphrase is not None:
        check_passphrase(request.passphrase)
    if request.rows is not None and request.rows < 1:
        raise UsageError(f"a release needs at least one row, got {request.rows}.")
    if not request.force and any((request.output / part).exists() for part in PARTS):
        raise SourceError(f"{request.output} holds a release already.",
                          fix="Choose another folder, or pass --force to replace it.")
    return policy


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A folder inside `output` that is gone afterwards, and `output` with it if nothing else came into it."""
    prepare_folder(output)
    folder = Path(tempfile.mkdtemp(dir=output, prefix=".staging-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not any(output.iterdir()):
            output.rmdir()


def publish(folder: Path, output: Path) -> None:
    """Put the finished parts in place of earlier ones."""
    for part in PARTS:
        old = output / part
        if old.exists():
            os.replace(old, folder / f"old-{part}")
        if (folder / part).exists():
            os.replace(folder / part, old)
