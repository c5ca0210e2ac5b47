"""LAMMPS sorts, moves, makes and deletes atoms, in boxes of all kinds: forces stay right."""

import numpy as np
import pytest
from ase_silicon import committee
from lammps_run import assert_agrees, atoms_of, by_id, cell_of, lammps_with, new_lammps
from lammps_systems import MOVING, SPECIES, mixture, silicon, with_ours
from noble_gases import ARGON_KRYPTON
from silicon import SILICON

from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.lammps import attach
from miniff.potentials import lj_potential_family


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
    attach(lmp, ARGON_KRYPTON, SPECIES)
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
        assert_agrees(lmp, ARGON_KRYPTON, SPECIES)
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


def test_no_pair_style_is_needed() -> None:
    """LAMMPS then has no images of atoms beyond the box, and needs none."""
    lmp = lammps_with(silicon(), ["Si"], pair_style=None)
    attach(lmp, SILICON, ["Si"])
    lmp.commands_list([*MOVING, "run 20"])
    assert_agrees(lmp, SILICON, ["Si"])


def test_detached_potentials_can_be_attached_again() -> None:
    """Others then, with a list of their own."""
    lmp = lammps_with(silicon(), ["Si"])
    attach(lmp, committee(), ["Si"])
    lmp.commands_list(["run 0 post no", "unfix miniff", "run 0 post no"])
    assert lmp.get_thermo("pe") == 0
    attach(lmp, SILICON, ["Si"])
    lmp.command("run 0 post no")
    assert_agrees(lmp, SILICON, ["Si"])
