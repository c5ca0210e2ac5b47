"""Nothing runs from a file, and no file names others: potentials, jobs, structures are data."""

import contextlib
import importlib
import inspect
import json
import os
import pickle
import re
import socket
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from ase.io.formats import ioformats

from miniff import dyn, ml
from miniff.io import StructureError, read_structures
from miniff.io._ase import REFUSED
from miniff.kernel import Cell
from miniff.ml._checkpoint import Checkpoint
from miniff.ml._stored import FORMAT, _read
from miniff.ml._tensor_files import DamagedFileError
from miniff.ml_util import run_job_file
from miniff.potentials import lj_potential_family

XYZ = "1\nLattice='5 0 0 0 5 0 0 0 5'\nSi 0 0 0\n"


class Evil:
    """Would make a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("run"),))


@pytest.fixture(autouse=True)
def nothing_ran(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """No code of a file has made a file, and nobody was called over the network."""

    def refuse(*_: object) -> None:
        raise AssertionError("there was a call over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert not Path("run").exists()


def in_zip(path: str, content: object) -> None:
    torch.save(content, path)


def in_zip_of_version_1(path: str, content: object) -> None:
    torch.save({"format": "miniff potentials", "version": 1, "potentials": content}, path)


def as_pickle(path: str, content: object) -> None:
    Path(path).write_bytes(pickle.dumps(content))


def as_old_pickle(path: str, content: object) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


LOADERS: list[Callable[[str], object]] = [
    ml.load_potentials,
    ml.load_provenance,
    ml.load_descriptors,
    lambda path: Checkpoint(Path(path), {}, 0.0).load(),
]


@pytest.mark.parametrize("save", [in_zip, in_zip_of_version_1, as_pickle, as_old_pickle])
@pytest.mark.parametrize("load", LOADERS)
def test_pickles_run_nothing(
    as_installed: None, load: Callable[[str], object], save: Callable[[str, object], None]
) -> None:
    """Potentials, descriptors, provenance, checkpoints: an object in them is refused by name."""
    save("evil.pt", {"state": [Evil()]})
    with pytest.raises(ValueError, match=r"evil\.pt is .*damaged.*(no plain data|no tensors)"):
        load("evil.pt")


def test_checkpoints_of_dynamics_run_nothing() -> None:
    """As those of a fit."""
    in_zip("md.checkpoint", {"format": Evil()})
    cell = Cell([[9, 0, 0], [0, 9, 0], [0, 0, 9]], [[0, 0, 0]], ["Ar"])
    lj = lj_potential_family(epsilon=1.0, sigma=2.0, a=2.0)
    record = dyn.Record(checkpoint="md.checkpoint")
    with pytest.raises(ValueError, match=r"md\.checkpoint is damaged \(it asks for"):
        dyn.nve(cell, lj, n_steps=1, timestep=1.0, record=record)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch run']",
        "!!python/object/new:os.system ['touch run']",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!!python/tuple [1]",
        "!run x",
    ],
)
def test_tags_of_yaml_run_nothing(tag: str) -> None:
    """In jobs, potentials and descriptors."""
    Path("jobs.yml").write_text(f"fit: {tag}")
    Path("p.yml").write_text(f"- family: lj\n  tag: {tag}\n")
    with pytest.raises(ValueError, match=r"jobs\.yml, line 1: a job file holds plain data, but"):
        run_job_file("jobs.yml")
    for load in (ml.load_potentials, ml.load_descriptors):
        with pytest.raises(ValueError, match=r"p\.yml, line 2: a file of potentials holds plain"):
            load("p.yml")


@pytest.mark.parametrize("name", ["a.py", "a.traj", "a.db", "a.npy", "a.pckl", "a.sh"])
def test_code_is_no_structure(name: str) -> None:
    """Neither as text nor as a pickle, whatever it is called."""
    for content in (b"open('run', 'w')\n", pickle.dumps(Evil())):
        Path(name).write_bytes(content)
        with pytest.raises(StructureError, match=rf"{re.escape(name)}: "):
            read_structures(name)


@pytest.mark.parametrize("name", ["postgresql", "postgres-1.xyz", "mysql.xyz", "mariadb.xyz"])
def test_names_of_files_are_no_addresses(name: str) -> None:
    """ASE would look for a server of that name."""
    Path(name).write_text(XYZ)
    assert len(read_structures(name)) == 1


def test_marks_in_names_choose_nothing() -> None:
    """ASE would read the first structure of `a.traj`."""
    Path("a.traj@0.xyz").write_text(2 * XYZ)
    assert len(read_structures("a.traj@0.xyz")) == 2


@pytest.mark.parametrize(
    ("name", "content", "program"),
    [
        ("inp", "XYZCoordinates = '../secret.xyz'\nBoxShape = minimum\n", "Octopus"),
        ("a.dat", "include_file : ../secret.xyz\n%block species \n%endblock species \n", "ONETEP"),
    ],
)
def test_no_file_is_read_that_another_one_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, program: str
) -> None:
    """A path in a data set may climb out of its folder: inputs that have paths are refused."""
    Path("secret.xyz").write_text(XYZ)
    (folder / "in").mkdir()
    monkeypatch.chdir(folder / "in")
    Path(name).write_text(content)
    with pytest.raises(StructureError, match=rf"{name}: is an input of {program}, which may name"):
        read_structures(name)
    monkeypatch.chdir(folder)


def test_archives_make_no_files(folder: Path) -> None:
    """A part of a potential file whose name climbs out of the folder stays where it is."""
    (folder / "in").mkdir()
    lj = lj_potential_family(epsilon=1.0, sigma=2.0, a=2.0)
    ml.save_potentials("in/p.pt", [lj])
    with zipfile.ZipFile("in/p.pt", "a") as archive:
        for name in ("../climbed", "/tmp/miniff-climbed", "p/../../climbed"):
            archive.writestr(name, "text")
    before = sorted(folder.rglob("*"))
    with contextlib.suppress(ValueError):
        ml.load_potentials("in/p.pt")
    assert sorted(folder.rglob("*")) == before
    assert not Path("/tmp/miniff-climbed").exists()


def test_packed_archives_do_not_swell() -> None:
    """A gigabyte of zeros in a megabyte is refused before it is unpacked."""
    with zipfile.ZipFile("p.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p/data.pkl", bytes(10**7))
    with pytest.raises(ValueError, match=r"p\.pt is not a .*: its parts are larger than it is"):
        ml.load_potentials("p.pt")


def test_tensors_are_no_larger_than_their_file() -> None:
    """One number that says to be a million million of them."""
    torch.save({"x": torch.zeros(1).expand(10**6, 10**6)}, "p.pt")
    with pytest.raises(ValueError, match=r"a tensor of the shape .* is larger than"):
        ml.load_potentials("p.pt")


def test_one_bit_of_a_potential_file_matters() -> None:
    """Torch reads damaged numbers as if they were right."""
    torch.save({"format": "miniff potentials", "numbers": torch.ones(100)}, "p.pt")
    content = bytearray(Path("p.pt").read_bytes())
    place = content.index(torch.ones(2).numpy().tobytes())
    content[place + 42] ^= 1
    Path("p.pt").write_bytes(content)
    assert torch.load("p.pt", weights_only=True)["numbers"].sum() != 100
    with pytest.raises(ValueError, match=r"p\.pt is not .* its part p/data/0 is not what was writ"):
        ml.load_potentials("p.pt")


@pytest.mark.parametrize("dtype", ["|O", "O", "<U10000000000", "nonsense"])
def test_caches_hold_numbers(dtype: str) -> None:
    """Objects of Python are no arrays."""
    place = {"dtype": dtype, "shape": [1], "start": 0, "checksum": 0}
    header = json.dumps({"format": FORMAT, "species": [], "arrays": {"a": place}, "size": 64})
    text = f"{sha256(header.encode()).hexdigest()}\n{header}\n".encode()
    Path("x.descriptors").write_bytes(text + bytes(-len(text) % 64) + bytes(64))
    with pytest.raises(DamagedFileError, match=r"x\.descriptors is "):
        _read(Path("x.descriptors"))


LOOKED_THROUGH = {
    "bundletrajectory": "folders, which are no files of structures; nothing is unpickled any more",
    "trajectory": "old trajectories, which are pickles, are read by a command of ASE's alone",
}
"""Modules of ASE with a word below that are harmless where we call them, and why."""


def test_readers_of_ase_run_nothing() -> None:
    """No reader that is in reach unpickles or evaluates; look through those that a new ASE has."""
    suspicious = re.compile(
        r"\bpickle\b|(?<![.\w])(?:eval|exec)\(|import_module|allow_pickle|os\.system"
    )
    found = set()
    for name, kind in ioformats.items():
        if name in REFUSED or not kind.can_read or not kind.module_name.startswith("ase.io."):
            continue
        module = importlib.import_module(kind.module_name)
        if suspicious.search(inspect.getsource(module)):
            found.add(kind.module_name.removeprefix("ase.io."))
    assert found <= LOOKED_THROUGH.keys()
    assert os.path.exists(inspect.getfile(importlib.import_module("ase.io.octopus.input")))
