"""One finding shaped for reading: numbers as text, judgement beside it, its drawing made; worst first.

Nothing here decides what may be shown (that is `disclosure`) or looks at anything but the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tabsynth.reports import numbers, svg, wording
from tabsynth.reports.blocks import Pair, Table
from tabsynth.reports.cells import cell, number, pair, words

VERDICT_LABELS: Final[dict[str, str]] = {
    "finding": "Finding", "review": "Review", "no_finding": "No finding", "insufficient_power": "Too few records",
    "not_run": "Not run", "none": "",
}
DIRECTIONS: Final[dict[str, str]] = {"lower is safer": "lower is better", "none": ""}
SYNTHETIC_ONLY: Final = ".synthetic"
"""Suffix of a finding's twin that looks at synthetic rows alone; it is told where the finding itself is kept back."""

KEY_NUMBERS: Final = 8
"""At most this many findings on the decision page."""
PAGE_ONE: Final = (
    "P2b", "P0a", "P1d", "validity", "validity.synthetic", "kway.2", "c2st", "sample_fraction", "tails.beta", "kway.3",
    "kway.1", "tails.categories", "tstr", "analysis.overlap", "subgroup.representation", "analysis.sign",
    "tstr.calibration")
"""What a reader should see first of each section, in this order; the rest is drill-down."""

_ORDER: Final = ("finding", "review", "insufficient_power", "not_run", "no_finding", "none", "absent")
_COLUMNS: Final = ("key", "value", "low", "high", "floor", "ceiling", "baseline", "train_hits", "train_n",
                   "control_hits", "control_n", "n")
"""Columns of a breakdown in reading order; others follow by name."""
_SECTIONS: Final = ("privacy", "validity", "fidelity", "utility")


@dataclass(frozen=True, slots=True)
class Measure:
    """One finding with its judgement, ready to be set in type."""

    id: str
    title: str
    section: str
    state: str
    verdict: str
    label: str
    value: str
    interval: str
    n: str
    direction: str
    references: tuple[Pair, ...]
    sentence: str
    note: str
    because: str
    limit_source: str
    method: str
    drawing: str
    table: Table | None
    details: tuple[Pair, ...]


def measures(document: Mapping[str, Any], *, prefix: str = "s") -> tuple[Measure, ...]:
    """Every finding, worst first: by judgement, then by how far it is from the ceiling.

    prefix: of the drawings' ids, so that a page may show a finding twice.
    """
    judged = {j["finding_id"]: j for j in document["verdict"]["judgements"]}
    ids = {f["id"] for f in document["findings"]}
    told = [(i, f) for i, f in enumerate(document["findings"])
            if not (f["id"].endswith(SYNTHETIC_ONLY) and f["id"].removesuffix(SYNTHETIC_ONLY) in ids)]
    ranked = sorted(told, key=lambda item: (_rank(item[1], judged), item[0]))
    return tuple(_measure(f"{prefix}{i}", f, judged.get(f["id"])) for i, f in ranked)


def in_section(items: Sequence[Measure], *sections: str) -> tuple[Measure, ...]:
    """The measures of some sections, order kept."""
    return tuple(m for m in items if m.section in sections)


def key_numbers(items: Sequence[Measure]) -> tuple[Measure, ...]:
    """The findings of the decision page: whatever the policy objects to, then the first few of each section.

    >>> key_numbers(())
    ()
    """
    shown = [m for m in items if m.section in _SECTIONS and m.state != "not_run"]
    chosen = [m for m in items if m.verdict in ("finding", "review", "insufficient_power")][:KEY_NUMBERS]
    queues = {s: sorted((m for m in shown if m.section == s and m not in chosen), key=page_one_rank) for s in _SECTIONS}
    while len(chosen) < KEY_NUMBERS and any(queues.values()):
        chosen += [queue.pop(0) for queue in queues.values() if queue][:KEY_NUMBERS - len(chosen)]
    return tuple(sorted(chosen, key=items.index))


def page_one_rank(measure: Measure) -> int:
    """Place in `PAGE_ONE`; those that are not in it come last."""
    return PAGE_ONE.index(measure.id) if measure.id in PAGE_ONE else len(PAGE_ONE)


def one_sentence(finding: Mapping[str, Any]) -> str:
    """A finding in words: the text alternative of its drawing."""
    if finding["value"] is None:
        return f"{finding['title']}: {finding['band'] or finding['reason'] or 'not run'}."
    interval = pair(finding["interval"])
    text = numbers.measured(finding["value"], interval, finding["details"])
    parts = [f"{finding['title']}: {text}"]
    if interval:
        parts.append(f"95 % interval {numbers.span(interval)}")
    parts += [f"{name.lower()} {value}" for name, value in _references(finding, interval)]
    return "; ".join(parts) + "."


def _measure(name: str, finding: Mapping[str, Any], judgement: Mapping[str, Any] | None) -> Measure:
    interval = pair(finding["interval"])
    verdict = judgement["verdict"] if judgement else "none"
    value = finding["band"] or numbers.measured(finding["value"], interval, finding["details"])
    limit = judgement["limit"] if judgement else None
    references = _references(finding, interval)
    if limit is not None:
        ratio = finding["section"] == "validity"
        references = (*references, ("Limit, as a ratio to training" if ratio else "Limit", numbers.short(limit)))
    return Measure(
        id=finding["id"], title=finding["title"], section=finding["section"], state=finding["state"],
        verdict=verdict, label=VERDICT_LABELS[verdict], value=value, interval=numbers.span(interval),
        n=f"{numbers.count(finding['n'])} {finding['unit_of_n']}" if finding["n"] else "",
        direction=DIRECTIONS.get(finding["direction"], finding["direction"]), references=references,
        sentence=one_sentence(finding), note=finding["reason"] or _below_floor(finding),
        because=judgement["because"] if judgement and judgement["because"] != finding["reason"] else "",
        limit_source=judgement["limit_source"] if judgement else "", method=finding["method"],
        drawing=_drawing(name, finding, limit), table=_table(finding["breakdown"]),
        details=tuple((words(k), cell(v)) for k, v in finding["details"].items()))


def _below_floor(finding: Mapping[str, Any]) -> str:
    """What a reader must not have to work out from the drawing."""
    return wording.BELOW_FLOOR if finding["normalised"] is not None and finding["normalised"] < 0 else ""


def _drawing(name: str, finding: Mapping[str, Any], limit: float | None) -> str:
    value, interval = finding["value"], pair(finding["interval"])
    if value is None:
        return ""
    marks = [svg.Mark(finding[kind], f"{kind} {numbers.beside(finding[kind], interval, value)}", kind)
             for kind in ("floor", "ceiling", "control") if finding[kind] is not None
             and not (kind == "control" and _is_excess(finding))]
    if limit is not None and finding["section"] != "validity":  # there the limit is a ratio of two rates
        marks.append(svg.Mark(limit, f"limit {numbers.short(limit)}", "limit"))
    if not marks:
        return ""
    return svg.scale(name, title=finding["title"], description=one_sentence(finding), value=value,
                     interval=interval, marks=marks)


def _is_excess(finding: Mapping[str, Any]) -> bool:
    """True where the value is an excess over the control: then the control, a rate, has no place on its scale."""
    return finding["details"].get("statistic") in ("difference", "residual")


def _references(finding: Mapping[str, Any], interval: tuple[float, float] | None) -> tuple[Pair, ...]:
    names = {"floor": "Floor", "ceiling": "Ceiling", "control": "Control", "baseline": "Baseline"}
    pairs = [(label, numbers.beside(finding[key], interval, finding["value"])) for key, label in names.items()
             if finding[key] is not None]
    rate = number(finding["details"], "train_rate")
    if rate is not None:
        pairs.insert(0, ("Training", numbers.beside(rate, interval, finding["value"])))
    if finding["normalised"] is not None:
        pairs.append(("Way from floor to ceiling", numbers.percent(finding["normalised"]).replace("-", numbers.MINUS)))
    return tuple(pairs)


def _rank(finding: Mapping[str, Any], judged: Mapping[str, Any]) -> tuple[int, float]:
    judgement = judged.get(finding["id"])
    verdict = judgement["verdict"] if judgement else ("absent" if finding["state"] == "not_run" else "none")
    way = finding["normalised"]
    return _ORDER.index(verdict), 2.0 if way is None else way


def _table(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """A breakdown as a table: what a row is about, its value, what that is compared with, then the rest."""
    keys = sorted({k for row in rows for k in row},
                  key=lambda k: (_COLUMNS.index(k) if k in _COLUMNS else len(_COLUMNS), k))
    if not keys:
        return None
    numeric = tuple(i for i, key in enumerate(keys)
                    if all(type(row.get(key)) in (int, float, type(None)) for row in rows))
    return Table(tuple(map(words, keys)), tuple(tuple(cell(row.get(k)) for k in keys) for row in rows),
                 numeric=numeric)
