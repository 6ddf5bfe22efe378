"""What a person states of a release: purpose, recipient, legal basis. Written by hand, printed as it stands.

Nothing is looked up or made up for a field that is left out: the report shows a blank and says who fills it in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tabsynth.core import yaml_text
from tabsynth.core.errors import SourceError, UsageError
from tabsynth.reports import guidance
from tabsynth.reports.model import IsoDate, Part, Text


class Stated(Part):
    """The file that ``--context`` names.

    data_sources: what else the recipient may reach. owner: who answers for the risk that remains.
    """

    purpose: Text | None = None
    recipient: Text | None = None
    legal_basis: Text | None = None
    data_sources: list[Text] | None = None
    owner: Text | None = None
    review_date: IsoDate | None = None


def stated(context: Path | None, packs: str | None) -> dict[str, Any]:
    """What a person says of a report beforehand, as fields of a ``ReportContext``; what is not said is not in it.

    Args:
        context: see `load_stated`.
        packs: names of guidance packs with commas.

    Raises:
        UsageError: one of them is no pack; lists those there are. As `load_stated`.
    """
    told = {} if context is None else dict(load_stated(context))
    if packs is not None:
        told["guidance"] = guidance.chosen([name.strip() for name in packs.split(",") if name.strip()])
    return told


def load_stated(path: Path) -> Mapping[str, Any]:
    """The stated fields of a YAML file, as fields of a ``ReportContext``; those that are left out are not in it.

    Raises:
        SourceError: no such file, or no text. UsageError: a field that is unknown or not of its form (named).
        SchemaError: not YAML.
    """
    if not path.is_file():
        raise SourceError(f"context file {path} does not exist.", fix="Check the path.")
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"context file {path.name} cannot be read as UTF-8 text.") from error
    try:
        told = Stated.model_validate(yaml_text.load(text, path.name) or {}).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"context file {path.name}: {place}: {first['msg']}.",
                         fix=f"Fields are: {', '.join(Stated.model_fields)}.") from None
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
