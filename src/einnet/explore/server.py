"""The explorer's page as a small web server on this machine.

The page is a form and empty sections, each of which the browser then asks for. A question is the
address of its page, so that it can be kept and passed on.
"""

from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Semaphore, Thread
from urllib.parse import parse_qs, urlencode

from einnet.errors import EinNetError
from einnet.explore.question import HIGHEST, Question
from einnet.explore.sections import LEAD, SECTIONS, answered, asked_for
from einnet.pages import Section, Wrong, fragment, page

__all__ = ["address", "serve"]

FIELDS = {"type": "aaH", "order": "5", "term": ""}  # of the form, as it is at first
AT_WORK = Semaphore(2)  # sections at once, so that a slow one does not hold up the others
EXAMPLES = ("aH", "abH", "aaH", "abcH -> aH; a->b", "aH, aaH -> H", "ixjycH; i->x, j->y")


def serve(port: int) -> ThreadingHTTPServer:
    """A server that listens on the loopback address only; port 0 takes any free one. Runs with `serve_forever`."""
    try:
        return Server(("127.0.0.1", port), Handler)
    except (OSError, OverflowError) as error:
        raise EinNetError(f"port {port} cannot be used ({error}): give another --port, or 0 for any free one") from None


def address(server: ThreadingHTTPServer, asked: Question) -> str:
    """Where a browser finds the answer to a question."""
    return f"http://127.0.0.1:{server.server_port}/?{_query(asked.text, asked.order, asked.term)}"


class Server(ThreadingHTTPServer):
    """Takes a page's requests at once."""

    request_queue_size = 64


class Handler(BaseHTTPRequestHandler):
    """Answers `/` with the page, `/section/NAME` with a section."""

    timeout = 60  # seconds without a word from the browser

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        found = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
        fields = {name: found.get(name, usual) for name, usual in FIELDS.items()}
        name = path.removeprefix("/section/")
        if path == "/":
            self._send(200, _page(fields))
        elif path != name and name in SECTIONS:
            self._send(200, _section(name, **fields).result())
        else:
            self._send(404, page("Nothing here", [], "The explorer's page is at /."))

    def _send(self, status: int, html: str) -> None:
        content = html.encode()
        with suppress(ConnectionError):  # the page was left before the answer came
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", "default-src 'self' data: 'unsafe-inline'")
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def _page(fields: dict[str, str]) -> str:
    later, wrong = [], []
    try:
        later = [(name, SECTIONS[name]) for name in asked_for(_question(**fields))]
    except EinNetError as error:
        wrong = [_wrong(error)]
    shown = {"given": fields, "later": later, "highest": HIGHEST}
    examples = [(text, _query(text, 3, "")) for text in EXAMPLES]
    return page("EinNet explorer", wrong, LEAD, "explore/explorer.html", examples=examples, **shown)


@lru_cache(maxsize=128)
def _section(name: str, **fields: str) -> Future[str]:
    """A section that is being worked out, or was, by a thread that does not outlive the program."""
    found: Future[str] = Future()
    Thread(target=_work_out, args=(found, name, fields), daemon=True).start()
    return found


def _work_out(found: Future[str], name: str, fields: dict[str, str]) -> None:
    with AT_WORK:
        try:
            found.set_result(fragment(answered(_question(**fields), name)))
        except EinNetError as error:
            found.set_result(fragment(_wrong(error)))
        except BaseException as error:
            found.set_exception(error)


def _wrong(error: EinNetError) -> Section:
    return Section("This cannot be read", [Wrong(str(error))])


@lru_cache(maxsize=32)
def _question(type: str, order: str, term: str) -> Question:
    try:
        number = int(order)
    except ValueError:
        raise EinNetError(f"the order must be a whole number from 1 to {HIGHEST}, got {order!r}") from None
    return Question(type, number, term.strip())


def _query(text: str, order: int, term: str) -> str:
    return urlencode({"type": text, "order": order} | ({"term": term} if term else {}))
