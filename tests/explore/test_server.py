"""The explorer's server: who may ask, what is bounded, what is ended."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from types import SimpleNamespace

import pytest

from einnet import signals
from einnet.explore import server as module
from einnet.explore.workers import Workers
from explore import calls

PATIENCE = 60  # seconds, where other tests run
PROGRAM = """
import sys
from einnet.cli import main
from einnet.explore import server
from explore import calls

server.answer_section = calls.answer
sys.exit(main(["explore", "aH", "--no-browser", "--port", "0"]))
"""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "answer_section", calls.answer)
    with module.serve(0) as running:
        Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
        yield running
        running.shutdown()


def send(server, request):
    """A connection over which these bytes were sent."""
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE)
    connection.sendall(request)
    return connection


def read(connection):
    with connection:
        return b"".join(iter(lambda: connection.recv(2**16), b""))


def ask(server, path, *headers):
    """The answer, its status first."""
    lines = [f"GET {path} HTTP/1.1", *(headers or [f"Host: 127.0.0.1:{server.server_port}"]), "", ""]
    answer = read(send(server, "\r\n".join(lines).encode())).decode()
    return int(answer.split()[1]), answer


def start(server, name):
    """A connection that waits for a section."""
    return send(server, f"GET /section/{name}?type=a&order=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


OWN = "Host: 127.0.0.1:1"
REQUESTS = {
    "localhost": (["Host: localhost:8321"], 200),
    "forwarded": (["Host: LocalHost:9999"], 200),
    "version 6": (["Host: [::1]:8321"], 200),
    "own page": ([OWN, "Origin: http://127.0.0.1:1", "Sec-Fetch-Site: same-origin"], 200),
    "typed": ([OWN, "Sec-Fetch-Site: none"], 200),
    "a name that leads here": (["Host: evil.example:8321"], 403),
    "a name like it": (["Host: 127.0.0.1.evil.example"], 403),
    "a user before it": (["Host: localhost@evil.example"], 403),
    "no host": (["Accept: */*"], 403),
    "two hosts": ([OWN, "Host: evil.example"], 403),
    "another page": ([OWN, "Origin: http://evil.example"], 403),
    "another port": ([OWN, "Origin: http://127.0.0.1:2"], 403),
    "a file": ([OWN, "Origin: null"], 403),
    "an image of another site": ([OWN, "Sec-Fetch-Site: cross-site"], 403),
    "an image of another port": ([OWN, "Sec-Fetch-Site: same-site"], 403),
}


def test_only_pages_of_this_machine_are_answered(server):
    statuses = {
        name: ask(server, "/section/code?type=a&order=2", *headers)[0] for name, (headers, _) in REQUESTS.items()
    }
    assert statuses == {name: status for name, (_, status) in REQUESTS.items()}
    assert ask(server, "/", OWN, "Sec-Fetch-Site: cross-site")[0] == 200  # a link; it starts no work
    status, page = ask(server, "/", "Host: evil.example")
    assert status == 403 and f"http://127.0.0.1:{server.server_port}/" in page
    assert "frame-ancestors 'none'" in ask(server, "/")[1]


def test_work_is_ended_when_the_browser_has_gone(server):
    for _ in range(3):  # more than there are processes
        for connection in [start(server, "recipe") for _ in range(4)]:
            time.sleep(0.05)
            connection.close()
    assert ask(server, "/section/code")[0] == 200


def test_what_is_sent_after_a_request_does_not_hide_that_the_browser_has_gone(server):
    for connection in [start(server, "recipe") for _ in range(2)]:
        connection.sendall(b"more" * 1000)
        connection.close()
    assert ask(server, "/section/code")[0] == 200


def test_a_browser_that_sends_nothing_more_gets_its_answer(server):
    connection = start(server, "code")
    connection.shutdown(socket.SHUT_WR)
    assert read(connection).startswith(b"HTTP/1.0 200")


def test_more_sections_than_may_wait_are_refused_at_once(server):
    server.workers.close()
    server.workers = Workers(calls.answer, processes=1, places=2)
    connections = [start(server, "recipe") for _ in range(2)]
    while server.workers._places._value:
        time.sleep(0.01)
    status, page = ask(server, "/section/code")
    assert status == 503 and "Too many" in page
    assert ask(server, "/")[0] == 200
    for connection in connections:
        connection.close()
    assert wait_for(lambda: ask(server, "/section/code")[0] == 200)


def test_a_process_that_ends_is_said_and_replaced(server):
    for _ in range(3):
        status, page = ask(server, "/section/plan")
        assert status == 500 and "memory" in page
    assert ask(server, "/section/code")[0] == 200


def test_answers_are_remembered_and_failures_are_not(server):
    results = [(500, "failed"), None, (422, "wrong"), (200, "right")]
    server.workers.close()
    server.workers = SimpleNamespace(call=lambda *_: results.pop(0), close=lambda: None)
    answers = [server.answer(lambda: True, "code", "a", "1", "") for _ in range(6)]
    assert answers == [(500, "failed"), None, (422, "wrong"), *[(200, "right")] * 3]
    results += [(200, str(k)) for k in range(300)]
    for k in range(300):
        server.answer(lambda: True, "code", "a", str(k), "x")
    assert len(server._remembered) == module.REMEMBERED


def test_a_failure_is_an_answer():
    assert module.answer_section("code", "a", "5", "")[0] == 200
    assert module.answer_section("plan", "aab; b->", "5", "")[0] == 422
    assert module.answer_section("recipe", "aaaa", "4", "")[0] == 422
    status, html = module.answer_section("plan", None, "5", "")  # type: ignore[arg-type]
    assert status == 500 and "TypeError" in html


def test_idle_connections_give_way(server):
    idle = [send(server, b"") for _ in range(3 * module.UNASKED)]
    assert ask(server, "/")[0] == 200
    assert read(idle[0]) == b""
    assert len(server.unasked) <= module.UNASKED
    for connection in idle[1:]:
        connection.close()
    assert wait_for(lambda: not server.unasked and server._connections._value == module.CONNECTIONS)


def test_a_request_that_comes_drop_by_drop_is_ended(server, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.3)
    connection = send(server, b"GET / HTTP/1.1\r\n")

    def is_ended():
        try:
            return connection.sendall(b"X")
        except OSError:
            return True

    assert wait_for(is_ended)


def test_more_connections_than_may_be_are_closed(server, monkeypatch):
    waiting = [start(server, "recipe") for _ in range(4)]
    assert wait_for(lambda: server._connections._value == module.CONNECTIONS - 4)
    for _ in range(module.CONNECTIONS - 4):
        server._connections.acquire()
    assert read(send(server, b"")) == b""
    server._connections.release()
    assert ask(server, "/")[0] == 200
    for connection in waiting:
        connection.close()


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_a_process_removes_the_folder_of_its_killed_parent(tmp_path, monkeypatch):
    codes = []
    monkeypatch.setattr("os._exit", codes.append)
    (tmp_path / "socket").touch()
    reader, writer = Pipe(duplex=False)
    writer.close()
    signals._exit_after(reader, str(tmp_path))
    assert codes == [1] and not tmp_path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_or_folder_is_left_where_it_is_ended_while_a_section_is_made(number, short_folder):
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    variables = os.environ | {"PYTHONPATH": paths, "TMPDIR": str(short_folder)}
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], env=variables, **pipes)
    try:
        assert program.stdout is not None
        (port,) = re.findall(r"http://127.0.0.1:(\d+)/", program.stdout.readline())
        assert "Ctrl-C ends it" in program.stdout.readline()
        with start(SimpleNamespace(server_port=int(port)), "minimal"):
            process = int(re.fullmatch(r"at work (\d+)\n", program.stdout.readline())[1])
            if number == signal.SIGINT:
                os.killpg(program.pid, number)  # as a terminal does
            else:
                program.send_signal(number)
            _, errors = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
    assert errors == ""
    assert program.returncode == 0 or (number != signal.SIGINT and program.returncode == -number)
    assert wait_for(lambda: not is_running(process))
    assert wait_for(lambda: not list(short_folder.glob("pymp-*")))


@pytest.fixture
def short_folder():
    """A folder whose path leaves room for the name of a socket."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
