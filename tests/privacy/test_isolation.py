"""Where entropy may come from, read off the syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

import tabsynth.privacy

FOLDER = Path(tabsynth.privacy.__file__).parent
TREES = {path.name: ast.parse(path.read_text("utf-8")) for path in FOLDER.glob("*.py")}


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def attributes(tree: ast.AST) -> set[str]:
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_only_noise_py_has_entropy() -> None:
    holders = {name for name, tree in TREES.items()
               if "secrets" in imported(tree) or attributes(tree) & {"os.urandom", "os.getrandom"}}
    assert holders == {"noise.py"}


def test_one_file_draws_from_another_library() -> None:
    assert {name for name, tree in TREES.items() if any("opendp" in m.split(".") for m in imported(tree))} \
        == {"noise_opendp.py"}


def test_no_seeded_generator_is_used() -> None:
    allowed = {"np.random.Generator"}  # as the type of an argument that models pass on
    for name, tree in TREES.items():
        assert not {m for m in imported(tree) if m.split(".")[0] in ("random", "torch")}, name
        assert "numpy.random" not in imported(tree), name
        assert {a for a in attributes(tree) if a.startswith(("np.random.", "numpy.random."))} <= allowed, name


def test_noise_has_no_seed_parameter() -> None:
    arguments = {a.arg for name in ("noise.py", "noise_opendp.py") for node in ast.walk(TREES[name])
                 if isinstance(node, ast.FunctionDef) for a in (*node.args.args, *node.args.kwonlyargs)}
    assert not {a for a in arguments if "seed" in a or "rng" in a}


def test_noise_uses_no_floating_point() -> None:
    tree = TREES["noise.py"]
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Div)]
    assert not {m for m in imported(tree) if m.split(".")[0] in ("math", "fractions", "scipy")}


def test_the_core_stays_small_enough_to_audit() -> None:
    code = [line for path in FOLDER.glob("*.py") for line in path.read_text("utf-8").splitlines() if line.strip()]
    assert len(code) <= 1_850


def test_every_file_is_in_the_reading_order() -> None:
    order = tabsynth.privacy.__doc__ or ""
    assert all(f"``{name}``" in order for name in TREES if name != "__init__.py")
