"""The examples in the scripts' docstrings run."""

from __future__ import annotations

import doctest

import bench_table
import c2st
import pytest


@pytest.mark.parametrize("module", [bench_table, c2st], ids=lambda module: module.__name__)
def test_examples(module: object) -> None:
    ran = doctest.testmod(module)  # type: ignore[arg-type]
    assert ran.attempted > 0
    assert ran.failed == 0
