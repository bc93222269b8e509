"""The explorer's page as a small web server on this machine.

The page is a form and empty sections, each of which the browser then requests. A question is the address
of its page, so that it can be bookmarked. Sections are made by two processes; one whose browser has gone is ended.
"""

import re
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import parse_qsl, urlencode

from einnet.errors import EinNetError
from einnet.explore.question import Question
from einnet.explore.sections import LEAD, SECTIONS, list_sections, make_section
from einnet.explore.workers import BusyError, EndedError, Workers
from einnet.limits import limits
from einnet.pages import Section, Text, render_page, render_section

__all__ = ["format_address", "serve"]

FIELDS = {"type": "aaH", "order": "5", "term": ""}  # of the form, at first
PROCESSES = 2  # sections at once, so that a slow one does not block the rest
PLACES = 64  # sections that are made or wait
MODULES = ("jinja2", "matplotlib.pyplot", "matplotlib.backends.backend_svg")  # that sections are made with
REMEMBERED = 128  # sections
CONNECTIONS, UNASKED = 128, 32  # at once; of these, those that did not send their request yet
SECONDS = 10  # in which a request has to be sent, and an answer to be read
LONGEST = 2**16  # bytes of a request with its headers
EXAMPLES = ("aH", "abH", "aaH", "abcH -> aH; a->b", "aH, aaH -> H", "aH, [aa]H -> H", "ixjycH; i->x, j->y")
LOCAL = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)  # another port: forwarded by ssh
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'self' data: 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

Answer = tuple[int, str]  # status, HTML


def serve(port: int) -> ThreadingHTTPServer:
    """A server that listens on the loopback address only; port 0 takes any free one. Runs with `serve_forever`."""
    try:
        return Server(("127.0.0.1", port), Handler)
    except (OSError, OverflowError) as error:
        raise EinNetError(f"port {port} cannot be used ({error}): give another --port, or 0 for any free one") from None


def format_address(server: ThreadingHTTPServer, question: Question) -> str:
    """The address of the answer to a question."""
    return f"http://127.0.0.1:{server.server_port}/?{_format_query(question.text, question.order, question.term)}"


class Server(ThreadingHTTPServer):
    """With a limit for everything: connections, connections that ask nothing, sections that wait or are remembered."""

    request_queue_size = 64
    allow_reuse_address = sys.platform != "win32"  # where it takes a port from another program

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.workers = Workers(answer_section, PROCESSES, PLACES, MODULES)
        self.unasked: OrderedDict[socket.socket, None] = OrderedDict()
        self._connections = BoundedSemaphore(CONNECTIONS)
        self._remembered: OrderedDict[tuple[str, ...], str] = OrderedDict()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self.unasked[request] = None
        if len(self.unasked) > UNASKED:
            with suppress(KeyError, OSError):
                self.unasked.popitem(last=False)[0].shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.unasked.pop(request, None)
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is no error of the program."""

    def server_close(self) -> None:
        super().server_close()
        if "workers" in vars(self):  # not if the port is taken
            self.workers.close()

    def answer(self, is_wanted: Callable[[], bool], *question: str) -> Answer | None:
        """A section, remembered or made; None if it is not wanted any more. Failures are not remembered."""
        if html := self._remembered.get(question):
            return 200, html
        try:
            result = self.workers.call(is_wanted, *question)
        except BusyError:
            return 503, _render_error("Too many sections wait: close other pages of the explorer, and try again.")
        except EndedError:
            return 500, _render_error("The process was ended, perhaps for lack of memory: lower the order.")
        if result and result[0] == 200:
            self._remembered[question] = result[1]
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return result


class Handler(BaseHTTPRequestHandler):
    """Answers `/` with the page, `/section/NAME` with a section."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    timeout = SECONDS
    default_request_version = "HTTP/1.0"  # every answer has a status line

    def setup(self) -> None:
        super().setup()
        self.rfile = BytesIO(self._read_request())  # from here on nothing waits for the browser

    def _read_request(self) -> bytes:
        """What comes until an empty line, in a limited time, of a limited length; empty if it does not come."""
        request, end = b"", time.monotonic() + SECONDS
        with suppress(OSError):
            while not re.search(rb"\n\r?\n", request) and len(request) < LONGEST:
                self.connection.settimeout(max(end - time.monotonic(), 0.001))
                if not (part := self.connection.recv(LONGEST)):
                    break
                request += part
            self.server.unasked.pop(self.connection, None)
            return request
        return b""

    def do_GET(self) -> None:
        try:
            answer = self._answer()
        except Exception as error:
            answer = _describe_failure(error)
        if answer:
            self._send(*answer)

    def _answer(self) -> Answer | None:
        """The answer to the request; None if the browser has gone."""
        path, _, query = self.path.partition("?")
        values = dict(parse_qsl(query, keep_blank_values=True))
        fields = {name: values.get(name, default) for name, default in FIELDS.items()}
        name = path.removeprefix("/section/")
        if not self._is_from_here(path):
            address = f"http://127.0.0.1:{self.server.server_port}/"
            return 403, render_page("Not from here", [], f"The explorer's page is at {address} only.")
        if path == "/":
            return 200, _render_form(fields)
        if path != name and name in SECTIONS:
            return self.server.answer(self.is_connected, name, *fields.values())
        return 404, render_page("Nothing here", [], "The explorer's page is at /.")

    def _is_from_here(self, path: str) -> bool:
        """Whether a page of this server or a person asks, under the name of this machine; not another site."""
        hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        is_own = len(hosts) == 1 and LOCAL.fullmatch(hosts[0]) and set(origins) <= {f"http://{hosts[0]}"}
        return bool(is_own) and (path == "/" or self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"))

    def is_connected(self) -> bool:
        """Whether the browser still waits; what it sends after its request is not read."""
        self.connection.settimeout(0)
        try:
            return self.connection.recv(LONGEST) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _send(self, status: int, html: str) -> None:
        content = html.encode()
        with suppress(OSError):  # the browser left the page, or does not read it
            self.connection.settimeout(SECONDS)
            self.send_response(status)
            for name, value in (HEADERS | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def answer_section(name: str, *fields: str) -> Answer:
    """A section as HTML, or the message of the error."""
    try:
        section = make_section(_parse_question(*fields), name)
    except Exception as error:
        return _describe_failure(error)
    return 422 if section.is_error else 200, render_section(section)


def _describe_failure(error: Exception) -> Answer:
    if isinstance(error, EinNetError):
        return 422, _render_error(str(error))
    return 500, _render_error(f"This failed: {type(error).__name__}: {error}")


def _render_form(fields: dict[str, str]) -> str:
    """The page with the form, with the headings of the sections to come or with an error."""
    names, errors = [], []
    try:
        names = list_sections(_parse_question(*fields.values()))
    except EinNetError as error:
        errors = [_make_error(str(error))]
    variables = {
        "fields": fields, "max_order": limits().explorer_order, "pending": [(name, SECTIONS[name]) for name in names],
        "examples": [(text, _format_query(text, 3, "")) for text in EXAMPLES],
    }  # fmt: skip
    return render_page("EinNet explorer", errors, LEAD, "explore/explorer.html", **variables)


def _render_error(message: str) -> str:
    return render_section(_make_error(message))


def _make_error(message: str) -> Section:
    return Section("No answer", [Text(message, "error")])


@lru_cache(maxsize=32)
def _parse_question(text: str, order: str, term: str) -> Question:
    try:
        number = int(order)
    except ValueError:
        message = f"the order must be a whole number from 1 to {limits().explorer_order}, got {order!r}"
        raise EinNetError(message) from None
    return Question(text, number, term.strip())


def _format_query(text: str, order: int, term: str) -> str:
    return urlencode({"type": text, "order": order} | ({"term": term} if term else {}))
