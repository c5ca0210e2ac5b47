"""Small structures on a device: one fixed sequence of operations in every step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms, units
from contract import ROWS, Row
from elsewhere import printed_by
from no_host import OnHost, on_meta
from silicon import DIAMOND, SILICON
from test_devices import BOTH, UNDER, assert_same, by_core, cells
from test_tensor_functions import a_set, structure

from benchmarks.device_work import measure
from miniff._neighbors import PairTable, join
from miniff.dyn import nvt_many
from miniff.kernel import compute_images, eval_many
from miniff.ml import DevicePotentials, Mean, NNPotential
from miniff.ml._device import _evaluation, _fixed_step
from miniff.ml._device._functions import TensorFunctions
from miniff.ml._device._networks import MeanTogether
from miniff.ml._device._table import TensorTable
from miniff.ml_util import behler_nn
from miniff.potentials import (
    CompiledPotentials,
    LocalPotential,
    Precision,
    TableEvaluation,
    TrainingMoments,
    ready_potentials,
)
from miniff.potentials._devices import cpu_by_torch

SKIN = 1.5


IN_TORCH = [row for row in ROWS if row.compiled]


def ready_on(
    device: str, potentials: Sequence[LocalPotential], names: Sequence[str], **how: Any
) -> DevicePotentials:
    """Potentials on a device of torch."""
    ready = ready_potentials(potentials, tuple(names), device=device, **how)
    assert isinstance(ready, DevicePotentials)
    return ready


def assert_equal(found: TableEvaluation, wanted: TableEvaluation, tolerance: float = 1e-10) -> None:
    """All numbers of two evaluations."""
    for name in ("energies", "gradient", "strain_derivative"):
        one, other = getattr(found, name), getattr(wanted, name)
        np.testing.assert_allclose(one, other, atol=tolerance * max(1, np.abs(other).max()))
    np.testing.assert_allclose(found.grades, wanted.grades, rtol=1e2 * tolerance)


def shaken(table: PairTable, seed: int) -> PairTable:
    """The same list with atoms and cells a little elsewhere."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(scale=0.03, size=table.positions.shape)
    return table.moved(table.positions + moves, table.cells * (1 + 0.01 * rng.random()))


def known(potential: NNPotential, has_moments: bool) -> NNPotential:
    """With a training set from which some atoms are far."""
    n = len(potential.descriptors)
    ranges = np.stack([np.zeros(n), np.full(n, 0.3)])
    moments = TrainingMoments(np.full(n, 0.2), 0.01 * np.eye(n), 3.0, 500)
    return NNPotential(
        potential.network,
        potential.descriptors,
        str(potential.tag),
        ranges=ranges,
        moments=moments if has_moments else None,
    )


LISTS: dict[str, list[LocalPotential]] = {
    "committees": BOTH,
    "on a baseline": UNDER + BOTH,
    "one species": [UNDER[0], BOTH[0]],
    "known training sets": [*UNDER, known(BOTH[0], True), known(BOTH[1], False)],
    "one known, of two for a species": [BOTH[0], known(BOTH[0], True), known(BOTH[0], False)],
    "on-site alone": [UNDER[0]],
    "none": [],
}


# --- the step is the core's


@pytest.mark.parametrize("row", IN_TORCH, ids=lambda row: row.name)
def test_every_family_is_that_of_the_core(row: Row, device: str) -> None:
    """Also where pairs far beyond the cutoff are listed, and where atoms have moved."""
    potential = row.potential()
    table = compute_images(structure(), potential.cutoff + SKIN).table
    ready = ready_on(device, [potential], table.names)
    core = CompiledPotentials([potential], table.names)
    for moved in (table, shaken(table, 0), shaken(table, 1)):
        assert_equal(ready.evaluate(moved), core.evaluate(moved))
    assert ready._last is not None
    assert ready._last.small is not None


@pytest.mark.parametrize("row", IN_TORCH, ids=lambda row: row.name)
def test_functions_vanish_beyond_their_cutoff(row: Row, device: str) -> None:
    """Exactly, with their slopes: there is nothing to be left out."""
    potential = row.potential()
    like = torch.zeros(0, dtype=torch.float64, device=device)
    own = TensorFunctions([potential], ("O",), like)
    end = own.cutoff
    lengths = [end, np.nextafter(end, 9e9), end + 0.1, end + SKIN, own.far]
    lengths = torch.tensor(lengths, dtype=torch.float64)
    directions = torch.randn(7, 5, 3, dtype=torch.float64, generator=torch.manual_seed(0))
    directions[0] = 1.0  # as in places that are not taken
    vectors = directions / directions.norm(dim=-1, keepdim=True) * lengths[:, None]
    vectors = vectors * (1 + 1e-15)  # on that side of the cutoff, however lengths are rounded
    vectors[1] = torch.stack([lengths, *torch.zeros(2, 5, dtype=torch.float64)], dim=1)
    vectors = vectors.to(device).requires_grad_()
    values = own.values(vectors, (0, 5))
    nothing = own.values(vectors[:, :0], (0, 0))
    torch.testing.assert_close(values, nothing, rtol=0, atol=0)
    if values.requires_grad:
        (slope,) = torch.autograd.grad(values.sum(), vectors)
        torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=0)


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_potentials_are_those_of_the_core(name: str, device: str) -> None:
    """Networks and formulas, atoms without any, and atoms outside of the training set."""
    for cell in cells():
        table = compute_images(cell, 4.0 + SKIN).table
        ready = ready_on(device, LISTS[name], table.names)
        core = CompiledPotentials(LISTS[name], table.names)
        for moved in (table, shaken(table, 0)):
            found, wanted = ready.evaluate(moved), core.evaluate(moved)
            assert_equal(found, wanted)
            np.testing.assert_array_equal(np.isnan(found.grades), np.isnan(wanted.grades))


def test_functions_of_many_kinds_are_those_of_the_core(device: str) -> None:
    """Several cutoffs, windows and exponents, and species that only some of them see."""
    torch.manual_seed(0)
    potentials = [NNPotential(behler_nn(len(a_set(one))), a_set(one), one) for one in "OH"]
    table = compute_images(structure(), 4.5 + SKIN).table
    wanted = CompiledPotentials(potentials, table.names).evaluate(table)
    assert_equal(ready_on(device, potentials, table.names).evaluate(table), wanted)


def test_single_precision_is_near(device: str) -> None:
    """Descriptors and networks in single precision; sums and formulas in double."""
    table = compute_images(cells()[0], 4.0 + SKIN).table
    found = ready_on(device, UNDER + BOTH, table.names, precision="single").evaluate(table)
    wanted = CompiledPotentials(UNDER + BOTH, table.names).evaluate(table)
    assert_equal(found, wanted, 2e-5)
    assert np.abs(found.gradient - wanted.gradient).max() > 1e-12


def test_structures_are_evaluated_together(device: str) -> None:
    """Each gives what it gives alone; one of them has no neighbours."""
    found = eval_many(UNDER + BOTH, cells(), device=device, ignore_missing_species=True)
    for one, cell in zip(found, cells(), strict=True):
        assert_same(one, by_core(UNDER + BOTH, cell))  # type: ignore[arg-type]


def test_structures_move_together(device: str) -> None:
    """Positions, velocities and energies after some steps are the core's."""
    given = []
    for k in range(3):
        rng = np.random.default_rng(k)
        places = (DIAMOND + rng.normal(scale=0.01, size=(8, 3))) * 5.45
        momenta = rng.normal(scale=1.0, size=(8, 3))
        given.append(Atoms("Si8", places, momenta=momenta, cell=[5.45] * 3, pbc=True))
    how: dict[str, Any] = {"timestep": units.fs, "temperature": 300.0, "seed": 1}
    found = nvt_many(given, SILICON, n_steps=20, device=device, **how)
    with cpu_by_torch(False):
        wanted = nvt_many(given, SILICON, n_steps=20, **how)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-10)
        np.testing.assert_allclose(one.velocities, other.velocities, atol=1e-10)
        np.testing.assert_allclose(one.energy, other.energy, rtol=1e-12)


@pytest.mark.parametrize("n_layers", [2, 3, 4])
@pytest.mark.parametrize("activation", ["tanh", "silu", "celu"])
def test_members_side_by_side_have_their_mean(n_layers: int, activation: str) -> None:
    """One product of matrices for each layer of all members."""
    members = [behler_nn(4, n_internal=3, n_layers=n_layers, activation=activation)] * 2
    members.append(behler_nn(4, n_internal=3, n_layers=n_layers, activation=activation))
    together = MeanTogether.of(members)
    assert together is not None
    x = torch.randn(5, 4, dtype=torch.float64, generator=torch.manual_seed(0))
    torch.testing.assert_close(together(x), Mean(members)(x))


def test_members_of_several_forms_are_not_put_together() -> None:
    """Other sizes, activations or options; layers with hooks."""
    one, hooked = (behler_nn(4, n_internal=3) for _ in range(2))
    hooked[0].register_forward_hook(lambda *_: None)
    others = [behler_nn(4, n_internal=5), behler_nn(4, n_internal=3, activation="sigmoid"), hooked]
    others.append(behler_nn(4, n_internal=3, bias=False))
    assert MeanTogether.of([one, one]) is not None
    for other in others:
        assert MeanTogether.of([one, other]) is None
    options = [torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.CELU(a)) for a in (1.0, 2.0)]
    for network in options:
        network.append(torch.nn.Linear(2, 1))
    assert MeanTogether.of(options) is None


# --- and a fixed sequence


def test_rows_are_made_once_for_a_list(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it holds nothing is narrowed, and no row is made."""
    made = []
    row, within = TensorTable.row, TensorTable.within
    monkeypatch.setattr(TensorTable, "row", lambda *args: made.append("row") or row(*args))
    monkeypatch.setattr(TensorTable, "within", lambda *args: made.append("near") or within(*args))
    table = compute_images(cells()[0], 5.0).table
    ready = ready_on(device, UNDER + BOTH, table.names)
    for seed in range(3):
        ready.evaluate(shaken(table, seed))
    assert made == ["row", "row"]  # one for each species
    for module, limit, value in (
        (_evaluation, "SMALL_NUMBERS", 1e4),
        (_fixed_step, "SMALL_PAIRS", table.n_pairs - 1),
    ):
        del made[:]
        other = compute_images(cells()[0], 5.0).table
        with monkeypatch.context() as context:
            context.setattr(module, limit, value)
            found = ready.evaluate(other)
        assert made == ["near", "near"]  # one for each cutoff
        assert_equal(found, CompiledPotentials(UNDER + BOTH, table.names).evaluate(other))


def without_a_number(ready: DevicePotentials, table: PairTable) -> OnHost:
    """What comes to the host in a step, or from it: the step is made of tensors without numbers."""
    found = ready.evaluate(table)
    assert ready._last is not None
    assert ready._last.small is not None
    step = on_meta(ready._last.small.step)
    n = 3 * table.n_atoms + 9 * table.n_structures
    given = torch.zeros(n, dtype=torch.float64, device="meta")
    step.flat(given)  # what follows from the places of neighbours alone is known from now on
    with OnHost(numbers_alone=True) as host:
        result = step.flat(given)
    assert len(result) == sum(
        own.size for own in (found.energies, found.gradient, found.strain_derivative, found.grades)
    )
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        result.cpu()
    return host


@pytest.mark.parametrize("n_structures", [1, 3])
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("name", ["known training sets", "on a baseline"])
def test_a_step_never_waits_for_the_device(
    name: str, precision: Precision, n_structures: int
) -> None:
    """No number comes to the host or from it, not even a single one: a recording has no host."""
    table = join([compute_images(cell, 5.0).table for cell in cells()[:n_structures]])
    with cpu_by_torch():
        ready = ready_on("cpu", LISTS[name], table.names, precision=precision)
        host = without_a_number(ready, table)
    assert not host.found
    assert host.n_operations > 100


def test_no_family_waits_for_the_device() -> None:
    """All of them in one step, with three species and an atom that is alone."""
    potentials = [row.potential() for row in IN_TORCH]
    table = compute_images(structure(), max(p.cutoff for p in potentials)).table
    with cpu_by_torch():
        assert not without_a_number(ready_on("cpu", potentials, table.names), table).found


@pytest.mark.parametrize(("name", "most"), [("g5-network", 165), ("g4-network", 190), ("sw", 150)])
def test_a_step_is_a_few_operations(name: str, most: int) -> None:
    """Each takes about as long to start as a device computes for some hundred atoms."""
    assert 50 < measure(name, 8, 1).n_operations < most


COMPILING = """
import numpy as np
import torch
from miniff.kernel import Cell, compute_images
from miniff.ml import Mean, NNPotential
from miniff.ml_util import behler_nn
from miniff.potentials import known_families, ready_potentials, zbl_potential_family
from miniff.potentials._devices import cpu_by_torch

rng = np.random.default_rng(0)
cell = Cell(5.0 * np.eye(3), rng.random((6, 3)), list("OSSOSO"))
table = compute_images(cell, 4.5).table
of = known_families
potentials = [zbl_potential_family("O-S", z1=8, z2=16, a_inner=1.0, a=2.5)]
for name in table.names:
    own = [of["Behler type 2"](f"{name}-{other}", a=4.0, eta=0.1) for other in table.names]
    own += [
        of[family](f"{name}-{pair}", a=4.0, eta=0.1, l=sign, zeta=4)
        for family in ("Behler type 4", "Behler type 5")
        for pair in ("O-S", "O-O")
        for sign in (1, -1)
    ]
    network = Mean([behler_nn(len(own), n_internal=5) for _ in range(2)])
    potentials.append(NNPotential(network, own, name))
with cpu_by_torch():
    ready = ready_potentials(potentials, table.names)
ready.evaluate(table)
step = ready._last.small.step
given = torch.from_numpy(np.concatenate([table.positions.ravel(), table.cells.ravel()]))
torch._dynamo.config.trace_autograd_ops = True  # off by default
compiled = torch.compile(step.flat, backend="aot_eager", fullgraph=True)
torch.testing.assert_close(
    compiled(given), step.flat(given), rtol=1e-12, atol=1e-12, equal_nan=True
)
print("the same")
"""


def test_a_step_is_one_graph_for_the_compiler() -> None:
    """torch.compile takes all of it, with the derivatives in it, and gives the same numbers.

    Elsewhere, since it does not look into functions whose annotations are checked.
    """
    assert printed_by(COMPILING) == "the same\n"
