"""Evaluation from files: three tables in, one report document out, and its renderings by reader."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, get_args

from tabsynth.core.artifact import canonical_json
from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.files import name_told, prepare_folder, refuse_existing, replace_file, sha256_file
from tabsynth.core.progress import Progress, silent
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import load_schema
from tabsynth.core.table import Table
from tabsynth.evaluation.policy import load_policy, own_bounds
from tabsynth.pipeline.activity_log import Keeping, file_digest
from tabsynth.pipeline.evaluate import Evaluation, document, evaluate, report_context
from tabsynth.pipeline.fit import Fitted, load_model
from tabsynth.pipeline.inputs import stem
from tabsynth.pipeline.limits import reached
from tabsynth.pipeline.refit import draw_of, refit_of
from tabsynth.reports import document as documents
from tabsynth.reports.model import ReportClass

RENDERERS: Final = {"html": ("html", ".html"), "pdf": ("pdf", ".pdf"), "text": ("text", ".txt"),
                    "md": ("markdown", ".md")}
"""Format -> (module in ``reports.renderers``, suffix). JSON is the document itself."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be evaluated, as the command line names it.

    Args:
        synthetic, train, holdout: files.
        fitted: the model file, for further draws and refits.
        passphrase: of the model file, if it is encrypted.
        schema: of the three tables; None = the fitted model's, else guessed from the training table.
        unit: column that names the person; None = as the schema says.
        policy: profile that turns findings into the outcome: a name or a file.
        under, over: bounds of this run beside the policy's, by finding id.
        tier, sections: which measures, see ``pipeline.evaluate.scope``.
        seed: of the evaluation's own randomness.
        log: where the evaluation is written down.
        stated: what a person says of the release, see ``reports.stated``.
    """

    synthetic: str
    train: str
    holdout: str
    fitted: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    schema: Path | None = None
    unit: str | None = None
    policy: str = "controlled"
    under: Mapping[str, float] = field(default_factory=dict)
    over: Mapping[str, float] = field(default_factory=dict)
    tier: int = 1
    sections: tuple[str, ...] | None = None
    seed: int = 0
    log: Keeping = field(default_factory=Keeping)
    stated: Mapping[str, Any] = field(default_factory=dict)


def assess(request: Request, *, progress: Progress = silent) -> tuple[Evaluation, dict[str, Any]]:
    """Read the three tables under one schema, evaluate, write the evaluation down, and build the internal document."""
    policy, own = load_policy(request.policy), own_bounds(request.under, request.over)
    model = None if request.fitted is None else load_model(request.fitted, passphrase=request.passphrase)
    real, held, synth = _tables(request, model, progress)
    log = request.log.open_for(request.train)
    result = evaluate(synth, real, held, seed=request.seed, policy=policy, tier=request.tier,
                      sections=request.sections, facts=reached(model, real.schema, unit=request.unit), own=own,
                      draw=None if model is None else draw_of(model),
                      refit=None if model is None else refit_of(model), progress=progress)
    if log is not None:
        result = replace(result, selection=log.evaluated(
            real, synth, input=file_digest(request.train),
            model=None if request.fitted is None else sha256_file(request.fitted),
            policy=result.policy.name, tier=request.tier, outcome=result.outcome))
    context = report_context(real.schema, result, dataset=real.schema.name or stem(request.train), synth=synth,
                             train=real, holdout=held, fitted=model, evaluation_seed=request.seed)
    path = Path(request.synthetic)
    context = replace(context, files={name_told(path): sha256_file(path)}, **request.stated)
    return result, document(result, context, "internal")


def write_document(path: Path, content: Mapping[str, Any], *, force: bool) -> None:
    """Canonical JSON under a temporary name, then renamed."""
    with replace_file(path, force=force) as handle:
        handle.write(canonical_json(content) + b"\n")


def write_reports(path: Path, folder: Path, *, report_class: str, formats: Sequence[str], force: bool,
                  stated: Mapping[str, Any] | None = None) -> list[Path]:
    """Render a document for one class of readers.

    Args:
        stated: what a person says of the release, instead of what the document holds; see ``reports.stated``.

    Raises:
        SourceError: `path` is missing or is no report document. UsageError: unknown class or format, or a class that
            shows more than the document holds, or pdf without the extra [report].
    """
    if report_class not in get_args(ReportClass):
        raise UsageError(f"there is no report class {report_class!r}; there are: {', '.join(get_args(ReportClass))}.")
    for name in formats:
        if name != "json" and name not in RENDERERS:
            raise UsageError(f"there is no report format {name!r}; there are: json, {', '.join(RENDERERS)}.")
    content = documents.narrow(read_document(path), report_class, **(stated or {}))  # type: ignore[arg-type]
    prepare_folder(folder)
    rendered = {folder / f"report{_suffix(name)}": _render(name, content) for name in formats}
    for target in rendered:
        refuse_existing(target, force=force)
    for target, made in rendered.items():
        with replace_file(target, force=force) as handle:
            handle.write(made)
    return list(rendered)


def read_document(path: Path) -> dict[str, Any]:
    """A report document from its file, checked."""
    if not path.is_file():
        raise SourceError(f"{path} does not exist.", fix="Make it with: tabsynth evaluate ... -o evaluation.json")
    try:
        content = json.loads(path.read_text("utf-8"))
        canonical_json(content)  # a lone surrogate can be written in JSON, and in no rendering
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path.name} is not a report document: it cannot be read as JSON.") from error
    if not isinstance(content, dict):
        raise SourceError(f"{path.name} is not a report document.")
    documents.validate(content)
    return content


def _tables(request: Request, model: Fitted | None, progress: Progress) -> list[Table]:
    """Train, holdout and synthetic, all under the training table's schema."""
    from tabsynth.datasets import formats

    progress("read", 0, 3)
    first = formats.read(request.train, schema=_schema(request.schema, model))
    known = first.schema if request.unit is None else first.schema.with_unit(request.unit)
    tables = [Table(known, first.columns)]
    for done, path in enumerate((request.holdout, request.synthetic), start=1):
        progress("read", done, 3)
        tables.append(formats.read(path, schema=known))
    progress("read", 3, 3)
    return tables


def _schema(path: Path | None, model: Fitted | None) -> Schema | None:
    if path is not None:
        return load_schema(path)
    return None if model is None else model.generator.coding_.schema


def _suffix(name: str) -> str:
    return ".json" if name == "json" else RENDERERS[name][1]


def _render(name: str, content: Mapping[str, Any]) -> bytes:
    if name == "json":
        return canonical_json(content) + b"\n"
    made: str | bytes = importlib.import_module(f"tabsynth.reports.renderers.{RENDERERS[name][0]}").render(content)
    return made.encode() if isinstance(made, str) else made
