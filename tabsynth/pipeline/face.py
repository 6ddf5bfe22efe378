"""The steps of the main job as functions of data frames: split, evaluate, release.

Frames may be pandas or polars frames, Arrow tables or ``Table`` objects; a file is named by its path. `rng` and
seeds mean what they mean on the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tabsynth.core.errors import SchemaError, UsageError
from tabsynth.core.progress import Progress, silent
from tabsynth.core.schema import Schema
from tabsynth.core.table import Table
from tabsynth.pipeline import evaluate as evaluation
from tabsynth.pipeline import frames
from tabsynth.pipeline import release as releases
from tabsynth.pipeline import split as splits
from tabsynth.pipeline.activity_log import Keeping
from tabsynth.pipeline.fit import Privacy
from tabsynth.pipeline.inputs import Input, Reading, require_unit
from tabsynth.pipeline.keys import read_private
from tabsynth.pipeline.refit import draw_of, refit_of
from tabsynth.pipeline.synthesizer import TabularSynthesizer
from tabsynth.reports.stated import stated


def split(data: Any, *, schema: Schema | str | Path | None = None, unit: str | None = None,
          holdout: float = splits.HOLDOUT, seed: int | None = None) -> tuple[Any, Any]:
    """Train and holdout by person, in the kind of object that came in.

    Args:
        data: real rows.
        schema: a Schema or its file; None = kinds follow from the dtypes.
        unit: column that names the person; None = as the schema says, else every row is another person.
        holdout: share of the people kept from the model, in (0, 1).
        seed: repeatable split for fits without epsilon; with epsilon leave it None (a fresh secret key), because
            whoever knows the key can tell who was in the training table.

    Example:
        >>> import pandas as pd
        >>> patient = [i // 2 for i in range(200)]
        >>> visits = pd.DataFrame({"patient": patient, "age": [30 + p % 40 for p in patient]})
        >>> train, holdout = split(visits, unit="patient", seed=1)
        >>> set(train.patient) & set(holdout.patient), len(train) + len(holdout)
        (set(), 200)
    """
    table, kind = frames.to_table(data, schema, unit=unit)
    splits.require_units(table)
    parts = splits.split(table, holdout=holdout, key=None if seed is None else splits.key_from_seed(seed))
    return frames.from_table(parts.train, kind), frames.from_table(parts.holdout, kind)


def evaluate(synthetic: Any, train: Any, holdout: Any, *, schema: Schema | str | Path | None = None,
             unit: str | None = None, fitted: TabularSynthesizer | None = None, policy: str = "controlled",
             tier: int = 1, seed: int = 0, log: str | Path | None = None,
             progress: Progress = silent) -> evaluation.Evaluation:
    """Measure and attack synthetic rows against the rows that were learned from and rows that were held out.

    Args:
        synthetic, train, holdout: frames with the same columns.
        schema: a Schema or its file; None = that of `fitted`, else kinds follow from the dtypes of `train`.
        unit: column that names the person; None = as the schema says.
        fitted: the synthesizer, for further draws and for the attacks of tier 2.
        policy: profile that turns findings into a verdict: a name or a file.
        tier: 0 counts, 1 attacks and scores, 2 also attacks that refit the model many times (minutes).
        seed: of the evaluation's own subsamples and folds.
        log: folder in which the evaluation is written down, so that a later one knows how often the rows were looked
            at to choose something; None = nowhere.

    Returns:
        Findings, verdict and policy; ``.rows()`` lists the findings, ``pandas.DataFrame(result.rows())`` shows them.
    """
    if schema is None and fitted is not None:
        schema = fitted.schema_
    real, _ = frames.to_table(train, schema, unit=unit)
    held, synth = (_under(real.schema, frame, name) for frame, name in ((holdout, "holdout"), (synthetic, "synthetic")))
    book = Keeping(log is not None, None if log is None else Path(log)).open(Path("."))
    result = evaluation.evaluate(
        synth, real, held, seed=seed, policy=policy, tier=tier, progress=progress,
        draw=None if fitted is None else draw_of(fitted.fitted_),
        refit=None if fitted is None else refit_of(fitted.fitted_))
    if book is None:
        return result
    return replace(result, selection=book.evaluated(real, synth, model=None, policy=result.policy.name, tier=tier,
                                                    outcome=result.outcome))


def release(data: Any, output: str | Path, *, epsilon: float | str | None = None, no_dp: bool = False,
            schema: Schema | str | Path | None = None, unit: str | None = None, model: str = "auto",
            settings: dict[str, Any] | None = None, mode: str | None = None, refine: bool = False, n: int | None = None,
            delta: float | str | None = None, ledger: str | Path | None = None, population: str | None = None,
            allow_large_epsilon: bool = False, policy: str = "controlled", holdout: float = splits.HOLDOUT,
            disclose_evaluation: bool = False, seed: int | None = None, name: str = "table",
            log: str | Path | None = None, force: bool = False, passphrase: str | None = None,
            guidance: Sequence[str] | None = None, context: str | Path | None = None,
            sign: str | Path | None = None, key_passphrase: str | None = None, allow_synthetic_parent: bool = False,
            progress: Progress = silent) -> releases.Released:
    """The main job: split by person, fit, sample, evaluate, judge, and write a release folder.

    Privacy is chosen by name: `epsilon` (1 is the recommended value) or ``no_dp=True``.

    Args:
        data: path of a table, "demo:NAME", or a frame.
        output: the release folder.
        schema: needed with epsilon; a file's path, or for frames also a Schema.
        refine: thin the model's rows by a critic, if that pays; not with epsilon.
        name: what the table is called in the report and, without a declared population, in the ledger (frames only).
        settings, mode: see `TabularSynthesizer`.
        ledger: with epsilon; None = ``tabsynth-ledger`` beside the input, for frames in the working directory.
        log: folder in which the release is written down; None = ``tabsynth-log`` beside the input, for
            frames nowhere.
        passphrase: encrypt the model file in ``internal/`` under it.
        guidance: names of the packs that the report relies on; None = those of the EU and of HIPAA.
        context: YAML file with what you state of the release: purpose, recipient, ...; see ``reports.stated``.
        sign: private key file whose owner signs the manifests, see ``tabsynth keys new``. key_passphrase: of that file.
        allow_synthetic_parent: learn from a file that says it is synthetic.

    Raises:
        UsageError: privacy was not chosen, or chosen twice. Every error of the steps.
    """
    if (epsilon is None) != no_dp:
        raise UsageError("release needs epsilon=E (1 is recommended) or no_dp=True, by name"
                         + (", and not both." if no_dp else "."))
    privacy = None if no_dp else Privacy(epsilon, delta, None if ledger is None else Path(ledger),
                                         population or "unnamed", allow_large_epsilon)
    by_path = isinstance(data, str | Path)
    if by_path and isinstance(schema, Schema):
        raise UsageError("a table named by its path needs schema= as a path too.",
                         fix="Write it with tabsynth.dump_schema, or pass a frame.")
    reading = Reading(Path(schema), unit) if by_path and isinstance(schema, str | Path) else Reading(None, unit)
    request = releases.Request(
        table=str(data) if by_path else "", output=Path(output), privacy=privacy, reading=reading, model=model,
        settings=settings, mode=mode, refine=refine, rows=n, seed=seed, policy=policy, holdout=holdout,
        disclose_evaluation=disclose_evaluation, force=force, passphrase=passphrase,
        signer=None if sign is None else read_private(Path(sign), passphrase=key_passphrase),
        allow_synthetic_parent=allow_synthetic_parent,
        log=Keeping(by_path or log is not None, None if log is None else Path(log)),
        stated=stated(None if context is None else Path(context), None if guidance is None else ",".join(guidance)),
        source=None if by_path else _input(data, schema, unit, name, private=privacy is not None))
    return releases.release(request, progress=progress)


def _input(data: Any, schema: Schema | str | Path | None, unit: str | None, name: str, *,
           private: bool) -> Input[Table]:
    if private and schema is None and not isinstance(data, Table):
        raise UsageError("release with epsilon needs schema=: everything about the columns must be public.")
    table, _ = frames.to_table(data, schema, unit=unit)
    if private:
        require_unit(table.schema, unit)
    return Input(table, "given" if schema is not None else "from the dtypes", name, Path("."))


def _under(schema: Schema, frame: Any, name: str) -> Table:
    """A frame's rows under the training table's schema."""
    if not isinstance(frame, Table):
        return frames.to_table(frame, schema)[0]
    if frame.schema.names != schema.names:
        raise SchemaError(f"the {name} table has other columns than the training table.",
                          fix="Give all three the same columns in the same order.")
    return Table(schema, frame.columns)
