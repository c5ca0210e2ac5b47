"""LAMMPS with our potentials against the kernel, and against its own pair style."""

import re

import numpy as np
import pytest
from ase_silicon import committee
from lammps_run import VIRIAL, assert_agrees, atoms_of, by_id, cell_of, lammps_with
from lammps_systems import MOVING, SPECIES, mixture, silicon, with_ours
from noble_gases import ARGON_KRYPTON
from silicon import SILICON
from trained import trained

from miniff import ml
from miniff.kernel import Cell, ExtrapolationWarning, atomic_virials
from miniff.kernel import eval as evaluate
from miniff.lammps import attach
from miniff.ml._device._search import DeviceSearch
from miniff.potentials._devices import cpu_by_torch
from miniff.units import factor

SKEWED = 5.431 * np.array([[2, 0, 0], [0.3, 2, 0], [-0.2, 0.4, 2.0]])
SHEARED = 0.98 * 10.862 * np.array([[1, 0, 0], [0.02, 1, 0], [-0.01, 0.03, 1.01]])


SYSTEMS = {
    "orthogonal": (silicon, SILICON, ["Si"]),
    "triclinic": (lambda: silicon(SKEWED), SILICON, ["Si"]),
    "two species": (mixture, ARGON_KRYPTON, SPECIES),
    "network": (lambda: silicon(SKEWED), committee(), ["Si"]),
}
ENSEMBLES = {
    "nve": ["fix integrator all nve"],
    "npt": ["fix integrator all npt temp 900 900 0.1 tri 2e4 2e4 0.2"],
}


@pytest.mark.parametrize("ensemble", ENSEMBLES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_each_step_agrees_with_the_kernel(system: str, ensemble: str) -> None:
    """Energy, forces and all components of the pressure, as atoms and box move."""
    make, potentials, species = SYSTEMS[system]
    lmp = lammps_with(make(), species)
    coupling = attach(lmp, potentials, species)
    lmp.commands_list([*MOVING[:2], *ENSEMBLES[ensemble], "run 0 post no"])
    start = by_id(lmp, "x")
    for _ in range(20):
        lmp.command("run 1 post no")
        assert_agrees(lmp, potentials, species)
    assert np.abs(by_id(lmp, "x") - start).max() > 0.05
    assert coupling.n_calls == 41


@pytest.mark.parametrize("atomic_virial", [False, True])
def test_forces_may_come_from_a_device(atomic_virial: bool, device: str) -> None:
    """Those of the core, as all moves; the device lists pairs unless the core needs them."""
    lmp = lammps_with(silicon(SKEWED), ["Si"])
    coupling = attach(lmp, SILICON, ["Si"], device=device, atomic_virial=atomic_virial)
    assert isinstance(coupling._search, DeviceSearch) != atomic_virial
    lmp.commands_list([*MOVING[:2], *ENSEMBLES["npt"], "run 0 post no"])
    for _ in range(3):
        lmp.command("run 2 post no")
        with cpu_by_torch(False):
            assert_agrees(lmp, SILICON, ["Si"])


@pytest.fixture
def sw_file(tmp_path):
    """Silicon for LAMMPS's `pair_style sw`."""
    file = tmp_path / "Si.sw"
    numbers = "2.1683 2.0951 1.80 21.0 1.20 -0.333333333333333333 7.049556277 0.6022245584 4 0 0"
    file.write_text(f"Si Si Si {numbers}\n")
    return file


def with_own_style(cell: Cell, sw_file):
    lmp = lammps_with(cell, ["Si"], pair_style="sw")
    lmp.command(f"pair_coeff * * {sw_file} Si")
    return lmp


def test_trajectory_is_that_of_pair_style_sw(sw_file) -> None:
    """A hundred steps at constant pressure end at the same place, with the same thermo."""
    ends = []
    for lmp in (with_own_style(silicon(), sw_file), with_ours(silicon())):
        lmp.commands_list([*MOVING[:2], *ENSEMBLES["npt"], "run 100"])
        thermo = [lmp.get_thermo(name) for name in ("pe", "etotal", "press", "temp", "vol")]
        ends.append((by_id(lmp, "x"), by_id(lmp, "v"), thermo))
    for own, ours in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, own, rtol=1e-8, atol=1e-8)


def test_box_relaxes_as_with_pair_style_sw(sw_file) -> None:
    """`fix box/relax` needs energy and virial that fit each other."""
    ends = []
    for make in (lambda c: with_own_style(c, sw_file), with_ours):
        lmp = make(silicon(SHEARED, rattle=0.005))
        lmp.commands_list(["fix 1 all box/relax tri 0.0", *["minimize 0 1e-6 500 2000"] * 3])
        virial = np.array(lmp.numpy.extract_compute(VIRIAL, 0, 1))
        assert np.abs(virial).max() < 200  # bar
        ends.append((lmp.get_thermo("pe"), lmp.get_thermo("vol")))
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-6)
    assert ends[1][0] / 64 == pytest.approx(-4.3366, abs=1e-3)


@pytest.mark.parametrize(
    ("style", "energy", "length"),
    [
        ("metal", "eV", "angstrom"),
        ("real", "kcal/mol", "angstrom"),
        ("electron", "Hartree", "bohr"),
    ],
)
def test_other_units_are_converted(style: str, energy: str, length: str) -> None:
    """A potential in eV and angstrom, in LAMMPS's energies, lengths and pressures."""
    size = factor(length)
    lmp = lammps_with(silicon(SKEWED), ["Si"], units=style, length=size)
    attach(lmp, SILICON, ["Si"])
    lmp.command("run 0 post no")
    assert_agrees(lmp, SILICON, ["Si"], energy=factor(energy), length=size)


def test_atoms_have_energies_and_virials() -> None:
    """`pe/atom` and `stress/atom` are those of the kernel, in LAMMPS's order and sign."""
    lmp = lammps_with(silicon(SKEWED), ["Si"])
    attach(lmp, SILICON, ["Si"], atomic_virial=True)
    lmp.commands_list(["compute e all pe/atom", "compute s all stress/atom NULL fix"])
    lmp.commands_list(["fix keep all ave/atom 1 1 1 c_e c_s[*]", "run 0 post no"])
    cell = cell_of(lmp, ["Si"])
    energies = lmp.numpy.extract_compute("e", 1, 1)[:64]
    np.testing.assert_allclose(energies, evaluate(SILICON, cell).energies, rtol=1e-10)
    virials = lmp.numpy.extract_compute("s", 1, 2)[:64]
    expected = -atomic_virials(SILICON, cell)[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    expected *= lmp.extract_global("nktv2p")
    np.testing.assert_allclose(virials, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_a_virial_of_atoms_that_nobody_computes_is_no_zero() -> None:
    """It is nan, and the pressure is right all the same."""
    lmp = lammps_with(silicon(), ["Si"])
    attach(lmp, SILICON, ["Si"])
    lmp.commands_list(["compute s all stress/atom NULL", "run 0 post no"])
    assert np.isnan(lmp.numpy.extract_compute("s", 1, 2)[:64]).all()
    assert_agrees(lmp, SILICON, ["Si"])


def test_atoms_that_leave_the_training_set_are_told() -> None:
    """Once, by LAMMPS's step and ID; the grade is that of the kernel."""
    far = Cell(0.9 * silicon().vectors, silicon().coordinates, silicon().values)
    potential = trained()
    lmp = lammps_with(far, ["Si"])
    attach(lmp, [potential], ["Si"])
    with pytest.warns(ExtrapolationWarning) as told:
        lmp.commands_list([*MOVING, "run 5 post no"])
    (sentence,) = [str(w.message) for w in told]
    grades = evaluate(potential, far).extrapolation
    found = re.match(r"LAMMPS: at step 0 atom (\d+) \(Si\) is outside of the training", sentence)
    assert grades[int(found[1]) - 1] == pytest.approx(grades.max())
    assert f"(grade {grades.max():.4g}, 1 is the border)" in sentence


def test_potentials_add_to_a_pair_style(sw_file) -> None:
    """LAMMPS's own Stillinger-Weber and ours are twice one."""
    lmp = with_own_style(silicon(), sw_file)
    attach(lmp, SILICON, ["Si"])
    lmp.command("run 0 post no")
    once = evaluate(SILICON, cell_of(lmp, ["Si"]))
    assert lmp.get_thermo("pe") == pytest.approx(2 * once.energy, rel=1e-9)


def test_a_file_and_plain_data_are_potentials(tmp_path) -> None:
    """What `save_potentials` writes, and formulas as YAML has them."""
    file = tmp_path / "potentials.pt"
    ml.save_potentials(file, SILICON)
    plain = [{"family": "lj", "epsilon": 0.01, "sigma": 2.0, "a": 2.0}]
    for given, potentials in ((file, SILICON), (plain, ml.potential_from_plain(plain[0]))):
        lmp = lammps_with(silicon(), ["Si"])
        attach(lmp, given, ["Si"])
        lmp.command("run 0 post no")
        assert_agrees(lmp, potentials, ["Si"])


def test_single_precision_is_near() -> None:
    """To 1e-4 of the largest force, and not nearer than single precision can be."""
    lmp = lammps_with(silicon(), ["Si"])
    attach(lmp, committee(), ["Si"], precision="single")
    lmp.command("run 0 post no")
    expected = evaluate(committee(), cell_of(lmp, ["Si"])).forces
    difference = np.abs(atoms_of(lmp, "f") - expected).max() / np.abs(expected).max()
    assert 1e-12 < difference < 1e-4
