"""Which model, which settings, which limits: what is not said, and what is said wrongly."""

from __future__ import annotations

import pytest

from tabsynth.core import registry
from tabsynth.core.errors import UsageError
from tabsynth.pipeline.auto import choose
from tabsynth.pipeline.settings import configured, parse_limits, parse_settings


@pytest.mark.parametrize("private", [True, False])
def test_auto_gives_a_model_that_keeps_the_wish(private: bool) -> None:
    choice = choose("auto", private=private)
    assert bool(registry.find("models", choice.model).facts.get("private")) == private
    assert choice.reason.endswith(".")


@pytest.mark.parametrize(("model", "private", "words"), [
    ("copula", True, "cannot be fitted with --epsilon"), ("marginal", False, "needs --epsilon"),
    ("copola", False, "copula")])
def test_a_model_that_does_not_go_with_the_wish(model: str, private: bool, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose(model, private=private)


def test_settings_are_json_where_they_can_be() -> None:
    assert parse_settings(["a=1", "b=0.5", "c=true", "d=auto", "e=x=y", "f=[1, 2]"]) == {
        "a": 1, "b": 0.5, "c": True, "d": "auto", "e": "x=y", "f": [1, 2]}
    for bad in ("a", "=1"):
        with pytest.raises(UsageError, match="NAME=VALUE"):
            parse_settings([bad])


class Model:
    def __init__(self, bins: int = 8, share: float = 0.5, axis: str | None = None, sizes: list[int] | None = None):
        self.got = (bins, share, axis, sizes)


def test_settings_reach_the_model() -> None:
    made = configured(Model, {"bins": 3, "share": 1, "axis": "log", "sizes": [1]}, model="m")
    assert made.got == (3, 1, "log", [1])


@pytest.mark.parametrize(("settings", "words"), [
    ({"bin": 3}, r"no setting 'bin'; it has: bins, share, axis, sizes\. Did you mean 'bins'"),
    ({"bins": "many"}, "must be of type int, got 'many'"), ({"bins": 0.5}, "int"), ({"axis": 3}, "str")])
def test_a_setting_that_the_model_does_not_take(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        configured(Model, settings, model="m")


def test_every_model_can_be_made_without_settings_and_refuses_unknown_ones() -> None:
    for name in registry.names("models"):
        build = registry.load("models", name)
        assert configured(build, {}, model=name) is not None
        with pytest.raises(UsageError, match="no setting 'nonsense'"):
            configured(build, {"nonsense": 1}, model=name)


def test_limits() -> None:
    assert parse_limits(["kway.2=0.8"]) == {"kway.2": 0.8}
    with pytest.raises(UsageError, match="must be a number"):
        parse_limits(["kway.2=high"])
    with pytest.raises(UsageError, match="must be a number"):
        parse_limits(["kway.2=nan"])
