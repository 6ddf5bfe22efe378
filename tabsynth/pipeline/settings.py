"""``NAME=VALUE`` from the command line: settings of a model, limits of a finding."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tabsynth.core.errors import UsageError


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings by name; values are read as JSON where they are JSON, else as text.

    >>> parse_settings(["bins=12", "axis=auto"])
    {'bins': 12, 'axis': 'auto'}
    """
    return {name: _value(text) for name, text in map(_pair, pairs)}


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
            raise UsageError(f"the limit of {name!r} must be a number, got {text!r}.") from None
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
