"""Write the example releases: real releases of the bundled table, for readers who run nothing.

Usage: python scripts/build_example_report.py [FOLDER]      (default: reports/)

example-seqforest/   tabsynth release demo:rand_hie --no-dp --model seqforest --seed 1
example-marginal/    tabsynth release demo:rand_hie --epsilon 1 --model marginal --seed 1
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import tabsynth
from tabsynth.core.errors import SourceError

ROOT: Final = Path(__file__).resolve().parent.parent
TABLE: Final = "demo:rand_hie"
RELEASES: Final[dict[str, dict[str, Any]]] = {
    "example-seqforest": {"no_dp": True, "model": "seqforest"},
    "example-marginal": {"epsilon": 1, "model": "marginal"},
}
"""Folder -> how the release differs from the other."""


def main(folder: Path) -> None:
    if not folder.is_dir():
        raise SourceError(f"folder {folder} does not exist.")
    for name, options in RELEASES.items():
        with tempfile.TemporaryDirectory() as books:  # ledger and log of an example are nobody's
            own = {} if "no_dp" in options else {"ledger": Path(books) / "ledger"}
            done = tabsynth.release(TABLE, folder / name, seed=1, log=Path(books) / "log", force=True, **options, **own)
        print(f"wrote {folder / name}: {done.outcome}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "reports")
