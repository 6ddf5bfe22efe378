"""Every planted bug is caught, for the right reason, and the program as it is passes where they are caught."""

from __future__ import annotations

import pytest

from tests.privacy.mutations import MUTATIONS, ORACLES, Mutation, reasons


@pytest.mark.parametrize("name", ORACLES)
def test_the_program_as_it_is_passes(name: str) -> None:
    assert ORACLES[name]() == ""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[m.name for m in MUTATIONS])
def test_a_planted_bug_is_caught(mutation: Mutation) -> None:
    said = reasons(mutation)
    for name, words in mutation.catches.items():
        assert words in said[name], f"{name} says {said[name]!r}"


def test_the_list_is_complete() -> None:
    assert len(MUTATIONS) == 14
