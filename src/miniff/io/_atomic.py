"""Files that are either complete or not there."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["atomic_write", "hidden_folder"]

PREFIX = ".miniff-"
YOUNG_S = 2.0
"""A hidden folder may be without its lock for so long, when it is new."""
_swept: set[Path] = set()
"""Folders that this process has looked through for what killed ones left."""


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to, which takes the name ``path`` on leaving the block.

    If the block raises, or the process dies in it, a file that was at ``path`` stays as it was.
    The temporary file has the same name in a hidden folder next to ``path``, so that writers
    that look at a name (matplotlib, ASE, torch) see the final one. What a killed process left of
    its own is removed by the next one that writes there.

        with atomic_write("fit.json") as temporary:
            temporary.write_text(json.dumps(report))

    Raises:
        OSError: It cannot be written, and why: no folder, no permission, a full disk.
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing to what it points to
    if not target.parent.is_dir():
        raise FileNotFoundError(f"`{path}` cannot be written: no folder `{target.parent}`")
    with _told(path), hidden_folder(target.parent) as folder:
        temporary = folder / target.name
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)


@contextmanager
def _told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the system name the file that is asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno is None or PREFIX not in str(error.filename or PREFIX):
            raise
        raise type(error)(f"`{path}` cannot be written: {error.strerror}") from error


@contextmanager
def hidden_folder(parent: Path) -> Iterator[Path]:
    """A folder that is removed at the end, or, if the process is killed, by the next one."""
    _sweep(parent)
    with TemporaryDirectory(dir=parent, prefix=PREFIX) as name:
        folder = Path(name)
        with _locked(folder):
            yield folder


if sys.platform == "win32":

    @contextmanager
    def _locked(folder: Path) -> Iterator[None]:
        """There are no locks of folders."""
        yield

    def _sweep(parent: Path) -> None:
        """Who is alive cannot be told."""

else:
    import fcntl

    @contextmanager
    def _locked(folder: Path) -> Iterator[None]:
        """The lock is gone when the process is, however it ends."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def _sweep(parent: Path) -> None:
        """Removes what killed processes left: folders that nobody has locked."""
        if parent in _swept:
            return
        there = list(parent.glob(f"{PREFIX}*"))
        old = [folder for folder in there if _is_old(folder)]
        for folder in old:
            if _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)
        if len(old) == len(there):
            _swept.add(parent)

    def _is_old(folder: Path) -> bool:
        try:
            return time.time() - folder.stat().st_mtime > YOUNG_S
        except OSError:
            return True  # it is gone already

    def _is_left(folder: Path) -> bool:
        try:
            handle = os.open(folder, os.O_RDONLY)
        except OSError:
            return False
        try:
            return _lock(handle)
        finally:
            os.close(handle)

    def _lock(handle: int) -> bool:
        """Whether nobody else has it; False too where the file system knows no locks."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
