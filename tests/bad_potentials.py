"""Bad files of potentials."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from bad_inputs import LJ, UNITS, Call, Words, bad
from fuzz_readers import LAMMPS, N2P2, SETFL, SIMPLE_NN

from miniff import ml
from miniff.potentials import lammps_sw_potentials, lammps_tersoff_potentials, setfl_potentials


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
