"""The results of ``bench_tabular.py`` as Markdown: a table for each data set, one for scale, hardware and versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

Record = dict[str, Any]

HEAD = """# Generators of tables without a guarantee, side by side

`make bench-tabular` (`scripts/bench_tabular.py` says how everything is measured). Rows are generators, the first the
ceiling: real rows in the place of synthetic ones. Figures are means over fits with different seeds, ± their standard
deviation.

- **1-, 2-, 3-way**: 1 - total variation distance of marginals from the holdout, 1 is best; in brackets the distance
  over that of the ceiling.
- **detection**: AUC of telling synthetic rows from holdout rows, .5 is best. **TSTR loss**: AUC on the holdout of a
  classifier fitted to real rows, less that of one fitted to as many synthetic rows. **DCR**: share of synthetic rows
  nearer to a training row than to a holdout row, .5 is best.
- **copies**: synthetic rows that equal a training row over those that equal a holdout row, samples of one size; 1 is
  natural. In brackets the first share. The ceiling's row shows nature: the share of training rows that equal a holdout
  row.
- **C2ST vs train**: the literature's score, XGBoost against the TRAINING table, 1 is best. It rewards copying: a copier
  gets 1. Read it beside the copies.
- **fit s**, **rows/s**: CPU seconds of one thread; ours with start, reading and writing, the others' without. **MB**:
  peak memory.
"""
WAYS = {"1-way": "marg1_10", "2-way": "marg2", "3-way": "marg3"}
QUALITY = {"detection": 3, "TSTR loss": 4, "DCR": 3}
COST = {"C2ST vs train": 3, "fit s": 1, "rows/s": 0, "MB": 0}
"""Columns before and after the copies, with their decimals."""
SECONDS_TOO_FEW = 0.05
"""Below this a difference of CPU seconds says nothing about a rate."""


def read(path: Path) -> list[Record]:
    """The lines of a results file; none if there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def document(records: Sequence[Record]) -> str:
    """The whole page."""
    tabular = [r for r in records if r["bench"] == "tabular"]
    scale = [r for r in records if r["bench"] == "scale"]
    parts = [HEAD]
    parts += [f"## {data}\n\n{data_set([r for r in tabular if r['data'] == data])}" for data in unique(tabular, "data")]
    if scale:
        parts.append("## Scale\n\n" + scale_table(scale))
    parts.append("## Hardware and versions\n\n" + "\n".join(versions(records)) + "\n")
    return "\n".join(parts)


def data_set(records: Sequence[Record]) -> str:
    """One row for each generator; one that never ran says why."""
    ran = [r for r in records if "failed" not in r]
    ceiling = [r for r in ran if r["model"] == "ceiling"]
    looks = list(ran[0]["copies"]) if ran else []
    header = ["generator", *WAYS, *QUALITY, *(f"copies, {look}" for look in looks), *COST]
    rows = []
    for model in unique(records, "model"):
        of_model = [r for r in ran if r["model"] == model]
        if of_model:
            rows.append([model, *cells(of_model, ceiling, looks)])
        else:
            failed = next(r["failed"] for r in records if r["model"] == model)
            rows.append([model, f"failed: {failed}".replace("|", "/"), *[""] * (len(header) - 2)])
    return markdown(header, rows)


def cells(runs: Sequence[Record], ceiling: Sequence[Record], looks: Iterable[str]) -> list[str]:
    """Everything in the row of one generator but its name."""
    found = [figures(r) for r in runs]

    def shown(columns: dict[str, int]) -> list[str]:
        return [spread([f[name] for f in found], digits) for name, digits in columns.items()]
    return [*(way(runs, ceiling, key) for key in WAYS.values()), *shown(QUALITY),
            *(copied([r["copies"][look] for r in runs]) for look in looks), *shown(COST)]


def figures(run: Record) -> dict[str, float | None]:
    """The columns of QUALITY and COST of one run; None: not measured."""
    sampling = run.get("sample_cpu_s", 0)
    return {"detection": run["det_hgb_auc"], "TSTR loss": run["trtr_auc"] - run["tstr_auc"], "DCR": run["dcr_share"],
            "C2ST vs train": run["c2st_train"]["score"] if run["c2st_train"] else None, "fit s": run.get("fit_cpu_s"),
            "rows/s": run["sample_rows"] / sampling if sampling >= SECONDS_TOO_FEW else None, "MB": run.get("peak_mb")}


def way(runs: Sequence[Record], ceiling: Sequence[Record], key: str) -> str:
    """Accuracy of marginals, and their distance over the ceiling's."""
    far, best = (1 - fmean(r[key] for r in some) if some else 0 for some in (runs, ceiling))
    return spread([r[key] for r in runs], 4) + (f" ({far / best:.2f})" if best else "")


def copied(rates: Sequence[Record]) -> str:
    """Copy ratio and share of copies; nature's share for the ceiling."""
    if "train" not in rates[0]:
        return f"nature {rates[0]['nature']:.4f}"
    return f"{spread([r['ratio'] for r in rates], 2)} ({fmean(r['train'] for r in rates):.4f})"


def spread(values: Iterable[float | None], digits: int) -> str:
    """Mean ± standard deviation of what was measured.

    >>> spread([0.5, 0.5, 0.8], 2), spread([1234.5, None], 0), spread([None], 3)
    ('0.60 ±0.17', '1,234', '–')
    """
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    middle = f"{fmean(known):,.{digits}f}"
    return f"{middle} ±{stdev(known):,.{digits}f}" if len(known) > 1 else middle


def scale_table(records: Sequence[Record]) -> str:
    """One row for each measurement, the last of its name; MB of all processes together."""
    last = {r["which"]: r for r in records}
    rows = [[which, f"{r['wall_s']:.1f}", f"{r['cpu_s']:.1f}", f"{r['together_mb']:,}", r.get("note", "")]
            for which, r in last.items()]
    return markdown(["what", "wall s", "CPU s", "MB", ""], rows)


def versions(records: Sequence[Record]) -> list[str]:
    """One line for each environment that a figure comes from, one for the generators' own versions."""
    lines = []
    for r in records:
        if r["bench"] == "environment":
            packages = ", ".join(f"{k} {v}" for k, v in r.items() if k not in ("bench", "which", "cpu", "cores"))
            lines.append(f"- {r['cpu']}, {r['cores']} cores, one thread a generator; {packages}.")
    peers = {r["model"]: f"{r['model']} {r['version']} ({plainly(r['settings'])})"
             for r in records if r["bench"] == "tabular" and "settings" in r}
    xgboost = {f"xgboost {r['c2st_train']['xgboost']}" for r in records if r.get("c2st_train")}
    lines += [f"- {', '.join([*peers.values(), *sorted(xgboost)])}."] if peers or xgboost else []
    return list(dict.fromkeys(lines))


def plainly(settings: Any) -> str:
    return "default settings" if settings == "default" else ", ".join(f"{k} {v}" for k, v in settings.items())


def unique(records: Iterable[Record], key: str) -> list[str]:
    """Values of a key in the order of their first appearance."""
    return list(dict.fromkeys(r[key] for r in records))


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
