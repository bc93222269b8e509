"""The console side of every command: messages, exit codes."""

import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, CycloptsPanel, Parameter, UnusedCliTokensError
from rich.console import Console
from rich.text import Text

from einnet.checks import install_command
from einnet.errors import EinNetError, to_printable
from einnet.signals import ENDINGS, handle_signals

__all__ = ["INTERRUPTED", "Flag", "Json", "Source", "log", "make_console", "run_cli"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")]
Flag = Annotated[bool, Parameter(negative="")]
Source = Annotated[Path, Parameter(allow_leading_hyphen=True)]  # a file, or - for standard input
INTERRUPTED = 130  # the exit code
CLOSED_PIPE = 141  # the exit code of a program whose output is read no more, as shells have it
WIDE = 100_000  # columns


class _Console(Console):
    """A console on which no text is a command to the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(to_printable(text), **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def make_console(*, stderr: bool = False) -> Console:
    """A console that prints texts as they are, without markup; in a pipe or a file nothing is wrapped or cut."""
    console = _Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.file.isatty():
        console.width = WIDE
    return console


def log(text: str) -> None:
    """Prints a message on standard error; does not wrap paths, so that they can be copied."""
    make_console(stderr=True).print(text, soft_wrap=True)


def _expand_home(argument: str) -> str:
    """The argument with the home folder for ~, which shells leave in `--data=~/boards.txt`."""
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return option + equals + (os.path.expanduser(value) if value == "~" or value.startswith("~/") else value)


def run_cli(app: App, arguments: list[str] | None = None) -> int:
    """Runs a command line; returns the exit code: 0, 2 for wrong input, 130 if interrupted, 141 if the pipe is closed.

    SIGTERM and SIGHUP interrupt as Ctrl-C does.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the encoding has not
    try:
        code = _run_command(app, arguments)
        _flush_output()
        return code
    except BrokenPipeError:
        with suppress(OSError):
            _flush_output()
        return CLOSED_PIPE
    except OSError as error:
        print(f"einnet: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 2


def _format_usage_error(error: CycloptsError) -> Any:
    """The message in a panel; where words are left over, such as the - of an arrow, a text had no quotes."""
    message = to_printable(str(error))
    if isinstance(error, UnusedCliTokensError) or message.endswith(" -."):
        message += '\nQuote an argument that has spaces, > or ;, such as "aH -> H".'
    return CycloptsPanel(message)


def _flush_output() -> None:
    """Writes what is buffered; where that fails, leaves nothing for the interpreter to write at its end."""
    failure = None
    for stream in (sys.stdout, sys.stderr):
        try:
            print(end="", file=stream, flush=True)
        except OSError as error:
            failure = error
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if failure is not None:
        raise failure


def _run_command(app: App, arguments: list[str] | None) -> int:
    options: dict[str, Any] = {"exit_on_error": False, "print_error": True, "result_action": "return_value"}
    options["error_formatter"] = _format_usage_error
    words = [_expand_home(a) for a in (sys.argv[1:] if arguments is None else arguments)]
    app.suppress_keyboard_interrupt = False
    try:
        with handle_signals(signal.default_int_handler, *ENDINGS):
            code = app(words, console=_Console(), error_console=_Console(stderr=True), **options) or 0
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code
    except CycloptsError:
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        _flush_output()  # fails too, with better words, if the output is what cannot be written
        message = str(error)
    except (EinNetError, MemoryError) as error:
        message = str(error) or type(error).__name__
    except RuntimeError as error:
        if not any(words in str(error) for words in ("can't allocate memory", "out of memory")):  # as torch says it
            raise
        message = "there is not enough memory for this: make the network or the batch smaller"
    except ModuleNotFoundError as error:
        message = f"{error}: type {install_command((error.name or '').partition('.')[0])}"
    except KeyboardInterrupt:
        if arguments is None:  # the program ends: a second Ctrl-C finds nothing to interrupt
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("einnet: interrupted", file=sys.stderr)
        return INTERRUPTED
    print(f"einnet: {to_printable(message)}", file=sys.stderr)
    return 2
