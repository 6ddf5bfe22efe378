"""What a release is held against: a profile that comes with tabsynth, or a file of one's own in the same form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from tabsynth.core import yaml_text
from tabsynth.core.errors import SchemaError, SourceError, UsageError
from tabsynth.evaluation.disclosure import MIN_CELL
from tabsynth.evaluation.gates import Bound, Limited, MeasuredId, Requirement, unknown_finding

FOLDER: Final = Path(__file__).parent / "policies"
DEFAULT: Final = "controlled"

Rule = Literal["excess", "leak", "residual", "auc", "amplification", "control"]
"""excess: rate minus control rate. leak: the same, and besides any value that one training person alone holds.
residual: (rate - control) / (1 - control). auc: area under the ROC of members against non-members; the limit is an
area. amplification: broken rows of S against those of T. control: AUC of T against H.
"""


class Limit(BaseModel):
    """One threshold. `rule` says how the finding is held against it, `source` where the number comes from.

    `on_leak`: what a single value of a training person that came out again makes of the finding (rule "leak").
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    finding: MeasuredId
    rule: Rule
    limit: float
    source: str
    mandatory: bool = True
    on_leak: Literal["finding", "review"] = "finding"


class Policy(BaseModel):
    """A release profile: limits on attacks and validity, requirements and bounds (see ``gates``), the smallest cell
    that may be shown, what a review does to a release, and which report may go with it.

    based_on: the profile whose limits, and whatever else the file leaves out, hold here too.
    report_class: of the report in ``share/`` where figures from real rows may leave the house at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str
    on_review: Literal["accept", "refuse"]
    min_cell: int
    min_cell_source: str
    limits: tuple[Limit, ...]
    based_on: str | None = None
    requirements: tuple[Requirement, ...] = ()
    bounds: tuple[Bound, ...] = ()
    report_class: Literal["recipient", "public"] = "recipient"
    report_class_source: str = ""

    @field_validator("min_cell")
    @classmethod
    def _as_reports_do(cls, value: int) -> int:
        if value != MIN_CELL:
            raise ValueError(f"reports suppress cells below {MIN_CELL}, and no policy changes that")
        return value

    @model_validator(mode="after")
    def _with_its_source(self) -> Self:
        if self.report_class != "recipient" and not self.report_class_source:
            raise ValueError("report_class needs a report_class_source")
        return self


def policy_names() -> list[str]:
    """The profiles that come with tabsynth, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_policy(name_or_path: str | Path = DEFAULT) -> Policy:
    """A profile by name, or a file of one's own in the same form.

    Raises:
        UsageError: no such profile, or a field that is missing, unknown or of the wrong type (named).
        SourceError: no such file.
    """
    given = str(name_or_path)
    if given in policy_names():
        path = FOLDER / f"{given}.yaml"
    elif given.endswith((".yaml", ".yml")):
        path = Path(given)
    else:
        raise UsageError(f"there is no policy called {given!r}; there are: {', '.join(policy_names())}.",
                         fix="A file of your own is given by its path, ending in .yaml.")
    content = _read(path)
    try:
        return Policy.model_validate(_on_its_base(content, path.name))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        shape = first["msg"].removeprefix("Value error, ").rstrip(".")
        if first["type"] == "extra_forbidden":
            shape = f"there is no such field; there are: {', '.join(_fields_beside(first['loc']))}"
        raise UsageError(f"policy file {path.name}: {place}: {shape}.",
                         fix="`tabsynth policy controlled` shows a profile.") from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SourceError(f"policy file {path} does not exist.", fix="Check the path.")
    try:
        content = yaml_text.load(path.read_text("utf-8"), path.name)
    except UnicodeDecodeError as error:
        raise UsageError(f"policy file {path.name} is not valid YAML: it is no UTF-8 text.") from error
    except SchemaError as error:
        raise UsageError(f"policy file {path.name} is not valid YAML: {error.message}") from error
    if not isinstance(content, dict):
        raise UsageError(f"policy file {path.name} has no fields; it begins with name: and based_on: or limits:.")
    return content


def _on_its_base(content: dict[str, Any], file: str) -> dict[str, Any]:
    """The file's fields over those of the profile that it is based on; a limit on a finding replaces the profile's."""
    base = content.get("based_on")
    if base is None:
        return content
    if base not in policy_names():
        raise UsageError(f"policy file {file}: based_on: there is no profile {base!r}; there are: "
                         f"{', '.join(policy_names())}.")
    below, own = _read(FOLDER / f"{base}.yaml"), content.get("limits", [])
    if isinstance(own, list):
        replaced = [limit.get("finding") for limit in own if isinstance(limit, dict)]
        own = [*own, *(limit for limit in below["limits"] if limit["finding"] not in replaced)]
    return {**below, **content, "limits": own}


def _fields_beside(place: tuple[int | str, ...]) -> list[str]:
    """The fields of the part of a policy in which `place` is one too many."""
    parts: dict[str, type[BaseModel]] = {"limits": Limit, "requirements": Requirement, "bounds": Bound}
    return sorted(parts.get(str(place[0]), Policy).model_fields)


def told(policy: Policy) -> Iterator[tuple[str, str]]:
    """(name, sentence) of everything that a policy asks for, with its source."""
    yield policy.name, policy.summary + (f"; based on {policy.based_on}" if policy.based_on else "")
    yield "on review", "a person looks, and the release is written" if policy.on_review == "accept" else "refused"
    yield "min_cell", f"{policy.min_cell} people ({policy.min_cell_source})"
    with_source = f" ({policy.report_class_source})" if policy.report_class_source else ""
    yield "report_class", policy.report_class + with_source
    for required in policy.requirements:
        yield required.fact, f"{_asked(required, 'required')} ({required.source})"
    for bound in policy.bounds:
        of = "" if bound.of == "value" else f"{bound.of} "
        yield bound.finding, f"{of}{_asked(bound, 'measured')} ({bound.source})"
    for limit in policy.limits:
        optional = "" if limit.mandatory else "; may be missing"
        yield limit.finding, f"{limit.rule}, limit {limit.limit:g}{optional} ({limit.source})"


def _asked(limited: Limited, otherwise: str) -> str:
    return otherwise if limited.limit is None else f"{limited.asked} {limited.limit:.10g}"


def own_bounds(under: Mapping[str, float], over: Mapping[str, float]) -> tuple[Bound, ...]:
    """Limits of the command line, as in ``--fail-under kway.2=0.9``, by finding id.

    Raises:
        UsageError: no finding has this id; lists those there are.
    """
    for name in (*under, *over):
        if (problem := unknown_finding(name)) is not None:
            raise UsageError(f"{problem}.")
    return (*(Bound(finding=name, at_least=limit, source="--fail-under") for name, limit in under.items()),
            *(Bound(finding=name, at_most=limit, source="--fail-over") for name, limit in over.items()))
