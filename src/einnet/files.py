"""Writing files whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile

__all__ = ["cannot_write", "check_writable", "remove_leftovers", "replace_file", "write_whole"]

MARK = ".part-"  # in the names of temporary files


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
        with temporary.open("rb") as f:
            os.fsync(f.fileno())
        replace_file(temporary, path)
    except OSError as error:
        if os.path.exists(temporary) and error.filename not in (None, str(temporary)):
            raise  # the block's own, about another file
        raise cannot_write(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
