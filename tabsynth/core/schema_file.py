"""The schema at the file boundary: YAML or JSON, checked by pydantic, errors with the path of the field.

The fields are those of the dataclasses in ``core.schema``: they are read from there, so file and type cannot
drift apart. pydantic and yaml are imported when a file is read, not with this module.
"""

from __future__ import annotations

import difflib
import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

from tabsynth.core import clock, code_lists, duration, notation
from tabsynth.core.errors import SchemaError, SourceError
from tabsynth.core.schema import NUMERIC, OPENABLE, Column, Dialect, Evaluation, Population, Schema

_PARTS: Final = (("population", Population), ("evaluation", Evaluation), ("dialect", Dialect))
_TEXT_LISTS: Final = ("levels", "missing")
_SINGLE_TEXTS: Final = ("name", "format", "pattern", "description", "source", "unit_of_measure")
_TEMPORAL: Final = ("date", "datetime", "time")


def load_schema(path: str | Path) -> Schema:
    """Read ``schema.yaml`` or ``.json`` (safe loader, no aliases).

    Raises:
        SchemaError: names the field and what is allowed there. SourceError: no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"schema file {path} does not exist.", fix="Check the path.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceError(f"schema file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"schema file {path} is not UTF-8 text.", fix="Save it as UTF-8.") from error
    return _schema(_parse(text, path), path.name)


def dump_schema(schema: Schema) -> str:
    """The schema as YAML that a person edits: only fields that are set, columns in file order."""
    from tabsynth.core import yaml_text

    return yaml_text.dump(schema_to_json(schema))


def schema_from_json(data: dict[str, Any]) -> Schema:
    """The schema of JSON values, checked like a file.

    Raises:
        SchemaError: names the field and what is allowed there.
    """
    return _schema(data, "schema")


def schema_to_json(schema: Schema) -> dict[str, Any]:
    """JSON values; ``schema_from_json`` gives an equal schema."""
    data = {key: value for key, value in _set_fields(schema).items() if key != "columns"}
    data["columns"] = [_set_fields(column) for column in schema.columns]
    plain: dict[str, Any] = json.loads(json.dumps(data, ensure_ascii=False))
    return plain


def _set_fields(thing: Any) -> dict[str, Any]:
    """The fields that differ from their default, nested dataclasses likewise."""
    out: dict[str, Any] = {}
    for field in fields(thing):
        value = getattr(thing, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default or type(value) is not type(default):
            nested = hasattr(value, "__dataclass_fields__")
            out[field.name] = (_set_fields(value) or _first_field(value)) if nested else value
    return out


def _first_field(thing: Any) -> dict[str, Any]:
    """One field, so that a part that holds only defaults is not lost."""
    name = fields(thing)[0].name
    return {name: getattr(thing, name)}


def _parse(text: str, path: Path) -> Any:
    if path.suffix.lower() == ".json":
        try:
            return json.loads(text, object_pairs_hook=_no_duplicates)
        except (ValueError, RecursionError) as error:
            raise SchemaError(f"{path.name} is not valid JSON: {error}.") from error
    from tabsynth.core import yaml_text

    return yaml_text.load(text, path.name)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the key {twice!r} is written twice")
    return dict(pairs)


# --- from plain values to a Schema ---------------------------------------------------------------------------


def _schema(data: Any, source: str) -> Schema:
    if not isinstance(data, dict) or not isinstance(data.get("columns"), list):
        raise SchemaError(f"{source} must be a mapping with a list called 'columns'.",
                          fix="Write one with: tabsynth inspect TABLE -o schema.yaml")
    top = {key: value for key, value in data.items() if key != "columns"}
    values = _validate(Schema, top, source, ())
    for name, cls in _PARTS:
        if values.get(name) is not None:
            values[name] = cls(**_validate(cls, values[name], source, (name,)))
    columns = [_column(item, i, source) for i, item in enumerate(data["columns"])]
    try:
        return Schema(columns=tuple(columns), **values)
    except SchemaError as error:
        raise SchemaError(f"{source}: {error.message}", fix=error.fix) from error


def _column(item: Any, index: int, source: str) -> Column:
    where: tuple[str, ...] = (f"columns[{index}]",)
    if isinstance(item, dict):
        if isinstance(item.get("name"), str):
            where = (f"column {item['name']!r}",)
        item = dict(_as_texts(item, source, where))
    column = Column(**_validate(Column, item, source, where))
    for field, problem in _problems(column):
        raise SchemaError(f"{source}: {' → '.join((*where, field))}: {problem}")
    return column


def _as_texts(item: Mapping[str, Any], source: str, where: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Bare numbers where text belongs become the text that was written; a bare yes or no has lost its spelling."""
    for key, value in item.items():
        if key in _SINGLE_TEXTS:
            yield key, _text(value, source, (*where, key)) if value is not None else None
        elif key in _TEXT_LISTS and isinstance(value, list | tuple):
            yield key, [_text(v, source, (*where, f"{key}[{i}]")) for i, v in enumerate(value)]
        else:
            yield key, value


def _text(value: Any, source: str, where: tuple[str, ...]) -> Any:
    if isinstance(value, bool) or value is None:
        shown = "an empty value or null" if value is None else f"a bare {'yes/true' if value else 'no/false'}"
        raise SchemaError(f"{source}: {' → '.join(where)}: YAML reads {shown} here, which is not text.",
                          fix='Put it in quotes, such as "yes", "NO" or "null".')
    if isinstance(value, int | float):
        return getattr(value, "written", None) or str(value)
    return value


def _validate(cls: type, data: Any, source: str, where: tuple[str, ...]) -> dict[str, Any]:
    """Check a mapping against a dataclass's fields; returns the fields that were given."""
    import pydantic

    try:
        # JSON mode: lists may stand for tuples, everything else is strict.
        model = _model(cls).model_validate_json(json.dumps(data, default=str))
    except pydantic.ValidationError as error:
        problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")  # a typo explains the rest
        raise SchemaError(_explain(problems[0], cls, source, where)) from error
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{source}: {' → '.join(where) or 'the file'} cannot be read as plain values.") from error
    return {name: getattr(model, name) for name in model.model_fields_set}


@cache
def _model(cls: type) -> Any:
    import pydantic

    hints = typing.get_type_hints(cls)
    skip = {"columns"} if cls is Schema else set()
    hints |= {name: dict[str, Any] | None for name, _ in _PARTS if cls is Schema}
    hints |= {name: tuple[dict[str, Any], ...] for name in ("rules", "analyses") if name in hints}
    members: dict[str, Any] = {}
    for field in fields(cls):
        if field.name not in skip:
            required = field.default is MISSING and field.default_factory is MISSING
            members[field.name] = (hints[field.name], ... if required else None)
    config = pydantic.ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return pydantic.create_model(cls.__name__, __config__=config, **members)


def _explain(error: Mapping[str, Any], cls: type, source: str, where: tuple[str, ...]) -> str:
    path = [*where, *(f"[{p}]" if isinstance(p, int) else str(p) for p in error["loc"])]
    known = [f.name for f in fields(cls)]
    if error["type"] == "extra_forbidden":
        name = str(error["loc"][-1])
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        here = " → ".join(where) or "the file"
        return f"{source}: {here} has no field {name!r}; fields are: {', '.join(known)}.{hint}"
    if error["type"] == "missing":
        return f"{source}: {' → '.join(path[:-1])}: the field {path[-1]!r} is missing."
    return f"{source}: {' → '.join(path) or 'the file'}: {error['msg'][:1].lower()}{error['msg'][1:]}."


# --- what a single column must keep --------------------------------------------------------------------------


def _problems(column: Column) -> Iterator[tuple[str, str]]:
    """Every contradiction inside one column as (field, sentence)."""
    yield from _numeric_problems(column)
    yield from _list_problems(column)
    yield from _text_problems(column)


def _numeric_problems(column: Column) -> Iterator[tuple[str, str]]:
    given = {"bounds": column.bounds is not None, "special": bool(column.special), "step": column.step is not None}
    for field, is_given in given.items():
        if is_given and column.kind not in NUMERIC:
            yield field, f"a {column.kind} has no {field}; only {', '.join(sorted(NUMERIC))} have."
    if column.decimals is not None and (column.kind != "number" or not 0 <= column.decimals <= 15):
        yield "decimals", "only a number has decimals, from 0 to 15."
    if column.step is not None and column.step <= 0:
        yield "step", "must be above 0."
    if column.scale == "log" and column.kind not in ("number", "integer", "timedelta"):
        yield "scale", "only number, integer and timedelta can be on a log scale."
    try:
        edges = notation.bounds(column) if column.bounds is not None else None
        if column.scale == "log" and edges is not None and edges[0] < 0:
            yield "bounds", "must not be negative on a log scale."
    except SchemaError as error:
        yield "bounds", error.message
    for i, value in enumerate(column.special):
        if column.kind in ("integer", "date") and value != int(value):
            yield f"special[{i}]", "must be a whole number."


def _list_problems(column: Column) -> Iterator[tuple[str, str]]:
    levels = column.levels
    if levels is not None and column.kind not in ("category", "boolean"):
        yield "levels", f"a {column.kind} has no levels; only category and boolean have."
    if levels is not None and len(set(levels)) < len(levels):
        twice = next(level for level in levels if levels.count(level) > 1)
        yield "levels", f"{twice!r} is listed twice."
    if levels is not None and column.kind == "boolean" and len(levels) != 2:
        yield "levels", "a boolean has exactly two: how false is written, then how true is written."
    if levels is not None and not levels:
        yield "levels", "must not be empty."
    if levels and (both := [token for token in column.missing if token in levels]):
        yield "missing", f"{both[0]!r} is also listed in levels; it can be only one of the two."
    if column.code_list is not None:
        if column.kind != "category":
            yield "code_list", "only a category has a code list."
        if column.code_list not in code_lists.names():
            yield "code_list", f"there is no list {column.code_list!r}; lists are: {', '.join(code_lists.names())}."
        if levels is not None:
            yield "code_list", "give either levels or code_list, not both."
    if column.open and column.kind not in OPENABLE:
        yield "open", f"a {column.kind} cannot be open; only {', '.join(sorted(OPENABLE))} can."
    if column.open and column.bounds is not None:
        yield "open", "give either bounds or open: true, not both."


def _text_problems(column: Column) -> Iterator[tuple[str, str]]:
    if column.pattern is not None and column.kind != "id":
        yield "pattern", "only an id has a pattern."
    if column.timezone is not None and column.kind != "datetime":
        yield "timezone", "only a datetime has a time zone."
    if len(set(column.missing)) < len(column.missing):
        yield "missing", "a token is listed twice."
    if column.timezone is not None:
        yield from _raised("timezone", clock.zone, column.timezone)
    if column.format is None:
        return
    if column.kind in _TEMPORAL:
        yield from _raised("format", clock.alternatives, column.format)
    elif column.kind == "timedelta" and column.format not in duration.FORMATS:
        yield "format", f"a timedelta's format is one of: {', '.join(duration.FORMATS)}."
    elif column.kind == "boolean" and not _is_pair(column.format.split("|")):
        yield "format", "a boolean's format is how false and true are written, such as 'no|yes'."
    elif column.kind == "number" and not re.fullmatch(r"repr|bare|\.\d{1,2}e", column.format):
        yield "format", "a number's format is 'repr' (5.0, 1e-05), 'bare' (.5) or an exponent such as '.3e'."
    elif column.kind not in ("timedelta", "boolean", "number"):
        yield "format", f"a {column.kind} has no format."


def _is_pair(texts: Sequence[str]) -> bool:
    return len(texts) == 2 and texts[0] != texts[1]


def _raised(field: str, check: typing.Callable[[str], Any], value: str) -> Iterator[tuple[str, str]]:
    try:
        check(value)
    except SchemaError as error:
        yield field, str(error)
