"""Which columns say the same as another: a rule of the schema computes one from the other."""

from __future__ import annotations

from tabsynth.core.schema import Schema


def tied_to(schema: Schema, target: str) -> frozenset[str]:
    """Columns that a mapped rule ties to the target: with them there would be nothing to predict."""
    tied: set[str] = set()
    for rule in schema.rules:
        mapped = rule.get("mapped", {})
        sources = [mapped["from"]] if isinstance(mapped.get("from"), str) else list(mapped.get("from", ()))
        if target == mapped.get("to"):
            tied.update(sources)
        elif target in sources:
            tied.add(str(mapped.get("to")))
    return frozenset(tied)
