"""Which model, and why: the choice that ``model="auto"`` makes, and the check that a chosen model fits the wish."""

from __future__ import annotations

from dataclasses import dataclass

from tabsynth.core import registry
from tabsynth.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Choice:
    """A model's registry name and the reason for it, in one sentence for the report."""

    model: str
    reason: str


def choose(model: str, *, private: bool, refine: bool = False) -> Choice:
    """Resolve ``auto`` and refuse a model that cannot keep, or does not need, a guarantee, and a critic beside one.

    >>> choose("auto", private=True).model
    'marginal'
    """
    if private and refine:
        raise UsageError("refinement looks at real rows outside the budget, so that it does not go with epsilon.",
                         fix="Leave out --refine (in Python: refine=True), or fit without epsilon.")
    if model == "auto":
        if private:
            return Choice("marginal", "epsilon is set: noisy marginals on a junction tree are the most accurate "
                                      "known approach for tables under differential privacy.")
        return Choice("copula", "no epsilon is set: the Gaussian copula over mixed types is the quick baseline.")
    facts = registry.find("models", model).facts
    if bool(facts.get("private")) != private:
        kind = [n for n, p in registry.plugins("models").items() if bool(p.facts.get("private")) == private]
        raise UsageError(
            f"model {model!r} {'cannot be fitted with --epsilon' if private else 'needs --epsilon'}.",
            fix=f"Models {'with' if private else 'without'} differential privacy: {', '.join(sorted(kind))}.")
    return Choice(model, "chosen by name.")
