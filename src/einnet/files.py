"""Reading files, packed or not, in any Unicode encoding; writing them completely or not at all."""

import gzip
import json
import os
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase, BytesIO
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from einnet.errors import DataError
from einnet.limits import limits

__all__ = [
    "STANDARD_INPUT", "cannot_write", "check_writable", "decode_text", "get_stem", "name_source", "parse_json",
    "read_bytes", "read_json", "read_named_text", "read_text", "remove_leftovers", "replace_file", "write_text",
    "write_whole",
]  # fmt: skip

MARK = ".part-"  # in the names of temporary files
STANDARD_INPUT = "-"  # as the name of a file


def name_source(source: Path | str) -> str:
    """A source of data in messages: its path, or words for standard input."""
    return "standard input" if str(source) == STANDARD_INPUT else str(source)


def get_stem(source: Path | str) -> str:
    """The name of a source of data without its ending, to name files after it."""
    path = Path(source).expanduser().resolve()
    return "standard-input" if str(source) == STANDARD_INPUT else path.name if path.is_dir() else path.stem


def read_bytes(source: Path | str) -> bytes:
    """The content of a file, or of standard input for "-", unpacked if it is that of gzip or of a zip with one file.

    Raises `DataError` for one that cannot be read, or that expands beyond the limit.
    """
    name = name_source(source)
    try:
        if str(source) == STANDARD_INPUT:
            stream = getattr(sys.stdin, "buffer", sys.stdin)  # a stream of text has no buffer, a window no stream
            content = b"" if stream is None else stream.read()
            content = content if isinstance(content, bytes) else content.encode()
        else:
            content = Path(source).expanduser().read_bytes()
        if content.startswith(b"\x1f\x8b"):
            with gzip.open(BytesIO(content)) as unpacked:
                return _expand(unpacked, len(content), name)
        if content.startswith(b"PK\x03\x04"):
            return _unzip(content, name)
        return content
    except DataError:
        raise
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, BadZipFile) as error:
        raise DataError(f"{name} cannot be read: {error}") from None


def _unzip(content: bytes, name: str) -> bytes:
    with ZipFile(BytesIO(content)) as archive:
        members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if len(members) != 1:
            raise DataError(f"{name} is a zip with {len(members)} files, expected one: unpack it, and name a file")
        with archive.open(members[0]) as unpacked:
            return _expand(unpacked, len(content), name)


def _expand(unpacked: BufferedIOBase | IO[bytes], size: int, name: str) -> bytes:
    limit = limits().expansion * size + 2**20
    content = unpacked.read(limit + 1)
    if len(content) > limit:
        raise DataError(f"{name} expands to more than {limits().expansion} times its size, which no file of data does")
    return content


def read_text(source: Path | str) -> str:
    """The text of a file, or of standard input for "-", in UTF-8, UTF-16 or UTF-32, with a byte order mark or without.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "names.txt"
    >>> _ = file.write_bytes(gzip.compress("Zo\u00eb".encode("utf-16")))
    >>> read_text(file) == "Zo\u00eb"
    True

    Packed files are unpacked, as by `read_bytes`; raises `DataError` for content that is not text.
    """
    return decode_text(read_bytes(source), source)


def decode_text(content: bytes, source: Path | str) -> str:
    """The text of a content, whose source is named in messages."""
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"is no text in {encoding}: byte 0x{content[error.start]:02x} in line {line} ({error.reason})"
        raise DataError(f"{name_source(source)} {problem}. Save it as UTF-8") from None


def read_json(file: Path | str) -> Any:
    """The content of a JSON file, or of standard input for "-"; raises `DataError` for one that cannot be read."""
    return parse_json(read_text(file), name_source(file))


def parse_json(text: str, name: str) -> Any:
    """The content of a text; raises `DataError` with the name for one that is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON: {error}") from None


def read_named_text(text: str, endings: tuple[str, ...] = ()) -> tuple[str, str | None]:
    """The text of the file that an argument names, or of standard input, with the name; or the argument, with None.

    An argument that looks like a path is never taken for the text itself.
    """
    if text == STANDARD_INPUT or os.path.exists(os.path.expanduser(text)):  # False for a text that cannot be a path
        return read_text(text), name_source(text)
    if "\n" not in text and ("/" in text or text.lower().endswith(endings)):
        raise DataError(f"no file at {text}")
    return text, None


@contextmanager
def write_whole(path: Path | str) -> Iterator[Path]:
    """A temporary path in the folder of `path`, renamed to `path` when the block ends without an error.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with write_whole(target) as temporary:
    ...     _ = temporary.write_text("1 2 3")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('1 2 3', 1)

    In any case `path` has either its old content or all of the new. It keeps its permissions; a symbolic link stays,
    and the file that it leads to is written. A process that is killed leaves the temporary file behind: see
    `remove_leftovers`. Raises `OSError` if the file cannot be written; the message names `path`.
    """
    path, target = Path(path), _resolve_file(path)
    temporary = target.with_name(f".{target.name[:20]}{MARK}{token_hex(8)}{target.suffix[:20]}")  # in 255 bytes
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb+") as f:  # Windows flushes only what may be written
            os.fsync(f.fileno())
        replace_file(temporary, path)
    except OSError as error:
        if os.path.exists(temporary) and error.filename not in (None, str(temporary)):
            raise  # the block's own, about another file
        raise cannot_write(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str, errors: str = "strict") -> None:
    """Writes a text in UTF-8, as `write_whole` does."""
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors)


def _resolve_file(path: Path | str) -> Path:
    """The file that a path leads to, perhaps over symbolic links, or the place of a new one."""
    if os.path.exists(path) and not os.path.isfile(path):  # a folder; or a device, which renaming would replace
        raise OSError(f"{path} cannot be written: it is a folder or a device. Give the name of a file")
    return Path(os.path.realpath(path) if os.path.islink(path) else path)


def replace_file(temporary: Path, path: Path) -> None:
    """Replaces a file by a temporary one, which gets its permissions."""
    path = _resolve_file(path)
    if os.path.exists(path):
        shutil.copymode(path, temporary)
    os.replace(temporary, path)


def check_writable(path: Path | str) -> None:
    """Raises `OSError` before work starts whose result could not be written to `path`."""
    folder = next(p for p in _resolve_file(path).absolute().parents if os.path.exists(p))
    try:
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise cannot_write(Path(path), error) from None


def remove_leftovers(folder: Path | str) -> None:
    """Removes temporary files of processes that were killed; for a folder in which no other process writes."""
    for path in Path(folder).glob(f".*{MARK}*"):
        path.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> OSError:
    """The error with a message that names the path that the user gave."""
    reason = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
    if isinstance(error, FileExistsError | NotADirectoryError):
        reason = "a part of its path is not a folder"
    unchanged = "; its old content is unchanged" if os.path.isfile(path) else ""
    renamed = type(error)(f"{path} cannot be written: {reason}{unchanged}. Make room, or choose another place")
    renamed.errno = error.errno
    return renamed
