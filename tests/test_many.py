"""Many structures, in this process and in others, against one after the other."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import many_structures
import numpy as np
import pytest
from ase_silicon import committee
from silicon import SILICON, labelled

from miniff import _core
from miniff.dyn import nve, relax
from miniff.kernel import Cell, Evaluation, StructureFailure, _many, eval_many, map_structures
from miniff.kernel import eval as evaluate
from miniff.kernel._mapping import in_chunks
from miniff.potentials import (
    general_pair_potential_family,
    lj_potential_family,
    ready_potentials,
)


def structures(n: int = 12) -> list[Cell]:
    """Silicon strained and rattled, of 8 atoms, some without periodicity or with 16 atoms."""
    cells = [Cell.from_structure(one) for one in labelled(n, 5)]
    for k in range(0, n, 3):
        cells[k] = cells[k].repeated(2, 1, 1)
    for cell in cells[1:2]:
        cells[1] = Cell(cell.vectors, cell.coordinates, cell.values, pbc=False)
    return cells


def together(source: str | None = None) -> Cell:
    """Two atoms at one place."""
    meta = {} if source is None else {"source": source}
    return Cell(6 * np.eye(3), [[0, 0, 0], [0.25, 0.5, 0], [1, 0, 0]], ["Si"] * 3, meta)


def assert_same(found: Evaluation, expected: Evaluation) -> None:
    """To rounding: sums of structures evaluated together run in another order."""
    assert isinstance(found, Evaluation)
    for name in ("energy", "energies", "gradient", "strain_derivative"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12, err_msg=name)
    assert found.volume == expected.volume


@pytest.fixture(scope="module", params=["spawn", "fork"])
def pool(request):
    """Two workers, made in either way."""
    context = multiprocessing.get_context(request.param)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        yield executor


@pytest.fixture(scope="module")
def forked():
    """Two workers that are there at once."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as executor:
        yield executor


POTENTIALS = {"formulas": list(SILICON), "network": [*committee()]}
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.mark.parametrize("name", POTENTIALS)
def test_together_is_one_after_the_other(name: str) -> None:
    """Of 8 and 16 atoms, periodic and not."""
    cells = structures()
    found = eval_many(POTENTIALS[name], cells)
    for one, cell in zip(found, cells, strict=True):
        assert_same(one, evaluate(POTENTIALS[name], cell))


@pytest.mark.parametrize("name", POTENTIALS)
def test_workers_give_the_same(name: str, pool) -> None:
    """From spawned and from forked processes, in the order given."""
    cells = structures(6)
    found = eval_many(POTENTIALS[name], cells, executor=pool)
    for one, cell in zip(found, cells, strict=True):
        assert_same(one, evaluate(POTENTIALS[name], cell))


def test_dask_gives_the_same() -> None:
    """Its local cluster is an executor, too; other potentials may follow the first."""
    distributed = pytest.importorskip("distributed", reason="no dask: pip install distributed")
    cells = [*structures(6), together("a.xyz:3")]
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        for potentials in POTENTIALS.values():
            *found, failed = eval_many(potentials, cells, executor=executor)
            for one, cell in zip(found, cells, strict=False):
                assert_same(one, evaluate(potentials, cell))
            assert str(failed).startswith("structure 6 (a.xyz:3): atoms 0 and 2 are at the same")
        at_work = map_structures(many_structures.threads_and_place, cells, executor=executor)
        assert {core for core, _, _ in at_work} == {1}


@pytest.mark.parametrize("where", ["here", "workers"])
def test_a_failure_is_told_in_its_place(where: str, forked) -> None:
    """By index and file, whatever is wrong; the others are evaluated."""
    cells = structures(6)
    far = Cell(np.eye(3), [[0, 0, 0], [1e9, 0, 0]], ["Si", "Si"], pbc=False)
    other = Cell(9 * np.eye(3), [[0, 0, 0], [0.3, 0, 0]], ["Si", "Ge"], {"source": "alloy.xyz:1"})
    mixed = [*cells[:2], together("bad.xyz:7"), *cells[2:4], far, other, *cells[4:]]
    potential = lj_potential_family("Si-Si", epsilon=0.1, sigma=2.0, a=2.0)
    found = eval_many(potential, mixed, executor=None if where == "here" else forked)
    failed = {k: str(one) for k, one in enumerate(found) if isinstance(one, StructureFailure)}
    assert list(failed) == [2, 5, 6]
    assert failed[2] == (
        "structure 2 (bad.xyz:7): atoms 0 and 2 are at the same place (counted from 0)"
    )
    assert failed[5].startswith("structure 5: atom 1 (counted from 0) is at [1000000000.0, 0.0")
    assert failed[6].startswith("structure 6 (alloy.xyz:1): the structure has atoms of Ge but the")
    assert [found[k].index for k in failed] == list(failed)
    assert all(isinstance(found[k].error, ValueError) for k in failed)
    assert "find_pairs" in found[2].traceback
    for one, cell in zip(found, mixed, strict=True):
        if isinstance(one, Evaluation):
            assert_same(one, evaluate(potential, cell))


def test_numbers_that_are_none_are_failures() -> None:
    """So strong a repulsion that it overflows."""
    strong = lj_potential_family(epsilon=1e300, sigma=1.5, a=2.0)
    near = Cell(9 * np.eye(3), [[0, 0, 0], [1e-3, 0, 0]], ["Si"] * 2)
    alone = Cell(9 * np.eye(3), [[0, 0, 0]], ["Si"])
    found = eval_many(strong, [alone, near, alone])
    assert [isinstance(one, StructureFailure) for one in found] == [False, True, False]
    with pytest.raises(FloatingPointError, match="is no finite number: atoms came too close"):
        raise found[1].error


def test_a_python_function_fails_for_its_structure_alone() -> None:
    """Those that were to be evaluated with it are evaluated again without."""

    far, near = (Cell(9 * np.eye(3), [[0, 0, 0], [x, 0, 0]], ["Si"] * 2) for x in (0.25, 0.1))
    potential = general_pair_potential_family(
        f=lambda r: np.where(r < 1.0, np.nan, 0.1 * (r - 3.0) ** 2),
        df_dr=lambda r: 0.2 * (r - 3.0),
        a=3.0,
    )
    found = eval_many(potential, [far, near, far])
    assert [isinstance(one, StructureFailure) for one in found] == [False, True, False]
    assert found[1].index == 1
    assert_same(found[2], evaluate(potential, far))


def test_functions_of_a_module_are_sent(forked) -> None:
    """A potential made of one; one that cannot be sent is refused by name."""
    cells = structures(3)
    known = general_pair_potential_family(f=many_structures.repulsion, a=3.0)
    for one, cell in zip(eval_many(known, cells, executor=forked), cells, strict=True):
        assert_same(one, evaluate(known, cell))
    unknown = general_pair_potential_family(f=lambda r: 0.1 * (r - 3.0) ** 2, a=3.0)
    with pytest.raises(TypeError, match=r"<general pair .* cannot be sent to other processes: .*"):
        eval_many(unknown, cells, executor=forked)


def test_a_function_of_each_structure(pool) -> None:
    """Results in order, errors in their places with what was raised."""
    cells = structures(8)
    expected = [cell.coordinates[0, 0] for cell in cells]
    for executor in (None, pool):
        found = map_structures(many_structures.half_rejected, cells, executor=executor, chunk=3)
        for k, (one, first) in enumerate(zip(found, expected, strict=True)):
            if first <= 0.5:
                assert one == first
            else:
                assert (one.index, str(one.error)) == (k, f"the first coordinate is {first}")


def test_motion_of_many_structures(forked) -> None:
    """Any function of a cell with its arguments: each run is that of `nve` alone."""
    cells = [*structures(2), together()]
    run = partial(nve, potentials=list(SILICON), n_steps=3, timestep=0.1)
    *ends, failed = map_structures(run, cells, executor=forked)
    for end, cell in zip(ends, cells, strict=False):
        np.testing.assert_array_equal(end.positions, run(cell).positions)
    assert str(failed) == "structure 2: atoms 0 and 2 are at the same place (counted from 0)"


def test_relaxation_of_many_structures(forked) -> None:
    """Each ends where `relax` alone does; one that cannot begin is told of."""
    cells = [*structures(2), together("bad.xyz:2")]
    run = partial(relax, potentials=list(SILICON), tolerance=1e-2)
    *ends, failed = map_structures(run, cells, executor=forked, chunk=1)
    for end, cell in zip(ends, cells, strict=False):
        np.testing.assert_array_equal(end.coordinates, run(cell).coordinates)
        assert end.meta["converged"]
    assert str(failed).startswith("structure 2 (bad.xyz:2): atoms 0 and 2 are at the same place")


def test_a_worker_has_the_threads_that_are_asked_for(pool) -> None:
    """One by default, of the core and of torch; this process has three before and after."""
    cells = structures(4)
    _core.set_num_threads(3)
    try:
        for core, torch, _ in map_structures(
            many_structures.threads_and_place, cells, executor=pool
        ):
            assert core == 1
            assert torch in (1, None)
        eval_many(SILICON, cells, executor=pool)
        assert _core.num_threads() == 3
        here = map_structures(many_structures.threads_and_place, cells, threads=2)
        assert {core for core, _, _ in here} == {2}
        assert _core.num_threads() == 3
    finally:
        _core.set_num_threads(1)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted on Linux")
def test_more_threads_are_for_workers_that_are_spawned(forked) -> None:
    """As many as asked for are at work; OpenMP's do not survive a fork."""
    cells = structures(2)
    count = partial(map_structures, many_structures.threads_of_process, cells)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as spawned:
        one, three = (count(executor=spawned, threads=n)[0] for n in (1, 3))
    assert three == one + 2
    with pytest.raises(ValueError, match="`threads` is 2 but workers that are forked must have 1"):
        count(executor=forked, threads=2)


def test_torch_that_a_worker_loads_late_has_no_more_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the environment says; with the second parcel it is there already."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as executor:
        found = map_structures(
            many_structures.threads_of_torch_loaded_late, structures(2), executor=executor, chunk=1
        )
    assert found == [(False, 1, 1), (True, 1, 1)]


def test_threads_of_this_process_may_be_workers() -> None:
    """Each compiles for itself, and leaves torch's threads as they are."""
    cells = structures()
    with ThreadPoolExecutor(3) as executor:
        found = eval_many(POTENTIALS["network"], cells, executor=executor)
    for one, cell in zip(found, cells, strict=True):
        assert_same(one, evaluate(POTENTIALS["network"], cell))


def test_a_worker_compiles_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For all parcels of one call, and for the next call with the same potentials."""
    made = []

    def counted(*args, **kwargs):
        made.append(args)
        return ready_potentials(*args, **kwargs)

    monkeypatch.setattr(_many, "ready_potentials", counted)
    with ThreadPoolExecutor(1) as executor:
        for _ in range(2):
            eval_many(SILICON, structures(), executor=executor)
        assert len(made) == 1
        eval_many(POTENTIALS["network"], structures(), executor=executor)
    assert len(made) == 2


def test_a_worker_that_dies_is_told_of() -> None:
    """What was done before is kept; without anything done it is raised."""
    small = [Cell(9 * np.eye(3), np.zeros((n, 3)), ["Si"] * n) for n in (1, 2, 7)]
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=fork) as executor:
        *done, dead = map_structures(
            many_structures.kills_worker_of_seven, small, executor=executor, chunk=1
        )
    assert done == [1, 2]
    assert isinstance(dead.error, BrokenProcessPool)
    with (
        ProcessPoolExecutor(1, mp_context=fork) as executor,
        pytest.raises(BrokenProcessPool, match="terminated abruptly"),
    ):
        map_structures(many_structures.kills_worker_of_seven, small[2:], executor=executor)


def test_errors_that_cannot_be_sent_come_as_text(forked) -> None:
    """With their names."""
    (found,) = map_structures(many_structures.raises_odd, structures(1), executor=forked)
    assert str(found.error) == "OddError: odd"


def test_pickles_are_the_same() -> None:
    """Cells whose arrays cannot be written to, and networks that give the same to the bit."""
    (cell,) = structures(1)
    again = pickle.loads(pickle.dumps(cell))
    np.testing.assert_array_equal(again.vectors, cell.vectors)
    np.testing.assert_array_equal(again.coordinates, cell.coordinates)
    assert (again.values, again.pbc, list(again.meta)) == (cell.values, cell.pbc, list(cell.meta))
    assert not many_structures.writes(again)
    network = pickle.loads(pickle.dumps(POTENTIALS["network"]))
    assert evaluate(network, cell).energy == evaluate(POTENTIALS["network"], cell).energy


@pytest.mark.parametrize(
    ("sizes", "chunk", "fewest", "expected"),
    [
        ([1000] * 10, None, 1, [5, 5]),
        ([1000] * 10, None, 64, [1] * 10),
        ([10] * 200, None, 64, [3] * 66 + [2]),
        ([5000, 1, 1], None, 1, [1, 2]),
        ([5000] * 5, 2, 64, [2, 2, 1]),
        ([], None, 64, []),
    ],
)
def test_structures_go_in_parcels(sizes, chunk, fewest, expected) -> None:
    """Of 4096 atoms or somewhat more, and so many at least for an executor."""
    cells = [Cell(np.eye(3), np.zeros((n, 3)), ["Si"] * n, pbc=False) for n in sizes]
    parcels = in_chunks(cells, chunk, fewest)
    assert [len(parcel) for parcel in parcels] == expected
    assert [cell for parcel in parcels for cell in parcel] == cells


def test_no_structure_is_no_result(forked) -> None:
    """Here and elsewhere."""
    assert eval_many(SILICON, []) == eval_many(SILICON, [], executor=forked) == []


def test_refusals(as_installed) -> None:
    """Mistakes that are no structure's are raised at once."""
    cells = structures(2)
    with pytest.raises(ValueError, match="`Sj` is not a known species"):
        eval_many(lj_potential_family("Sj-Si", epsilon=1.0, sigma=1.0, a=2.0), cells)
    with pytest.raises(ValueError, match="`half` is not a known precision"):
        eval_many(SILICON, cells, precision="half")
    with pytest.raises(ValueError, match=r"`threads` is 0 but must be in \[1, inf\)"):
        eval_many(SILICON, cells, threads=0)
    with pytest.raises(ValueError, match=r"`chunk` is 0 but must be in \[1, inf\)"):
        map_structures(len, cells, chunk=0)
    with pytest.raises(TypeError, match="`cells` has int at 1 "):
        map_structures(len, [cells[0], 7])
    with pytest.raises(TypeError, match="must have potentials"):
        eval_many([1], cells)
