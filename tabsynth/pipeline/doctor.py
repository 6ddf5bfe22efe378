"""What works on this machine: packages, plug-ins, extras, bundled data."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tabsynth.core import registry

REQUIRED: Final = ("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "pydantic", "PyYAML", "typer", "rich",
                   "jinja2", "safetensors", "cryptography", "threadpoolctl")
EXTRAS: Final = {"opendp": "noise from its sampler", "dp-accounting": "second accountant", "torch": "neural models",
                 "polars": "polars frames in and out", "statsmodels": "declared analyses in the evaluation",
                 "typst": "reports as PDF", "vl-convert-python": "charts in reports"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried. `optional` things may be absent."""

    what: str
    ok: bool
    says: str
    optional: bool = False


def examine() -> list[Check]:
    """Try everything once; no check raises, none reads a private file, none opens a socket."""
    return [*_python(), *_packages(), *_plugins(), _attempt("privacy noise", _noise),
            _attempt("tree engine", _trees), _attempt("bundled data", _bundled), *_machine()]


def _python() -> Iterator[Check]:
    yield Check("Python", sys.version_info >= (3, 11), platform.python_version())


def _packages() -> Iterator[Check]:
    for name in REQUIRED:
        yield _attempt(name, lambda name=name: importlib.metadata.version(name))  # type: ignore[misc]
    for name, purpose in EXTRAS.items():
        check = _attempt(name, lambda name=name: importlib.metadata.version(name))  # type: ignore[misc]
        yield Check(name, check.ok, check.says if check.ok else f"not installed ({purpose})", optional=True)


def _plugins() -> Iterator[Check]:
    for group in registry.FOLDERS:
        for name in registry.names(group):
            yield _attempt(f"{group}: {name}", lambda g=group, n=name: _loads(g, n))  # type: ignore[misc]


def _loads(group: str, name: str) -> str:
    registry.load(group, name)
    return str(registry.find(group, name).facts.get("summary", ""))


def _noise() -> str:
    """The source that is used, which is not OpenDP where its installation does not work."""
    from tabsynth.privacy.curator import noise_in_use

    return noise_in_use()


def _trees() -> str:
    from tabsynth.models._trees.compiled import engine_in_use

    return engine_in_use()


def _bundled() -> str:
    from tabsynth.datasets import load

    return ", ".join(load.names())


def _machine() -> Iterator[Check]:
    yield Check("processors", True, str(os.cpu_count()))


def _attempt(what: str, trial: Callable[[], str]) -> Check:
    try:
        return Check(what, True, trial())
    except importlib.metadata.PackageNotFoundError:
        return Check(what, False, "not installed")
    except Exception as error:
        return Check(what, False, f"fails with {type(error).__name__}")
