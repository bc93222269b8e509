"""Writing files whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}{MARK}", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as f:
            os.fsync(f.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and error.filename not in (None, str(temporary)):
            raise  # the block's own, about another file
        raise cannot_write(path, error) from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path | str) -> None:
    """Removes temporary files of processes that were killed; for a folder in which no other process writes."""
    for path in Path(folder).glob(f".*{MARK}*"):
        path.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> OSError:
    """The error with a message that names the path that the user gave."""
    no_folder = isinstance(error, FileExistsError | NotADirectoryError)
    reason = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
    if no_folder:
        reason = "a part of its path is not a folder"
    unchanged = "; its old content is unchanged" if os.path.isfile(path) else ""
    renamed = type(error)(f"{path} cannot be written: {reason}{unchanged}. Make room, or choose another place")
    renamed.errno = error.errno
    return renamed


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
