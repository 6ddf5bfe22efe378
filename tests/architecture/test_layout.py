"""The house's walls: what may stand where, and what importing costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tabsynth
from tabsynth.core import registry

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tabsynth"
SOURCES = sorted(PACKAGE.rglob("*.py"))
CARD_FOLDERS = ("models", "privacy", "evaluation", "datasets", "reports")


def imported_modules(path: Path) -> set[str]:
    """Top-level names that a file imports when it is imported (not inside functions)."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("folder", CARD_FOLDERS)
def test_card_folders_hold_no_python(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not list((ROOT / folder).rglob("*.py"))


def test_core_imports_numpy_and_the_standard_library_only() -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "tabsynth"}
    for path in (PACKAGE / "core").rglob("*.py"):
        assert imported_modules(path) <= allowed, path


def test_pandas_and_pyarrow_stay_at_the_edges() -> None:
    for path in SOURCES:
        if {"pandas", "pyarrow"} & imported_modules(path):
            assert path.is_relative_to(PACKAGE / "datasets"), path


def test_only_the_noise_module_draws_privacy_noise_and_nothing_else_uses_operating_system_entropy() -> None:
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in SOURCES
        if "secrets" in imported_modules(path) or "os.urandom" in path.read_text("utf-8")
    }
    allowed = {"privacy/noise.py", "privacy/bounding.py", "pipeline/split.py", "pipeline/release.py",
               "pipeline/view.py", "core/sealing.py"}
    assert users <= allowed


def test_no_pickle_no_eval_no_network() -> None:
    forbidden = {"pickle", "cloudpickle", "joblib", "shelve", "marshal", "socket", "urllib", "http", "requests",
                 "ftplib", "smtplib"}
    serves = PACKAGE / "pipeline" / "view.py"  # on the loopback address, from memory; it asks nothing of anybody
    for path in SOURCES:
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert not {a.name.partition(".")[0] for a in node.names} & forbidden, path
            elif isinstance(node, ast.ImportFrom):
                asks = (node.module or "").partition(".")[0] in forbidden
                assert not asks or (path == serves and node.module in ("http", "http.server")), path
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, path


@pytest.mark.parametrize("arguments", [["--help"], ["models"], ["version"], ["fit", "--help"]])
def test_answering_at_once_loads_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['tabsynth', *{arguments!r}]\n"
        "from tabsynth.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'scipy', 'sklearn', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = "import sys, tabsynth; assert 'numpy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0


def test_public_names_are_the_documented_ones() -> None:
    documented = {
        line.split("`")[1].split("(")[0]
        for line in (ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines()
        if line.startswith("| `tabsynth.")
    }
    assert documented == {f"tabsynth.{name}" for name in tabsynth.__all__ if name != "__version__"}
    for name in tabsynth.__all__:
        assert getattr(tabsynth, name) is not None


@pytest.mark.parametrize("group", sorted(registry.FOLDERS))
def test_every_plugin_is_listed_without_import_and_loads(group: str) -> None:
    assert registry.names(group)
    for name in registry.names(group):
        facts = registry.find(group, name).facts
        assert facts["summary"]
        assert callable(registry.load(group, name))


def test_every_model_has_a_card() -> None:
    for name in registry.names("models"):
        assert (ROOT / "models" / f"{name}.md").is_file(), name


def test_every_finding_is_defined_in_the_measures_card() -> None:
    card = (ROOT / "evaluation" / "measures.md").read_text("utf-8")
    named = set(re.findall(r"`([\w.]+)`", card))
    for plugin in registry.plugins("measures").values():
        for finding in plugin.facts["findings"]:
            family, _, last = finding.rpartition(".")
            listed = finding in named or (f".{last}" in named and any(name.startswith(family) for name in named))
            assert listed, f"{finding} of {plugin.module} is not in evaluation/measures.md"


def test_privacy_core_can_be_read_in_an_afternoon() -> None:
    lines = [line for p in (PACKAGE / "privacy").glob("*.py") for line in p.read_text("utf-8").splitlines()]
    assert sum(bool(line.strip()) for line in lines) <= 1_850


def test_tracked_files_name_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, cwd=ROOT,
                            check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    roots = tuple(f"/{name}/" for name in ("work", "root", "home"))
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".json", ".html", ""} and path.is_file():
            text = path.read_text("utf-8", errors="replace")
            assert not any(f"{quote}{root}" in text for root in roots for quote in ("'", '"', "`", " ")), name
