"""Every comparison that an attack tried, as evidence: success on people who were used against people who were not.

An attack reports its comparisons as rows of the finding's breakdown (`counted`, `ranked`), that with the strongest
evidence as the finding itself (`attack_finding`). A policy reads the rows back as `Variant`s and corrects for how many
there were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from scipy import stats

from tabsynth.core.finding import Finding, Section
from tabsynth.evaluation.intervals import Z95, Interval, excess_p, newcombe, residual_interval, residual_risk

Statistic = Literal["difference", "residual", "auc"]
"""What an excess is measured by: rate minus control rate; (rate - control) / (1 - control); area under the ROC."""

EVIDENCE: Final = 0.01
"""One-sided level of a Holm-adjusted lower limit above the null: at most one run in a hundred accuses a table that took
nothing from anybody (`make audit-evaluation` counts them)."""
CHANCE: Final = 0.5
"""The AUC of guessing."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One comparison that a measure tried.

    Args:
        counts: train hits, train n, control hits, control n ("difference", "residual"); for "auc" the hits are 0.
        auc, error: area and its standard error ("auc" only).
        supplementary: can prove an excess; that it is too small to exclude one asks for no review.
    """

    finding_id: str
    key: str
    statistic: Statistic
    counts: tuple[int, int, int, int]
    auc: float = CHANCE
    error: float = 0.0
    supplementary: bool = False

    @property
    def value(self) -> float:
        """The statistic, in the reader's units."""
        if self.statistic == "auc":
            return self.auc
        return (residual_risk if self.statistic == "residual" else _difference)(*self.counts)

    @property
    def p(self) -> float:
        """One-sided p of "no excess"."""
        if self.statistic == "auc":
            return float(stats.norm.sf((self.auc - CHANCE) / max(self.error, 1e-12)))
        return excess_p(*self.counts)

    def interval(self, z: float = Z95) -> Interval:
        """Two-sided interval at `z` normal quantiles; contains `value`."""
        if self.statistic == "auc":
            return max(0.0, self.auc - z * self.error), min(1.0, self.auc + z * self.error)
        return (residual_interval if self.statistic == "residual" else newcombe)(*self.counts, z)

    def lower(self, alpha: float) -> float:
        """One-sided lower limit at level `alpha`."""
        return self.interval(float(stats.norm.isf(alpha)))[0]


def counted(key: str, train: tuple[int, int], control: tuple[int, int], *, statistic: Statistic = "difference",
            supplementary: bool = False, **more: Any) -> dict[str, Any]:
    """A breakdown row of (hits, tries) on people who were used and on people who were not.

    Args:
        key: names the variant; column names at most, never a value.
        more: further JSON values of the row, such as the baseline rate.
    """
    (hits, n), (control_hits, control_n) = ((int(a), int(b)) for a, b in (train, control))
    variant = Variant("", key, statistic, (hits, n, control_hits, control_n))
    low, high = variant.interval()
    return _marked({"key": key, "value": variant.value, "low": low, "high": high, "n": n, "train_hits": hits,
                    "train_n": n, "control_hits": control_hits, "control_n": control_n}, statistic, supplementary, more)


def ranked(key: str, auc: float, error: float, n_members: int, n_controls: int, *, supplementary: bool = False,
           **more: Any) -> dict[str, Any]:
    """A breakdown row of an attack that ranks people: AUC of those who were used against those who were not.

    Args:
        error: standard error of the AUC (DeLong, by person).
        n_members, n_controls: people behind it.
    """
    low, high = Variant("", key, "auc", (0, n_members, 0, n_controls), auc, error).interval()
    return _marked({"key": key, "value": auc, "low": low, "high": high, "n": n_members, "error": error,
                    "train_n": n_members, "control_n": n_controls}, "auc", supplementary, more)


def attack_finding(finding_id: str, title: str, rows: Sequence[Mapping[str, Any]], *, method: str,
                   unit_of_n: str = "attacks", section: Section = "privacy", few: str | None = None,
                   details: Mapping[str, Any] | None = None, **fields: Any) -> Finding:
    """The finding of an attack: headline = the variant with the strongest evidence, all of them in the breakdown.

    The strongest evidence is the highest lower limit of a 95 % interval, of variants that are not supplementary if
    there are such.

    Args:
        rows: of `counted` or `ranked`, at least one.
        few: why there are too few records to tell, or None.
        fields: further fields of the finding, such as `ceiling`. Control and baseline are the headline's.
    """
    told = sorted(rows, key=lambda row: (bool(row.get("supplementary")), -row["low"], -row["value"]))
    worst = told[0]
    reference: dict[str, Any] = {"control": CHANCE} if "train_hits" not in worst else {
        "control": worst["control_hits"] / worst["control_n"], "baseline": worst.get("baseline")}
    return Finding(
        finding_id, title, section, worst["value"], "lower is safer", n=worst["n"], unit_of_n=unit_of_n,
        interval=(worst["low"], worst["high"]), method=method, breakdown=tuple(dict(row) for row in told),
        state="ok" if few is None else "insufficient_power", reason=few,
        details={"variant": worst["key"], "statistic": worst.get("statistic", "difference"), "variants": len(told),
                 **_rate(worst), **(details or {})},
        **{**reference, **fields})


def variants_of(finding: Finding) -> list[Variant]:
    """The comparisons in a finding's breakdown that have a control and at least one trial on each side."""
    return [_variant(finding.id, row) for row in finding.breakdown if row.get("train_n") and row.get("control_n")]


def _variant(finding_id: str, row: Mapping[str, Any]) -> Variant:
    statistic = row.get("statistic", "difference")
    if statistic not in get_args(Statistic):
        raise ValueError(f"unknown statistic {statistic!r}")
    counts = (int(row.get("train_hits", 0)), int(row["train_n"]), int(row.get("control_hits", 0)),
              int(row["control_n"]))
    area, error = (float(row["value"]), float(row["error"])) if statistic == "auc" else (CHANCE, 0.0)
    return Variant(finding_id, str(row["key"]), statistic, counts, area, error, bool(row.get("supplementary")))


def _marked(row: dict[str, Any], statistic: Statistic, supplementary: bool, more: Mapping[str, Any]) -> dict[str, Any]:
    """The row with what a reader of most rows need not see."""
    marks = {"statistic": statistic} if statistic != "difference" else {}
    return {**row, **marks, **({"supplementary": True} if supplementary else {}), **more}


def _rate(row: Mapping[str, Any]) -> dict[str, float]:
    return {"train_rate": row["train_hits"] / row["train_n"]} if "train_hits" in row else {}


def _difference(hits_a: int, n_a: int, hits_c: int, n_c: int) -> float:
    return hits_a / n_a - hits_c / n_c
