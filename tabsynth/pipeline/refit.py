"""The released model for the attacks: further rows of it, and its recipe fitted to other rows.

A refit is never booked, written or released.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np

from tabsynth.core.coding import Coding
from tabsynth.core.compact import Compact
from tabsynth.core.schema import Schema
from tabsynth.core.synthesizer import Generative
from tabsynth.core.table import Table
from tabsynth.evaluation.protocol import Draw, Refit
from tabsynth.pipeline.fit import Fitted, build, learned
from tabsynth.pipeline.refine import Build
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger

PURPOSE: Final = "internal attack"


def draw_of(fitted: Fitted) -> Draw:
    """Further rows of the fitted model."""
    return lambda n, rng: fitted.generator.sample(n, rng=rng)


def refit_of(fitted: Fitted) -> Refit:
    """The same model with the same settings, to be fitted to rows of one's own.

    Without a guarantee the coding is learned anew from these rows. With one, schema and budget are those of the fitted
    model, and the budget comes from a ledger in memory, whose statements say NOT FOR RELEASE: the attack looks at what
    the recipe gives away, and its result stays inside the house. Privacy noise takes no seed, so that findings of such
    refits are not repeated by the evaluation's seed.
    """
    unfitted = partial(build, fitted.choice.model, fitted.info.get("settings", {}))

    def refit(table: Table, rng: np.random.Generator) -> Draw:
        model = _on_all(unfitted, table, "refinement" in fitted.info, rng) if fitted.statement is None else _on_scratch(
            unfitted(), table, fitted.generator.coding_.schema, fitted.statement.budget, rng)
        return lambda n, rng: model.sample(n, rng=rng)

    return refit


def _on_all(unfitted: Build, table: Table, refine: bool, rng: np.random.Generator) -> Generative:
    """A fit without a guarantee, refined as the model was."""
    rows = Compact.of(table)
    coding = Coding.learn(rows)
    model, _ = learned(coding.encode(rows), coding, unfitted, refine=refine, rng=rng)
    return model


def _on_scratch(unfitted: Any, table: Table, schema: Schema, budget: Budget, rng: np.random.Generator) -> Generative:
    """A private fit that no ledger on disk hears of."""
    reservation = Ledger.scratch(PURPOSE).reserve(budget, purpose=PURPOSE)
    rows = Table(schema, {name: table[name] for name in schema.names})
    fitted: Generative = unfitted.fit(Curator(rows, schema, budget, reservation=reservation), rng=rng)
    return fitted
