"""Makes the bad inputs of `docs/library/bad-input.md`, by the words of its first column.

Each function leaves bad files in the current folder, and gives the words of the command line or the
call that reads them.
"""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from fuzz_readers import INPUT_DATA, LAMMPS, N2P2, SETFL, SIMPLE_NN
from silicon import labelled

from miniff import ml
from miniff.io import write_extxyz
from miniff.ml._checkpoint import Checkpoint
from miniff.ml_util import run_job_file
from miniff.potentials import (
    lammps_sw_potentials,
    lammps_tersoff_potentials,
    lj_potential_family,
    setfl_potentials,
)

__all__ = ["BAD", "prepare"]

Words = list[str]
Call = Callable[[], object]
LJ = lj_potential_family("Si-Si", epsilon=0.1, sigma=2.0, a=2.0)
BOX = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3'
GOOD = f"2\n{BOX} energy=-1.5\nSi 0 0 0\nSi 2.5 0 0\n"
WITH_FORCES = f"1\n{BOX}:forces:R:3\nSi 0 0 0 0 0 0\n"

BAD: dict[str, Callable[[], Words | Call]] = {}
"""By the words of the page."""


def prepare() -> None:
    """Good files beside the bad ones."""
    write_extxyz("good.xyz", labelled(4, seed=0))
    ml.save_potentials("lj.json", [LJ])


def bad(words: str) -> Callable[[Callable[[], Words | Call]], Callable[[], Words | Call]]:
    """Lists a function under these words."""

    def note(make: Callable[[], Words | Call]) -> Callable[[], Words | Call]:
        assert words not in BAD
        BAD[words] = make
        return make

    return note


def structures(words: str, content: str | bytes, name: str = "a.xyz") -> None:
    """A file of structures with this content."""

    def make() -> Words:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return ["eval", "lj.json", name]

    bad(words)(make)


def job(words: str, content: str) -> None:
    """A job file with this content."""

    def make() -> Words:
        Path("jobs.yml").write_text(content)
        return ["jobs.yml"]

    bad(words)(make)


# --- structures

structures("an empty file", "")
structures("a file that is cut off", GOOD + GOOD.rsplit("\n", 2)[0])
structures("a binary file", b"\x89PNG\r\n\x1a\n\x00\xff" * 9)
structures("a packed file that is cut off", gzip.compress(GOOD.encode() * 99)[:-9], "a.xyz.gz")
structures("a file that no reader knows", "hello\n", "a.zzz")
structures("no structure in it", "\n\n")
structures("a coordinate that is no number", GOOD.replace("2.5", "nan"))
structures("a coordinate that is infinite", GOOD.replace("2.5", "inf"))
structures("an energy that is no number", GOOD.replace("-1.5", "nan"))
structures("an energy that is a word", GOOD.replace("-1.5", "low"))
structures("a force that is no number", WITH_FORCES.replace("0 0 0 0 0 0", "0 0 0 0 nan 0"))
structures("a cell without volume", GOOD.replace("0 9 0 0", "9 0 0 0"))
structures("two atoms at one place", GOOD.replace("2.5", "9.0"))
structures("an element that is none", GOOD.replace("Si 2", "Qq 2"))
structures("an element that the potential lacks", GOOD.replace("Si 2", "Ge 2"))
structures("a line with too few columns", GOOD.replace("Si 2.5 0 0", "Si 2.5 0"))
structures("an energy given twice", GOOD.replace("energy", "energy=-2.5 energy"))
structures(
    "a stress that is not symmetric", GOOD.replace(" energy", ' stress="1 2 0 0 1 0 0 0 1" energy')
)
structures("a stress without a cell", "1\nstress='1 0 0 0 1 0 0 0 1'\nSi 0 0 0\n")
structures(
    "six numbers of stress in extended XYZ",
    GOOD.replace(" energy", ' stress="1 1 1 0 0 0" energy'),
)
structures("the address of other files", "XYZCoordinates = '../b.xyz'\n", "inp")


@bad("a gigantic file")
def _() -> Words:
    with open("a.xyz", "wb") as file:
        file.write(GOOD.encode())
        file.truncate(8 * 10**12)
    return ["eval", "lj.json", "a.xyz"]


@bad("no such file")
def _() -> Words:
    return ["eval", "lj.json", "god.xyz"]


@bad("a pattern that fits nothing")
def _() -> Words:
    return ["eval", "lj.json", "*.cif"]


@bad("a link to nothing")
def _() -> Words:
    Path("a.xyz").symlink_to("none")
    job_of("[a.xyz]")
    return ["jobs.yml"]


def job_of(files: str, **sections: str) -> None:
    rest = "".join(f"\n  {name}: {content}" for name, content in sections.items())
    Path("jobs.yml").write_text(f"fit:\n  prepare: {{fn_cells: {files}}}{rest}\n")


@bad("a file named twice")
def _() -> Words:
    job_of("[good.xyz, '*.xyz']")
    return ["jobs.yml"]


def cells(words: str, **changes: object) -> None:
    """A JSON file with a cell that has these entries."""

    def make() -> Words:
        cell = {
            "vectors": [[9, 0, 0], [0, 9, 0], [0, 0, 9]],
            "coordinates": [[0, 0, 0], [0.3, 0, 0]],
            "values": ["Si", "Si"],
        }
        Path("a.json").write_text(json.dumps([{**cell, **changes}]))
        return ["eval", "lj.json", "a.json"]

    bad(words)(make)


cells("forces of too few atoms", meta={"forces": [[0, 0, 0]]})
cells("a stress of five numbers", meta={"stress": [1, 1, 1, 0, 0]})
cells("too few coordinates", coordinates=[[0, 0, 0]])
cells("an array with units", vectors={"_type": "numpy", "data": [1], "units": "bohr"})
cells("a key that is none", vecters=[])
structures("JSON that is cut off", '[{"vectors": [[9, 0', "a.json")
structures("JSON nested without end", "[" * 100_000, "a.json")


def input_data(words: str, old: str, new: str, *options: str) -> None:
    """A file of n2p2 with something changed."""

    def make() -> Words:
        (text,) = INPUT_DATA
        Path("input.data").write_text(text.replace(old, new, 1))
        return ["eval", "lj.json", "input.data", *options]

    bad(words)(make)


UNITS = ("--length-unit", "bohr", "--energy-unit", "Hartree")
input_data("`input.data` without its units", "", "")
input_data("an unknown unit", "", "", "--length-unit", "bohrs", "--energy-unit", "Hartree")
input_data("`input.data` that is cut off", "energy -1.5\ncharge 0\nend\n", "", *UNITS)
input_data("a line of `input.data` that is none", "energy", "enrgy", *UNITS)


@bad("a slab to be written as JSON")
def _() -> Words:
    Path("slab.xyz").write_text(GOOD.replace(" energy", ' pbc="T T F" energy'))
    return ["convert", "slab.xyz", "slab.json"]


# --- jobs

job("a tab", "fit:\n\tprepare: {fn_cells: good.xyz}\n")
job("a key given twice", "fit:\n  prepare: {fn_cells: good.xyz, fn_cells: good.xyz}\n")
job("a number as text", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {n_epochs: 1e5}\n")
job("a wrong type", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {n_epochs: many}\n")
job("a number out of range", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {n_epochs: 0}\n")
job("a misspelt key", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {n_epoch: 10}\n")
job("a misspelt workflow", "fitt:\n  prepare: {fn_cells: good.xyz}\n")
job("a key that is missing", "fit:\n  run: {n_epochs: 10}\n")
job("a misspelt file", "fit:\n  prepare: {fn_cells: god.xyz}\n")
job("an output over an input", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {save: good.xyz}\n")
job("an output over the job", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {save: jobs.yml}\n")
job("an output in no folder", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {save: out/p.pt}\n")
job("an object of Python", "fit: !!python/object/apply:os.system ['touch run']\n")
job(
    "keys that do not go together",
    "md:\n  prepare: {fn_cells: good.xyz, potentials: lj.json}\n"
    "  run: {n_steps: 5, ensemble: nve, pressure_gpa: 1.0}\n",
)
job("an empty job", "")
job("a list in place of a job", "- fit\n")
job("brackets that do not close", "fit: {prepare: {fn_cells: good.xyz}\n")


@bad("aliases without end")
def _() -> Words:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for old, new in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]")
    Path("jobs.yml").write_text("\n".join(lines))
    return ["jobs.yml"]


@bad("no label at all")
def _() -> Words:
    Path("a.xyz").write_text(9 * GOOD.replace(" energy=-1.5", ""))
    job_of("a.xyz")
    return ["jobs.yml"]


@bad("a species in the test set alone")
def _() -> Words:
    Path("a.xyz").write_text(GOOD.replace("Si 2", "Ge 2"))
    Path("jobs.yml").write_text("fit:\n  prepare: {fn_cells: good.xyz, test_set: a.xyz}\n")
    return ["jobs.yml"]


@bad("a test set that was trained on")
def _() -> Words:
    Path("b.xyz").write_bytes(Path("good.xyz").read_bytes())
    Path("jobs.yml").write_text("fit:\n  prepare: {fn_cells: good.xyz, test_set: b.xyz}\n")
    return ["jobs.yml"]


@bad("a structure without atoms")
def _() -> Words:
    Path("a.xyz").write_text(f"0\n{BOX} energy=0\n")
    job_of("[good.xyz, a.xyz]")
    return ["jobs.yml"]


@bad("a time step that is too long")
def _() -> Words:
    Path("a.xyz").write_text(GOOD)
    Path("jobs.yml").write_text(
        "md:\n  prepare: {fn_cells: a.xyz, potentials: lj.json}\n"
        "  run: {n_steps: 50, timestep_fs: 1000000}\n"
    )
    return ["jobs.yml"]


# --- potentials


def potentials(words: str, content: str | bytes, name: str) -> None:
    """A potential file with this content."""

    def make() -> Words:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return ["eval", name, "good.xyz"]

    bad(words)(make)


def saved(words: str, content: object) -> None:
    """A potential file that torch has written."""

    def make() -> Words:
        torch.save(content, "p.pt")
        return ["eval", "p.pt", "good.xyz"]

    bad(words)(make)


class Evil:
    """Would run code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch run",))


KNOWN = {"format": "miniff potentials", "version": 1}
potentials("a text in place of a potential file", "hello\n", "p.pt")
potentials("an empty potential file", "", "p.pt")
saved("a potential file of a newer version", {**KNOWN, "version": 99, "potentials": []})
saved("a file of another program", {"state_dict": {}})
saved("a potential file with code", {**KNOWN, "potentials": [Evil()]})
saved(
    "a potential of an unknown family",
    {**KNOWN, "potentials": [{"tag": "Lenard-Jones", "parameters": {}, "ptag": None}]},
)


@bad("a potential file that is cut off")
def _() -> Words:
    ml.save_potentials("p.pt", [LJ])
    Path("p.pt").write_bytes(Path("p.pt").read_bytes()[:-200])
    return ["eval", "p.pt", "good.xyz"]


@bad("a potential file with one bit changed")
def _() -> Words:
    torch.save({**KNOWN, "numbers": torch.ones(50)}, "p.pt")
    content = bytearray(Path("p.pt").read_bytes())
    content[content.index(torch.ones(2).numpy().tobytes()) + 2] ^= 1
    Path("p.pt").write_bytes(content)
    return ["eval", "p.pt", "good.xyz"]


potentials("a misspelt family", "{family: lenard, epsilon: 1.0}\n", "p.yml")
potentials("a misspelt parameter", "{family: lj, epsilom: 1.0, sigma: 2.0, a: 2.0}\n", "p.yml")
potentials("a parameter out of range", "{family: lj, epsilon: 1.0, sigma: -2.0, a: 2.0}\n", "p.yml")
potentials(
    "a tag for other atoms", "{family: lj, tag: Si, epsilon: 1.0, sigma: 2.0, a: 2.0}\n", "p.yml"
)
potentials("a file of SIMPLE-NN that is cut off", SIMPLE_NN[0].rsplit("LAYER", 1)[0], "simple")


def n2p2(words: str, name: str, old: str, new: str, *options: str) -> None:
    """A folder of n2p2 with something changed in one of its files."""

    def make() -> Words:
        Path("nnp").mkdir()
        for path in N2P2.iterdir():
            Path("nnp", path.name).write_bytes(path.read_bytes())
        path = Path("nnp", name)
        if old:
            path.write_text(path.read_text().replace(old, new, 1))
        return ["eval", "nnp", "good.xyz", *options]

    bad(words)(make)


n2p2("a folder of n2p2 without its units", "input.nn", "", "")
n2p2("an unknown keyword of n2p2", "input.nn", "cutoff_type", "cutof_type", *UNITS)


@bad("a missing file of n2p2")
def _() -> Words:
    Path("nnp").mkdir()
    for path in N2P2.iterdir():
        if not path.name.startswith("weights.016"):
            Path("nnp", path.name).write_bytes(path.read_bytes())
    return ["eval", "nnp", "good.xyz", *UNITS]


def of_lammps(
    words: str, name: str, content: str, read: Callable[[str], object] = setfl_potentials
) -> None:
    """A file of LAMMPS, which Python reads."""

    def make() -> Call:
        Path(name).write_text(content)
        return lambda: read(name)

    bad(words)(make)


SW = (LAMMPS / "binary.sw").read_text()
TERSOFF = (LAMMPS / "binary.tersoff").read_text()
of_lammps("`setfl` tables that are cut off", "a.eam.alloy", SETFL.rsplit("\n", 2)[0])
of_lammps("a `.sw` file with a word too many", "a.sw", SW + " 1.0\n", lammps_sw_potentials)
of_lammps(
    "a `.tersoff` file without an entry",
    "a.tersoff",
    TERSOFF.replace("N Ga Ga", "N Ga Si"),
    lammps_tersoff_potentials,
)


# --- what runs leave


@bad("a damaged checkpoint")
def _() -> Words:
    Path("fit.checkpoint").write_bytes(b"PK\x03\x04" + bytes(100))
    job_of("good.xyz")
    return ["jobs.yml"]


@bad("a checkpoint of another run")
def _() -> Words:
    Checkpoint(Path("fit.checkpoint"), {"run": {"n_epochs": 3}}, 0.0).save({})
    job_of("good.xyz")
    return ["jobs.yml"]


@bad("a trajectory that is gone")
def _() -> Words:
    job = {
        "init": {"threads": 1, "log": "warning"},
        "prepare": {"fn_cells": "a.xyz", "potentials": "lj.json"},
        "run": {"n_steps": 4, "every": 1},
    }
    Path("a.xyz").write_text(GOOD)
    Path("jobs.yml").write_text(yaml.safe_dump({"md": job}))
    run_job_file("jobs.yml")
    Path("md.extxyz").write_text("")
    job["run"]["n_steps"] = 6
    Path("jobs.yml").write_text(yaml.safe_dump({"md": job}))
    return ["jobs.yml"]
