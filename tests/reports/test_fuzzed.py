"""Any valid document can be shown: odd words and odd numbers in it end neither a renderer nor a page."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import SourceError
from tabsynth.reports import document
from tabsynth.reports.charts import render as drawing
from tabsynth.reports.renderers import html, markdown, text
from tests.reports.test_renderers import Page

Path_ = tuple[str | int, ...]
WORDS = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["</script><script>alert(1)</script>", "]]>", "{{ 7 * 7 }}", "`x`|y", "#", "\x00", "&amp;", "a" * 300])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-10**12, 10**12) | st.sampled_from([0, -0.0])


@pytest.fixture
def quick(monkeypatch):
    """Without drawn charts: they have tests of their own."""
    monkeypatch.setattr(drawing, "available", lambda: False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_fuzzed_document_is_shown_or_refused_by_its_shape(findings, verdict, calibrated, quick, data):
    made = document.build(findings, verdict, context=calibrated, report_class="internal")
    places = list(leaves(made))
    for place in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=15, unique=True)):
        made = changed(made, place, data)
    page = Page(html.render(made))
    assert not any(tag == "script" for tag, _ in page.tags)
    assert all(len(line) <= 80 for line in text.render(made).splitlines())
    assert "<script" not in re.sub(r"\\.", "", markdown.render(made))


def changed(made: dict[str, Any], place: Path_, data: st.DataObject) -> dict[str, Any]:
    """The document with another value at one place, or as it was where no valid document has such a value."""
    other = copy.deepcopy(made)
    *above, last = place
    part: Any = other
    for step in above:
        part = part[step]
    part[last] = data.draw(WORDS if isinstance(part[last], str) else NUMBERS, label=".".join(map(str, place)))
    try:
        document.validate(other)
    except SourceError:
        return made
    return other


def leaves(value: Any, above: Path_ = ()) -> Iterator[Path_]:
    """Places of texts and numbers."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*above, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, (*above, i))
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield above
