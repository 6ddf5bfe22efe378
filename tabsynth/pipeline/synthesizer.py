"""The Python face: an estimator with scikit-learn's conventions around any registered model."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Self

import numpy as np

from tabsynth.core.answer import Answer
from tabsynth.core.errors import NotFittedError, UsageError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.schema import Schema
from tabsynth.core.table import Table
from tabsynth.pipeline import frames
from tabsynth.pipeline.answer import answer
from tabsynth.pipeline.conditions import given_rows
from tabsynth.pipeline.fit import Fitted, Privacy, fit, load_model
from tabsynth.pipeline.impute import completions
from tabsynth.pipeline.inputs import require_unit

_ALIASES = {"num_rows": "n", "n_samples": "n", "count": "n", "n_rows": "n", "random_state": "rng", "seed": "rng",
            "conditions": "given"}


class TabularSynthesizer:
    """Learn a table, draw synthetic rows.

    Args:
        model: registry name, or "auto": "marginal" with epsilon; without, "seqforest", or "copula" for fewer than 200
            people, or whichever of "copula" and "independent" is as hard to detect and copies less.
        epsilon: privacy budget per person; None = no formal guarantee. 1 is the recommended value.
        delta: None = min(1e-6, 1 / (10 * declared units)).
        ledger: folder in which the budget is booked; None with epsilon = an in-memory ledger, and the
            statement says NOT FOR RELEASE.
        population: name under which the ledger books; None = the schema's, else "unnamed".
        settings: keyword arguments for the model's constructor.
        mode: how closely "seqforest" may follow the rows: "max_fidelity", "balanced" (what None means) or "cautious",
            each calibrated on people held back inside `fit`; "off" = at its own settings. `settings` stay as they are.
        refine: thin the model's rows by a critic trained on people held back, if that makes them harder to tell from
            real ones without more copying; not with epsilon. ``fitted_.info["refinement"]`` says what came of it.

    Attributes:
        fitted_: the model with its privacy facts (``pipeline.fit.Fitted``).
        schema_: the schema that was used.
        statement_: the privacy statement, None without epsilon.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"age": [31, 45, 62] * 40, "sex": ["f", "m", "f"] * 40})
        >>> synth = TabularSynthesizer(model="copula").fit(frame, rng=7).sample(5, rng=7)
        >>> synth.shape, list(synth.columns)
        ((5, 2), ['age', 'sex'])
    """

    def __init__(self, model: str = "auto", *, epsilon: float | str | None = None, delta: float | str | None = None,
                 ledger: str | Path | None = None, population: str | None = None,
                 settings: dict[str, Any] | None = None, mode: str | None = None, refine: bool = False) -> None:
        self.model = model
        self.epsilon = epsilon
        self.delta = delta
        self.ledger = ledger
        self.population = population
        self.settings = settings
        self.mode = mode
        self.refine = refine

    def fit(self, data: Any, schema: Schema | str | Path | None = None, *, unit: str | None = None,
            rng: int | np.random.Generator | None = None, y: None = None, **unknown: Any) -> Self:
        """Learn from a pandas or polars frame, an Arrow table or a ``Table``.

        Args:
            data: the real rows. They are not kept.
            schema: a Schema or the path of its file; None = kinds follow from the dtypes (not with epsilon).
            unit: column that names the person, when several rows may belong to one, or "row"; None = as the schema
                says, and without a unit there every row is another person (with epsilon, that must be said).
            rng: seed or generator of model randomness; privacy noise has its own source that no seed reaches.
            y: ignored; for scikit-learn's pipelines.
        """
        self._refuse("fit", unknown, "data, schema, unit, rng")
        if schema is None and self.epsilon is not None and not isinstance(data, Table):
            raise UsageError("fit with epsilon needs schema=: everything about the columns must be public.",
                             fix="Write bounds and levels into a schema file, with their source.")
        table, self._kind = frames.to_table(data, schema, unit=unit)
        if self.epsilon is not None:
            require_unit(table.schema, unit)
        population = table.schema.population
        privacy = Privacy(self.epsilon, self.delta, None if self.ledger is None else Path(self.ledger),
                          self.population or (population.name if population else "unnamed"))
        self.fitted_ = fit(table, model=self.model, privacy=privacy, rng=generator(rng), settings=self.settings,
                           mode=self.mode, refine=self.refine)
        self.schema_, self.statement_ = table.schema, self.fitted_.statement
        return self

    def sample(self, n: int | None = None, *, rng: int | np.random.Generator | None = None, given: Any = None,
               where: str | None = None, balance: str | None = None, **unknown: Any) -> Any:
        """Draw synthetic rows, in the kind of object that `fit` was given.

        Args:
            n: rows; may be left out with `given`.
            rng: seed or generator. Same seed, same rows.
            given: a frame or Table with some of the columns: one output row for each of its rows, these cells
                taken over.
            where: condition that every row keeps, such as ``"age >= 65 and sex == 'f'"``.
            balance: a category or boolean column of which every level that is not rare comes equally often, by design,
                so that no share of the table means anything; each row is then another person.
        """
        self._refuse("sample", unknown, "n, rng, given, where, balance")
        fitted = self._fitted()
        fixed = None if given is None else frames.to_given(given, self.schema_)
        if n is None:
            if fixed is None:
                raise UsageError("sample needs n, the number of rows.")
            n = len(fixed)
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise UsageError(f"n must be a whole number, 0 or more, got {n!r}.")
        condition = None if where is None else Expression.parse(where, self.schema_)
        table = fitted.generator.sample(int(n), rng=generator(rng), where=condition,
                                        given=given_rows(fitted, int(n), fixed, balance))
        return frames.from_table(table, self._kind)

    def impute(self, data: Any, *, draws: int = 1, rng: int | np.random.Generator | None = None) -> Any:
        """Fill missing cells of real rows by draws given each row's known cells, within the schema's rules.

        Args:
            data: a frame with at least the model's columns; what is known in it comes back as it is, so the result is
                personal data, whatever guarantee the model has. Cells that a rule wants missing, and those that no
                draw fills within the rules, stay missing.
            draws: completed frames, for multiple imputation.
            rng: seed or generator. Same seed, same cells.

        Returns:
            The kind of object that came in, or a list of them for more than one draw.
        """
        fitted = self._fitted()
        table = frames.to_known(data, self.schema_)
        done = [frames.completed(data, one.table, list(one.filled))
                for one in completions(fitted, table, draws=draws, rng=generator(rng))]
        return done[0] if draws == 1 else done

    def answer(self, where: str, *, population: bool = False) -> Answer:
        """How many units of the training table satisfy a condition, with intervals for the privacy noise.

        Synthetic rows do not show what the noise did to them, so a test on them takes noise for signal; this answers
        from the noisy counts that the model keeps, whose standard deviations are known. Spends no budget.

        Args:
            where: condition on one column, or on two that were measured together: ``"sex == 'f' and age >= 65"``.
            population: add an interval for those whom the table is a random sample of.

        Raises:
            UsageError: no such counts; the message names those that there are.
        """
        return answer(self._fitted(), where, population=population)

    def save(self, path: str | Path, *, passphrase: str | None = None, force: bool = False) -> None:
        """Write the model file (JSON and safetensors; without epsilon it is personal data and says so).

        Args:
            passphrase: encrypt the file under it (at least 12 characters). Without it nobody can open the file again.
        """
        self._fitted().save(Path(path), passphrase=passphrase, force=force)

    @classmethod
    def load(cls, path: str | Path, *, passphrase: str | None = None) -> Self:
        """A fitted synthesizer from a model file. `sample` then returns pandas frames."""
        fitted = load_model(Path(path), passphrase=passphrase)
        self = cls(model=fitted.choice.model)
        self.fitted_, self.schema_ = fitted, fitted.generator.coding_.schema
        self.statement_, self._kind = fitted.statement, "pandas"
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as scikit-learn's ``clone`` expects."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params: Any) -> Self:
        """Change constructor arguments by name."""
        for name, value in params.items():
            if name not in self._parameters():
                raise UsageError(f"TabularSynthesizer has no parameter {name!r}; it has: "
                                 f"{', '.join(self._parameters())}.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.get_params().items()
                          if v is not None and v is not False)
        return f"{type(self).__name__}({shown})"

    @classmethod
    def _parameters(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def _fitted(self) -> Fitted:
        if not hasattr(self, "fitted_"):
            raise NotFittedError("this TabularSynthesizer has not been fitted.", fix="Call fit first.")
        return self.fitted_

    @staticmethod
    def _refuse(method: str, unknown: dict[str, Any], known: str) -> None:
        for name in unknown:
            meant = _ALIASES.get(name)
            meant = meant if meant is not None and meant in known.split(", ") else None
            raise UsageError(f"{method} has no argument {name!r}." + (f" Did you mean {meant!r}?" if meant else ""),
                             fix=None if meant else f"It takes: {known}.")


def generator(rng: int | np.random.Generator | None) -> np.random.Generator:
    """A generator from a seed, a generator, or (None) from the operating system's entropy."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is not None and (isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0):
        raise UsageError(f"a seed must be a whole number, 0 or more, got {rng!r}.")
    return np.random.default_rng(rng)
