"""Counts with intervals that tell what the privacy noise may have done, from a fitted model, without any row."""

from __future__ import annotations

from collections.abc import Iterator

from tabsynth.core import registry
from tabsynth.core.answer import Answer, Answers, Estimate
from tabsynth.core.errors import UsageError
from tabsynth.core.rules.expression import Expression
from tabsynth.pipeline.fit import Fitted


def answer(fitted: Fitted, where: str, *, population: bool = False) -> Answer:
    """How many units of the training table satisfy a condition.

    Raises:
        UsageError: the model keeps no noisy measurements, or none that holds the condition's columns together.
        RuleError: the condition cannot be read.
    """
    generator = fitted.generator
    if not isinstance(generator, Answers):
        raise UsageError(f"model {fitted.choice.model!r} keeps no noisy measurements to answer from.",
                         fix=f"Fit one that does, with --epsilon: {', '.join(answering())}.")
    return generator.answer(Expression.parse(where, generator.coding_.schema), population=population)


def answering() -> list[str]:
    """Names of the models that can answer."""
    return sorted(name for name, plugin in registry.plugins("models").items()
                  if plugin.facts.get("private") and hasattr(registry.load("models", name), "answer"))


def lines(found: Answer, unit: str | None) -> Iterator[tuple[str, str]]:
    """(label, sentence) for a person."""
    units = "rows" if unit is None else f"units ({unit})"
    count, share, n = found.count, found.share, found.n
    yield "Where", found.where
    yield "Count", f"{_whole(count.value)} {units}, 95 % interval {_whole(count.low)} to {_whole(count.high)}"
    yield "Share", f"{_percent(share)} of about {_whole(n.value)} ({_whole(n.low)} to {_whole(n.high)})"
    if found.population is not None:
        yield "People", f"{_percent(found.population)} of the people that the table is a random sample of"
    each = "" if unit is None else " Each unit counts once: by the part of its rows that satisfy the condition."
    yield "Noise", f"standard deviation of the count {count.sigma:.3g}, from the privacy noise alone.{each}"
    yield "From", "; ".join(found.sources)
    if not found.exact:
        yield "Cut", f"the condition tells apart what was counted together ({'; '.join(found.cut)}), so the interval " \
                     "reaches from none of these to all of them, as far as the columns alone do not say better."


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _percent(share: Estimate) -> str:
    return f"{100 * share.value:.2f} %, 95 % interval {100 * share.low:.2f} to {100 * share.high:.2f} %"
