"""A report is opened or served, to this machine alone, and what was changed is not shown as if nothing had happened."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tabsynth.core.artifact import canonical_json
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.verdict import judge
from tabsynth.reports import document
from tabsynth.reports.renderers import html
from tests.end_to_end.conftest import Command
from tests.reports.conftest import CONTEXT, FINDINGS

INTERNAL = document.build(FINDINGS, judge(FINDINGS, load_policy("controlled")), context=CONTEXT,
                          report_class="internal")
PUBLIC = document.narrow(INTERNAL, "public")


class Served:
    """A running ``tabsynth view --serve``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        lines = iter(process.stdout)
        self.address = next(line.removeprefix("address: ").strip() for line in lines if line.startswith("address: "))
        parts = urlsplit(self.address)
        self.port, self.root = int(parts.port), parts.path

    def ask(self, path: str, *, method: str = "GET", host: str | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        """One request, with its path as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host=True)
        for name in [host or f"127.0.0.1:{self.port}"] if host != "" else []:
            connection.putheader("Host", name)
        connection.endheaders()
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a release leaves, as far as a view cares, with something beside it that is nobody's business."""
    for part, content in (("internal", INTERNAL), ("share", PUBLIC)):
        (tmp_path / "release" / part).mkdir(parents=True)
        (tmp_path / "release" / part / "report.html").write_text(html.render(content), "utf-8")
        (tmp_path / "release" / part / "report.json").write_bytes(canonical_json(content))
    (tmp_path / "release" / "internal" / "split.json").write_text('{"key": "secret"}', "utf-8")
    (tmp_path / "release" / "internal" / "report.txt").symlink_to("/etc/hostname")
    return tmp_path / "release"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start the command; every server is stopped at the end."""
    running = []

    def start(*arguments: object) -> Served:
        process = subprocess.Popen(
            [sys.executable, "-m", "tabsynth", "view", "--no-open", *map(str, arguments)], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        running.append(process)
        return Served(process)

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_it_serves_the_report_and_nothing_else(folder: Path, serve: Callable[..., Served]) -> None:
    served = serve(folder, "--serve")
    response, page = served.ask(served.root)
    assert (response.status, page) == (200, html.render(INTERNAL).encode())
    headers = response.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Python" not in headers["Server"]
    assert served.ask(served.root, method="HEAD")[1] == b""
    assert served.ask(served.root + "report.json")[1] == canonical_json(INTERNAL)
    for path in ("/", "/report.html", served.root + "split.json", served.root + "report.txt", served.root + ".",
                 served.root + "../share/report.html", served.root + "..%2fshare%2freport.html",
                 served.root + "//etc/passwd", served.root[:-2] + "/"):
        assert served.ask(path)[0].status == 404, path


def test_it_answers_this_machine_alone_and_changes_nothing(folder: Path, serve: Callable[..., Served]) -> None:
    served = serve(folder, "--serve")
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1", ""):
        response, page = served.ask(served.root, host=host)
        assert (response.status, b"Ward" in page) == (421, False)
    assert served.ask(served.root, host=f"localhost:{served.port}")[0].status == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert served.ask(served.root, method=method)[0].status == 405
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", served.port))  # another address of this machine: it listens on one only


def test_ctrl_c_ends_it_well_and_a_taken_port_is_told(folder: Path, serve: Callable[..., Served],
                                                      tabsynth_here: Command) -> None:
    served = serve(folder, "--serve")
    tabsynth_here("view", folder, "--serve", "--port", served.port).refused(3, f"port {served.port}", "--port")
    served.process.send_signal(signal.SIGINT)
    _, err = served.process.communicate(timeout=30)
    assert served.process.returncode == 0
    assert err.endswith("Stopped.\n")


def test_a_document_is_shown_as_the_page_of_today(serve: Callable[..., Served], tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_bytes(canonical_json(PUBLIC))
    served = serve("evaluation.json")
    response, page = served.ask(served.root)
    assert response.headers["Content-Type"].startswith("text/html")
    assert page == html.render(PUBLIC).encode()
    assert list(tmp_path.iterdir()) == [tmp_path / "evaluation.json"], "nothing is left behind"


def test_a_browser_gets_the_internal_report_first(folder: Path, tabsynth_here: Command, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or False)
    run = tabsynth_here("view", folder)
    assert run.code == 0
    assert "No browser was found" in run.err
    assert "nothing tells whether it was changed" in " ".join(run.err.split())
    shutil.rmtree(folder / "internal")
    assert "share" in tabsynth_here("view", folder).out
    assert opened == [(folder / part / "report.html").as_uri() for part in ("internal", "share")]
    assert tabsynth_here("view", folder, "--no-open").code == 0
    assert len(opened) == 2


def test_a_changed_release_is_not_shown_as_if_nothing_had_happened(tabsynth_here: Command, patients: Path, schema: Path,
                                                                   tmp_path: Path) -> None:
    run = tabsynth_here("release", patients, "--schema", schema, "--no-dp", "--model", "independent", "--seed", 1,
                        "--policy", "internal-test", "--no-log", "-q", "-o", "out")
    assert run.code == 0, run.err
    shared = tmp_path / "out" / "share"
    for path in (tmp_path / "out", shared, shared / "report.html"):
        said = " ".join(tabsynth_here("view", path, "--no-open").err.split())
        assert said.startswith("Verified: every file is as its manifest says; unsigned")
    page = shared / "report.html"
    page.write_text(page.read_text("utf-8").replace("Decision", "Decided"), "utf-8")
    for path in (tmp_path / "out", shared, page):
        said = " ".join(tabsynth_here("view", path, "--no-open").err.split())
        assert said.startswith("NOT VERIFIED:")
        assert "report.html' was changed" in said
    (shared / "manifest.json").rename(shared / "manifest.REFUSED.json")
    assert tabsynth_here("view", shared, "--no-open").err.startswith("REFUSED: share is a refused release")


def test_what_is_no_report_is_refused(tabsynth_here: Command, patients: Path, tmp_path: Path) -> None:
    tabsynth_here("view", "nowhere").refused(3, "nowhere does not exist")
    tabsynth_here("view", tmp_path).refused(3, "no report", "tabsynth report")
    tabsynth_here("view", patients).refused(2, "patients.csv", ".html")
    (tmp_path / "other.json").write_text('{"a": 1}', "utf-8")
    tabsynth_here("view", "other.json", "--no-open").refused(3, "tabsynth.evaluation/1")
    (tmp_path / "page.html").write_text("<p>", "utf-8")
    tabsynth_here("view", "page.html", "--port", 8000, "--no-open").refused(2, "--serve")
