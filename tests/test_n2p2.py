"""Potentials from and to folders of n2p2, against n2p2 itself and an evaluator of its own."""

import gzip
import json

import ase.io
import numpy as np
import pytest
from ase import units
from n2p2_folders import CASES, FOLDER, PLAIN, assert_same, networks_of, structure_of

from miniff import kernel, ml
from miniff.dyn import nve
from miniff.io import read_n2p2
from miniff.kernel import Cell
from miniff.ml._core_network import core_networks
from miniff.potentials import Functions
from miniff.units import factor

CODATA_2018 = {"length_unit": 0.529177210903, "energy_unit": 27.211386245988}
"""With which the published predictions were converted."""


@pytest.mark.parametrize("name", CASES)
def test_golden_potentials_are_those_of_n2p2(name):
    """Energy, forces, virial; in the compiled core; all activations, scalings, units."""
    expected = json.loads((FOLDER / name / "expected.json").read_text())
    potentials = ml.load_n2p2(FOLDER / name, **PLAIN)
    assert all(core_networks(one.network) is not None for one in networks_of(potentials))
    assert_same(kernel.eval(potentials, structure_of(FOLDER / name)), expected, 1e-10)


@pytest.mark.parametrize("name", CASES)
def test_inputs_of_networks_are_those_of_n2p2(name):
    """Raw and scaled functions, in n2p2's order."""
    expected = json.loads((FOLDER / name / "expected.json").read_text())
    read = read_n2p2(FOLDER / name)
    potentials = networks_of(ml.load_n2p2(FOLDER / name, **PLAIN))
    images = kernel.compute_images(structure_of(FOLDER / name), max(p.cutoff for p in potentials))
    for potential in potentials:
        atoms = images.table.atoms_of(potential.tag)
        values = Functions(potential.descriptors).values(images.table, atoms)
        scale, shift = read.networks[potential.tag].scaled(read.settings.scaling)
        for raw, own in zip(values, atoms, strict=True):
            np.testing.assert_allclose(raw, expected["G_raw"][own], rtol=1e-9, atol=1e-14)
            found = raw * scale + shift
            np.testing.assert_allclose(found, expected["G_scaled"][own], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", ["Cu2S_PBE", "DMABN_SCAN", "H2O_RPBE-D3"])
def test_example_potentials_give_their_published_numbers(name, shared_data):
    """What n2p2's own tests expect of its examples."""
    folder = shared_data / "n2p2" / "predict" / name
    expected = json.loads((folder / "expected.json").read_text())
    result = kernel.eval(ml.load_n2p2(folder, **PLAIN), structure_of(folder))
    assert_same(result, expected, 1e-10)


@pytest.mark.parametrize("element", ["Cu", "Mo", "Si"])
def test_published_networks_give_their_published_predictions(element, shared_data):
    """mlearn's networks, in eV and angstrom.

    The file of structures has 8 digits of each position after the point, the predictions were made
    from more: 5e-9 angstrom at some 50 eV/angstrom^2.
    """
    folder = shared_data / "mlearn"
    with gzip.open(folder / f"{element}_test_nnp_prediction.json.gz") as file:
        expected = json.load(file)
    potentials = ml.load_n2p2(folder / "models" / "nnp" / element, **CODATA_2018)
    results = [kernel.eval(potentials, c) for c in Cell.load(folder / f"{element}_test.xyz.gz")]
    energies = [result.energy for result in results]
    np.testing.assert_allclose(energies, expected["energies_eV"], rtol=1e-9)
    for result, forces in zip(results, expected["forces_eV_A"], strict=True):
        np.testing.assert_allclose(result.forces, forces, atol=5e-7)


def test_published_ranges_are_those_of_the_published_training_set(shared_data):
    """n2p2 noted the ranges when it trained: our grades of that set end at 1, to 8 digits."""
    folder = shared_data / "mlearn"
    potentials = ml.load_n2p2(folder / "models" / "nnp" / "Mo", **CODATA_2018)
    results = kernel.eval_many(potentials, Cell.load(folder / "Mo_train.xyz.gz"))
    grades = np.concatenate([result.grades for result in results])
    assert grades[:, 0].max() == pytest.approx(1, abs=5e-6)
    assert np.isnan(grades[:, 1]).all()


def test_dynamics_are_those_of_lammps_with_n2p2(shared_data):
    """n2p2's deck for copper sulfide: energies after 100 steps of 1 fs from rest.

    The deck has 32.065 for the mass of sulfur, ASE's table 32.06.
    """
    folder = shared_data / "n2p2"
    file = folder / "md_Cu2S" / "cu2s_144_low-chalcocite_Evans-1979_PBE.data"
    atoms = ase.io.read(file, format="lammps-data", atom_style="atomic", Z_of_type={1: 16, 2: 29})
    potentials = ml.load_n2p2(
        folder / "predict" / "Cu2S_PBE", length_unit="angstrom", energy_unit="eV"
    )
    still = np.zeros((len(atoms), 3))
    state = nve(Cell.from_ase(atoms), potentials, n_steps=100, timestep=units.fs, velocities=still)
    assert state.potential_energy == pytest.approx(-574.21185, abs=1e-4)
    assert state.energy == pytest.approx(-573.6561, abs=1e-4)


def test_units_are_those_that_are_said():
    """By name or by size; eV and angstrom are what comes out."""
    folder = FOLDER / "normalized_units"
    cell = structure_of(folder)
    plain = kernel.eval(ml.load_n2p2(folder, **PLAIN), cell)
    bohr, hartree = factor("bohr"), factor("Hartree")
    large = Cell(cell.vectors * bohr, cell.coordinates, cell.values)
    sizes = {"length_unit": bohr, "energy_unit": hartree}
    for said in ({"length_unit": "bohr", "energy_unit": "hartree"}, sizes):
        result = kernel.eval(ml.load_n2p2(folder, **said), large)
        np.testing.assert_allclose(result.energy, plain.energy * hartree, rtol=1e-12)
        np.testing.assert_allclose(result.forces, plain.forces * hartree / bohr, atol=1e-11)
    with pytest.raises(TypeError, match="length_unit"):
        ml.load_n2p2(folder)
    with pytest.raises(ValueError, match="`bohr` is not a known unit of energy"):
        ml.load_n2p2(folder, length_unit="bohr", energy_unit="bohr")
    with pytest.raises(ValueError, match="the unit of length is -1 but must be a name or in"):
        ml.load_n2p2(folder, length_unit=-1, energy_unit="eV")
