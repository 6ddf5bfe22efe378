"""Code lists follow the numbering of their classification."""

from __future__ import annotations

import pytest

from tabsynth.core.code_lists import codes, names
from tabsynth.core.errors import SchemaError


@pytest.mark.parametrize(("name", "size", "some"), [
    ("icd9cm-3digit", 999 + 91 + 1000, ("001", "008", "999", "V01", "V91", "E000", "E999")),
    ("icd9cm-diabetes", 999 + 40 + 91 + 1000, ("250", "250.00", "250.93", "008")),
    ("icd9cm-diabetes130", 998 + 40 + 91 + 1000, ("8", "250", "250.01", "250.1", "250.93", "V57", "E909")),
    ("icd10-3char", 2600, ("A00", "Z99")),
])
def test_sizes_and_members(name: str, size: int, some: tuple[str, ...]) -> None:
    assert len(codes(name)) == len(set(codes(name))) == size
    assert set(some) <= set(codes(name))


def test_codes_outside_the_numbering_are_not_listed() -> None:
    for name in names():
        assert not {"000", "250.04", "250.00 ", "365.44", ""} & set(codes(name))
        assert name.startswith("icd10") or not {"V00", "V92", "E1000"} & set(codes(name))


def test_an_unknown_list_names_the_known_ones() -> None:
    with pytest.raises(SchemaError, match="icd10-3char"):
        codes("icd")
