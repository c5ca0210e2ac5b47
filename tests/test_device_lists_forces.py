"""Forces from lists made on a device, wherever atoms are moved."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from device_lists import ALL, NONE, on_device, structures
from silicon import SILICON
from test_devices import BOTH, cells

from miniff import dyn
from miniff._neighbors import (
    ListedAtoms,
    find_pairs,
)
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell, ExtrapolationWarning
from miniff.ml import NNPotential
from miniff.ml._device._table import DeviceTable
from miniff.potentials import (
    Potential,
    ready_potentials,
    ready_search,
)
from miniff.potentials._devices import cpu_by_torch


def moving(device: str) -> Sequence[tuple[np.ndarray, np.ndarray]]:
    """Positions and cells of silicon on its way, further than a skin."""
    atoms, rng = bulk("Si", cubic=True) * (2, 2, 2), np.random.default_rng(0)
    found = []
    for step in range(4):
        atoms.rattle(0.08, rng=rng)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.01 * rng.normal(size=(3, 3))), True)
        if step == 2:
            atoms.positions[3] += atoms.cell[1] - 2 * atoms.cell[0]
        found.append((atoms.positions.copy(), atoms.cell.array.copy()))
    return found


@pytest.mark.parametrize(
    ("potentials", "species"),
    [(SILICON, ["Si"] * 64), (BOTH, list("SO" * 32))],
    ids=["formulas", "committees"],
)
@pytest.mark.parametrize("pbc", [ALL, (True, False, True), NONE], ids=str)
def test_a_calculator_agrees_with_that_of_the_core(
    potentials: list[Potential], species: list[str], pbc: tuple[bool, ...], device: str
) -> None:
    """Energy, forces, stress and the spread of committees, with the same number of lists."""
    here = MiniffCalculator(potentials, skin=0.4, device=device)
    core = MiniffCalculator(potentials, skin=0.4)
    names = ["energy", "forces", *(["stress"] if all(pbc) else [])]
    if potentials is BOTH:
        names += ["energy_std", "forces_std"]
    for positions, cell in moving(device):
        atoms = Atoms(species, positions, cell=cell, pbc=pbc)
        here.calculate(atoms, names)
        with cpu_by_torch(False):
            core.calculate(atoms, names)
        for name in names:
            found, wanted = np.asarray(here.results[name]), np.asarray(core.results[name])
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10 * np.abs(wanted).max())
        assert isinstance(here.table(atoms), DeviceTable)
    assert here._engine.n_lists == core._engine.n_lists > 1


def test_dynamics_are_those_of_the_core(device: str) -> None:
    """Positions and energies of a hot run that makes several lists."""
    cell = Cell.from_ase(bulk("Si", cubic=True) * (2, 2, 2))
    hot = 0.1 * np.random.default_rng(0).normal(size=(64, 3))
    ends = []
    for where, by_torch in ((device, device == "cpu"), ("cpu", False)):
        with cpu_by_torch(by_torch):
            forces = dyn.SkinForces(SILICON, cell, skin=0.3, device=where)
            x, v = cell.cartesian().copy(), hot.copy()
            for _ in range(30):  # of velocity Verlet
                v -= 0.02 * forces(x).gradient
                x += 0.1 * v
            ends.append((x, v, forces.n_lists, forces(x).energy[0]))
    for found, wanted in zip(*ends, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-9)
    assert ends[0][2] == ends[1][2] > 1


def test_a_run_that_goes_on_has_the_bits_of_one_that_was_not_stopped(
    device: str, folder: Path
) -> None:
    """The list that it had is made again, its order too."""
    cell = Cell.from_ase(bulk("Si", cubic=True) * (2, 2, 2))
    hot = 0.1 * np.random.default_rng(0).normal(size=(64, 3))
    how = {"timestep": 1.0, "velocities": hot, "skin": 0.3, "device": device}
    whole = dyn.nve(cell, SILICON, n_steps=20, **how)
    record = dyn.Record(checkpoint="run.checkpoint")
    for n_steps in (11, 20):
        parts = dyn.nve(cell, SILICON, n_steps=n_steps, record=record, **how)
    largest = np.abs(whole.velocities).max()
    # Sums on a graphics processor come in any order.
    atol = 0 if device == "cpu" else 1e-9 * largest
    np.testing.assert_allclose(parts.velocities, whole.velocities, rtol=0, atol=atol)


def test_members_of_committees_share_a_list(device: str) -> None:
    """No member has pairs of its own on the device."""
    cell = cells()[0]
    search = ready_search(BOTH, device=device)
    table = search(ListedAtoms.of(cell.values), cell.cartesian(), cell.vectors, cell.pbc, 4.5)
    ready = [ready_potentials([own], table.names, device=device) for own in BOTH]
    for one in ready:
        one.evaluate(table)
    assert len({id(one._last.table) for one in ready}) == 1
    assert ready[0]._last.table is table.pairs


def test_atoms_outside_of_the_training_set_are_told_in_the_same_words(device: str) -> None:
    """Which takes the descriptors of one atom from the core."""
    cell = cells()[0]
    known = [
        NNPotential(
            own.network,
            own.descriptors,
            str(own.tag),
            ranges=np.array([[0.1] * len(own.descriptors), [0.2] * len(own.descriptors)]),
        )
        for own in BOTH
    ]
    atoms = Atoms(cell.values, cell.cartesian(), cell=cell.vectors, pbc=cell.pbc)
    said = []
    for where, by_torch in ((device, device == "cpu"), ("cpu", False)):
        with cpu_by_torch(by_torch), pytest.warns(ExtrapolationWarning) as warned:
            MiniffCalculator(known, device=where).get_forces(atoms)
        said.append([str(one.message) for one in warned])
    assert said[0] == said[1]
    assert len(said[0]) == 1


def test_the_core_takes_pairs_that_were_brought_to_the_host(device: str) -> None:
    """To the numbers of its own list, and refuses those that were not."""
    positions, cell, _, _ = structures()["random"]
    table = on_device(positions, cell, ALL, ["Si"] * 60, 4.0, device)
    with cpu_by_torch(False):
        core = ready_potentials(SILICON, ("Si",))
    found = core.evaluate(table.on_host())
    wanted = core.evaluate(find_pairs(positions, cell, ALL, ["Si"] * 60, 4.0))
    np.testing.assert_allclose(found.gradient, wanted.gradient, rtol=1e-10)
    with pytest.raises(TypeError, match=r"`table` is a DeviceTable, whose pairs lie on a device"):
        core.evaluate(table)
    assert table.on_host().on_host().n_pairs == table.n_pairs


def test_pairs_of_another_device_are_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would have to be moved in each step."""
    table = on_device(*structures()["random"][:3], ["Si"] * 60, 4.0, device)
    ready = ready_potentials(SILICON, ("Si",), device=device)
    monkeypatch.setattr(ready, "device", torch.device("meta"))
    with pytest.raises(TypeError, match=r"has its pairs on .* but the potentials are on meta"):
        ready._pairs(table)
