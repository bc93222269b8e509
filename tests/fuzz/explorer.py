"""The explorer's server as a target: raw bytes of requests, in pieces, and how the browser ends them."""

import io
import re
import socket
import time
from contextlib import redirect_stderr, suppress
from functools import cache
from threading import Thread, active_count
from typing import Any

from hypothesis import strategies as st

from einnet.explore import server as explorer
from fuzz.inputs import mutate

__all__ = ["CONNECTIONS", "SECTION", "ask"]

PATIENCE = 30.0  # seconds until the answer, or until the connection is closed

Case = tuple[list[bytes], str]  # pieces of a request; "wait", "half" or "leave"


@cache
def _serve() -> tuple[Any, int]:
    """A running server, and the number of threads of a process that has no connection."""
    explorer.SECONDS = 0.3
    server = explorer.serve(0)
    Thread(target=server.serve_forever, daemon=True).start()
    return server, active_count()


def ask(case: Case) -> None:
    """An answer with a message, or a closed connection; afterwards the server is as before."""
    server, threads = _serve()
    pieces, end = case
    with redirect_stderr(io.StringIO()) as errors:
        answer = _send(server.server_port, pieces, end)
        last = time.monotonic() + PATIENCE
        while not (is_idle := _is_idle(server, threads)) and time.monotonic() < last:
            time.sleep(0.001)
    assert is_idle, "a connection or a thread is left"
    assert not errors.getvalue(), errors.getvalue()
    head, _, message = answer.partition(b"\r\n\r\n")
    assert answer == b"" or re.match(rb"HTTP/1\.0 [245]\d\d \w", head), answer[:100]
    assert answer == b"" or message or b"".join(pieces).startswith(b"HEAD")


def _send(port: int, pieces: list[bytes], end: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.001 * (len(pieces) > 1))
            if end == "half":
                connection.shutdown(socket.SHUT_WR)
            return b"" if end == "leave" else b"".join(iter(lambda: connection.recv(2**16), b""))
        except TimeoutError:
            raise AssertionError(f"no answer in {PATIENCE} seconds") from None
        except OSError:  # closed before all was read
            return b""


def _is_idle(server: Any, threads: int) -> bool:
    with suppress(AttributeError):
        return not server.unasked and server._connections._value == explorer.CONNECTIONS and active_count() <= threads
    return False


HOST = b" HTTP/1.1\r\nHost: 127.0.0.1:8321\r\n"
SECTION = b"GET /section/code?type=aaH&order=2" + HOST + b"\r\n"
REQUESTS = [
    SECTION,
    b"GET /" + HOST + b"Accept: */*\r\n\r\n",
    b"GET /?type=abH%3B%20a-%3Eb&order=3&term=ab,bc-%3Eac" + HOST + b"Origin: http://127.0.0.1:8321\r\n\r\n",
    b"GET /section/symmetry?type=aH,%20aaH%20-%3E%20H&order=3" + HOST + b"Sec-Fetch-Site: same-origin\r\n\r\n",
    b"POST /section/plan" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n12345",
    b"HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n",
    b"GET /\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
]
WORDS = [
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff", b"%00", b"%ff", b"%ED%A0%80", b"\x1b[2J", b" ", b"?", b"&", b"=", b"%", b":",
    b"GET", b"PUT", b"HTTP/0.9", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/9999999999.1", b"HTTP/1.\xb2", b"Host: localhost\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: keep-alive\r\n", b"Content-Length: -1\r\n", b"/section/", b"recipe",
    b"..%2f..%2fetc/passwd", b"type=", b"order=", b"order=9", b"term=", b"aaaaH", b"%3Cscript%3E", b"A" * 70_000,
]  # fmt: skip


@st.composite
def _requests(draw: Any) -> Case:
    """A request, whole or in pieces."""
    request = draw(st.one_of(mutate(REQUESTS, WORDS), st.binary(max_size=60)))
    cuts = sorted(draw(st.lists(st.integers(0, len(request)), max_size=3)))
    pieces = [request[i:j] for i, j in zip([0, *cuts], [*cuts, len(request)], strict=True)]
    return pieces, draw(st.sampled_from(["half", "half", "half", "leave", "wait"]))


CONNECTIONS = _requests()
