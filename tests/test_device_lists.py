"""Neighbour lists made on a device are those of the CPU, and never go through the host."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference
import torch
from ase.build import bulk
from device_lists import ALL, on_device, structures
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from silicon import SILICON
from test_neighbors import listed, random_structure
from torch.overrides import TorchFunctionMode

from miniff import _neighbors, dyn
from miniff._neighbors import (
    ListedAtoms,
    NeighborTable,
    find_pairs,
)
from miniff.kernel import Cell, Placement, SkinList
from miniff.ml._device import _evaluation, _grouping, _search
from miniff.ml._device._grouping import Found
from miniff.ml._device._table import DeviceTable, TensorTable
from miniff.ml._device._vesin import LEAST_ROOM
from miniff.potentials import (
    ready_potentials,
    ready_search,
)


@pytest.mark.parametrize("name", structures())
def test_pairs_are_those_of_the_cpu(name: str, device: str) -> None:
    """Each once, with the images, vectors and counts that the CPU's list has on the device."""
    positions, cell, periodic, cutoff = structures()[name]
    species = [("c", "a", "b")[k] for k in np.arange(len(positions)) ** 2 % 3]
    table = on_device(positions, cell, periodic, species, cutoff, device)
    wanted = find_pairs(positions, cell, periodic, species, cutoff)
    assert (table.n_atoms, table.n_structures) == (wanted.n_atoms, wanted.n_structures)
    assert table.n_pairs == wanted.n_pairs > 0 or name == "far from each other"
    assert table.n_pairs == wanted.n_pairs
    host = table.on_host()
    assert listed(host) == listed(wanted)
    assert set(listed(host).values()) <= {1}
    for one in ("names", "cutoff"):
        assert getattr(table, one) == getattr(host, one) == getattr(wanted, one)
    for one in (
        "species",
        "structure",
        "periodic",
        "charges",
        "total_charge",
        "positions",
        "cells",
    ):
        np.testing.assert_array_equal(getattr(table, one), getattr(wanted, one))
        np.testing.assert_array_equal(getattr(host, one), getattr(wanted, one))
    moved = TensorTable.of(wanted, torch.device(device))
    torch.testing.assert_close(table.pairs.counts, moved.counts)
    torch.testing.assert_close(table.pairs.centre, moved.centre)
    assert len(table.pairs.images) == len(moved.images)
    found = table.pairs.images.cpu().numpy()
    np.testing.assert_allclose(found, host.images, atol=1e-12 * np.abs(positions).max())
    other = table.species[host.other]
    assert (np.diff(host.centre * 3 + other) >= 0).all()  # in the order that rows want


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.integers(1, 5),
    cutoff=st.floats(0.05, 5),
    periodic=st.tuples(*[st.booleans()] * 3),
    spread=st.sampled_from([0.5, 4.0]),
)
def test_pairs_are_those_of_a_search_over_all_images(
    seed: int, n_atoms: int, cutoff: float, periodic: tuple[bool, ...], spread: float, device: str
) -> None:
    """In any box, periodic or not, as for the list of the CPU."""
    positions, cell, species = random_structure(seed, n_atoms, spread)
    pairs, vectors = reference.neighbor_list(positions, cell, periodic, cutoff)
    # vesin has no room for more on a graphics processor, where the CPU takes over.
    assume(device == "cpu" or len(pairs) <= LEAST_ROOM * n_atoms)
    host = on_device(positions, cell, periodic, species, cutoff, device).on_host()
    r = np.linalg.norm(vectors, axis=-1)
    certain = {p for p, x in zip(pairs, r, strict=True) if x < cutoff * (1 - 1e-12)}
    nearly = {*pairs, *reference.neighbor_list(positions, cell, periodic, cutoff * (1 + 1e-12))[0]}
    assert certain <= set(listed(host)) <= nearly
    assert set(listed(host).values()) <= {1}


def test_pairs_lie_on_the_device(device: str) -> None:
    """All that is as large as the pairs, the images or the atoms."""
    table = on_device(*structures()["sheared"][:3], ["a"] * 40, 4.0, device)
    tensors = [own for own in vars(table.pairs).values() if isinstance(own, torch.Tensor)]
    assert len(tensors) == 7
    assert {own.device.type for own in tensors} == {torch.device(device).type}


def test_a_list_is_the_same_in_whatever_order_pairs_are_found(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads of a device find them in any; also a few at a time."""
    positions, cell, periodic, cutoff = structures()["sheared"]
    species = [("a", "b")[k % 2] for k in range(len(positions))]
    wanted = on_device(positions, cell, periodic, species, cutoff, device)
    find = _search.by_vesin

    def shuffled(*args: Any) -> Found:
        found = find(*args)
        order = torch.randperm(len(found.pairs)).to(found.pairs.device)
        return Found(found.pairs[order], found.shifts[order], None)

    monkeypatch.setattr(_search, "by_vesin", shuffled)
    monkeypatch.setattr(_grouping, "PAIRS_AT_A_TIME", 7)
    found = on_device(positions, cell, periodic, species, cutoff, device)
    for name, own in vars(wanted.pairs).items():
        if isinstance(own, torch.Tensor):
            assert torch.equal(own, getattr(found.pairs, name)), name
    assert found.n_pairs > 100


class ToHost(TorchFunctionMode):
    """Notes how many numbers of a tensor the host asks for at once."""

    LEAVING = ("cpu", "numpy", "tolist", "item", "__array__", "__float__", "__int__", "to")

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        to_device = getattr(func, "__name__", "") == "to" and not _is_host(args[1:])
        if getattr(func, "__name__", "") in self.LEAVING and not to_device:
            self.sizes.append(args[0].numel())
        return func(*args, **(kwargs or {}))


def _is_host(where: Sequence[Any]) -> bool:
    return any(str(one) == "cpu" for one in where)


def test_no_pair_goes_through_the_host(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when the list is made nor at a step."""

    def never(*_: Any) -> None:
        raise AssertionError("the CPU searches")

    monkeypatch.setattr(_neighbors, "search", never)
    monkeypatch.setattr(_evaluation.TensorTable, "of", staticmethod(never))
    monkeypatch.setattr(DeviceTable, "on_host", never)
    rng = np.random.default_rng(0)
    cell = Cell.from_ase(bulk("Si", cubic=True) * (3, 3, 3))
    host = ToHost()
    with host:
        forces = dyn.SkinForces(SILICON, cell, device=device)
        positions = cell.cartesian()
        for _ in range(2):
            positions = positions + 0.02 * rng.normal(size=positions.shape)
            forces(positions)
        table = forces.table(positions)
    assert forces.n_lists == 1
    assert table.n_pairs > 20 * table.n_atoms
    assert len(host.sizes) > 5
    # The most is what an evaluation finds: energies, forces and grades of the atoms, and a strain.
    assert max(host.sizes) <= 6 * table.n_atoms + 9
    with pytest.raises(AssertionError, match="the CPU searches"):
        find_pairs(positions, cell.vectors, cell.pbc, cell.values, 3.0)


def test_one_atom_or_none_has_no_pairs(device: str) -> None:
    """And a cutoff of zero lists none."""
    search = ready_search(SILICON, device=device)
    for n, cutoff in ((0, 3.0), (1, 3.0), (2, 0.0)):
        places = np.arange(3.0 * n).reshape(n, 3)
        table = search(ListedAtoms.of(["Si"] * n), places, 9 * np.eye(3), ALL, cutoff)
        assert isinstance(table, NeighborTable)
        assert (table.n_atoms, table.n_pairs) == (n, 0)
    table = search(ListedAtoms.of(["Si"]), np.zeros((1, 3)), 9 * np.eye(3), ALL, 3.8)
    found = ready_potentials(SILICON, ("Si",), device=device).evaluate(table)
    assert found.energy == [0.0]


def test_the_cpu_lists_few_atoms(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the device, which takes their pairs as they are."""
    positions, cell, periodic, _ = structures()["random"]
    cutoff = 3.9
    search = ready_search(SILICON, device=device)
    given = ListedAtoms.of(["Si"] * len(positions)), positions, cell, periodic, cutoff
    monkeypatch.setattr(_search, "FEWEST_ATOMS", len(positions))
    assert isinstance(search(*given), DeviceTable)
    monkeypatch.setattr(_search, "FEWEST_ATOMS", len(positions) + 1)
    table = search(*given)
    assert not isinstance(table, DeviceTable)
    ready = ready_potentials(SILICON, ("Si",), device=device)
    monkeypatch.setattr(_search, "FEWEST_ATOMS", 0)
    there = on_device(positions, cell, periodic, ["Si"] * len(positions), cutoff, device)
    assert ready.evaluate(table).energy == pytest.approx(ready.evaluate(there).energy, rel=1e-12)


def test_a_skin_list_asks_the_search_it_is_given(device: str) -> None:
    """And holds as long as that of the CPU."""
    positions, cell, _, _ = structures()["random"]
    atoms = ListedAtoms.of(["Si"] * len(positions))
    pairs = SkinList(
        Placement(positions, cell),
        atoms,
        pbc=ALL,
        cutoff=3.0,
        skin=0.4,
        search=ready_search(SILICON, device=device),
    )
    first = pairs.table(Placement(positions, cell))
    near = pairs.table(Placement(positions + 0.1 * np.eye(3)[0], 1.001 * cell))
    assert isinstance(near, DeviceTable)
    assert near.pairs is first.pairs
    far = pairs.table(Placement(positions[::-1].copy(), cell))
    assert far.pairs is not first.pairs
    assert pairs.n_lists == 2
    with pytest.raises(ValueError, match=r"`cutoff` is -1.0 but must be in \[0, inf\)"):
        SkinList(Placement(positions, cell), atoms, pbc=ALL, cutoff=-1.0, skin=0.4)
