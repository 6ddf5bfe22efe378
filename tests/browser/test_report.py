"""The report as a reader meets it: on a phone and a desk, in light and dark, with a keyboard alone, and in print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tabsynth.pipeline.view import review, serving
from tests.browser.conftest import CLASSES, EXAMPLES, SCHEMES, WIDTHS, Open

BAD = """<!DOCTYPE html><html lang="en"><head><title>Bad</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src https:; style-src 'unsafe-inline'">
<style>p { color: #bbb; width: 60rem } a { outline: none }</style></head>
<body><main><h1>Bad</h1><p>Pale and wide.</p><a href="#x">Link</a><svg role="img" height="0"></svg>
<img src="https://tracker.invalid/pixel.png"><script>alert(1)</script></main></body></html>"""

UNFOLD = "document.querySelectorAll('details').forEach(part => part.open = true)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOCUSED = """() => {
  const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
  const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
    && box.width > 0 && box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight;
  return [it === document.body ? 'end' : it.matches('.scroll') ? 'table' : it.matches('.skip') ? 'skip'
          : it.matches('.toc a') ? 'contents' : it.tagName.toLowerCase(), seen];
}"""
ALIVE = "[...document.querySelectorAll('.chart-canvas')].every(box => box.classList.contains('vega-embed'))"
SEEN = "it => it.checkVisibility() && it.getBoundingClientRect().height > 0"
STOPS = {"contents": ".toc a", "summary": "summary", "table": ".scroll"}
"""What Tab must reach -> all that there is of it."""


def drawings(page: Any) -> tuple[int, int, int]:
    """How many there are, are seen, and are announced by name to a screen reader."""
    page.evaluate(UNFOLD)
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    named = [node for node in tree if node.get("role", {}).get("value") in ("img", "image", "SvgRoot")
             and node.get("name", {}).get("value")]
    there = page.locator("svg[role=img]")
    return there.count(), there.evaluate_all(f"all => all.filter({SEEN}).length"), len(named)


def violations(page: Any) -> list[str]:
    """What axe-core calls serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['target']}" for v in found if v["impact"] in ("serious", "critical")
            for node in v["nodes"]]


def walk(page: Any) -> list[tuple[str, bool]]:
    """What Tab reaches, in order, and whether one can see where one is."""
    stops: list[tuple[str, bool]] = []
    while len(stops) < 2000:
        page.keyboard.press("Tab")
        kind, seen = page.evaluate(FOCUSED)
        if kind == "end":
            return stops
        stops.append((kind, seen))
    raise AssertionError("Tab goes in circles")


@pytest.mark.parametrize("report_class", CLASSES)
def test_it_asks_for_nothing_and_complains_about_nothing(open_report: Open, report_class: str) -> None:
    visit = open_report(report_class)
    visit.page.evaluate(UNFOLD)
    visit.page.wait_for_load_state("networkidle")
    assert visit.asked == [visit.page.url]
    assert visit.complaints == []


@pytest.mark.parametrize("report_class", CLASSES)
def test_every_drawing_is_there_and_has_a_name(open_report: Open, report_class: str) -> None:
    page = open_report(report_class).page
    there, seen, named = drawings(page)
    assert there == seen == named
    assert there or report_class == "public"


@pytest.mark.parametrize("report_class", CLASSES)
def test_every_chart_is_drawn_alive_under_its_title(open_report: Open, report_class: str) -> None:
    page = open_report(report_class).page
    page.evaluate(UNFOLD)
    page.wait_for_function(ALIVE)
    figures = page.locator("figure.chart")
    assert figures.count() >= {"internal": 10, "recipient": 10}.get(report_class, 0)
    assert figures.locator(".chart-canvas > svg").evaluate_all(f"all => all.filter({SEEN}).length") == figures.count()
    assert all(title.strip() for title in figures.locator("figcaption").all_inner_texts())


@pytest.mark.parametrize("report_class", CLASSES)
def test_a_keyboard_reaches_everything_and_shows_where_it_is(open_report: Open, report_class: str) -> None:
    page = open_report(report_class).page
    page.evaluate(UNFOLD)
    page.wait_for_function(ALIVE)
    stops = walk(page)
    assert stops[0] == ("skip", True)
    assert [kind for kind, seen in stops if not seen] == []
    for kind, selector in STOPS.items():
        assert [k for k, _ in stops].count(kind) == page.locator(selector).count()
    fold = page.locator("summary").first
    fold.press("Enter")
    assert not fold.evaluate("it => it.parentElement.open")
    page.locator(".skip").press("Enter")
    assert page.url.endswith("#decision")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("report_class", CLASSES)
def test_axe_finds_nothing_serious_and_the_verdict_is_on_the_first_screen(
        open_report: Open, screenshots: Path, report_class: str, width: int, scheme: str) -> None:
    page = open_report(report_class, width=width, scheme=scheme).page
    sentence = page.locator(".verdict .sentence").first.bounding_box()
    assert sentence["y"] + sentence["height"] <= WIDTHS[width]
    page.screenshot(path=screenshots / f"{report_class}-{width}-{scheme}.png", full_page=True,
                    clip={"x": 0, "y": 0, "width": width, "height": 3 * WIDTHS[width]})
    if scheme == "light":  # what is folded has no colours of its own
        page.evaluate(UNFOLD)
    page.wait_for_function(ALIVE)
    assert violations(page) == []


@pytest.mark.parametrize("report_class", CLASSES)
def test_nothing_is_wider_than_a_phone(open_report: Open, report_class: str) -> None:
    page = open_report(report_class, width=390).page
    page.evaluate(UNFOLD)
    assert page.evaluate(OVERFLOW) == 0
    page.set_viewport_size({"width": 320, "height": 568})  # reflow, WCAG 2.2, 1.4.10
    assert page.evaluate(OVERFLOW) == 0


@pytest.mark.parametrize("report_class", CLASSES)
def test_print_shows_what_a_screen_folds_away(open_report: Open, report_class: str) -> None:
    page = open_report(report_class).page
    folded = page.locator("details:not([open]) > :not(summary)")
    assert folded.evaluate_all(f"all => all.filter({SEEN}).length") == 0
    page.emulate_media(media="print")
    assert folded.evaluate_all(f"all => all.filter({SEEN}).length") == folded.count() > 0
    assert not page.locator("nav.toc").is_visible()


def test_a_served_report_is_as_quiet_as_a_file(open_page: Open, reports: dict[str, Path]) -> None:
    with serving(review(reports["internal"]).pages) as address:
        visit = open_page(address)
        assert visit.page.locator(".verdict").first.is_visible()
        assert (visit.asked, visit.complaints) == ([address], [])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/share/report.html")), ids=lambda path: path.parts[-3])
def test_a_published_example_asks_for_nothing_and_fits_a_phone(open_page: Open, path: Path) -> None:
    visit = open_page(path.as_uri(), width=390)
    visit.page.evaluate(UNFOLD)
    visit.page.wait_for_function(ALIVE)
    assert (visit.asked, visit.complaints) == ([path.as_uri()], [])
    assert visit.page.evaluate(OVERFLOW) == 0


def test_what_these_tests_look_for_would_be_found(open_page: Open, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(BAD, "utf-8")
    visit = open_page(path.as_uri(), width=390)
    assert "https://tracker.invalid/pixel.png" in visit.asked
    assert any("Content Security Policy" in complaint for complaint in visit.complaints)
    assert visit.page.evaluate(OVERFLOW) > 0
    assert drawings(visit.page) == (1, 0, 0)
    assert any(v.startswith("color-contrast") for v in violations(visit.page))
    assert walk(visit.page) == [("a", False)]
