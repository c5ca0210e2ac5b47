"""Written files are complete or not there."""

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
