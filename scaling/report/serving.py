"""The live report's server: one page and its version, on the loopback, to who asks by that name."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scaling.errors import InputError
from scaling.report.live import Page

HOST = "127.0.0.1"
PORT = 8770
_NAMES = (HOST, "localhost", "[::1]")
_PORTS = 100  # looked at for one that is free
# Beside the page's own policy: no frame of another site may hold it.
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def server(newest: Callable[[], Page], port: int = PORT) -> ThreadingHTTPServer:
    """A server of the newest page, not yet serving. port: 0 takes any that is free.

    GET and HEAD of `/` and `/version`; nothing else is there. Raises InputError where the port is
    in use, naming one that is not.
    """

    class Handler(_Handler):
        page = staticmethod(newest)

    try:
        return _Server((HOST, port), Handler)
    except OSError as error:
        free = next((p for p in range(port + 1, min(port + _PORTS, 65536)) if _is_free(p)), None)
        hint = f"; {free} is free: --port {free}" if free else ""
        raise InputError(f"port {port}: {(error.strerror or str(error)).lower()}{hint}") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that left in the middle of an answer is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers from memory: what is asked for is compared with two names, and never with a disk."""

    page: Callable[[], Page]
    timeout = 30  # seconds that a client may take to ask

    def do_GET(self) -> None:
        if not self._is_ours():
            self._answer(HTTPStatus.FORBIDDEN, b"this server is for 127.0.0.1 alone\n")
            return
        page, path = self.page(), self.path.partition("?")[0]
        if path == "/":
            self._answer(HTTPStatus.OK, page.html, "text/html; charset=utf-8", page.version)
        elif path == "/version":
            told = json.dumps({"version": page.version, "told": page.told}).encode()
            self._answer(HTTPStatus.OK, told, "application/json", page.tag)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"not here: / and /version are\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses, as this server tells it; a method that it has none for is not
        allowed. What else the request holds is not read."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            status, more = HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"}
        else:
            status, more = HTTPStatus(code), {}
        self._answer(status, f"{status.phrase}\n".encode(), **more)

    def _is_ours(self) -> bool:
        """Whether it was asked for under this machine's own name: a page of another site, whose
        name was made to point here, asks under that name. Any port: one may be forwarded."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1:
            return False
        name, colon, port = hosts[0].lower().rpartition(":")
        own = name if colon and port.isdecimal() else hosts[0].lower()
        return own in _NAMES

    def _answer(
        self,
        status: HTTPStatus,
        body: bytes,
        kind: str = "text/plain; charset=utf-8",
        tag: str = "",
        **more: str,
    ) -> None:
        known = tag and f'"{tag}"' == self.headers.get("If-None-Match")
        self.send_response(HTTPStatus.NOT_MODIFIED if known else status)
        for name, value in {**_HEADERS, **more}.items():
            self.send_header(name, value)
        if tag:
            self.send_header("ETag", f'"{tag}"')
        if not known:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not known and self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "scaling"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the library has it
        """Nothing: the terminal shows where the page is."""


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((HOST, port)) != 0
