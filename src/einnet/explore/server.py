"""The explorer's page as a small web server on this machine.

The page is a form and empty sections, each of which the browser then asks for. A question is the
address of its page, so that it can be kept and passed on.
"""

from contextlib import suppress
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from einnet.errors import EinNetError
from einnet.explore.question import HIGHEST, Question
from einnet.explore.sections import LEAD, SECTIONS, answered, asked_for
from einnet.pages import Section, Wrong, fragment, page

__all__ = ["address", "serve"]

EXAMPLES = ("aH", "abH", "aaH", "abcH -> aH; a->b", "aH, aaH -> H", "ixjycH; i->x, j->y")


def serve(port: int) -> ThreadingHTTPServer:
    """A server that listens on the loopback address only; port 0 takes any free one. Runs with `serve_forever`."""
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except (OSError, OverflowError) as error:
        raise EinNetError(f"port {port} cannot be used ({error}): give another --port, or 0 for any free one") from None


def address(server: ThreadingHTTPServer, asked: Question) -> str:
    """Where a browser finds the answer to a question."""
    return f"http://127.0.0.1:{server.server_port}/?{_query(asked.text, asked.order, asked.term)}"


class Handler(BaseHTTPRequestHandler):
    """Answers `/` with the page, `/section/NAME` with a section."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        given = {name: values[-1] for name, values in parse_qs(url.query).items()}
        name = url.path.removeprefix("/section/")
        if url.path == "/":
            self._send(200, _page(given))
        elif url.path != name and name in SECTIONS:
            self._send(200, _section(given.get("type", ""), given.get("order", ""), given.get("term", ""), name))
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


def _page(given: dict[str, str]) -> str:
    fields = {"type": "aaH", "order": "5", "term": ""} | given
    later, wrong = [], []
    try:
        asked = _question(fields["type"], fields["order"], fields["term"])
        later = [(name, SECTIONS[name]) for name in asked_for(asked)]
    except EinNetError as error:
        wrong = [_wrong(error)]
    shown = {"given": fields, "later": later, "highest": HIGHEST}
    examples = [(text, _query(text, 3, "")) for text in EXAMPLES]
    return page("EinNet explorer", wrong, LEAD, "explore/explorer.html", examples=examples, **shown)


@lru_cache(maxsize=128)
def _section(text: str, order: str, term: str, name: str) -> str:
    try:
        asked = _question(text, order, term)
    except EinNetError as error:
        return fragment(_wrong(error))
    return fragment(answered(asked, name))


def _wrong(error: EinNetError) -> Section:
    return Section("This cannot be read", [Wrong(str(error))])


def _question(text: str, order: str, term: str) -> Question:
    try:
        number = int(order)
    except ValueError:
        raise EinNetError(f"the order must be a whole number from 1 to {HIGHEST}, got {order!r}") from None
    return Question(text, number, term.strip())


def _query(text: str, order: int, term: str) -> str:
    return urlencode({"type": text, "order": order} | ({"term": term} if term else {}))
