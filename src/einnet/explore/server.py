"""The explorer's page as a small web server on this machine.

The page is a form and empty sections, each of which the browser then requests. A question is the address
of its page, so that it can be bookmarked.
"""

from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Semaphore, Thread
from urllib.parse import parse_qsl, urlencode

from einnet.errors import EinNetError
from einnet.explore.question import Question
from einnet.explore.sections import LEAD, SECTIONS, list_sections, make_section
from einnet.limits import limits
from einnet.pages import Section, Text, render_page, render_section

__all__ = ["format_address", "serve"]

FIELDS = {"type": "aaH", "order": "5", "term": ""}  # of the form, at first
WORKERS = Semaphore(2)  # sections at once, so that a slow one does not block the rest
EXAMPLES = ("aH", "abH", "aaH", "abcH -> aH; a->b", "aH, aaH -> H", "ixjycH; i->x, j->y")


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
    """With a queue that is long enough for the requests of a page."""

    request_queue_size = 64


class Handler(BaseHTTPRequestHandler):
    """Answers `/` with the page, `/section/NAME` with a section."""

    timeout = 60  # seconds without a byte from the browser

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        values = dict(parse_qsl(query, keep_blank_values=True))
        fields = {name: values.get(name, default) for name, default in FIELDS.items()}
        name = path.removeprefix("/section/")
        if path == "/":
            self._send(200, _render_form(fields))
        elif path != name and name in SECTIONS:
            self._send(200, _start_section(name, **fields).result())
        else:
            self._send(404, render_page("Nothing here", [], "The explorer's page is at /."))

    def _send(self, status: int, html: str) -> None:
        content = html.encode()
        with suppress(ConnectionError):  # the browser left the page
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", "default-src 'self' data: 'unsafe-inline'")
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def _render_form(fields: dict[str, str]) -> str:
    """The page with the form, with the headings of the sections to come or with an error."""
    names, errors = [], []
    try:
        names = list_sections(_parse_question(**fields))
    except EinNetError as error:
        errors = [_make_error(error)]
    variables = {
        "fields": fields, "max_order": limits().explorer_order, "pending": [(name, SECTIONS[name]) for name in names],
        "examples": [(text, _format_query(text, 3, "")) for text in EXAMPLES],
    }  # fmt: skip
    return render_page("EinNet explorer", errors, LEAD, "explore/explorer.html", **variables)


@lru_cache(maxsize=128)
def _start_section(name: str, **fields: str) -> Future[str]:
    """The HTML of a section, computed once by a thread that ends with the program."""
    html: Future[str] = Future()
    Thread(target=_compute_section, args=(html, name, fields), daemon=True).start()
    return html


def _compute_section(html: Future[str], name: str, fields: dict[str, str]) -> None:
    with WORKERS:
        try:
            html.set_result(render_section(make_section(_parse_question(**fields), name)))
        except EinNetError as error:
            html.set_result(render_section(_make_error(error)))
        except BaseException as error:
            html.set_exception(error)


def _make_error(error: EinNetError) -> Section:
    return Section("This cannot be read", [Text(str(error), "error")])


@lru_cache(maxsize=32)
def _parse_question(type: str, order: str, term: str) -> Question:
    try:
        number = int(order)
    except ValueError:
        message = f"the order must be a whole number from 1 to {limits().explorer_order}, got {order!r}"
        raise EinNetError(message) from None
    return Question(type, number, term.strip())


def _format_query(text: str, order: int, term: str) -> str:
    return urlencode({"type": text, "order": order} | ({"term": term} if term else {}))
