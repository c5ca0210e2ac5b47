"""What ASE does with a calculator, on published numbers and beside a calculator without a list."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.constraints import FixAtoms
from ase.eos import EquationOfState
from ase.filters import FrechetCellFilter, StrainFilter, UnitCellFilter
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import MTKNPT, NoseHooverChainNVT
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS, FIRE, LBFGS
from ase.phonons import Phonons
from ase_silicon import SILICON, silicon, strained

from miniff.ase import MiniffCalculator
from miniff.dyn import thermal_velocities
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.potentials import lj_potential_family

A0 = 5.43095
"""Lattice constant of the potential (angstrom), and of silicon, to which it was fitted."""
C11, C12, C44 = 151.4, 76.4, 56.4
"""In GPa: Balamane, Halicioglu and Tiller, Phys. Rev. B 46, 2250 (1992), table V."""


class FreshList(Calculator):
    """kernel.eval, which makes its list anew every time."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        found = evaluate(SILICON, Cell.from_ase(atoms.copy()))
        self.results = {"energy": found.energy, "forces": found.forces, "stress": found.stress}


DYNAMICS = {
    "NVE": lambda a: VelocityVerlet(a, 2 * units.fs),
    "Langevin": lambda a: Langevin(
        a,
        2 * units.fs,
        temperature_K=1500,
        friction=0.05 / units.fs,
        fixcm=False,
        rng=np.random.default_rng(5),
    ),
    "Nose-Hoover": lambda a: NoseHooverChainNVT(
        a, 2 * units.fs, temperature_K=1500, tdamp=20 * units.fs
    ),
    "NPT": lambda a: MTKNPT(
        a,
        2 * units.fs,
        temperature_K=1500,
        pressure_au=5 * units.GPa,
        tdamp=20 * units.fs,
        pdamp=100 * units.fs,
    ),
}


@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics_are_those_with_a_fresh_list(name):
    """Forty hot steps with a short skin: positions, cell and momenta."""
    ends = []
    for calc in (MiniffCalculator(SILICON, skin=0.4), FreshList()):
        atoms = silicon(2)
        atoms.calc = calc
        atoms.set_velocities(thermal_velocities(Cell.from_ase(atoms.copy()), 1500, seed=1))
        DYNAMICS[name](atoms).run(40)
        ends.append(atoms)
    ours, theirs = ends
    assert 1 < ours.calc.n_lists < 30
    np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-9)
    np.testing.assert_allclose(ours.cell.array, theirs.cell.array, atol=1e-9)
    np.testing.assert_allclose(ours.get_momenta(), theirs.get_momenta(), atol=1e-8)


@pytest.mark.parametrize("optimizer", [BFGS, LBFGS, FIRE])
@pytest.mark.parametrize("cell_filter", [FrechetCellFilter, UnitCellFilter])
def test_relaxed_silicon_is_as_published(optimizer, cell_filter):
    """Lattice constant and cohesive energy from a strained and rattled start."""
    atoms = strained(
        silicon(1, rattle=0.05), 0.02 * np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]])
    )
    atoms.calc = MiniffCalculator(SILICON)
    assert optimizer(cell_filter(atoms), logfile=None).run(fmax=1e-4, steps=400)
    assert atoms.cell.volume ** (1 / 3) == pytest.approx(A0, abs=2e-4)
    assert atoms.get_potential_energy() / 8 == pytest.approx(-2 * 2.1683, abs=1e-5)
    assert atoms.calc.n_lists == 1


def test_strain_filter_finds_the_pressure_asked_for():
    """At 5 GPa the volume is that of the equation of state."""
    atoms = bulk("Si", a=5.431)
    atoms.calc = MiniffCalculator(SILICON)
    BFGS(StrainFilter(atoms), logfile=None).run(fmax=1e-5)
    volume = atoms.get_volume()
    pressed = FrechetCellFilter(atoms, scalar_pressure=2 * units.GPa)
    assert BFGS(pressed, logfile=None).run(fmax=1e-5, steps=200)
    assert -atoms.get_stress()[:3].mean() == pytest.approx(2 * units.GPa, rel=1e-3)
    modulus = (C11 + 2 * C12) / 3 * units.GPa
    assert atoms.get_volume() / volume - 1 == pytest.approx(-2 * units.GPa / modulus, rel=0.06)


def test_equation_of_state_is_as_published():
    """Volume and bulk modulus of a fit to seven energies."""
    volumes, energies = [], []
    calc = MiniffCalculator(SILICON)
    for scale in np.linspace(0.98, 1.02, 7):
        atoms = bulk("Si", a=5.431 * scale)
        atoms.calc = calc
        volumes.append(atoms.get_volume())
        energies.append(atoms.get_potential_energy())
    volume, energy, modulus = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    assert (4 * volume) ** (1 / 3) == pytest.approx(A0, abs=1e-3)
    assert energy / 2 == pytest.approx(-2 * 2.1683, abs=1e-5)
    assert modulus / units.GPa == pytest.approx((C11 + 2 * C12) / 3, rel=0.01)


def test_elastic_constants_are_as_published():
    """From stresses of strained cells; atoms give way within a sheared one."""
    ground = bulk("Si", a=A0, cubic=True)
    calc = MiniffCalculator(SILICON)

    def stress(strain):
        atoms = strained(ground, strain)
        atoms.calc = calc
        BFGS(atoms, logfile=None).run(fmax=1e-6)
        return atoms.get_stress() / units.GPa

    size = 1e-4
    along, shear = np.zeros((3, 3)), np.zeros((3, 3))
    along[0, 0], shear[1, 2], shear[2, 1] = size, size / 2, size / 2
    stretched = (stress(along) - stress(-along)) / (2 * size)
    sheared = (stress(shear) - stress(-shear)) / (2 * size)
    found = stretched[0], stretched[1], sheared[3]
    np.testing.assert_allclose(found, (C11, C12, C44), atol=0.1)


def test_phonons_start_with_the_speed_of_sound(folder):
    """Longitudinal waves along [100] have the velocity sqrt(C11 / density); translations cost 0."""
    atoms = bulk("Si", a=A0)
    phonons = Phonons(atoms, MiniffCalculator(SILICON), supercell=(5, 5, 5), delta=0.01)
    phonons.run()
    phonons.read(acoustic=True)
    small = 0.02
    energies = phonons.band_structure([[0, 0, 0], [0, small, small]])
    np.testing.assert_allclose(energies[0, :3], 0, atol=1e-4)
    wavevector = 2 * np.pi * np.linalg.norm(np.array([0, small, small]) @ atoms.cell.reciprocal())
    velocity = energies[1, :3].max() / units._hbar * units._e / wavevector / 1e10  # m/s
    density = 2 * atoms.get_masses()[0] * units._amu / (atoms.get_volume() * 1e-30)
    assert velocity == pytest.approx(np.sqrt(C11 * 1e9 / density), rel=0.01)


ARGON = lj_potential_family("Ar-Ar", epsilon=0.0104 / 2, sigma=3.4, a=2.0)


def vacancy() -> Atoms:
    """Solid argon without one atom; atom 0 is its neighbour."""
    atoms = bulk("Ar", a=5.2, cubic=True) * 2
    hole = np.argmin(np.linalg.norm(atoms.positions - atoms.positions[0] - [0, 2.6, 2.6], axis=1))
    del atoms[hole]
    return atoms


@pytest.mark.parametrize("shared", [False, True])
def test_band_over_a_barrier(shared):
    """An atom hops into a vacancy: the top is where symmetry puts it, halfway."""
    start = vacancy()
    end = start.copy()
    end.positions[0] += [0, 2.6, 2.6]
    top = start.copy()
    top.positions[0] += [0, 1.3, 1.3]
    one = MiniffCalculator(ARGON)
    for atoms in (start, end):
        atoms.calc = MiniffCalculator(ARGON)
        assert BFGS(atoms, logfile=None).run(fmax=1e-3, steps=100)
    top.set_constraint(FixAtoms([0]))
    top.calc = MiniffCalculator(ARGON)
    assert BFGS(top, logfile=None).run(fmax=1e-3, steps=100)
    images = [start, *(start.copy() for _ in range(3)), end]
    for image in images[1:-1]:
        image.calc = one if shared else MiniffCalculator(ARGON)
    band = NEB(images, method="improvedtangent", allow_shared_calculator=shared)
    band.interpolate()
    assert BFGS(band, logfile=None).run(fmax=2e-3, steps=150)
    energies = [image.get_potential_energy() for image in images]
    assert energies[2] - energies[0] == pytest.approx(
        top.get_potential_energy() - energies[0], abs=2e-4
    )
    assert energies[2] > energies[0] + 0.03
    assert energies[1] == pytest.approx(energies[3], abs=1e-3)


def test_fixed_atoms_stay():
    """Their forces are zero for ASE, and still ours below."""
    atoms = silicon(1, rattle=0.1)
    atoms.set_constraint(FixAtoms([0, 3]))
    atoms.calc = MiniffCalculator(SILICON)
    before = atoms.positions.copy()
    assert (atoms.get_forces()[[0, 3]] == 0).all()
    assert abs(atoms.get_forces(apply_constraint=False)[0]).max() > 0.1
    BFGS(atoms, logfile=None).run(fmax=0.01, steps=60)
    moved = np.abs(atoms.positions - before).max(axis=1) > 1e-6
    np.testing.assert_array_equal(np.flatnonzero(~moved), [0, 3])
