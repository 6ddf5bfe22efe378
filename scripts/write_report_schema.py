"""Write tabsynth/reports/evaluation-1.schema.json from the document's model. A test holds the two together."""

from __future__ import annotations

import json
from pathlib import Path

from tabsynth.reports import model

TARGET = Path(model.__file__).with_name("evaluation-1.schema.json")

if __name__ == "__main__":
    TARGET.write_text(json.dumps(model.json_schema(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(f"wrote {TARGET}")
