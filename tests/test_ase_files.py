"""The calculator from files, in files of ASE, and in copies of atoms."""

import copy
import pickle
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.calculators.calculator import get_calculator_class
from ase.db import connect
from ase_silicon import SILICON, committee, silicon

from miniff import ml
from miniff.ase import MiniffCalculator
from miniff.potentials import general_pair_potential_family


def test_potentials_come_from_files_and_plain_data(folder: Path) -> None:
    """Networks, formulas in YAML, mappings and objects: the same energy."""
    atoms = silicon()
    expected = MiniffCalculator(SILICON).get_potential_energy(atoms)
    plain = [ml.plain_of(potential) for potential in SILICON]
    ml.save_potentials("sw.pt", SILICON)
    Path("sw.yml").write_text(str(plain))
    for given in (plain, tuple(SILICON), "sw.pt", Path("sw.pt"), "sw.yml"):
        assert MiniffCalculator(given).get_potential_energy(atoms) == expected
    ml.save_potentials("network.pt", committee())
    network = MiniffCalculator("network.pt")
    assert network.get_potential_energy(atoms) == MiniffCalculator(
        committee()
    ).get_potential_energy(atoms)
    assert network.get_property("energy_std", atoms) > 0


def test_ase_finds_the_calculator_by_name() -> None:
    """And makes one anew from the parameters that its files keep."""
    atoms = silicon()
    calc = MiniffCalculator(SILICON, skin=0.5)
    assert get_calculator_class("miniff") is MiniffCalculator
    assert calc.name == "miniff"
    parameters = calc.todict()
    assert set(parameters) == {"potentials", "skin"}  # without what is by default
    again = get_calculator_class(calc.name)(**parameters)
    assert again.get_potential_energy(atoms) == calc.get_potential_energy(atoms)


def test_database_keeps_what_makes_the_calculator_again(folder: Path) -> None:
    """Formulas and settings come back with the row, results too."""
    atoms = silicon()
    atoms.calc = MiniffCalculator(SILICON, skin=0.4)
    atoms.get_forces()
    with connect("silicon.db") as database:
        database.write(atoms)
    row = database.get(1)
    assert row.energy == atoms.get_potential_energy()
    np.testing.assert_array_equal(row.forces, atoms.get_forces())
    again = get_calculator_class(row.calculator)(**row.calculator_parameters)
    assert again.parameters["skin"] == 0.4
    np.testing.assert_array_equal(again.get_forces(row.toatoms()), atoms.get_forces())


@pytest.mark.parametrize("name", ["a.traj", "a.extxyz", "a.json"])
def test_files_of_ase_keep_the_results(folder: Path, name: str) -> None:
    """Energy, forces and stress, of a committee whose spread was asked for too."""
    atoms = silicon()
    atoms.calc = MiniffCalculator(committee())
    atoms.get_stress()
    atoms.calc.get_property("energy_std", atoms)
    ase.io.write(name, atoms)
    back = ase.io.read(name)
    assert back.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
    np.testing.assert_allclose(back.get_forces(), atoms.get_forces(), atol=1e-7)
    np.testing.assert_allclose(back.get_stress(), atoms.get_stress(), atol=1e-7)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_give_the_same_numbers(again) -> None:
    """Also in another process, with their settings."""
    for potentials in (SILICON, committee()):
        atoms = silicon()
        calc = MiniffCalculator(potentials, skin=0.3, precision="single")
        before = calc.get_forces(atoms)
        other = again(calc)
        assert other.results == {}
        assert {k: v for k, v in other.parameters.items() if k != "potentials"} == {
            "skin": 0.3,
            "precision": "single",
            "device": "cpu",
            "ignore_missing_species": False,
            "warn_extrapolation": True,
        }
        np.testing.assert_array_equal(other.get_forces(atoms), before)


def test_copies_of_python_functions_are_refused() -> None:
    """They cannot be written down."""
    pair = general_pair_potential_family("Si-Si", a=3.0, f=lambda r: r, df_dr=lambda r: 0 * r + 1)
    with pytest.raises(ValueError, match="Python function"):
        pickle.dumps(MiniffCalculator(pair))
