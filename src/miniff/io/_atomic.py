"""Files that are either complete or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to, which takes the name ``path`` on leaving the block.

    If the block raises, or the process dies in it, a file that was at ``path`` stays as it was.
    The temporary file has the same name in a hidden folder next to ``path``, so that writers
    that look at a name (matplotlib, ASE, torch) see the final one.

        with atomic_write("fit.json") as temporary:
            temporary.write_text(json.dumps(report))
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing to what it points to
    if not target.parent.is_dir():
        raise FileNotFoundError(f"`{path}` cannot be written: no folder `{target.parent}`")
    with TemporaryDirectory(dir=target.parent, prefix=".miniff-") as folder:
        temporary = Path(folder) / target.name
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
