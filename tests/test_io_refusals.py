"""Structures that are unfit, and files that cannot hold them, are refused by their sentence."""

import gzip

import ase.build
import ase.db
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from io_structures import FRAME, LATTICE, make_structure, refuses

from miniff.io import read_structures, structure_from_ase, write_extxyz


@pytest.mark.usefixtures("as_installed")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "bad.xyz: the file is empty"),
        ("\n\n", "bad.xyz: the file holds no structure"),
        (FRAME + FRAME[:-25], "structure 1 (counted from 0): the file ends after 1 of 2 atoms"),
        (FRAME + FRAME[:-5], "structure 1 (counted from 0): line 8 has 6 columns but must have 7"),
        (FRAME + "3", "structure 1 (counted from 0): the file ends after 0 of 3 atoms"),
        (FRAME + "end", "line 5 is `end` but must be a number of atoms"),
        ("1\n\nSi 0 0 0 1 1 1\n", "line 3 has 7 columns but must have 4"),
        (FRAME.replace("Ge", "Xy"), "structure 0 (counted from 0): 'Xy' is no chemical element"),
        (FRAME.replace("1 1 9", "1 one 9"), "structure 0 (counted from 0): not readable: "),
        (FRAME.replace("1 1 9", "1 nan 9"), "`positions` is nan at [1, 1] but must be finite"),
        (FRAME.replace("-3.5", "inf"), "`energy` is inf but must be finite"),
        ("1\nenergy -3.5\nSi 0 0 0\n", "`energy` is True but must be numbers"),
        (FRAME.replace("-3.5", "low"), "`energy` is 'low' but must be numbers"),
        (FRAME.replace(" 0.2", " -inf", 1), "`forces` is -inf at [0, 1] but must be finite"),
        (FRAME.replace('"1 6 5', '"nan 6 5'), "`stress` is nan at [0] but must be finite"),
        (FRAME.replace('="4 0', '="nan 0'), "`vectors` is nan at [0, 0] but must be finite"),
        (FRAME.replace("4 0 0 0 4 0", "4 0 0 8 0 0"), "`vectors` span no volume but must"),
        (FRAME.replace(LATTICE, ""), "`stress` is given but `vectors` span no volume"),
        (FRAME.replace(":pos:", ":p:"), "`Properties` has species, p, forces but must have `pos`"),
        (
            FRAME.replace("species:S", "kind:S"),
            "`Properties` has kind, pos, forces but must have",
        ),
        (FRAME.replace("forces:R:3", "forces:R:2:q:R:1"), "`forces` has shape (2, 2) but must be"),
    ],
)
def test_an_unfit_structure_is_refused(folder, text, sentence):
    """The sentence names file, structure and fault."""
    (folder / "bad.xyz").write_text(text)
    with refuses(sentence) as caught:
        read_structures("bad.xyz")
    assert str(caught.value).startswith("bad.xyz")


def test_an_unreadable_file_is_refused_with_its_cause(folder):
    """Damaged and half packed files carry the exception that found it out."""
    (folder / "notes.zzz").write_text("hello\n")
    with refuses("notes.zzz: no format of structures is known whose names end in .zzz"):
        read_structures("notes.zzz")
    (folder / "half.xyz.gz").write_bytes(gzip.compress(20 * FRAME.encode())[:-20])
    (folder / "si.traj").write_bytes(b"- of UlmASE-Trajectory")
    (folder / "bytes.xyz").write_bytes(b"2\n\xff\xfe\n")
    for name in ("half.xyz.gz", "si.traj", "bytes.xyz"):
        with refuses(f"{name}: ") as caught:
            read_structures(name)
        assert caught.value.__cause__ is not None


def test_energies_that_differ_are_refused():
    """Two values for one thing are the user's to settle."""
    atoms = ase.build.bulk("Si")
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    atoms.info["energy"] = 1.0
    assert structure_from_ase(atoms).energy == 1.0
    atoms.info["energy"] = 2.0
    with refuses("ASE structure: `energy` is given twice, with different values"):
        structure_from_ase(atoms)


@pytest.mark.usefixtures("as_installed")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vectors": np.eye(2)}, "`vectors` has shape (2, 2) but must be (3, 3)"),
        ({"species": ("Si",)}, "`positions` has shape (3, 3) but must be (1, 3)"),
        ({"forces": np.zeros((2, 3))}, "`forces` has shape (2, 3) but must be (3, 3)"),
        ({"coordinates": np.zeros((3, 3))}, "`coordinates` @ `vectors` differ from `positions`"),
        ({"stress": np.zeros(9)}, "`stress` has shape (9,) but must be (6,)"),
        ({"arrays": {"q": np.zeros(2)}}, "`q` has shape (2,) but must be (3,)"),
        ({"info": {"energy": 1}}, "`energy` is a field of its own, not one of `info` or `arrays`"),
    ],
)
def test_a_structure_is_checked_when_made(changes, sentence):
    """The sentence starts with where the structure comes from."""
    with refuses(f"by hand: {sentence}"):
        make_structure(source="by hand", **changes)


def test_a_lopsided_stress_is_refused():
    """Nine components must be symmetric."""
    atoms = ase.build.bulk("Si")
    atoms.info["stress"] = np.arange(9.0)
    with refuses("`stress` differs from its transpose by 4.0 but must be symmetric"):
        structure_from_ase(atoms)
    atoms.info["stress"] = np.arange(5.0)
    with refuses("`stress` has shape (5,) but must be (6,), (9,) or (3, 3)"):
        structure_from_ase(atoms)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"species": ("BC", "O", "O")}, "structure: species 'BC' is not a chemical symbol"),
        ({"info": {"f": print}}, "`f` of `info` is builtin_function_or_method, which extended XYZ"),
        ({"info": {"virial": np.zeros(6)}}, "`virial` of `info` is ndarray, which extended XYZ"),
        ({"info": {"pbc": True}}, "`pbc` is no name for an entry of `info` in extended XYZ"),
        ({"arrays": {"a b": np.zeros(3)}}, "`a b` of `arrays` is no name for a column"),
        ({"arrays": {"pos": np.zeros((3, 3))}}, "`pos` of `arrays` is no name for a column"),
        (
            {"arrays": {"q": np.zeros((3, 2, 2))}},
            "`q` of `arrays` is float64 of shape (3, 2, 2), which extended XYZ cannot hold",
        ),
        ({"arrays": {"q": np.zeros(3, complex)}}, "`q` of `arrays` is complex128 of shape (3,)"),
        (
            {"arrays": {"names": np.array(["a b", "c", "d"])}},
            "`names` of `arrays` must be words, each without a blank",
        ),
    ],
)
def test_what_extended_xyz_cannot_hold_is_refused(folder, changes, sentence):
    """Nothing is left out in writing, and no file appears."""
    with refuses(sentence):
        write_extxyz("x.xyz", [make_structure(**changes)])
    with refuses("x.xyz: no structure to write"):
        write_extxyz("x.xyz", [])
    assert not list(folder.iterdir())
