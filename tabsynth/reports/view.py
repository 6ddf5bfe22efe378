"""A document shaped for reading: worst first, numbers as text, drawings made. Shared by every renderer.

Nothing here decides what may be shown (that is `disclosure`) or looks at anything but the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tabsynth.reports import numbers, svg, wording

VERDICT_LABELS: Final[dict[str, str]] = {
    "finding": "Finding", "review": "Review", "no_finding": "No finding", "insufficient_power": "Too few records",
    "not_run": "Not run", "none": "",
}
OUTCOME_LABELS: Final[dict[str, str]] = {
    "RELEASED": "Passed the policy", "REVIEW": "Needs human review", "REFUSED": "Refused by the policy"}
CLASS_LABELS: Final[dict[str, str]] = {
    "internal": "Internal report", "recipient": "Report for the recipient", "public": "Public report",
    "statement": "Report under the privacy guarantee",
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
_SECTIONS: Final = ("privacy", "validity", "fidelity", "utility")


@dataclass(frozen=True, slots=True)
class Table:
    """A small table: headers, and rows of text."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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
    references: tuple[tuple[str, str], ...]
    sentence: str
    note: str
    because: str
    limit_source: str
    method: str
    drawing: str
    table: Table | None
    details: tuple[tuple[str, str], ...]


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


def kind_counts(document: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """Columns by kind, most frequent first."""
    kinds = [c["kind"] for c in document["dataset"]["columns"]]
    return tuple(sorted(((k, kinds.count(k)) for k in set(kinds)), key=lambda pair: (-pair[1], pair[0])))


def headline(document: Mapping[str, Any]) -> tuple[str, str]:
    """The verdict in one sentence, and what the policy adds to it."""
    verdict = document["verdict"]
    sentence = wording.verdict_sentence(verdict["outcome"], verdict["policy"])
    stem = sentence.rstrip(".")
    if not verdict["privacy"].startswith(stem):
        return sentence, verdict["privacy"]
    if document["report_class"] == "statement" and verdict["outcome"] != "no_finding":
        return sentence, wording.REASONS_ARE_INTERNAL
    rest = verdict["privacy"][len(stem):].lstrip(" .:")
    return sentence, f"Because of: {rest}" if verdict["privacy"][len(stem):].startswith(":") else rest


Pairs = tuple[tuple[str, str], ...]


def masthead(document: Mapping[str, Any]) -> Pairs:
    """Facts under the title."""
    counts, unit = document["dataset"]["counts"], document["dataset"]["unit"]
    pairs = [("Status", OUTCOME_LABELS[document["outcome"]]), ("Model", document["model"]["name"])]
    if counts["synthetic_rows"] is not None:
        pairs.append(("Synthetic rows", numbers.count(counts["synthetic_rows"])))
    pairs.append(("Unit", "every row another person" if unit == "row" else unit))
    return (*pairs, ("Date", document["created"]))


def ledger(document: Mapping[str, Any]) -> Pairs:
    """Where the budget was booked and what is spent in all."""
    entry = document["privacy"]["ledger"]
    if entry is None:
        return ()
    pairs = [("Population", entry["population"]), ("Entry", entry["entry"]),
             ("This release", f"epsilon {entry['epsilon']}, delta {entry['delta']}"),
             ("Total to date", f"epsilon {entry['total_epsilon']}, delta {entry['total_delta']} over "
              + _plural(entry["releases"], "release"))]
    return (*pairs, ("Cap", f"epsilon {entry['cap_epsilon']}" if entry["cap_epsilon"] else "none set"))


def data_facts(document: Mapping[str, Any]) -> Pairs:
    """The table, whom it is about and what for."""
    data = document["dataset"]
    pairs = [("Table", data["name"]), ("Population", data["population"]), ("Purpose", data["purpose"]),
             ("Recipient", data["recipient"]),
             ("One person is", "one row" if data["unit"] == "row" else f"all rows of one {data['unit']}")]
    return tuple((name, value) for name, value in pairs if value)


def counts(document: Mapping[str, Any]) -> Table | None:
    """Rows and people of the three tables, as far as the class shows them."""
    data = document["dataset"]["counts"]
    rows = tuple((label, numbers.count(data[f"{key}_rows"]), numbers.count(data[f"{key}_units"]))
                 for key, label in (("train", "Training"), ("holdout", "Holdout"), ("synthetic", "Synthetic"))
                 if data[f"{key}_rows"] is not None or data[f"{key}_units"] is not None)
    return Table(("Table", "Rows", "People"), rows) if rows else None


def columns(document: Mapping[str, Any]) -> Table:
    """The columns: kind, role, treatment, source of what is public about them."""
    return Table(("Column", "Kind", "Role", "Treatment", "Source of bounds and levels"), tuple(
        (c["name"], c["kind"], c["role"], c["treatment"], c["source"] or "\N{EN DASH}")
        for c in document["dataset"]["columns"]))


def decisions(document: Mapping[str, Any]) -> Table | None:
    """What was pooled, replaced or dropped."""
    rows = tuple((d["column"], d["action"], numbers.count(d["n_levels"]),
                  "\N{EN DASH}" if d["share"] is None else numbers.percent(d["share"]), d["source"],
                  ", ".join(d["names"])) for d in document["dataset"]["decisions"])
    if not rows:
        return None
    head = ("Column", "What was done", "Levels", "Share of rows", "Follows from", "Names")
    named = any(row[-1] for row in rows)
    return Table(head if named else head[:-1], rows if named else tuple(row[:-1] for row in rows))


def made(document: Mapping[str, Any]) -> Pairs:
    """How the release came about."""
    source, model = document["provenance"], document["model"]
    pairs = [("Model", f"{model['name']}: {model['summary']}" if model["summary"] else model["name"]),
             ("Generation", "made from real records" if model["generation_depth"] == 1
              else f"{model['generation_depth']} generations from real records"),
             ("Sampling seed", _seed(source["sampling_seed"])), ("Evaluation seed", _seed(source["evaluation_seed"])),
             ("Seeds and keys", source["seed_policy"]),
             ("Looks at this table", _looks(source["selection"], document["report_class"])),
             ("Versions", ", ".join(f"{k} {v}" for k, v in source["versions"].items()))]
    return tuple((name, value) for name, value in pairs if value)


def _looks(chosen: Mapping[str, Any] | None, report_class: str) -> str:
    """How often the training table was evaluated, as far as the class says it."""
    if chosen is None:
        return "not recorded" if report_class in ("internal", "recipient") else ""
    return f"{_plural(chosen['evaluations'], 'evaluation')}, {_plural(chosen['models_compared'], 'model')} compared"


def settings(document: Mapping[str, Any]) -> Pairs:
    """The model's settings."""
    return tuple((k, _cell(v)) for k, v in document["model"]["settings"].items())


def calibration(document: Mapping[str, Any]) -> tuple[str, Table | None] | None:
    """How the settings were chosen: a sentence, and the candidates."""
    found = document["model"]["calibration"]
    if found is None:
        return None
    sentence = f"Mode {found['mode']}: {found['reason']}"
    if not found["candidates"]:
        return sentence, None
    sentence += f" Candidates were fitted to {numbers.count(found['fitted_rows'])} training rows and compared with " \
                f"{numbers.count(found['held_back_rows'])} rows of {numbers.count(found['held_back_people'])} " \
                f"people held back from them; the model was then fitted to all. {wording.CALIBRATION}"
    looks = [look["columns"] for look in found["candidates"][0]["copies"]]
    header = ("Model", "Settings", "Detection", "DCR share", *(f"Copy ratio, {look}" for look in looks), "Given out",
              "Outcome")
    return sentence, Table(
        header, tuple(
            (one["model"], _cell(one["settings"]), _with_error(one["detection"], one["detection_error"]),
             _with_error(one["dcr_share"], one["dcr_error"]),
             *("too few copies" if look["ratio"] is None else _with_error(look["ratio"], look["error"])
               for look in one["copies"]),
             _given_out(one["given_out"]), one["outcome"]) for one in found["candidates"]))


def _given_out(found: Mapping[str, Any] | None) -> str:
    return "too few copies" if found is None else f"{100 * found['excess']:.2f} % (from {100 * found['low']:.2f} %)"


def _with_error(value: float, error: float) -> str:
    return f"{value:.3f} \N{PLUS-MINUS SIGN} {error:.3f}"


def one_sentence(finding: Mapping[str, Any]) -> str:
    """A finding in words: the text alternative of its drawing."""
    if finding["value"] is None:
        return f"{finding['title']}: {finding['band'] or finding['reason'] or 'not run'}."
    interval = _pair(finding["interval"])
    text = numbers.figure(finding["value"], interval)
    parts = [f"{finding['title']}: {text}"]
    if interval:
        parts.append(f"95 % interval {numbers.span(interval)}")
    parts += [f"{name.lower()} {value}" for name, value in _references(finding, interval)]
    return "; ".join(parts) + "."


def _measure(name: str, finding: Mapping[str, Any], judgement: Mapping[str, Any] | None) -> Measure:
    interval = _pair(finding["interval"])
    verdict = judgement["verdict"] if judgement else "none"
    value = finding["band"] or numbers.figure(finding["value"], interval)
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
        details=tuple((_words(k), _cell(v)) for k, v in finding["details"].items()))


def _below_floor(finding: Mapping[str, Any]) -> str:
    """What a reader must not have to work out from the drawing."""
    return wording.BELOW_FLOOR if finding["normalised"] is not None and finding["normalised"] < 0 else ""


def _drawing(name: str, finding: Mapping[str, Any], limit: float | None) -> str:
    value, interval = finding["value"], _pair(finding["interval"])
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


def _references(finding: Mapping[str, Any], interval: tuple[float, float] | None) -> tuple[tuple[str, str], ...]:
    names = {"floor": "Floor", "ceiling": "Ceiling", "control": "Control", "baseline": "Baseline"}
    pairs = [(label, numbers.beside(finding[key], interval, finding["value"])) for key, label in names.items()
             if finding[key] is not None]
    rate = finding["details"].get("train_rate")
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
    """A breakdown as a table; the columns are the keys in order of first appearance."""
    keys = tuple(dict.fromkeys(k for row in rows for k in row))
    if not keys:
        return None
    return Table(tuple(_words(k) for k in keys), tuple(tuple(_cell(row.get(k)) for k in keys) for row in rows))


_KEYS: Final[dict[str, str]] = {
    "key": "Of", "n": "Records", "train_hits": "Hits, training", "train_n": "Tried, training",
    "control_hits": "Hits, control", "control_n": "Tried, control", "low": "Lower limit", "high": "Upper limit",
}


def _words(key: str) -> str:
    if key in _KEYS:
        return _KEYS[key]
    text = key.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _cell(value: Any) -> str:
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return numbers.count(value)
    if isinstance(value, float):
        return numbers.figure(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(k)} {_cell(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(v) for v in value)
    return str(value)


def _pair(interval: Sequence[float] | None) -> tuple[float, float] | None:
    return None if interval is None else (interval[0], interval[1])


def _plural(n: int, noun: str) -> str:
    return f"{numbers.count(n)} {noun}" + ("" if n == 1 else "s")


def _seed(seed: int | None) -> str:
    return "" if seed is None else str(seed)
