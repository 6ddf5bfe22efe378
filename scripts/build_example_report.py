"""Write the example reports: real releases of the bundled table, for readers who run nothing.

Usage: python scripts/build_example_report.py [FOLDER]      (default: reports/)

example.html, .json           share report of: tabsynth release demo:rand_hie --no-dp --model copula --seed 1
example-private.html, .json   share report of: tabsynth release demo:rand_hie --epsilon 1 --seed 1
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import tabsynth
from tabsynth.core.errors import SourceError
from tabsynth.reports import document
from tabsynth.reports.renderers import html

ROOT: Final = Path(__file__).resolve().parent.parent
TABLE: Final = "demo:rand_hie"
RELEASES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "example": ("recipient", {"no_dp": True, "model": "copula"}),
    "example-private": ("statement", {"epsilon": 1}),
}
"""File stem -> class of readers, and how the release differs from the other."""


def build(report_class: str, options: dict[str, Any]) -> dict[str, Any]:
    """The report of a release, as `share/` holds it; also where the policy would refuse to share it."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = {} if "no_dp" in options else {"ledger": Path(folder) / "ledger"}
        done = tabsynth.release(TABLE, Path(folder) / "release", seed=1, log=Path(folder) / "log", **options, **ledger)
        internal = json.loads((done.folder / "internal" / "report.json").read_text("utf-8"))
    return document.narrow(internal, report_class)  # type: ignore[arg-type]


def main(folder: Path) -> None:
    if not folder.is_dir():
        raise SourceError(f"folder {folder} does not exist.")
    for stem, (report_class, options) in RELEASES.items():
        made = build(report_class, options)
        (folder / f"{stem}.json").write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", "utf-8")
        (folder / f"{stem}.html").write_text(html.render(made), "utf-8")
        print(f"wrote {folder / stem}.json and .html: {made['outcome']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "reports")
