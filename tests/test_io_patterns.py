"""Patterns name files in order, none twice, and none in vain."""

from io_structures import FRAME, refuses

from miniff.io import find_files, read_structures


def test_patterns_name_files_in_order(folder):
    """Lists keep their order, globs sort; relative, absolute and Path all do."""
    for name in ("b.xyz", "a.xyz", "c[1].xyz"):
        (folder / name).write_text(FRAME)
    assert list(map(str, find_files("*.xyz"))) == ["a.xyz", "b.xyz", "c[1].xyz"]
    assert list(map(str, find_files(["b.xyz", folder / "a.xyz"]))) == ["b.xyz", f"{folder}/a.xyz"]
    assert list(map(str, find_files(f"{folder}/[ab].xyz"))) == [f"{folder}/{x}.xyz" for x in "ab"]
    assert list(map(str, find_files("c[1].xyz"))) == ["c[1].xyz"]


def test_a_pattern_without_file_is_refused(folder):
    """The sentence shows the nearest names there are."""
    with refuses("no file matches `train.xyz`: the folder `.` is empty"):
        read_structures("train.xyz")
    (folder / "trains.xyz").write_text(FRAME)
    with refuses("no file matches `train*.json`; the folder `.` has `trains.xyz`"):
        read_structures("train*.json")
    with refuses("no file matches `data/train.xyz`: there is no folder `data`"):
        read_structures("data/train.xyz")
    with refuses("no file with structures is named: the list is empty"):
        read_structures([])


def test_a_file_named_twice_a_folder_and_a_dead_link_are_refused(folder):
    """No structure is counted twice by accident, none is passed over."""
    (folder / "dead.extxyz").symlink_to("nowhere")
    with refuses("dead.extxyz: is a link to nothing"):
        read_structures("*.extxyz")
    (folder / "a.xyz").write_text(FRAME)
    (folder / "sub").mkdir()
    with refuses(f"{folder}/a.xyz: named twice, by `*.xyz` and `{folder}/a.xyz`"):
        read_structures(["*.xyz", folder / "a.xyz"])
    with refuses("sub: is a folder but must be a file (try `sub/*.xyz`)"):
        read_structures("sub")
