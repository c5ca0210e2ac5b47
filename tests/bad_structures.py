"""Bad files of structures."""

import gzip
import json
from pathlib import Path

from bad_inputs import BOX, GOOD, UNITS, Words, bad, job_of
from fuzz_readers import INPUT_DATA

WITH_FORCES = f"1\n{BOX}:forces:R:3\nSi 0 0 0 0 0 0\n"


def structures(words: str, content: str | bytes, name: str = "a.xyz") -> None:
    """A file of structures with this content."""

    def make() -> Words:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return ["eval", "lj.json", name]

    bad(words)(make)


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
structures("no column with the positions", GOOD.replace(":pos:", ":position:"))
structures("no column with the elements", GOOD.replace("species:", "specie:"))
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


input_data("`input.data` without its units", "", "")
input_data("an unknown unit", "", "", "--length-unit", "bohrs", "--energy-unit", "Hartree")
input_data("`input.data` that is cut off", "energy -1.5\ncharge 0\nend\n", "", *UNITS)
input_data("a line of `input.data` that is none", "energy", "enrgy", *UNITS)


@bad("a slab to be written as JSON")
def _() -> Words:
    Path("slab.xyz").write_text(GOOD.replace(" energy", ' pbc="T T F" energy'))
    return ["convert", "slab.xyz", "slab.json"]
