"""The attacks behind the three criteria: success on people who were used beside success on people who were not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabsynth.reports import numbers
from tabsynth.reports.cells import number
from tabsynth.reports.charts._grammar import dot, rows, series, whisker
from tabsynth.reports.charts._read import finding
from tabsynth.reports.charts.attacks import NAMES
from tabsynth.reports.charts.chart import Chart

FACTS = {"name": "criteria", "entry": "draw",
         "summary": "singling out, linkability, inference: success on training people and on others"}

ATTACKS: Final = ("P1a", "P1b", "P1c", "P1d", "P1e")
USED: Final = "People who were used"
OTHERS: Final = "People who were not"
GUESS: Final = "Without the rows"
SERIES: Final = (USED, OTHERS, GUESS)


def draw(document: Mapping[str, Any]) -> Iterator[Chart]:
    """A row for each attack whose rates a reader may see."""
    told = [row for row in (_row(finding(document, id)) for id in ATTACKS) if row is not None]
    if not told:
        return
    used, others, guess = (series(name, SERIES) for name in SERIES)
    spec = rows(told, [whisker("others", "used", by=used), dot("guess", by=guess, size=60),
                       dot("others", by=others), dot("used", by=used)],
                title="Attacks that succeeded", axis={"format": "~%"}, scale={"zero": True})
    widest = max(told, key=lambda row: row["used"] - row["others"])
    yield Chart(
        "criteria", "criteria", "Success on people who were used, and on people who were not", spec,
        f"Success rates of {len(told)} attacks. The widest gap: {widest['label']}, {widest['told']}. Where both rates "
        "are high, the rows teach about everybody, and not about those who were used.",
        ("Attack", "Strongest variant", USED, OTHERS, GUESS),
        tuple((row["label"], row["variant"], row["texts"][0], row["texts"][1], row["texts"][2]) for row in told))


def _row(attack: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if attack is None:
        return None
    rates = number(attack["details"], "train_rate"), number(attack, "control"), number(attack, "baseline")
    if rates[0] is None or rates[1] is None:
        return None
    texts = ["\N{EN DASH}" if rate is None else numbers.percent(rate) for rate in rates]
    return {"label": NAMES[attack["id"]], "used": rates[0], "others": rates[1], "guess": rates[2], "texts": texts,
            "variant": str(attack["details"].get("variant", "")), "shown": f"{texts[0]} against {texts[1]}",
            "told": f"{texts[0]} of people who were used, {texts[1]} of people who were not"}
