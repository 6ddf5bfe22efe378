"""Numbers as a reader sees them: as many digits as the interval allows, and no more.

>>> figure(0.91253, (0.9062, 0.9188)), span((0.9062, 0.9188)), count(16183), percent(0.0273)
('0.913', '0.906 to 0.919', '16,183', '2.7 %')
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MINUS = "\N{MINUS SIGN}"


def grid(value: float, interval: tuple[float, float] | None) -> int:
    """Decimals that show two significant figures of the interval's width (of the value where there is none).

    >>> grid(0.9125, (0.9062, 0.9188)), grid(0.031, None), grid(0.0, None)
    (3, 3, 2)
    """
    width = abs(interval[1] - interval[0]) if interval is not None else 0.0
    if 1e-9 < width < math.inf:
        return min(12, 1 - math.floor(math.log10(width)))
    return 2 if abs(value) < 1e-9 or 0.1 <= abs(value) <= 1 else min(12, 1 - math.floor(math.log10(abs(value))))


def figure(value: float | None, interval: tuple[float, float] | None = None) -> str:
    """A value with two significant figures of its interval's width; three of its own where there is none."""
    if value is None:
        return "\N{EN DASH}"
    decimals = grid(value, interval) + (interval is None and value != 0)
    return fixed(value, max(0, min(6, decimals)))


def measured(value: float | None, interval: tuple[float, float] | None, details: Mapping[str, Any]) -> str:
    """The value of a finding: a count where its details say so, else as `figure`.

    >>> measured(1.0, None, {"statistic": "count"}), measured(1.0, None, {})
    ('1', '1.000')
    """
    counted = value is not None and details.get("statistic") == "count"
    return count(round(value or 0.0)) if counted else figure(value, interval)


def span(interval: tuple[float, float] | None) -> str:
    """An interval in words, or an empty text."""
    if interval is None:
        return ""
    decimals = max(0, min(6, grid(0.0, interval)))
    return f"{fixed(interval[0], decimals)} to {fixed(interval[1], decimals)}"


def beside(value: float | None, interval: tuple[float, float] | None, main: float | None) -> str:
    """A reference number (floor, ceiling, control) with as many digits as the main value shows."""
    if value is None:
        return ""
    if interval is None and main is not None:
        return fixed(value, max(0, min(6, grid(main, None) + (main != 0))))
    return figure(value, interval)


def fixed(value: float, decimals: int) -> str:
    """Fixed decimals with a real minus sign and no negative zero."""
    if value == 0:
        return "0"
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        text = text[1:] if not any(c in "123456789" for c in text) else MINUS + text[1:]
    return text


def with_error(value: float, error: float) -> str:
    """A value with its standard error, as of candidates that are compared.

    >>> with_error(0.5123, 0.01)
    '0.512 \N{PLUS-MINUS SIGN} 0.010'
    """
    return f"{value:.3f} \N{PLUS-MINUS SIGN} {error:.3f}"


def short(value: float) -> str:
    """A limit as it was written: no digits added.

    >>> short(0.05), short(-1.0)
    ('0.05', '\N{MINUS SIGN}1')
    """
    return f"{value:g}".replace("-", MINUS)


def count(n: int | None) -> str:
    """A count with thousands separated, or a dash."""
    return "\N{EN DASH}" if n is None else f"{n:,}"


def percent(share: float) -> str:
    """A share as a percentage with at most two significant figures."""
    value = 100 * share
    if value == 0 or value >= 99.95:
        return f"{value:.0f} %"
    text = f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def at_most(share: float) -> str:
    """An upper bound on a share as a percentage: rounded up, since a bound must stay one.

    >>> at_most(0.0792), at_most(0.05)
    ('8 %', '5 %')
    """
    return f"{min(100.0, math.ceil(round(share * 1000, 6)) / 10):g} %"


def power_of_ten(value: float) -> str:
    """A small number such as delta, as people write it.

    >>> power_of_ten(1e-6), power_of_ten(2.5e-7), power_of_ten(0.01)
    ('10\u207b\u2076', '2.5 \u00d7 10\u207b\u2077', '0.01')
    """
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    if not 0 < value < 1e-3:
        return f"{value:g}"
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    digits = f"{float(mantissa):g}"
    return f"10{raised}" if digits == "1" else f"{digits} × 10{raised}"
