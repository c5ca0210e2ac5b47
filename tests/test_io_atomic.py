"""Written files are complete or not there."""

import errno
import subprocess
import sys

import pytest

from miniff.io import atomic_write


def test_a_file_appears_whole_or_not_at_all(folder):
    """If writing fails the old file stays, and nothing else is left."""
    (folder / "report.txt").write_text("old")

    def fail():
        with atomic_write("report.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (folder / "report.txt").read_text() == "old"
    with atomic_write(folder / "report.txt") as temporary:
        temporary.write_bytes(b"new")
        assert temporary.name == "report.txt"
        assert (folder / "report.txt").read_text() == "old"
    assert (folder / "report.txt").read_text() == "new"
    assert [path.name for path in folder.iterdir()] == ["report.txt"]


def test_a_link_stays_a_link(folder):
    """The file it points to is replaced."""
    (folder / "real").mkdir()
    (folder / "link.txt").symlink_to("real/file.txt")
    with atomic_write("link.txt") as temporary:
        temporary.write_text("new")
    assert (folder / "link.txt").is_symlink()
    assert (folder / "real" / "file.txt").read_text() == "new"


def test_writing_into_no_folder_is_refused(folder):
    """The sentence names the folder."""
    with (
        pytest.raises(FileNotFoundError, match=r"`out/x\.txt` cannot be written: no folder"),
        atomic_write("out/x.txt"),
    ):
        pass


LEAVES = """
import os, signal
from miniff.io import atomic_write

with atomic_write("report.txt") as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed(folder, monkeypatch):
    """By the next one in the folder; what a living one writes stays."""
    monkeypatch.setattr("miniff.io._atomic.YOUNG_S", 0.0)
    subprocess.run([sys.executable, "-c", LEAVES], check=False)
    (left,) = folder.glob(".miniff-*")
    assert (left / "report.txt").read_text() == "half"
    with atomic_write("other.txt") as temporary:
        assert not left.exists()
        monkeypatch.setattr("miniff.io._atomic._swept", set())
        with atomic_write("third.txt") as third:
            third.write_text("3")
        temporary.write_text("2")
    assert sorted(path.name for path in folder.iterdir()) == ["other.txt", "third.txt"]


def test_errors_of_the_disk_name_the_file(folder):
    """Not the temporary one, which nobody knows."""

    def fill():
        with atomic_write("report.txt") as temporary:
            raise OSError(errno.ENOSPC, "No space left on device", str(temporary))

    with pytest.raises(OSError, match=r"`report\.txt` cannot be written: No space left on device"):
        fill()
