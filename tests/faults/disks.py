"""Small and read-only disks for tests: a tmpfs, where mounting is allowed."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["fill", "mount_disk", "read_only"]


@contextmanager
def mount_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of this size in a new folder; skips the test where nothing can be mounted."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    try:
        done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no mount command: {error}")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def read_only(folder: Path) -> None:
    """From now on nothing can be written to a mounted disk."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Takes what room there is, by a file that it returns."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass
    return ballast
