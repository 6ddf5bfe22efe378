"""A dry run: what a fit or a release would do, from the schema and the header line alone.

No row is read, nothing is booked, nothing is written. What can be refused early is refused here with the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tabsynth.core import registry
from tabsynth.core.coding import Coding
from tabsynth.core.errors import ColumnNotFoundError, UsageError
from tabsynth.core.rules import Rules
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import load_schema
from tabsynth.evaluation.policy import Policy
from tabsynth.pipeline.auto import Choice, choose
from tabsynth.pipeline.calibration import mode_for
from tabsynth.pipeline.fit import Privacy, budget_for
from tabsynth.pipeline.inputs import DEMO, Reading, adjusted, folder_of, overridden, require_unit, stem
from tabsynth.pipeline.limits import planned, refuse_beforehand
from tabsynth.pipeline.settings import configured
from tabsynth.pipeline.split import HOLDOUT
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger import Ledger


@dataclass(frozen=True)
class Rehearsal:
    """What would happen. `budget` and `ledger` are None without epsilon; `spent` is the ledger's total to date."""

    table: str
    schema_source: str
    unit: str
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    choice: Choice
    budget: Budget | None
    ledger: Path | None
    population: str | None
    spent: float | None
    files: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        budget = self.budget
        return {
            "dry_run": True, "table": self.table, "schema": self.schema_source, "unit": self.unit,
            "columns": list(self.columns), "left_out": list(self.left_out), "model": self.choice.model,
            "reason": self.choice.reason, "files": list(self.files),
            "privacy": None if budget is None else {
                "epsilon": float(budget.epsilon), "delta": float(budget.delta),
                "max_rows_per_unit": budget.max_rows_per_unit, "ledger": str(self.ledger),
                "population": self.population, "epsilon_to_date": self.spent}}

    def lines(self) -> tuple[tuple[str, str], ...]:
        """(label, sentence) for a person."""
        pairs = [("Table", f"{self.table}: {len(self.columns)} columns, schema {self.schema_source}"),
                 ("Unit", "every row is another person" if self.unit == "row" else f"column {self.unit}")]
        if self.left_out:
            pairs.append(("Left out", f"not in the schema: {', '.join(self.left_out)}"))
        pairs.append(("Model", f"{self.choice.model}: {self.choice.reason}"))
        if self.budget is None:
            pairs.append(("Privacy", "no formal guarantee; the model file would be personal data."))
        else:
            pairs.append(("Privacy", f"epsilon {float(self.budget.epsilon):g} at delta {float(self.budget.delta):.3g}, "
                                     f"at most {self.budget.max_rows_per_unit} rows of one unit"))
            before = "nothing spent yet" if not self.spent else f"epsilon {self.spent:.4g} spent to date"
            pairs.append(("Ledger", f"{self.ledger}, population {self.population!r}: {before}"))
        return (*pairs, ("Files", ", ".join(self.files)), ("", "Dry run: no row was read, nothing booked or written."))


def rehearse(spec: str, reading: Reading, *, model: str, settings: Mapping[str, Any] | None, privacy: Privacy | None,
             files: Sequence[str], mode: str | None = None, refine: bool = False, policy: Policy | None = None,
             holdout: float = HOLDOUT, generation_depth: int = 1) -> Rehearsal:
    """Check what can be checked without a row.

    Args:
        spec, reading: the table, as for ``pipeline.inputs.read_input``.
        privacy: None = without differential privacy. Its population "unnamed" stands for the default.
        files: what would be written, already known to be free.
        policy, holdout, generation_depth: of a release; what the policy asks for and schema, options and ledger tell is
            held here.

    Raises:
        The errors that the real run would end with, as far as schema, header line, options and ledger tell.
    """
    schema, source, names = _schema(spec, reading)
    private = privacy is not None
    if private and schema is None:
        raise UsageError("a fit with --epsilon needs --schema: everything about the columns must be public.",
                         fix=f"Write one with: tabsynth inspect {spec} -o schema.yaml, then add bounds and levels.")
    choice = choose(model, private=private, refine=refine)
    mode_for(mode, model, private=private)
    configured(registry.load("models", choice.model), settings or {}, model=choice.model)
    columns, unit = names, reading.unit or "row"
    budget = ledger = population = spent = None
    if schema is not None:
        columns, unit = schema.names, schema.unit or "row"
        Rules.compile(schema)
        if privacy is not None:
            require_unit(schema, reading.unit)
            Coding.public(schema)
            budget = budget_for(privacy, schema)
            ledger, population = _place(spec, privacy, schema)
            spent = _spent(ledger, population)
            privacy = replace(privacy, ledger=ledger, population=population)
    if policy is not None:
        refuse_beforehand(policy, planned(schema, privacy, unit=reading.unit, holdout=holdout,
                                          generation_depth=generation_depth), schema)
    return Rehearsal(spec, source, unit, tuple(columns), tuple(n for n in names if n not in columns), choice, budget,
                     ledger, population, spent, tuple(files))


def _schema(spec: str, reading: Reading) -> tuple[Schema | None, str, tuple[str, ...]]:
    """The schema if one is given, where it is from, and the names in the table's header."""
    from tabsynth.datasets import formats, load

    schema = None if reading.schema is None else adjusted(load_schema(reading.schema), reading)
    source = "guessed from the rows" if reading.schema is None else reading.schema.name
    if spec.startswith(DEMO):
        bundled = load.demo_schema(spec.removeprefix(DEMO))
        return schema or adjusted(bundled, reading), source if schema else "bundled code book", bundled.names
    dialect = overridden(schema.dialect if schema else None, reading)
    found = formats.scan(spec, format=reading.format, dialect=dialect, names_only=True)
    if schema is not None:
        for name in schema.names:
            if name not in found.names:
                raise ColumnNotFoundError(name, source=found.label, columns=found.names)
    return schema, source, tuple(found.names)


def _place(spec: str, privacy: Privacy, schema: Schema) -> tuple[Path, str]:
    declared = schema.population.name if schema.population else stem(spec.removeprefix(DEMO))
    return privacy.ledger or folder_of(spec) / "tabsynth-ledger", declared if privacy.population == "unnamed" \
        else privacy.population


def _spent(folder: Path, population: str) -> float:
    if not folder.is_dir() or population not in Ledger.populations(folder):
        return 0.0
    return Ledger.open(folder, population, create=False).totals().epsilon
