"""What sampled rows take over, and how closely they follow it."""

from __future__ import annotations

from tabsynth.core.errors import UsageError
from tabsynth.core.given import Balanced, Given
from tabsynth.core.table import Table
from tabsynth.pipeline.fit import Fitted


def given_rows(fitted: Fitted, n: int, given: Table | None, balance: str | None, *,
               missing: bool = False) -> Given | None:
    """Given rows as they are, or the levels of the column to balance; None where neither is asked for.

    Args:
        missing: a missing cell is a level to balance too.

    Raises:
        UsageError: both are asked for.
    """
    if balance is None:
        if missing:
            raise UsageError("--balance-missing needs --balance COLUMN.")
        return given
    if given is not None:
        raise UsageError("a table is either balanced or made for given rows, not both.",
                         fix="Leave out --balance, or --given and write the levels into that file.")
    return Balanced.of(fitted.generator.coding_, balance, n, missing=missing)


def balance_text(fitted: Fitted, balanced: Balanced) -> str:
    """What a reader of a balanced table must know."""
    name, coding = balanced.column.name, fitted.generator.coding_
    pooled = int(getattr(coding.codecs[name], "pooled", {}).get("levels", 0))
    left_out = f" {pooled} rare level{'s' * (pooled > 1)} that the model has pooled {'are' if pooled > 1 else 'is'} " \
               "left out." if pooled else ""
    person = "" if coding.schema.unit is None else " Each row is another person, with this one row."
    return f"balanced by design: each of {len(balanced.levels)} levels of {name} comes equally often, so no share in " \
           f"this table says how frequent anything is.{left_out}{person}"
