"""The explorer's server as a program of its own."""

import re
import signal
import subprocess
import sys
import urllib.request
from threading import Barrier, Lock, Thread

import pytest

from einnet.explore import server
from einnet.pages import Section

PROGRAM = """
import sys, time
from einnet.cli import main
from einnet.explore import sections

def endless(question):
    print("at work", flush=True)
    time.sleep(3600)

sections.SECTIONS["plan"] = sections.SectionKind("The plan", endless)
sys.exit(main(["explore", "aH", "--no-browser", "--port", "0"]))
"""


@pytest.mark.slow
def test_ctrl_c_ends_it_while_a_section_is_worked_out():
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        (root,) = re.findall(r"http://127.0.0.1:\d+/", program.stdout.readline())
        assert "Ctrl-C ends it" in program.stdout.readline()
        Thread(target=request, args=(f"{root}section/plan?type=aH&order=2",), daemon=True).start()
        assert program.stdout.readline() == "at work\n"
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=300)
    finally:
        program.kill()
    assert (program.returncode, errors) == (0, "")


def request(url):
    with pytest.raises(OSError):  # the server ends before it answers
        urllib.request.urlopen(url, timeout=600)


def test_two_sections_are_worked_out_at_once(monkeypatch):
    barrier, lock, running, counts = Barrier(2, timeout=300), Lock(), [], []

    def make_section(question, name):
        with lock:
            running.append(name)
            counts.append(len(running))
        barrier.wait()  # for another one
        with lock:
            running.remove(name)
        return Section(name, [])

    monkeypatch.setattr(server, "make_section", make_section)
    names = ["symmetry", "counts", "plan", "code", "minimal", "recipe"]
    futures = [server._start_section(name, type="abcabc", order="7", term="") for name in names]
    assert all(name in future.result(timeout=300) for name, future in zip(names, futures, strict=True))
    server._start_section.cache_clear()
    assert max(counts) == 2
