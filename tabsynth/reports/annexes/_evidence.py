"""What an annex may look at (the report of one class), and the words for what it finds there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from tabsynth.reports import numbers, wording
from tabsynth.reports.cells import number
from tabsynth.reports.context import LEARNED

State = Literal["answered", "no finding", "finding", "no hit", "hit", "for a person", "not run", "kept internal"]

KEPT: Final = "Kept in the internal report: it follows from real records."
_EFFECTS: Final = {"residual": "residual risk R", "difference": "excess over the control", "auc": "AUC"}
_VERDICTS: Final = {"finding": "A finding", "review": "To be reviewed", "no_finding": "No finding",
                    "insufficient_power": "Too few records to tell", "not_run": "Not run", "none": "Measured"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the report can say to a question. findings: ids that it rests on."""

    text: str
    state: State = "answered"
    findings: tuple[str, ...] = ()


class Evidence:
    """A report of one class, complete but for its annexes."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.data: Mapping[str, Any] = document["dataset"]
        self.findings = {f["id"]: f for f in document["findings"]}
        self.judgements = {j["finding_id"]: j for j in document["verdict"]["judgements"]}

    def judged(self, *ids: str, then: str = "") -> Answer:
        """What these findings say, each in a sentence, and what the policy makes of the worst of them.

        Args:
            then: a sentence that follows whatever was found.
        """
        made = self._made(ids)
        if not made:
            return self._without(then)
        return Answer(_joined((*map(self.sentence, made), then)), self._state(made), made)

    def summed_up(self, *ids: str, then: str = "") -> Answer:
        """The same in short: which of the findings the policy judges how. Their figures stand elsewhere."""
        made = self._made(ids)
        if not made:
            return self._without(then)
        verdicts = [self.judgements[i]["verdict"] if i in self.judgements else "none" for i in made]
        told = (f"{words}: {listed(i for i, verdict in zip(made, verdicts, strict=True) if verdict == name)}."
                for name, words in _VERDICTS.items() if name in verdicts)
        return Answer(_joined((*told, then)), self._state(made), made)

    def sentence(self, finding_id: str) -> str:
        """One finding: hits on people who were used and who were not, effect, interval, n, and the judgement."""
        f = self.findings[finding_id]
        name = f"{f['title']} ({finding_id}): "
        if f["value"] is None:
            return name + f"{f['band'] or f['reason']}".rstrip(".") + "." + self._verdict(finding_id)
        interval = None if f["interval"] is None else (f["interval"][0], f["interval"][1])
        effect = _EFFECTS.get(f["details"].get("statistic", ""), "")
        parts = [*self._rates(f), f"{effect} {numbers.figure(f['value'], interval)}".strip()
                 + (f" (95 % interval {numbers.span(interval)})" if interval else ""),
                 f"n = {numbers.count(f['n'])} {f['unit_of_n']}"]
        reason = f" {f['reason'][:1].upper()}{f['reason'][1:].rstrip('.')}." if f["reason"] else ""
        return name + "; ".join(parts) + "." + reason + self._verdict(finding_id)

    def stated(self, field: str, who: str) -> Answer:
        """What a person stated of the release, or a blank for `who`."""
        told = self.data[field]
        if not told:
            return blank(who)
        return Answer(told if isinstance(told, str) else "; ".join(told))

    def section(self, finding_id: str) -> str:
        """The section of a finding, or an empty text where this class does not show it."""
        return str(self.findings[finding_id]["section"]) if finding_id in self.findings else ""

    def columns(self, *roles: str) -> str:
        """Names of the columns of some roles, with commas, or "none"."""
        return listed(c["name"] for c in self.data["columns"] if not set(roles).isdisjoint(c["role"].split(", ")))

    @property
    def tables(self) -> str:
        """On how many real records the tables of this class of report rest."""
        return {"statement": "No table of real records stands in this report.",
                "internal": "This report is internal and does not leave: its tables may rest on fewer than 11 real "
                            "records."}.get(
            self.document["report_class"], "Tables of real records in this report rest on at least 11 of them.")

    @property
    def regenerated(self) -> str:
        """Names of the columns that hold new numbers or placeholders, or "none"."""
        return listed(c["name"] for c in self.data["columns"] if not c["treatment"].startswith(LEARNED))

    @property
    def guarantee(self) -> str:
        """The guarantee under which the release stands, or that there is none."""
        entry = self.document["privacy"]["ledger"]
        if entry is None:
            return str(self.document["privacy"]["notice"])
        return (f"{self.document['privacy']['notice']} Epsilon {entry['epsilon']}, delta {entry['delta']}; to date "
                f"epsilon {entry['total_epsilon']}, delta {entry['total_delta']}.")

    @property
    def verdict(self) -> Answer:
        """The policy's conclusion as this class words it."""
        made = self.document["verdict"]
        states: dict[str, State] = {"finding": "finding", "review": "for a person", "no_finding": "no finding"}
        return Answer(_joined((made["privacy"], made["formed_on_real_records"] or "")), states[made["outcome"]],
                      tuple(i for i in made["because"] if i in self.findings))

    def _made(self, ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(i for i in ids if i in self.findings)

    def _without(self, then: str) -> Answer:
        kept = self.document["report_class"] == "statement"
        return Answer(_joined((KEPT if kept else wording.NOT_PART, then)), "kept internal" if kept else "not run")

    def _rates(self, f: Mapping[str, Any]) -> list[str]:
        rate, control = number(f["details"], "train_rate"), f["control"]
        if rate is None or control is None:
            return []
        return [f"{numbers.percent(rate)} of those who were used and {numbers.percent(control)} of those who were not"]

    def _verdict(self, finding_id: str) -> str:
        made = self.judgements.get(finding_id)
        if made is None:
            return ""
        limit = "" if made["limit"] is None else f", limit {numbers.short(made['limit'])}"
        return f" {_VERDICTS[made['verdict']]} under profile {self.document['verdict']['policy']}{limit}."

    def _state(self, ids: Sequence[str]) -> State:
        verdicts = {self.judgements[i]["verdict"] for i in ids if i in self.judgements}
        if "finding" in verdicts:
            return "finding"
        if all(self.findings[i]["state"] == "not_run" for i in ids):
            return "not run"
        return "no finding" if verdicts == {"no_finding"} else "for a person"


def blank(who: str) -> Answer:
    """A line that `who` fills in."""
    return Answer(f"To be filled in by {who}.", "for a person")


def listed(names: Iterable[str]) -> str:
    """Names with commas, or "none"."""
    return ", ".join(names) or "none"


def _joined(sentences: Iterable[str]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
