"""The core keeps no memory from call to call, and counts pairs in numbers that are large enough."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trained
from ase_silicon import SILICON, silicon

from miniff import _core
from miniff._neighbors import find_pairs, join
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell, compute_images
from miniff.kernel import eval as evaluate
from miniff.potentials import CompiledPotentials, Functions

STATUS = Path("/proc/self/statm")
MOST_BYTES_PER_CALL = 16
LARGE = 2**31 + 1000


def resident() -> int:
    """Memory of this process (bytes)."""
    return int(STATUS.read_text().split()[1]) * 4096


def calls() -> dict[str, tuple[int, Callable[[], object]]]:
    """What is called again and again, and how often."""
    cell, potential = trained.crystal(), trained.trained()
    table = compute_images(cell, trained.CUTOFF).table
    ready = CompiledPotentials([potential], table.names)
    single = CompiledPotentials([potential], table.names, precision="single")
    formulas = CompiledPotentials(SILICON, table.names)
    functions, atoms = Functions(trained.DESCRIPTORS), np.arange(8)
    weight, by_image = np.ones((8, len(functions))), np.zeros((table.n_images, 3))
    core, positions = functions.compiled(table.names), cell.cartesian()
    atomic, calculator = silicon(), MiniffCalculator(SILICON, skin=0.0)

    def force() -> None:
        atomic.positions[0, 0] += 1e-9
        calculator.get_forces(atomic)

    return {
        "network": (100_000, lambda: ready.evaluate(table)),
        "network in single precision": (100_000, lambda: single.evaluate(table)),
        "formulas": (100_000, lambda: formulas.evaluate(table)),
        "values": (100_000, lambda: functions.values(table, atoms)),
        "vjp": (100_000, lambda: functions.vjp(table, atoms, weight, by_image)),
        "jvp": (100_000, lambda: functions.jvp(table, atoms, by_image)),
        "jacobian": (20_000, lambda: _core.Jacobian(core, table.core, table.images, atoms)),
        "neighbours": (
            100_000,
            lambda: find_pairs(positions, cell.vectors, cell.pbc, cell.values, 3.0),
        ),
        "join": (20_000, lambda: join([table, table])),
        "compile": (5_000, lambda: CompiledPotentials([potential], table.names)),
        "eval": (5_000, lambda: evaluate([*SILICON, potential], cell)),
        "calculator": (10_000, force),
    }


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="memory is read as Linux tells it")
@pytest.mark.parametrize("name", calls())
def test_memory_does_not_grow(name: str) -> None:
    """After a tenth of the calls, which fill caches, the others take no more."""
    n, call = calls()[name]
    for _ in range(n // 10):
        call()
    before = resident()
    for _ in range(n):
        call()
    assert resident() - before < max(MOST_BYTES_PER_CALL * n, 500_000)


def zeros(n: int) -> np.ndarray:
    """As good as no memory until they are written to."""
    try:
        return np.zeros(n, np.int32)
    except MemoryError:
        pytest.skip(f"there is no room for {n} numbers, not even for zeros")


@pytest.mark.slow
def test_more_pairs_than_32_bits_can_count() -> None:
    """One atom that has another one as its neighbour 2^31 times: energy, forces, strain."""
    n = LARGE
    start, neighbor = np.array([0, 0, n]), zeros(n)
    table = _core.ImageTable(
        start,
        neighbor,
        np.arange(2, dtype=np.int32),
        np.zeros((2, 3), np.int32),
        np.zeros(2, np.int32),
        np.zeros(2, np.int64),
        1,
        1,
    )
    functions = _core.FunctionSet(1)
    functions.lennard_jones(0, -1, 4.0, 0.1, 2.0)
    model = _core.EnergyModel(1)
    model.add_sum(0, functions)
    model.set_mutual()
    positions, cells = np.array([[0, 0, 0], [0, 0, 2.5]]), np.zeros((1, 3, 3))
    energies, gradient, strain = np.empty(2), np.empty((2, 3)), np.empty((1, 3, 3))
    model.evaluate(table, positions, cells, energies, gradient, strain, np.empty((2, 2)))
    x = (2.0 / 2.5) ** 6
    value, slope = 4 * 0.1 * (x**2 - x), 4 * 0.1 * (-12 * x**2 + 6 * x) / 2.5
    np.testing.assert_allclose(energies, [0, n * value], rtol=1e-6)
    np.testing.assert_allclose(gradient[1], [0, 0, 2 * n * slope], rtol=1e-6)
    np.testing.assert_allclose(strain[0, 2, 2], n * slope * 2.5, rtol=1e-6)
    assert table.closest_pair(positions, cells) == (6.25, 0)
    assert table.n_images == 2


def test_too_many_images_for_a_table_are_refused(as_installed: None) -> None:
    """Of several tables together: their numbers would wrap around."""

    class Large:
        """What `join` asks first."""

        names, n_atoms, n_pairs, n_images, n_structures = ("Si",), 2**20, 0, 2**30, 1

    with pytest.raises(
        ValueError,
        match=r"the structures have 2147483648 atoms and images together but a table must have "
        r"less than 2147483648: evaluate fewer at once",
    ):
        join([Large(), Large()])


def test_images_that_are_too_far_away_are_refused() -> None:
    """A box that is tiny beside the way of an atom: whole vectors would not be counted rightly."""
    cell = Cell([[1e-4, 0, 0], [0, 9, 0], [0, 0, 9]], [[0, 0, 0]], ["Si"], pbc=(True, False, False))
    far = Cell(cell.vectors, [[1e10, 0, 0]], ["Si"], pbc=cell.pbc)
    with pytest.raises(ValueError, match=r"atom 0 \(counted from 0\) is 1e\+10 cell vectors away"):
        compute_images(far, 3.0)
