"""Files give what ASE, or the numbers typed here, say they hold, and come back as written."""

import subprocess
import sys

import ase.build
import ase.db
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from io_structures import FRAME, make_structure

from miniff.io import read_structures, structure_from_ase, structure_to_ase, write_extxyz

STRESS = np.array([0.1, -0.2, 0.3, 0.04, -0.05, 0.06])


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
