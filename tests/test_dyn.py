"""Dynamics against ASE's, step by step, and against what the equations conserve."""

import re

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet

from miniff.dyn import SkinForces, State, nve, thermal_velocities
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.potentials import lj_potential_family, sw2_potential_family, sw3_potential_family

SILICON = [
    sw2_potential_family(
        "Si-Si",
        epsilon=1.08415,
        sigma=2.0951,
        gauge_a=7.049556277,
        gauge_b=0.6022245584,
        a=1.8,
        p=4,
        q=0,
    ),
    sw3_potential_family(
        "Si-Si-Si", epsilon=1.08415, sigma=2.0951, l=21.0, gamma=1.2, cos_theta0=-1 / 3, a=1.8
    ),
]


def silicon(n: int = 1) -> Cell:
    """n x n x n cubic cells, rattled."""
    sites = [[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]]
    cell = Cell(5.431 * np.eye(3), np.array(sites) / 4, ["Si"] * 8).repeated(n, n, n)
    rattle = np.random.default_rng(0).normal(scale=0.01, size=(cell.size, 3)) / n
    return Cell(cell.vectors, cell.coordinates + rattle, cell.values)


class OurForces(Calculator):
    """kernel.eval, which makes its list anew every time, for ASE."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        cell = Cell(atoms.cell.array, atoms.get_scaled_positions(wrap=False), ["Si"] * len(atoms))
        result = evaluate(SILICON, cell)
        self.results = {"energy": result.energy, "forces": result.forces}


def test_steps_are_those_of_ase():
    """Positions, velocities and energies of 60 hot steps, lists made anew on the way."""
    cell = silicon()
    velocities = thermal_velocities(cell, 3000.0, seed=1)
    states: list[State] = []
    end = nve(
        cell,
        SILICON,
        n_steps=60,
        timestep=units.fs,
        velocities=velocities,
        observe=states.append,
        every=20,
        skin=0.2,
    )
    assert [s.step for s in states] == [0, 20, 40, 60]
    assert states[-1].time == pytest.approx(60 * units.fs)
    atoms = Atoms("Si8", cell=cell.vectors, positions=cell.cartesian(), pbc=True)
    atoms.set_masses(np.full(8, Atoms("Si").get_masses()[0]))
    atoms.set_velocities(velocities)
    atoms.calc = OurForces()
    ase = VelocityVerlet(atoms, timestep=units.fs)
    for state in states:
        if state.step:
            ase.run(20)
        np.testing.assert_allclose(state.positions, atoms.positions, atol=1e-10)
        np.testing.assert_allclose(state.velocities, atoms.get_velocities(), atol=1e-9)
        np.testing.assert_allclose(state.forces, atoms.get_forces(), atol=1e-8)
        assert state.potential_energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        assert state.kinetic_energy == pytest.approx(atoms.get_kinetic_energy(), abs=1e-9)
    assert end.energy == states[-1].energy


def test_energy_is_conserved_to_second_order():
    """Half the time step leaves a quarter of the fluctuation of the energy."""
    cell = silicon(2)
    velocities = thermal_velocities(cell, 600.0)
    spread = []
    for refine in (1, 2):
        energies: list[float] = []
        nve(
            cell,
            SILICON,
            n_steps=100 * refine,
            timestep=2 * units.fs / refine,
            velocities=velocities,
            observe=lambda state, e=energies: e.append(state.energy),
        )
        spread.append(np.std(energies))
    assert 3.2 < spread[0] / spread[1] < 4.8


def test_list_is_made_again_when_it_must_be():
    """Forces are those of a fresh list at every place; small moves make none."""
    cell = silicon(2)
    forces = SkinForces(SILICON, cell, skin=0.4)
    rng = np.random.default_rng(2)
    positions = cell.cartesian()
    for scale, lists in ((0.01, 1), (0.3, 2), (0.3, 3), (0.001, 3)):
        positions = positions + rng.normal(scale=scale, size=positions.shape)
        there = Cell(cell.vectors, positions @ np.linalg.inv(cell.vectors), cell.values)
        np.testing.assert_allclose(
            forces(positions).gradient, evaluate(SILICON, there).gradient, atol=1e-9
        )
        assert forces.n_lists == lists


def test_velocities_are_thermal():
    """No common motion, and the temperature asked for within its statistical error."""
    cell = silicon(5)
    velocities = thermal_velocities(cell, 500.0)
    mass = Atoms("Si").get_masses()[0]
    np.testing.assert_allclose(velocities.sum(axis=0), 0, atol=1e-10)
    temperature = mass * (velocities**2).sum() / (3 * cell.size - 3) / units.kB
    assert abs(temperature / 500 - 1) < 4 * np.sqrt(2 / (3 * cell.size))


@pytest.mark.parametrize(
    ("epsilon", "sentence"),
    [
        (1e300, "at step 0 atom 0 (counted from 0) is so fast that it moves by "),
        (
            1e307,
            "at step 0 the energy is inf and the force on atom 0 (counted from 0) is ",
        ),
    ],
)
def test_an_explosion_is_told_with_the_atom(epsilon, sentence):
    """Atoms that fly into each other, or away, stop the run."""
    cell = Cell(np.eye(3) * 10, [[0, 0, 0], [0.2, 0, 0]], ["Ar", "Ar"], pbc=False)
    lj = lj_potential_family(epsilon=epsilon, sigma=3.4, a=2.5)
    with pytest.raises(FloatingPointError, match=re.escape(sentence)):
        nve(cell, lj, n_steps=1, timestep=1.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_steps": -1}, "`n_steps` is -1 but must be in [0, inf)"),
        ({"every": 0}, "`every` is 0 but must be in [1, inf)"),
        ({"timestep": 0.0}, "`timestep` is 0.0 but must be in (0, inf)"),
        ({"skin": 0.0}, "`skin` is 0.0 but must be in (0, inf)"),
        ({"velocities": np.zeros((2, 3))}, "`velocities` has shape (2, 3) but must be (8, 3)"),
        ({"potentials": []}, "`potentials` is empty but atoms need a potential to have forces"),
        (
            {"potentials": lj_potential_family("Ar-Si", epsilon=1, sigma=3.4, a=2.5)},
            "`Ar` is not a known species. Known: `Si`",
        ),
        (
            {
                "cell": Cell(np.eye(3) * 5, [[0, 0, 0]], ["C"]),
                "potentials": SILICON[0].copy("Si-Si"),
            },
            "`Si` is not a known species. Known: `C`",
        ),
        (
            {
                "potentials": [
                    *SILICON,
                    sw2_potential_family("Ge-Si", epsilon=1, sigma=1, a=1.8, p=4, q=0),
                ]
            },
            "`Ge` is not a known species. Known: `Si`",
        ),
    ],
)
def test_wrong_input_is_refused(as_installed, changes, sentence):
    """Each with its sentence."""
    given = {"cell": silicon(), "potentials": SILICON, "n_steps": 1, "timestep": 1.0} | changes
    with pytest.raises(ValueError, match=re.escape(sentence)):
        nve(**given)


@pytest.mark.parametrize("temperature", [-1.0, np.nan])
def test_temperatures_are_positive(temperature):
    """In kelvin."""
    with pytest.raises(ValueError, match=r"^`temperature` is .* but must be in \[0, inf\)"):
        thermal_velocities(silicon(), temperature)


def test_masses_are_of_chemical_species():
    """Other names have none."""
    with pytest.raises(ValueError, match="is not a known chemical species"):
        thermal_velocities(Cell(np.eye(3), [[0, 0, 0]], ["Xx"]), 1.0)
