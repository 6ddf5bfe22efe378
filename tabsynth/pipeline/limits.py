"""``--fail-under`` and ``--fail-over``: limits of one's own, held against findings after everything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tabsynth.core.errors import TabsynthError
from tabsynth.core.finding import Finding
from tabsynth.evaluation.verdict import apply_limits


class LimitExceeded(TabsynthError):
    """A finding is on the wrong side of a limit given on the command line."""

    code = "limit"
    exit_code = 1


def require_limits(findings: Iterable[Finding], *, under: Mapping[str, float], over: Mapping[str, float]) -> None:
    """Raise LimitExceeded naming every limit that is not met."""
    failed = apply_limits(findings, under=dict(under), over=dict(over))
    if failed:
        raise LimitExceeded("; ".join(map(str, failed)) + ".")
