"""Neighbour lists made on a device are those of the CPU, and never go through the host."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from silicon import SILICON
from test_devices import BOTH, cells
from test_neighbors import listed, random_structure
from torch.overrides import TorchFunctionMode

from miniff import _neighbors, dyn
from miniff._neighbors import (
    AtomsError,
    ListedAtoms,
    NeighborTable,
    PairTable,
    find_pairs,
    search_pairs,
)
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell, ExtrapolationWarning, Placement, SkinList
from miniff.ml import NNPotential
from miniff.ml._device import _evaluation, _grouping, _search, _vesin
from miniff.ml._device._grouping import Found
from miniff.ml._device._search import DeviceSearch
from miniff.ml._device._table import DeviceTable, TensorTable
from miniff.potentials import (
    Potential,
    ewald_total_potential_family,
    ready_potentials,
    ready_search,
    tersoff_potential_family,
)
from miniff.potentials._devices import cpu_by_torch

ALL, NONE = (True,) * 3, (False,) * 3


def on_device(
    positions: np.ndarray,
    cell: np.ndarray,
    periodic: Sequence[bool],
    species: Sequence[str],
    cutoff: float,
    device: str,
) -> DeviceTable:
    """What the device finds."""
    search = ready_search(SILICON, device=device)
    assert isinstance(search, DeviceSearch)
    table = search(ListedAtoms.of(species), positions, cell, periodic, cutoff)
    assert search.problem is None
    assert isinstance(table, DeviceTable)
    return table


def structures() -> dict[str, tuple[np.ndarray, np.ndarray, tuple[bool, bool, bool], float]]:
    """Positions, cell, periodicity and cutoff."""
    rng = np.random.default_rng(5)
    sheared = np.array([[6.0, 0, 0], [25.0, 7.0, 0], [-9.0, 31.0, 6.5]])
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    flat = np.array([[14.0, 0, 0], [3.0, 15.0, 0], [0, 0, 1.0]])
    left_handed = np.diag([-7.0, 8.0, 6.0])
    return {
        "random": (rng.random((60, 3)) @ (9 * turned), 9 * turned, ALL, 3.3),
        "sheared": (rng.random((40, 3)) @ sheared, sheared, ALL, 4.0),
        "left-handed": (rng.random((40, 3)) @ left_handed, left_handed, ALL, 2.9),
        "flat": (rng.random((50, 3)) @ flat * [1, 1, 0], flat @ turned, (True, True, False), 4.0),
        "thin": (rng.random((30, 3)) @ flat, flat, ALL, 4.0),
        "tiny": (2 * rng.random((2, 3)), 2.3 * np.eye(3) + 0.2 * rng.random((3, 3)), ALL, 6.0),
        "a wire": (rng.random((40, 3)) @ (8 * turned), 8 * turned, (False, True, False), 3.0),
        "a cluster": (10 * rng.random((80, 3)) - 20, np.zeros((3, 3)), NONE, 3.0),
        "far outside": (rng.random((30, 3)) * 300 @ turned, 5 * turned, (True, False, True), 3.0),
        "far from each other": (50.0 * np.eye(3), 90 * np.eye(3), ALL, 3.0),
    }


# --- the pairs


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
    host = on_device(positions, cell, periodic, species, cutoff, device).on_host()
    pairs, vectors = reference.neighbor_list(positions, cell, periodic, cutoff)
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
    assert len(host.sizes) > 10
    # The most is forces; positions come from there as well where the device is the CPU.
    assert max(host.sizes) <= 3 * table.n_atoms
    with pytest.raises(AssertionError, match="the CPU searches"):
        find_pairs(positions, cell.vectors, cell.pbc, cell.values, 3.0)


# --- forces from them


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


# --- refusals


def in_silicon(n: int, i: int, j: int, shift: Sequence[int], by: float) -> tuple[Any, ...]:
    """A crystal of which atom j is where atom i is, or an image of it."""
    atoms = bulk("Si", cubic=True) * (n, n, n)
    atoms.positions[j] = atoms.positions[i] + np.array(shift) @ atoms.cell.array + [0, by, 0]
    return atoms.positions, atoms.cell.array


@pytest.mark.parametrize("n", [1, 2, 8])
@pytest.mark.parametrize("by", [0.0, 2e-13])
@pytest.mark.parametrize("shift", [(0, 0, 0), (1, -2, 0), (-1, 3, 5)], ids=str)
def test_atoms_at_one_place_are_refused(
    n: int, by: float, shift: Sequence[int], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a search that does not list pairs at zero distance, as that of CUDA."""
    positions, cell = in_silicon(n, 5, 2, shift, by)
    find = _search.by_vesin

    def apart(points: torch.Tensor, box: torch.Tensor, *args: Any) -> Found:
        found = find(points, box, *args)
        i, j = found.pairs.T
        d = points[j] + found.shifts.double() @ box - points[i]
        return Found(found.pairs[d.norm(dim=1) > 1e-6], found.shifts[d.norm(dim=1) > 1e-6], None)

    monkeypatch.setattr(_search, "by_vesin", apart)
    search = ready_search(SILICON, device=device)
    sentence = r"^atoms 2 and 5 are at the same place \(counted from 0\)$"
    for periodic in (ALL, (True, True, False), NONE):
        if any(shift) and not (all(periodic) or (periodic[0] and shift[2] == 0)):
            continue
        for one in (search, search_pairs):
            atoms = ListedAtoms.of(["Si"] * len(positions))
            with pytest.raises(AtomsError, match=sentence) as error:
                one(atoms, positions, cell, periodic, 3.0)
            assert sorted(error.value.atoms) == [2, 5]


def test_atoms_that_are_close_are_not_refused(device: str) -> None:
    """A millionth of a millionth of the largest coordinate is the limit."""
    for n, by in ((1, 1e-9), (8, 1e-9)):
        positions, cell = in_silicon(n, 5, 2, (0, 1, 0), by)
        table = on_device(positions, cell, ALL, ["Si"] * len(positions), 3.0, device)
        assert table.n_pairs == find_pairs(positions, cell, ALL, ["Si"] * len(positions), 3).n_pairs


@pytest.mark.parametrize(
    ("change", "periodic", "match"),
    [
        (
            lambda x, h: (x * 1e8, h),
            ALL,
            r"atom \d+ \(counted from 0\) is at .* but coordinates must",
        ),
        (
            lambda x, h: (x + np.nan, h),
            ALL,
            r"atom 0 \(counted from 0\) is at \[nan, nan, nan\] but",
        ),
        (lambda x, h: (x, h * 1e8), ALL, r"a cell vector has the component .* but it must be in"),
        (
            lambda x, h: (x * 1e5, h * 1e-6),
            ALL,
            r"is .* cell vectors away from the origin but",
        ),
        (
            lambda x, h: (x * 1e-4, h * 1e-4),
            ALL,
            r"`cutoff` is 3.0, within which these atoms",
        ),
        (lambda x, h: (x, h * np.nan), ALL, "a cell vector has the component nan but it must be"),
        (lambda x, h: (x, h[[0, 0, 1]]), (True, True, False), r"are zero or not independent$"),
    ],
    ids=["far", "nan", "large cell", "cell vectors", "pairs", "no cell", "no volume"],
)
def test_what_no_search_can_handle_is_refused_alike(
    change: Callable[..., tuple[np.ndarray, np.ndarray]],
    periodic: tuple[bool, ...],
    match: str,
    device: str,
) -> None:
    """With the sentences of the CPU, and no word of the device."""
    atoms = bulk("Si", cubic=True)
    positions, cell = change(atoms.positions, atoms.cell.array)
    search = ready_search(SILICON, device=device)
    known = ListedAtoms.of(["Si"] * 8)
    said = []
    for one in (search_pairs, search):
        with pytest.raises(ValueError, match=match) as error:
            one(known, positions, cell, periodic, 3.0)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert search.problem is None


# --- a device that cannot


def failing(error: Exception) -> Callable[..., Found]:
    def fail(*_: Any, **__: Any) -> Found:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (
            RuntimeError("Failed to load libnvrtc.so(.*). Try appending the directory"),
            r"neighbours for the device .* are listed on the CPU, which is slower for many atoms: "
            r"vesin says: Failed to load libnvrtc.so",
        ),
        (
            torch.cuda.OutOfMemoryError("CUDA out of memory"),
            r"are listed on the CPU, .*: vesin says: CUDA out of memory",
        ),
        (OSError("libvesin.so: cannot open"), r"are listed on the CPU.*: vesin says: libvesin.so"),
    ],
    ids=["library", "memory", "file"],
)
def test_the_cpu_takes_over_where_the_device_cannot(
    error: Exception, match: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why, once; forces are the same."""
    import vesin

    tried = []
    fail = failing(error)
    monkeypatch.setattr(
        vesin.NeighborList, "compute", lambda *a, **k: tried.append(1) or fail(*a, **k)
    )
    atoms, rng = bulk("Si", cubic=True), np.random.default_rng(0)
    calculator = MiniffCalculator(SILICON, skin=0.0, device=device)
    with pytest.warns(RuntimeWarning, match=match) as warned:
        calculator.get_forces(atoms)
    assert len([one for one in warned if one.category is RuntimeWarning]) == len(tried) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            atoms.rattle(0.1, rng=rng)
            found = calculator.get_forces(atoms)
    assert isinstance(calculator.table(atoms), PairTable)
    with cpu_by_torch(False):
        wanted = MiniffCalculator(SILICON).get_forces(atoms)
    np.testing.assert_allclose(found, wanted, atol=1e-10)
    assert len(tried) == 1


def test_memory_that_is_short_after_the_search_is_told_too(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When pairs are sorted."""
    monkeypatch.setattr(
        _search, "number_pairs", failing(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    )
    search = ready_search(SILICON, device=device)
    positions, cell = in_silicon(1, 0, 0, (0, 0, 0), 0.0)
    with pytest.warns(RuntimeWarning, match=r"it has too little memory for the search \(CUDA out"):
        table = search(ListedAtoms.of(["Si"] * 8), positions, cell, ALL, 3.0)
    assert isinstance(table, PairTable)


def test_vesin_is_looked_after_where_cuda_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is made free where it is short, and both wait for each other; in CUDA's name alone."""
    done: list[str] = []
    for name in ("empty_cache", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: done.append(name))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 1000))
    for device, n_bytes, wanted in (
        ("cuda", 99.0, ["synchronize", "vesin", "synchronize"]),
        ("cuda", 101.0, ["empty_cache", "synchronize", "vesin", "synchronize"]),
        ("cpu", 101.0, ["vesin"]),
    ):
        done.clear()
        with _vesin._at_rest(torch.device(device), n_bytes):
            done.append("vesin")
        assert done == wanted
    assert isinstance(_vesin.current(torch.device("cuda:1")), torch.cuda.device)
    monkeypatch.setattr(torch, "zeros", failing(RuntimeError("CUDA error: out of memory")))
    _vesin._forget_failure(torch.device("cuda"))


def test_the_compiler_of_torch_is_loaded_where_it_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot be loaded is left to vesin to tell."""
    loaded: list[str] = []
    monkeypatch.setattr(torch, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(_vesin.ctypes, "CDLL", loaded.append)
    library = tmp_path / "lib" / "libcaffe2_nvrtc.so"
    library.parent.mkdir()
    for there in (False, True):
        if there:
            library.touch()
        _vesin._load_compiler.cache_clear()
        _vesin._load_compiler()
        assert loaded == [str(library)] * there
    _vesin._load_compiler.cache_clear()
    monkeypatch.setattr(_vesin.ctypes, "CDLL", failing(OSError("file too short")))
    _vesin._load_compiler()
    _vesin._load_compiler.cache_clear()


@pytest.mark.parametrize(
    ("positions", "cell", "cutoff", "match"),
    [
        (5e5 * np.eye(3), 2 * np.eye(3), 1.0, "vesin counts cells with 32 bits there"),
        (
            np.array([[-9e5] * 3, [9e5 + 0.4] * 3, [1.3, 0.2, 0.7]]),
            0.9 * np.eye(3),
            1.0,
            r"atoms are up to \d+ cell vectors away from each other, too many to be numbered",
        ),
    ],
    ids=["large", "far"],
)
def test_what_a_device_cannot_count_is_listed_on_the_cpu(
    positions: np.ndarray, cell: np.ndarray, cutoff: float, match: str, device: str
) -> None:
    """With a word that says so."""
    search = ready_search(SILICON, device=device)
    periodic = NONE if "cells" in match else ALL
    with pytest.warns(RuntimeWarning, match=match):
        table = search(ListedAtoms.of(["Si"] * 3), positions, cell, periodic, cutoff)
    assert listed(table) == listed(find_pairs(positions, cell, periodic, ["Si"] * 3, cutoff))


# --- who searches


def tersoff() -> Potential:
    numbers = {"A": 1830.8, "B": 471.18, "lambda1": 2.4799, "lambda2": 1.7322, "n": 0.78734}
    more = {"beta": 1.1e-6, "m": 3, "gamma": 1.0, "lambda3": 0.0, "c": 1e5, "d": 16.2}
    return tersoff_potential_family(**numbers, **more, cos_theta0=-0.598, R=2.85, D=0.15)


def test_the_cpu_searches_for_itself_and_for_charges(device: str) -> None:
    """Ewald sums are of the CPU, and need its list."""
    ewald = ewald_total_potential_family(a=4.0, charges={"S": 0.4, "O": -0.5})
    assert ready_search([*BOTH, ewald], device=device) is search_pairs
    assert isinstance(ready_search(BOTH, device=device), DeviceSearch)
    with cpu_by_torch(False):
        assert ready_search(BOTH) is search_pairs
        assert ready_search(BOTH, device="cpu") is search_pairs
        if not torch.cuda.is_available():
            assert ready_search(BOTH, device="auto") is search_pairs
    atoms = Atoms(cells()[0].values, cells()[0].cartesian(), cell=cells()[0].vectors, pbc=True)
    assert isinstance(MiniffCalculator([*BOTH, ewald], device=device).table(atoms), PairTable)


def test_the_cpu_searches_for_devices_that_vesin_does_not_know(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a warning: nothing else is to be had."""
    monkeypatch.setattr(_evaluation, "can_search", lambda _: False)
    assert ready_search(BOTH, device=device) is search_pairs
    assert [_search.can_search(torch.device(name)) for name in ("cpu", "cuda", "xpu")] == [
        True,
        True,
        False,
    ]


def test_devices_and_potentials_are_refused_before_anything_is_listed(device: str) -> None:
    """As they are by ``ready_potentials``."""
    with pytest.raises(ValueError, match="`device` is 'gpu' but must be auto, cpu, or a device"):
        ready_search(SILICON, device="gpu")
    with pytest.raises(TypeError, match="Tersoff"):
        ready_search([tersoff()], device=device)


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
