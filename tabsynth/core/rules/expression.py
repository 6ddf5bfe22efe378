"""The condition language of rules and of ``--where``: comparisons, ``in``, ``is missing``, and/or/not.

The grammar is in ``parser``, the meaning in ``tree``. Nothing is ever evaluated as Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.rules.literals import Value
from tabsynth.core.rules.parser import parse
from tabsynth.core.rules.tree import Among, Node, columns_of, conjuncts
from tabsynth.core.schema import Schema
from tabsynth.core.table import Cells

EXACT: Final = frozenset({"category", "boolean", "integer"})
"""Kinds whose values a model can be conditioned on."""


@dataclass(frozen=True)
class Expression:
    """A parsed condition. `text` is what was written; `columns` the names it reads."""

    text: str
    columns: tuple[str, ...]
    tree: Node

    @classmethod
    def parse(cls, text: str, schema: Schema) -> Expression:
        """Parse and check against the schema (columns exist, literals fit the column's kind, levels exist).

        Raises:
            RuleError: with the position and what was expected.
        """
        tree = parse(text, schema)
        return cls(text, columns_of(tree), tree)

    def holds(self, columns: Mapping[str, Cells]) -> NDArray[np.bool_]:
        """Shape (n,): where the condition is true.

        A comparison with a missing cell is not true, and neither is its negation.
        """
        return self.tree.evaluate(columns).true

    def fails(self, columns: Mapping[str, Cells]) -> NDArray[np.bool_]:
        """Shape (n,): where the condition is false although every cell that matters is given."""
        return self.tree.evaluate(columns).false

    def equalities(self) -> dict[str, Value]:
        """Columns that a top-level ``and`` fixes to one value, for exact conditioning: {name: canonical value}.

        Only of categories (the level's text), booleans and integers.
        """
        fixed: dict[str, Value] = {}
        for part in conjuncts(self.tree):
            if isinstance(part, Among) and len(part.values) == 1 and part.kind in EXACT:
                fixed.setdefault(part.column, part.values[0])
        return fixed
