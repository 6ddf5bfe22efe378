"""``NAME=VALUE`` from the command line: settings of a model, limits of a finding."""

from __future__ import annotations

import difflib
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tabsynth.core.errors import UsageError


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings by name; values are read as JSON where they are JSON, else as text.

    >>> parse_settings(["bins=12", "axis=auto"])
    {'bins': 12, 'axis': 'auto'}
    """
    return {name: _value(text) for name, text in map(_pair, pairs)}


def configured(build: Callable[..., Any], settings: Mapping[str, Any], *, model: str) -> Any:
    """A model with its settings, made by `build` (its class).

    Raises:
        UsageError: a setting that the model does not have, or a value that it does not take.
    """
    known = {p.name: p for p in inspect.signature(build, eval_str=True).parameters.values()
             if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    for name, value in settings.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(f"model {model!r} has no setting {name!r}; it has: {', '.join(known) or 'none'}.",
                             fix=f"Did you mean {near[0]!r}?" if near else None)
        if not _fits(value, known[name].annotation):
            kind = getattr(known[name].annotation, "__name__", known[name].annotation)
            raise UsageError(f"setting {name!r} of model {model!r} must be of type {kind}, got {value!r}.")
    return build(**settings)


def _fits(value: Any, annotation: Any) -> bool:
    if annotation is inspect.Parameter.empty:
        return True
    try:
        return isinstance(value, annotation) or (isinstance(value, int) and isinstance(float(value), annotation))
    except TypeError:  # list[int] and the like say nothing about a single value
        return True


def parse_limits(pairs: Sequence[str]) -> dict[str, float]:
    """Limits by finding id.

    >>> parse_limits(["kway.2=0.9"])
    {'kway.2': 0.9}
    """
    limits = {}
    for name, text in map(_pair, pairs):
        try:
            limits[name] = float(text)
        except ValueError:
            limits[name] = math.nan
        if not math.isfinite(limits[name]):
            raise UsageError(f"the limit of {name!r} must be a number, got {text!r}.")
    return limits


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} is not of the form NAME=VALUE.")
    return name.strip(), value.strip()


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
