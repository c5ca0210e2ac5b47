"""Texts of files: read whole, or refused with a sentence before they take the memory."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from miniff.io import read_lammps_sw, read_setfl, read_structures
from miniff.io._text import FileError, read_text
from miniff.ml import load_potentials, load_simple_nn
from miniff.ml_util._jobfile import read_job_file


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.xyz", read_structures),
        ("a.traj", read_structures),
        ("a.json", read_structures),
        ("input.sw", read_lammps_sw),
        ("input.eam.alloy", read_setfl),
        ("potential_saved", load_simple_nn),
        ("p.yml", load_potentials),
        ("p.json", load_potentials),
        ("jobs.yml", read_job_file),
    ],
)
def test_gigantic_files_are_refused_unread(
    folder: Path, name: str, read: Callable[[Path], object]
) -> None:
    """A file of 8 TB, which takes no place on the disk: nobody has the memory for it."""
    with open(name, "wb") as file:
        file.write(b"begin\n" if name.endswith("data") else b"2\n")
        file.truncate(8 * 10**12)
    with pytest.raises(ValueError, match=rf"{re.escape(name)}: there are 8e\+03 GB .* are free"):
        read(folder / name)


def test_what_unpacks_to_gigantic_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of zeros, packed to a thousandth, where there is little memory."""
    monkeypatch.setattr("miniff.io._text.CHUNK", 10**5)
    monkeypatch.setattr("miniff.io._text.free_memory", lambda: 2e6)
    (folder / "a.xyz.gz").write_bytes(gzip.compress(bytes(10**6)))
    with pytest.raises(FileError, match=r"a\.xyz\.gz: there are 0\.0006 GB"):
        read_text(folder / "a.xyz.gz")
    (folder / "a.xyz.gz").write_bytes(gzip.compress(b"a" * 10**5))
    assert read_text(folder / "a.xyz.gz") == "a" * 10**5


def test_texts_of_other_systems_are_read(folder: Path) -> None:
    """A mark at the beginning, and lines as other systems end them."""
    (folder / "a.txt").write_bytes("\ufeffone\r\nÅ\rthree\n".encode())
    assert read_text(folder / "a.txt") == "one\nÅ\nthree\n"


def test_what_is_no_text_is_refused(folder: Path) -> None:
    """The byte is named, and the way a file is packed."""
    (folder / "a.txt").write_bytes(b"abc\xff")
    with pytest.raises(FileError, match=r"a\.txt: the file must be text in UTF-8, but byte 3 "):
        read_text(folder / "a.txt")
    (folder / "a.gz").write_bytes(gzip.compress(b"abc")[:-3])
    with pytest.raises(FileError, match=r"a\.gz: cannot be unpacked"):
        read_text(folder / "a.gz")
    with pytest.raises(FileError, match="is a folder but must be a file"):
        read_text(folder)
