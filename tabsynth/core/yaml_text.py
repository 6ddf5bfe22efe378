"""YAML as a person means it: no aliases, no duplicate keys, dates and 007 stay text, numbers keep their spelling.

PyYAML's safe loader reads YAML 1.1, where 12:30:00 is the number 45000, 007 is 7 and 1999-01-01 is an object. Here a
bare scalar is a number only if it looks like one, true/false/yes/no/on/off are booleans (so that a caller can
ask for quotes), null is null, and everything else is text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from tabsynth.core.errors import SchemaError

_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_BOOL: Final = re.compile(r"(?i:true|false|yes|no|on|off)")
_NULL: Final = re.compile(r"~|(?i:null)|")
_MAX_DEPTH: Final = 40
_TRUE: Final = ("true", "yes", "on")


class WrittenInt(int):
    """An int that remembers how it was written ("+5")."""

    written: str


class WrittenFloat(float):
    """A float that remembers how it was written ("1.50")."""

    written: str


def load(text: str, source: str) -> Any:
    """The plain values of a YAML text.

    Raises:
        SchemaError: not YAML, an alias, a tag, or a key written twice; says the line.
    """
    import yaml

    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            _refuse_special(event, depth)
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        return None if root is None else _value(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        raise SchemaError(f"{source}{line}: {error.problem or 'not valid YAML'}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SchemaError(f"{source} is not valid YAML.") from error


def dump(data: Any) -> str:
    """YAML text with one key a line and lists of plain values on one line; `load` gives equal values."""
    import yaml

    return yaml.dump(data, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=100,
                     default_flow_style=None)


def _refuse_special(event: Any, depth: int) -> None:
    import yaml

    if depth > _MAX_DEPTH:  # deeper, PyYAML takes quadratic time and then all of the stack
        raise yaml.MarkedYAMLError(problem=f"nested deeper than {_MAX_DEPTH} levels", problem_mark=event.start_mark)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise yaml.MarkedYAMLError(problem="anchors (&) and aliases (*) are not allowed",
                                   problem_mark=event.start_mark)
    if getattr(event, "tag", None) is not None and event.tag != "!":
        raise yaml.MarkedYAMLError(problem="tags (!) are not allowed", problem_mark=event.start_mark)


def _value(node: Any) -> Any:
    """The plain value of a node and everything below it."""
    if node.id == "scalar":
        return node.value if node.style is not None else _plain(node.value)
    if node.id == "sequence":
        return [_value(item) for item in node.value]
    out: dict[str, Any] = {}
    for key, value in node.value:
        out[_key(key, out)] = _value(value)
    return out


def _key(node: Any, seen: dict[str, Any]) -> str:
    import yaml

    problem = None
    if node.id != "scalar":
        problem = "a key must be plain text"
    elif node.style is None and _BOOL.fullmatch(node.value):
        problem = f"the key {node.value} must be in quotes, because YAML reads it as yes or no"
    elif node.value in seen:
        problem = f"the key {node.value!r} is written twice"
    if problem is not None:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return str(node.value)


def _plain(text: str) -> Any:
    """A scalar without quotes: null, yes or no, a number that keeps its spelling, or text."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() in _TRUE
    number: WrittenInt | WrittenFloat
    if _INT.fullmatch(text):
        number = WrittenInt(text)
    elif _FLOAT.fullmatch(text):
        number = WrittenFloat(text)
    else:
        return text
    number.written = text
    return number


@cache
def _dumper() -> Any:
    """PyYAML's safe dumper without aliases, which also quotes text that `_plain` would read as something else."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
            return super().represent_mapping(tag, mapping, flow_style=False)

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    for tag, pattern in (("bool", _BOOL), ("null", _NULL), ("int", _INT), ("float", _FLOAT)):
        Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern.pattern})$"), None)
    return Dumper
