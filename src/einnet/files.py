"""Writing files whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

__all__ = ["cannot_write", "remove_leftovers", "write_whole"]

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

    In any case `path` has either its old content or all of the new. A process that is killed leaves the
    temporary file behind: see `remove_leftovers`. Raises `OSError` if the file cannot be written; the message
    names `path`.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a folder; or a device, which renaming would replace
        raise OSError(f"{path} cannot be written: it is a folder or a device. Give the name of a file")
    temporary = path.with_name(f".{path.name[:20]}{MARK}{token_hex(8)}{path.suffix[:20]}")  # of at most 255 bytes
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb+") as f:  # Windows flushes only what may be written
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary) and error.filename not in (None, str(temporary)):
            raise  # the block's own, about another file
        raise cannot_write(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
