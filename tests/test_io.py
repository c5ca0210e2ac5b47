"""Files give what ASE, or the numbers typed here, say they hold; unfit ones are refused."""

import gzip
import re
import subprocess
import sys

import ase.build
import ase.db
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from miniff.io import (
    Structure,
    StructureError,
    find_files,
    read_structures,
    structure_from_ase,
    structure_to_ase,
    write_extxyz,
)

STRESS = np.array([0.1, -0.2, 0.3, 0.04, -0.05, 0.06])
LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
FRAME = f"""2
{LATTICE} Properties=species:S:1:pos:R:3:forces:R:3 energy=-3.5 stress="1 6 5 6 2 4 5 4 3"
Si 0 0 0 0.1 0.2 0.3
Ge 1 1 9 -0.1 -0.2 -0.3
"""


def refuses(sentence):
    """Expect a refusal that contains the sentence, word for word."""
    return pytest.raises(StructureError, match=re.escape(sentence))


def make_structure(seed=0, **changes):
    rng = np.random.default_rng(seed)
    fields = {
        "vectors": np.diag([4.0, 5.0, 6.0]) + rng.normal(scale=0.1, size=(3, 3)),
        "positions": rng.normal(scale=9, size=(3, 3)),
        "species": ("Si", "O", "O"),
        "periodic": (True, True, False),
        "energy": rng.normal(),
        "forces": rng.normal(size=(3, 3)),
        "stress": rng.normal(size=6),
    }
    return Structure(**(fields | changes))


# --- reading what is fine


def test_extended_xyz_is_read_number_by_number(folder):
    """Each field holds the number typed into the file."""
    (folder / "train.xyz").write_text(FRAME.replace("energy=", "group=hot index=7 energy="))
    (structure,) = read_structures("train.xyz")
    np.testing.assert_array_equal(structure.vectors, 4 * np.eye(3))
    np.testing.assert_array_equal(structure.positions, [[0, 0, 0], [1, 1, 9]])
    np.testing.assert_array_equal(structure.forces, [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])
    np.testing.assert_array_equal(structure.stress, [1, 2, 3, 4, 5, 6])
    assert structure.species == ("Si", "Ge")
    assert structure.periodic == (True, True, True)
    assert structure.energy == -3.5
    assert structure.info == {"group": "hot", "index": 7}
    assert structure.source == "train.xyz, structure 0 (counted from 0)"


def test_plain_xyz_is_a_molecule_without_labels(folder):
    """Neither box nor energies are made up."""
    (folder / "water.xyz").write_text("3\n\nO 0 0 0\nH 1 0 0\nH 0 1 0\n")
    (structure,) = read_structures(folder / "water.xyz")
    assert structure.periodic == (False, False, False)
    assert not structure.vectors.any()
    assert structure.energy is structure.forces is structure.stress is None


def test_blank_lines_between_structures_hide_nothing(folder):
    """ASE stops at the first blank line; we do not."""
    (folder / "two.xyz").write_text(FRAME + "\n\n" + FRAME.replace("-3.5", "-4.5") + "\n")
    assert len(ase.io.read("two.xyz", ":")) == 1
    assert [structure.energy for structure in read_structures("two.xyz")] == [-3.5, -4.5]


@pytest.mark.parametrize("name", ["train.xyz", "train.extxyz", "train.xyz.gz", "train.xyz.xz"])
def test_extended_xyz_survives_writing_and_reading(folder, name):
    """What is written comes back to the bit, of whatever kind it is."""
    extras = {
        "info": {
            "group": "hot",
            "run": 7,
            "stress_pred": STRESS,
            "history": {"a": [1, "x"]},
            "name": "7",
            "answer": "true",
            "text": 'two\nlines, "quoted" = {\\',
            "key = of words": np.float32(0.1),
            "one": np.array([0.1]),
            "nothing": None,
            "virial": np.array([[0.1, 0.2, 0.3], [0.2, 1, 2], [0.4, 5, 6]]),
            "is_new": np.bool_(True),
        },
        "arrays": {
            "forces_pred": np.arange(9.0).reshape(3, 3) / 7,
            "tags": np.array([1, 2, 3]),
            "partial-energy": np.array([0.1, -1e-17, 1e300]),
            "charges": np.array([0.1, 0.2, -0.3]),
            "is_free": np.array([True, False, True]),
            "labels": np.array(["a", "b1", "c"]),
        },
    }
    originals = [
        make_structure(0, **extras),
        make_structure(1, energy=None, forces=None, stress=None),
        make_structure(2, vectors=np.zeros((3, 3)), periodic=(False,) * 3, stress=None),
    ]
    write_extxyz(name, originals)
    assert_same(read_structures(name), originals)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.species, one.periodic, one.energy) == (
            other.species,
            other.periodic,
            other.energy,
        )
        np.testing.assert_array_equal(one.vectors, other.vectors)
        np.testing.assert_array_equal(one.positions, other.positions)
        for a, b in ((one.forces, other.forces), (one.stress, other.stress)):
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_array_equal(a, b)
        assert one.info.keys() == other.info.keys()
        for key, value in one.info.items():
            np.testing.assert_array_equal(value, other.info[key])
        assert one.arrays.keys() == other.arrays.keys()
        for key, array in one.arrays.items():
            np.testing.assert_array_equal(array, other.arrays[key])


def test_written_files_are_what_ase_reads(folder):
    """ASE finds the same energy, forces and stress in its own conventions."""
    structure = make_structure()
    write_extxyz("one.xyz", [structure])
    atoms = ase.io.read("one.xyz")
    assert atoms.get_potential_energy() == structure.energy
    np.testing.assert_array_equal(atoms.get_forces(), structure.forces)
    np.testing.assert_allclose(atoms.get_stress(), structure.stress)
    np.testing.assert_array_equal(atoms.pbc, structure.periodic)


@pytest.mark.parametrize("name", ["si.traj", "si.cif", "si.vasp", "si.json", "si.db", "si.cfg"])
def test_other_formats_go_through_ase(folder, name):
    """Positions equal those that ASE reads."""
    ase.io.write(name, ase.build.bulk("Si", cubic=True))
    (structure,) = read_structures(name)
    atoms = ase.io.read(name)
    assert structure.species == ("Si",) * 8
    np.testing.assert_array_equal(structure.positions, atoms.get_positions())
    np.testing.assert_array_equal(structure.vectors, atoms.cell[:])


def test_results_of_a_calculation_come_along(folder):
    """A trajectory keeps energy, forces, stress and the other results."""
    atoms = ase.build.bulk("Si")
    results = {"energy": -1.5, "free_energy": -1.6, "stress": STRESS, "forces": np.ones((2, 3))}
    atoms.calc = SinglePointCalculator(atoms, **results, magmoms=np.array([0.5, -0.5]))
    ase.io.write("si.traj", [atoms, atoms])
    for structure in read_structures("si.traj"):
        assert structure.energy == -1.5
        np.testing.assert_array_equal(structure.forces, np.ones((2, 3)))
        np.testing.assert_array_equal(structure.stress, STRESS)
        assert structure.info["free_energy"] == -1.6
        np.testing.assert_array_equal(structure.arrays["magmoms"], [0.5, -0.5])


def test_constraints_do_not_change_forces():
    """The stored forces are taken, not those with held atoms set to zero."""
    atoms = ase.build.bulk("Si")
    atoms.set_constraint(ase.constraints.FixAtoms([0]))
    atoms.calc = SinglePointCalculator(atoms, forces=np.ones((2, 3)))
    np.testing.assert_array_equal(structure_from_ase(atoms).forces, np.ones((2, 3)))


@pytest.mark.parametrize(
    "stress",
    [STRESS, STRESS[[0, 5, 4, 5, 1, 3, 4, 3, 2]], STRESS[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]],
)
def test_labels_in_info_and_arrays_are_found(stress):
    """Stress as six or nine numbers means the same; a virial stays what it is."""
    atoms = ase.build.bulk("Si")
    atoms.info |= {"energy": np.float32(2.5), "stress": stress, "virial": np.eye(3)}
    atoms.arrays["forces"] = np.ones((2, 3))
    structure = structure_from_ase(atoms)
    assert structure.energy == 2.5
    np.testing.assert_array_equal(structure.stress, STRESS)
    np.testing.assert_array_equal(structure.forces, np.ones((2, 3)))
    assert list(structure.info) == ["virial"]
    assert not structure.arrays


def test_ase_and_back_changes_nothing():
    """Structure -> Atoms -> Structure is the identity."""
    structure = make_structure(info={"group": "hot"}, arrays={"tags": np.array([3, 4, 5])})
    assert_same([structure_from_ase(structure_to_ase(structure))], [structure])


@pytest.mark.parametrize(
    ("name", "n_structures", "has_stress"),
    [
        ("mlearn/Si_test.xyz.gz", 25, True),
        ("mlearn/Si_train.xyz.gz", 214, True),
        ("ta_fitsnap/Ta_363.xyz.gz", 363, True),
        ("acac/isolated_atoms.xyz.gz", 3, False),
    ],
)
def test_published_data_equal_what_ase_reads(shared_data, name, n_structures, has_stress):
    """Every structure is there, with ASE's energy, forces and stress."""
    structures = read_structures(shared_data / name)
    images = ase.io.read(shared_data / name, ":")
    assert len(structures) == len(images) == n_structures
    for structure, atoms in zip(structures, images, strict=True):
        assert structure.energy == atoms.get_potential_energy()
        np.testing.assert_array_equal(structure.positions, atoms.positions)
        assert (structure.stress is not None) == has_stress
        if has_stress:
            np.testing.assert_allclose(structure.stress, atoms.get_stress(), rtol=0, atol=1e-5)
            np.testing.assert_array_equal(structure.forces, atoms.get_forces())


def test_no_atom_is_a_structure_too(folder):
    """An empty box is read and written."""
    empty = make_structure(positions=np.zeros((0, 3)), species=(), forces=None, energy=0.0)
    write_extxyz("empty.xyz", [empty])
    (structure,) = read_structures("empty.xyz")
    assert structure.positions.shape == (0, 3)
    assert structure.energy == 0


def test_importing_the_formats_is_light():
    """ASE comes with the first file; torch and matplotlib never do."""
    heavy = "{'ase', 'matplotlib', 'scipy', 'torch'}"
    script = f"import sys, miniff.io; print({heavy} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert loaded.stdout.strip() == b"set()"


# --- which files


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


# --- unfit files


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
