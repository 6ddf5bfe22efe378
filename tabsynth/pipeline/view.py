"""A page for a reviewer: which report to open, what vouches for it, and a server that shows it and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import Any, Final, TypeAlias

from tabsynth.core.errors import SourceError, TabsynthError, UsageError
from tabsynth.core.files import chunks
from tabsynth.pipeline.assess import read_document
from tabsynth.pipeline.verify import verify
from tabsynth.reports import provenance
from tabsynth.reports.renderers import html

PARTS: Final = ("internal", "share", "")
"""Where a folder's report is looked for, in this order: who has the internal report reads that one."""
TYPES: Final[dict[str, str]] = {
    ".html": "text/html; charset=utf-8", ".json": "application/json", ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8", ".pdf": "application/pdf"}
HEADERS: Final[dict[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                               "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"}
"""On every answer. The page's own policy is stricter; both hold."""
LOOPBACK: Final = "127.0.0.1"

Pages: TypeAlias = Mapping[str, tuple[str, bytes]]
"""Name within the address -> media type and content; "" is the page that is shown first."""


@dataclass(frozen=True, slots=True)
class Review:
    """A report to be looked at.

    Args:
        source: the file that it comes from. on_disk: it is a page already, which a browser can open.
        pages: the report in every format that lies beside it, as it was when it was checked.
        standing: what vouches for it, in a sentence; it begins with REFUSED or NOT VERIFIED where nothing does.
    """

    source: Path
    on_disk: bool
    pages: Pages
    standing: str


def review(path: Path) -> Review:
    """The report of a release folder or a file: the internal one if it is there.

    Raises:
        SourceError: there is no report. UsageError: a file that is neither a page nor a report document.
    """
    source = _source(path)
    standing = _standing(path if path.is_dir() else source.parent, source)
    pages = {file.name: (TYPES[file.suffix], _content(file)) for file in sorted(source.parent.iterdir())
             if file.stem == source.stem and file.suffix in TYPES and file.is_file() and not file.is_symlink()}
    page = _content(source) if source.suffix == ".html" else html.render(read_document(source)).encode()
    return Review(source, source.suffix == ".html", {"": (TYPES[".html"], page), **pages}, standing)


@contextmanager
def serving(pages: Pages, *, port: int = 0) -> Iterator[str]:
    """Serve these pages on the loopback address while the block runs; gives the address. port 0: any that is free.

    Every user of this machine reaches its loopback address, so the path begins with a secret.

    Raises:
        SourceError: the port is taken.
    """
    try:
        server = _Server(pages, port)
    except (OSError, OverflowError) as error:
        raise SourceError(f"port {port} of {LOOPBACK} cannot be used.", fix="Leave --port out: a free one is taken."
                          ) from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingMixIn, TCPServer):
    """Holds the pages in memory: no request is looked up in a file system, and no name is asked of a name server."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, pages: Pages, port: int) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        chosen = self.server_address[1]
        self.hosts = {f"{name}:{chosen}" for name in (LOOPBACK, "localhost")}
        secret = secrets.token_urlsafe(16)
        self.pages = {f"/{secret}/{name}": page for name, page in pages.items()}
        self.address = f"http://{LOOPBACK}:{chosen}/{secret}/"


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD of known addresses, asked for by this machine's own name."""

    server: _Server
    server_version = "tabsynth"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """One page, or a refusal."""
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.hosts]:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)  # a foreign name that was made to point here
        elif (page := self.server.pages.get(self.path)) is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", page[0])
            self.send_header("Content-Length", str(len(page[1])))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page[1])

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """There is nothing to change."""
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address holds the secret."""


def _source(path: Path) -> Path:
    """The file to show."""
    if path.is_file():
        if path.suffix not in (".html", ".json"):
            raise UsageError(f"{path.name} is neither a page nor a report document.",
                             fix="Name a release folder, a report's .html, or an evaluation's .json.")
        return path
    if not path.is_dir():
        raise SourceError(f"{path} does not exist.", fix="Name a release folder, or a report's .html or .json.")
    for part in PARTS:
        for name in ("report.html", "report.json"):
            if (file := path / part / name).is_file() and not file.is_symlink():
                return file
    raise SourceError(f"there is no report in {path}; looked for report.html and report.json in it, in share/ and in "
                      "internal/.", fix="Make one with: tabsynth report evaluation.json -o FOLDER")


def _content(path: Path) -> bytes:
    return b"".join(chunks(path))


def _standing(folder: Path, source: Path) -> str:
    """Whether the release that holds the report verifies, and whether that covers the report."""
    here = {name for name in (provenance.MANIFEST_NAME, provenance.REFUSED_NAME) for part in PARTS
            if (folder / part / name).is_file()}
    if not here:
        return "Not verified: no manifest lies with it, so nothing tells whether it was changed."
    try:
        signature = verify(folder)["signature"]
    except TabsynthError as error:
        return f"{'REFUSED' if provenance.REFUSED_NAME in here else 'NOT VERIFIED'}: {error}"
    if not (source.parent / provenance.MANIFEST_NAME).is_file():
        return f"The release verifies, but its manifest does not cover {source.parent.name}/{source.name}."
    return f"Verified: every file is as its manifest says; {signature['meaning']}"
