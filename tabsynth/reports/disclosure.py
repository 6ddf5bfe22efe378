"""What each report class may show of a finding, and how coarsely.

internal   everything.
recipient  cells of real data rest on at least 11 records, no extreme values, numbers on the grid of two significant
           figures of the interval's width (CMS cell suppression policy; two figures keep the reader from reading
           more than the interval says). Points of charts, which have no interval: three significant figures.
public     bands instead of numbers.
statement  only findings that follow from the synthetic rows, and of them only what does: no floor, no ceiling, no
           control, no count of real rows.

A finding that looks at no real row at all (`SYNTHETIC_ROWS_ALONE`) is shown whole in every class: whoever holds the
rows can count again.

Every function is pure: a finding in, a finding (and its band) or None out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tabsynth.core.finding import Finding, Judgement
from tabsynth.evaluation.disclosure import CEILING_COUNT, MIN_CELL, is_small, report_classes, shown_rows
from tabsynth.evaluation.gates import FROM_REAL_ROWS, Gate, number_in
from tabsynth.reports import wording
from tabsynth.reports.context import Counts, Decision, ReportContext
from tabsynth.reports.model import ReportClass
from tabsynth.reports.numbers import grid

_EXTREME: Final = re.compile(
    r"(^|[^a-z])(min|max|minimum|maximum|lowest|highest|smallest|largest|extremes?|outliers?|examples?|record|row|unit"
    r"|ids?|seeds?)([^a-z]|$)", re.IGNORECASE)
_SMALL_COUNT: Final = re.compile(r"(?<![\w.,-])([1-9]|10)(?![\w.,%]|\s?%)")

_NOT_RECORDS: Final = frozenset({"variants", "draws"})
"""Details that count comparisons or draws: never small cells."""
_DECIMAL: Final = re.compile(r"\d+\.\d+")

SYNTHETIC_ROWS_ALONE: Final = frozenset({"safe_harbor"})
"""Findings that follow from the synthetic rows and the public schema, breakdown and method included."""

Shown = tuple[Finding, str | None]
"""A finding as a class shows it, and the band that stands in for its value (public), else None."""


def show(finding: Finding, report_class: ReportClass, counts: Counts) -> Shown | None:
    """`finding` as `report_class` shows it, or None if the class leaves it out."""
    if report_class == "internal" or (
            finding.shareable and finding.id in SYNTHETIC_ROWS_ALONE and finding.value is not None):
        return finding, None
    if report_class == "statement":
        return _statement(finding, counts)
    if finding.state != "not_run" and finding.n < MIN_CELL:
        return _suppressed(finding), None
    if finding.value is not None and report_class not in report_classes(finding, private=False):
        return _public(finding)[0], wording.SMALL_CELL
    return (_recipient(finding), None) if report_class == "recipient" else _public(finding)


def show_judgement(judgement: Judgement, finding: Finding | None, report_class: ReportClass) -> Judgement | None:
    """Outside the house the reason's numbers are as coarse as those of its finding; in public there is none.

    finding: as the class shows it.
    """
    if report_class == "internal":
        return judgement
    if report_class == "statement":
        return None
    if report_class == "public" or finding is None or finding.value is None or _names_hidden(judgement, finding):
        return replace(judgement, because="")
    limit = "" if judgement.limit is None else f"{judgement.limit:g}"
    counts = {m.group() for m in _SMALL_COUNT.finditer(judgement.because)} - {limit}
    decimals = grid(finding.value, finding.interval)

    def coarse(match: re.Match[str]) -> str:
        return match.group() if match.group() == limit else f"{round(float(match.group()), decimals):g}"

    return replace(judgement, because="" if counts else _DECIMAL.sub(coarse, judgement.because))


def show_gate(gate: Gate, finding: Finding | None, counts: Counts, report_class: ReportClass) -> Gate | None:
    """A gate on real rows with the number that the class shows of them; under a guarantee it is left out.

    finding, counts: as the class shows them.
    """
    if report_class == "internal" or (gate.of is None and gate.name not in FROM_REAL_ROWS):
        return gate
    if report_class == "statement":
        return None
    known: float | None = None
    if gate.of is None:
        known = counts.train_units if gate.name == "train_people" else counts.holdout_units
    elif finding is not None:
        known = number_in(finding, gate.of)
    return replace(gate, value=None if known is None else float(known))


def _names_hidden(judgement: Judgement, finding: Finding) -> bool:
    """True if the reason gives the number of a comparison that the finding, as it is shown, does not hold."""
    if "variant" not in finding.details or not _DECIMAL.search(judgement.because):
        return False
    shown = [finding.details["variant"], *(row.get("key") for row in finding.breakdown)]
    return not any(judgement.because.startswith(f"{key}: ") for key in shown)


def show_context(context: ReportContext, report_class: ReportClass) -> ReportContext:
    """The context without what the class keeps back."""
    if report_class == "internal":
        return context
    counts, selection = context.counts, context.selection
    if report_class != "recipient":  # how often this very table was evaluated follows from its rows
        counts = Counts(synthetic_rows=counts.synthetic_rows, synthetic_units=counts.synthetic_units)
        selection = None
    return replace(
        context, calibration=context.calibration if report_class == "recipient" else None,
        counts=_large_counts(counts), commands=(), evaluation_seed=None, selection=selection,
        decisions=tuple(_decision(d, report_class, context.counts.train_rows) for d in context.decisions
                        if report_class == "recipient" or d.source != "real rows"))


def three_figures(number: float) -> float:
    """What a drawing shows of a number.

    >>> three_figures(0.95344), three_figures(-1234.5), three_figures(0.0)
    (0.953, -1230.0, 0.0)
    """
    return float(f"{number:.3g}")


def _recipient(finding: Finding) -> Finding:
    decimals = grid(finding.value or 0.0, finding.interval)

    def on_grid(number: float) -> float:
        return float(round(number, decimals))

    def coarse(number: float | None) -> float | None:
        return None if number is None else on_grid(number)

    low_high = finding.interval
    details = {k: v for k, v in finding.details.items() if k != CEILING_COUNT}
    ceiling = None if is_small(int(finding.details.get(CEILING_COUNT, 0))) else finding.ceiling
    return replace(
        finding, value=coarse(finding.value), floor=coarse(finding.floor), ceiling=coarse(ceiling),
        baseline=coarse(finding.baseline), control=coarse(finding.control),
        normalised=None if finding.normalised is None else round(finding.normalised, 2),
        interval=None if low_high is None else (float(round(low_high[0], decimals)),
                                                float(round(low_high[1], decimals))),
        reason=_reason(finding), details=_cells(details, on_grid),
        breakdown=tuple(_cells(row, on_grid) for row in shown_rows(finding) if _large(row)),
        points=tuple(_cells(point, three_figures) for point in finding.points if _large(point)))


def _public(finding: Finding) -> Shown:
    band = None if finding.state == "not_run" else _band(finding)
    shown = replace(
        finding, value=None, interval=None, floor=None, ceiling=None, normalised=None, baseline=None, control=None,
        n=_two_figures(finding.n), reason=wording.STATE_REASONS.get(finding.state), breakdown=(), points=(), details={})
    return shown, band


def _statement(finding: Finding, counts: Counts) -> Shown | None:
    """A finding on all synthetic rows says nothing new; on a subsample its size would tell how many were real."""
    whole = {c for c in (counts.synthetic_rows, counts.synthetic_units) if c}
    if not finding.shareable or finding.value is None or finding.n not in whole:
        return None
    return replace(
        finding, floor=None, ceiling=None, normalised=None, baseline=None, control=None, state="ok", reason=None,
        breakdown=(), points=(), details={}), None


def _suppressed(finding: Finding) -> Finding:
    return Finding.not_run(finding.id, finding.title, finding.section, wording.SUPPRESSED,
                           direction=finding.direction, method=finding.method)


def _band(finding: Finding) -> str:
    if finding.value is None or finding.floor is None or finding.ceiling is None or finding.floor == finding.ceiling:
        return wording.BAND_MEASURED
    position = (finding.value - finding.floor) / (finding.ceiling - finding.floor)
    for limit, name in ((0.0, "below the floor"), (1 / 3, "lower third between floor and ceiling"),
                        (2 / 3, "middle third between floor and ceiling"),
                        (0.95, "upper third between floor and ceiling")):
        if position < limit:
            return name
    return "at the ceiling or beyond"


def _reason(finding: Finding) -> str | None:
    """A reason that quotes a small count is replaced by the general one."""
    if finding.reason is not None and _SMALL_COUNT.search(finding.reason):
        return wording.STATE_REASONS.get(finding.state)
    return finding.reason


def _large(row: Mapping[str, Any]) -> bool:
    """True if a row of a breakdown says on how many records it rests ("n", "train_n", ...) and they are enough."""
    sizes = [v for k, v in row.items() if k == "n" or k.endswith("_n")]
    return bool(sizes) and all(isinstance(n, int) and not isinstance(n, bool) and n >= MIN_CELL for n in sizes)


def _cells(row: Mapping[str, Any], rounded: Callable[[float], float]) -> dict[str, Any]:
    """Scalars only, rounded; extremes, identifiers and counts of 1 to 10 left out.

    Beside a count that is left out no fraction stays either: together with n it would give the count away.
    """
    named = {k: v for k, v in row.items() if not _EXTREME.search(k)
             and (v is None or isinstance(v, (bool, int, float, str)))}
    small = {k for k, v in named.items() if isinstance(v, int) and not isinstance(v, bool) and 1 <= abs(v) < MIN_CELL
             and k not in _NOT_RECORDS}
    return {k: rounded(v) if isinstance(v, float) else v for k, v in named.items()
            if k not in small and not (small and isinstance(v, float))}


def _decision(decision: Decision, report_class: ReportClass, train_rows: int | None) -> Decision:
    """Neither names nor, where 1 to 10 rows hold what was pooled, its share and how many levels that were."""
    share = decision.share
    if share is None or report_class != "recipient":
        return replace(decision, names=(), share=None)
    if decision.source == "real rows" and (train_rows is None or is_small(round(share * train_rows))):
        return replace(decision, names=(), share=None, n_levels=None)
    return replace(decision, names=(), share=round(share, grid(share, None)))


def _large_counts(counts: Counts) -> Counts:
    def large(count: int | None) -> int | None:
        return None if count is None or 1 <= count < MIN_CELL else count

    return Counts(large(counts.train_rows), large(counts.train_units), large(counts.holdout_rows),
                  large(counts.holdout_units), counts.synthetic_rows, counts.synthetic_units)


def _two_figures(n: int) -> int:
    unit = int(10 ** max(0, len(str(n)) - 2))
    return n // unit * unit
