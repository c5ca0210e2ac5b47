"""What a device does not list: it is refused as on the CPU, or listed there."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from device_lists import ALL, NONE, on_device
from python_potentials import lennard_jones
from silicon import SILICON
from test_devices import BOTH, cells
from test_neighbors import listed

from miniff._neighbors import (
    AtomsError,
    ListedAtoms,
    PairTable,
    find_pairs,
    search_pairs,
)
from miniff.ase import MiniffCalculator
from miniff.ml._device import _evaluation, _search, _vesin
from miniff.ml._device._grouping import Found
from miniff.ml._device._search import DeviceSearch
from miniff.potentials import (
    ewald_total_potential_family,
    ready_search,
)
from miniff.potentials._devices import cpu_by_torch


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


def test_the_cpu_searches_for_itself_and_for_what_it_evaluates(device: str) -> None:
    """Ewald sums and Python functions are of the CPU, and need its list."""
    ewald = ewald_total_potential_family(a=4.0, charges={"S": 0.4, "O": -0.5})
    function = lennard_jones(epsilon=0.02, sigma=1.9, a=2.2)
    for own in (ewald, function):
        assert ready_search([*BOTH, own], device=device) is search_pairs
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


def test_devices_are_refused_before_anything_is_listed() -> None:
    """As they are by ``ready_potentials``."""
    with pytest.raises(ValueError, match="`device` is 'gpu' but must be auto, cpu, or a device"):
        ready_search(SILICON, device="gpu")
