"""A real browser without a network, and the report of every class as a file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.verdict import judge
from tabsynth.reports import document
from tabsynth.reports.renderers import html
from tests.reports.conftest import CALIBRATION, CONTEXT, FINDINGS
from tests.reports.test_charts import FINDINGS as CHARTED

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "reports"
CLASSES: Final = ("internal", "recipient", "public", "statement")
SCHEMES: Final = ("light", "dark")
WIDTHS: Final = {390: 844, 1440: 900}
"""Width of a window -> its height: a phone and a desk."""


@dataclass
class Visit:
    """An opened page, with all that it asked for and complained about."""

    page: Any
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


Open: TypeAlias = Callable[..., Visit]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Debian's browser, driven by playwright, which downloads none. Of the package: the driver holds a thread."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of every class: every chart, names that are markup, and the statement of the published example."""
    statement = json.loads((EXAMPLES / "example-marginal" / "share" / "statement.json").read_text("utf-8"))
    charted = {finding.id for finding in CHARTED}
    findings = (*CHARTED, *(finding for finding in FINDINGS if finding.id not in charted))
    verdict = judge(findings, load_policy("controlled"))
    made = {report_class: document.build(
        findings, verdict, report_class=report_class,
        context=replace(CONTEXT, calibration=CALIBRATION, statement=statement if report_class == "statement" else None))
        for report_class in CLASSES}
    folder = tmp_path_factory.mktemp("reports")
    for name, content in made.items():
        (folder / f"{name}.html").write_text(html.render(content), "utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Open an address in a fresh window; whatever it asks for beside itself is refused and written down."""
    with ExitStack() as windows:
        yield lambda *a, **k: windows.enter_context(_visit(chromium, *a, **k))


@pytest.fixture
def open_report(open_page: Open, reports: dict[str, Path]) -> Open:
    """The same for the report of a class."""
    return lambda report_class, **options: open_page(reports[report_class].as_uri(), **options)


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept: TABSYNTH_SCREENSHOTS, or pytest's own folder."""
    kept = os.environ.get("TABSYNTH_SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _visit(browser: Any, address: str, *, width: int = 1440, scheme: str = "light") -> Iterator[Visit]:
    window = browser.new_context(viewport={"width": width, "height": WIDTHS.get(width, 800)}, color_scheme=scheme)
    visit = Visit(window.new_page())
    visit.page.on("request", lambda request: visit.asked.append(request.url))
    visit.page.on("console", lambda message: visit.complaints.append(message.text))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.route("**/*", lambda route: route.continue_() if route.request.url == address else route.abort())
    visit.page.goto(address, wait_until="load")
    yield visit
    window.close()
