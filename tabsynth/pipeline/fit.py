"""Fitting: the one place where a table meets a model, through the privacy gate when epsilon is set."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tabsynth
from tabsynth.core import artifact, registry
from tabsynth.core.coding import Codes, Coding
from tabsynth.core.compact import Compact
from tabsynth.core.errors import PrivacyError, SchemaError
from tabsynth.core.progress import Progress, silent
from tabsynth.core.schema import Schema
from tabsynth.core.synthesizer import Generative
from tabsynth.core.table import Table
from tabsynth.models.refined import restored
from tabsynth.pipeline.auto import Choice, choose, select
from tabsynth.pipeline.calibration import Mode, mode_for
from tabsynth.pipeline.inputs import AnyInput
from tabsynth.pipeline.labels import REAL, Parentage
from tabsynth.pipeline.refine import Build, refined
from tabsynth.pipeline.settings import configured
from tabsynth.pipeline.split import require_units
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger, Reservation
from tabsynth.privacy.statement import Statement


@dataclass(frozen=True)
class Privacy:
    """What was asked for. `epsilon` None = no formal guarantee, and then nothing else here matters.

    Args:
        epsilon, delta: decimal texts or numbers; delta None = the default of ``Budget.of``.
        ledger: folder of the ledger; None = an in-memory ledger whose fits are stamped NOT FOR RELEASE.
        population: whose budget is spent.
        allow_large: accept epsilon above 10.
    """

    epsilon: str | float | None = None
    delta: str | float | None = None
    ledger: Path | None = None
    population: str = "unnamed"
    allow_large: bool = False

    @property
    def wanted(self) -> bool:
        return self.epsilon is not None


@dataclass(frozen=True)
class Fitted:
    """A fitted model and the facts that travel with it."""

    choice: Choice
    generator: Generative
    privacy: Mapping[str, Any]
    statement: Statement | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def personal_data(self) -> bool:
        return bool(self.privacy["personal_data"])

    @property
    def parentage(self) -> Parentage:
        """What the model learned from, and so what its rows are."""
        return Parentage.of(self.info)

    def save(self, path: Path, *, passphrase: str | None = None, force: bool = False) -> None:
        """Write the model file, encrypted where there is a passphrase; see ``core.artifact``."""
        artifact.save(path, artifact.Artifact(
            model=self.choice.model, coding=self.generator.coding_, state=self.generator.state(),
            privacy=self.privacy, info={**self.info, "reason": self.choice.reason}),
            passphrase=passphrase, force=force)


def load_model(path: Path, *, passphrase: str | None = None) -> Fitted:
    """A fitted model from its file. Nothing in the file is executed; see ``core.artifact.read`` for the errors."""
    stored = artifact.load(path, passphrase=passphrase)
    with artifact.fitting(path):
        generator = restored(stored.model, stored.state, stored.coding)
    statement = stored.privacy.get("statement")
    return Fitted(
        choice=Choice(stored.model, str(stored.info.get("reason", ""))), generator=generator, privacy=stored.privacy,
        statement=None if statement is None else Statement.from_json(statement), info=stored.info)


def fit(table: Table | Compact, *, model: str = "auto", privacy: Privacy | None = None, rng: np.random.Generator,
        settings: Mapping[str, Any] | None = None, mode: str | None = None, refine: bool = False,
        parentage: Parentage = REAL, progress: Progress = silent) -> Fitted:
    """Fit a model to a table.

    Args:
        table: real rows under a reviewed schema; with epsilon a Table.
        model: registry name or "auto".
        privacy: epsilon and where to book it; None = without a formal guarantee.
        rng: model randomness. Never reaches privacy noise, split keys or bounding keys.
        settings: keyword arguments of the model's constructor.
        mode: how the complexity of a model without a guarantee is calibrated; one of ``calibration.MODES``, None =
            "balanced" where the model can be calibrated. `settings` stay as they are.
        refine: thin the model's rows by a critic, if that pays; see ``pipeline.refine``. Not with epsilon.
        parentage: of the table, where it is itself synthetic; the model's rows are then one generation further.

    Raises:
        PrivacyError: refused budget, cap exceeded, ledger locked or broken, missing public facts.
        SourceError: too few units, gaps in the unit column (without DP).
        UsageError: the model does not exist or does not go with the wish.
    """
    privacy = privacy or Privacy()
    choice = choose(model, private=privacy.wanted, refine=refine)
    calibrated = mode_for(mode, model, private=privacy.wanted)
    require_columns(table.schema)
    unfitted = build(choice.model, settings)
    if privacy.wanted:  # the hash of a parent follows from its rows, outside the budget
        parentage = replace(parentage, parents=())
    info = {"tabsynth": tabsynth.__version__, "settings": dict(settings or {}), **parentage.to_json()}
    if privacy.wanted:
        assert isinstance(table, Table)
        return fit_private(table, unfitted, choice, privacy, info, rng=rng, progress=progress)
    return fit_open(Compact.of(table), model, info, calibrated, refine=refine, rng=rng, progress=progress)


def fit_open(rows: Compact, model: str, info: Mapping[str, Any], mode: Mode, *, refine: bool, rng: np.random.Generator,
             progress: Progress = silent) -> Fitted:
    """Code the rows once, choose model and settings, fit to all rows; then refine that model."""
    require_units(rows)
    progress("encode", 0, 1)
    coding = Coding.learn(rows)
    codes = coding.encode(rows)
    progress("encode", 1, 1)
    choice = choose(model, private=False, people=int(rows.units.max()) + 1)
    found = select(choice, coding, codes, settings=info["settings"], mode=mode,
                   contested=model == "auto", rng=rng, progress=progress)
    generator, refinement = learned(codes, coding, partial(build, found.choice.model, found.settings), refine=refine,
                                    rng=rng, progress=progress)
    facts = {**info, "settings": dict(found.settings), "calibration": found.calibration, **refinement}
    return Fitted(found.choice, generator, {"personal_data": True, "notice": artifact.PERSONAL_DATA}, None, facts)


def learned(codes: Codes, coding: Coding, unfitted: Build, *, refine: bool, rng: np.random.Generator,
            progress: Progress = silent) -> tuple[Generative, dict[str, Any]]:
    """A model of coded rows, and what came of its refinement under "refinement"; nothing where none was asked for."""
    plain = unfitted().fit_coded(codes, coding, rng=rng, progress=progress)
    if not refine:
        return plain, {}
    model, facts = refined(plain, codes, unfitted, rng, progress)
    return model, {"refinement": facts}


def build(model: str, settings: Mapping[str, Any] | None) -> Any:
    """A registered model with its settings, before its fit."""
    return configured(registry.load("models", model), settings or {}, model=model)


def require_columns(schema: Schema) -> None:
    """Refuse a table of which nothing can be learned."""
    if not any(column.modelled for column in schema.columns):
        raise SchemaError("there is nothing to learn: every column is an identifier or free text.",
                          fix="Check the kinds and roles in the schema.")


def fit_private(table: Table, generator: Any, choice: Choice, privacy: Privacy, info: Mapping[str, Any], *,
                rng: np.random.Generator, progress: Progress = silent) -> Fitted:
    """Reserve, run through the curator, settle. A crash in between leaves the reservation spent in full."""
    budget = budget_for(privacy, table.schema)
    Coding.public(table.schema)  # refuse missing public facts before anything is booked
    ledger = open_ledger(privacy)
    reservation = ledger.reserve(budget, purpose=f"fit {choice.model}")
    curator = open_curator(table, budget, reservation)
    generator.fit(curator, rng=rng, progress=progress)
    statement = curator.statement()
    reservation.settle(statement.ledger_facts())
    return Fitted(choice, generator, {"personal_data": False, "statement": statement.to_json()}, statement, info)


def open_curator(table: Table, budget: Budget, reservation: Reservation) -> Curator:
    """The curator, or the refusal of a schema that does not fit; then what was booked is given back, as nothing ran."""
    try:
        return Curator(table, table.schema, budget, reservation=reservation)
    except (SchemaError, PrivacyError):
        with suppress(PrivacyError):
            reservation.release_unused()
        raise


def open_ledger(privacy: Privacy) -> Ledger:
    """The population's ledger on disk, or without a folder one in memory whose statement says NOT FOR RELEASE."""
    if privacy.ledger is None:
        return Ledger.scratch("no ledger given")
    try:
        privacy.ledger.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrivacyError(f"the ledger folder {privacy.ledger} cannot be made: {error.strerror}.",
                           fix="Name another one with --ledger.") from error
    return Ledger.open(privacy.ledger, privacy.population)


def budget_for(privacy: Privacy, schema: Schema) -> Budget:
    """The budget that the options and the schema ask for, refused where it would protect nobody."""
    return Budget.of(
        str(privacy.epsilon), None if privacy.delta is None else str(privacy.delta), unit=schema.unit or "row",
        declared_units=schema.population.declared_units if schema.population else None,
        max_rows_per_unit=schema.max_rows_per_unit, allow_large_epsilon=privacy.allow_large)


def privacy_for(source: AnyInput, *, epsilon: str | float | None, delta: str | float | None,
                ledger: Path | None, population: str | None, allow_large: bool = False) -> Privacy:
    """The options of the command line with rule 11's defaults: a ledger beside the input, a population of its name."""
    declared = source.table.schema.population
    return Privacy(epsilon, delta, ledger or source.folder / "tabsynth-ledger",
                   population or (declared.name if declared else source.name), allow_large)
