"""What the terminal says at the end of a release: where to look, what the verdict is, what was promised."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from tabsynth.core.finding import Finding
from tabsynth.pipeline.contents import refinement
from tabsynth.pipeline.fit import Fitted
from tabsynth.reports import guarantee
from tabsynth.reports.measures import PAGE_ONE
from tabsynth.reports.renderers import pdf

if TYPE_CHECKING:
    from tabsynth.pipeline.release import Released

WIDTH: Final = 80


def summary(done: Released) -> Iterator[str]:
    """Lines of at most 80 characters."""
    yield ""
    yield from wrapped("Verdict", done.evaluation.verdict.privacy)
    for gate in done.evaluation.verdict.gates:
        if not gate.met:
            yield from wrapped("Not met" if gate.met is False else "To check", str(gate))
    yield from wrapped("Utility", done.evaluation.verdict.utility)
    yield from wrapped("Privacy", promise(done.fitted))
    if done.fitted.info.get("calibration"):
        yield from wrapped("Settings", calibrated(done.fitted.info))
    if "refinement" in done.fitted.info:
        yield from wrapped("Refined", refinement(done.fitted.info["refinement"]))
    yield ""
    yield f"  {'measure':<40}{'value':>9}{'floor':>9}{'ceiling':>9}"
    for finding in key_figures(done.evaluation.findings):
        figures = (number(finding.value), number(finding.floor), number(finding.ceiling))
        *above, last = textwrap.wrap(finding.title, 39)
        yield from (f"  {line}" for line in above)
        yield f"  {last:<40}" + "".join(f"{figure:>9}" for figure in figures)
    yield ""
    yield from wrapped("Files", where(done))
    if not pdf.available():
        yield from wrapped("PDF", f"none was written; to get one: {pdf.INSTALL}")


def promise(fitted: Fitted) -> str:
    """The guarantee in one sentence, with the total to date."""
    statement = fitted.statement
    if statement is None:
        return "no formal guarantee was used; the model file is personal data."
    budget = statement.budget
    entry = guarantee.ledger_entry(statement.document)
    text = f"epsilon {float(budget.epsilon):g} at delta {float(budget.delta):g} per {budget.unit}. " \
           f"{statement.document['claim']['plain']}"
    if entry is not None:
        text += f" Ledger total for {entry.population!r}: epsilon {entry.total_epsilon} over {entry.releases} fit(s)."
    return " ".join((*(f"{stamp}." for stamp in statement.stamps), text))


def calibrated(info: Mapping[str, Any]) -> str:
    """Settings of a calibrated model and why these, in one line; `info` as a model file keeps it."""
    found = info["calibration"]
    settings = ", ".join(f"{name} {value}" for name, value in info["settings"].items()) or "those of the model itself"
    return f"{settings}; mode {found['mode']}: {found['reason']}"


def where(done: Released) -> str:
    """What to open first."""
    if done.outcome == "REFUSED":
        return f"{done.folder}/internal/report.html says why; nothing was put into share/."
    return f"{done.folder}/share/report.html ({done.rows:,} rows in share/synthetic.csv); everything else about the " \
           f"real rows: {done.folder}/internal/report.html"


def key_figures(findings: tuple[Finding, ...]) -> Iterator[Finding]:
    """Findings that have a value, of those that a reader should see first, in the order of the report."""
    made = {finding.id: finding for finding in findings}
    for finding_id in PAGE_ONE:
        finding = made.get(finding_id)
        if finding is not None and finding.value is not None and finding.section in ("validity", "fidelity", "utility"):
            yield finding


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def wrapped(label: str, text: str) -> Iterator[str]:
    """`label: text` with a hanging indent."""
    yield from textwrap.wrap(text, WIDTH, initial_indent=f"{label + ':':<10}", subsequent_indent=" " * 10)
