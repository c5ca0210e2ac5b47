"""How the bad inputs of `docs/library/bad-input.md` are listed, by the words of its first column.

Each function leaves bad files in the current folder, and gives the words of the command line or the
call that reads them. `bad_structures.py`, `bad_jobs.py` and `bad_potentials.py` have them.
"""

from collections.abc import Callable
from pathlib import Path

from silicon import labelled

from miniff import ml
from miniff.io import write_extxyz
from miniff.potentials import lj_potential_family

Words = list[str]
Call = Callable[[], object]
LJ = lj_potential_family("Si-Si", epsilon=0.1, sigma=2.0, a=2.0)
BOX = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3'
GOOD = f"2\n{BOX} energy=-1.5\nSi 0 0 0\nSi 2.5 0 0\n"

# Of `input.data` and of folders of n2p2.
UNITS = ("--length-unit", "bohr", "--energy-unit", "Hartree")

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


def job_of(files: str, **sections: str) -> None:
    """A job of `fit` with these structures."""
    rest = "".join(f"\n  {name}: {content}" for name, content in sections.items())
    Path("jobs.yml").write_text(f"fit:\n  prepare: {{fn_cells: {files}}}{rest}\n")
