"""Potentials on a device of torch give what the compiled core gives."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from ase.build import bulk
from contract import TERSOFF
from many_body import TWO_EAM
from python_potentials import lennard_jones, stillinger_weber_3
from silicon import DIAMOND, SILICON

from miniff.ase import MiniffCalculator
from miniff.kernel import Cell, CellImages, Evaluation, compute_images, eval_many
from miniff.kernel import eval as evaluate
from miniff.ml import DevicePotentials, Mean, NNPotential, eval_committee
from miniff.ml._device import _choice, _evaluation, _sorting
from miniff.ml._device._choice import device_of
from miniff.ml._device._sorting import evaluation_device, training_device
from miniff.ml._layers import Affine
from miniff.ml_util import behler_nn
from miniff.potentials import (
    CompiledPotentials,
    Functions,
    LocalPotentialFamily,
    OneSidedPairWarning,
    Potential,
    TrainingMoments,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    eam_potential_family,
    ewald_total_potential_family,
    on_site_potential_family,
    ready_potentials,
    tersoff_potential_family,
    zbl_potential_family,
)
from miniff.potentials._devices import cpu_by_torch

CUTOFF = 4.0


def network(species: str, others: Sequence[str], seed: int) -> NNPotential:
    """A committee of two with scales, on radial and angular functions."""
    descriptors = [
        *(behler2_descriptor_family(f"{species}-{o}", a=CUTOFF, eta=0.2) for o in others),
        *(
            family(f"{species}-{one}-{other}", a=CUTOFF, eta=0.05, l=-1, zeta=zeta)
            for family in (behler4_descriptor_family, behler5_descriptor_family)
            for one in others
            for other in others
            if one <= other
            for zeta in (1, 4)
        ),
    ]
    n = len(descriptors)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        members = [behler_nn(n, n_internal=7) for _ in range(2)]
    scale = torch.rand(n, generator=generator, dtype=torch.float64)
    before = Affine(scale, -scale)
    after = Affine(torch.full((1,), 0.7).double(), torch.full((1,), -813.25).double())
    return NNPotential(torch.nn.Sequential(before, Mean(members), after), descriptors, species)


def cells() -> list[Cell]:
    """Repeated along three, two and no vectors; of two species and of one."""
    rng = np.random.default_rng(3)
    skewed = np.eye(3) * 5.1 + rng.normal(size=(3, 3)) * 0.2
    alone = Cell(np.eye(3) * 50, np.zeros((1, 3)), ["O"], pbc=False)
    return [
        Cell(skewed, rng.random((9, 3)), list("SSOSOSSOO")),
        Cell(skewed * [1, 1, 3], rng.random((7, 3)), list("OSSOSSO"), pbc=(True, True, False)),
        alone,
    ]


BOTH = [network("S", "OS", 0), network("O", "OS", 1)]
UNDER = [
    on_site_potential_family("O", v0=-3.0),
    *(
        zbl_potential_family(f"{one}-{other}", z1=8, z2=16, a_inner=1.0, a=2.5)
        for one in "OS"
        for other in "OS"
    ),
]
LISTS = {"network": BOTH, "network on a baseline": UNDER + BOTH, "formulas": list(SILICON)}


def by_core(potentials: Sequence[Potential], cell: Cell | CellImages) -> Evaluation:
    """What the compiled core gives, whatever the fixture says of the CPU."""
    with cpu_by_torch(False):
        return evaluate(potentials, cell, ignore_missing_species=True)


def assert_same(found: Evaluation, wanted: Evaluation, rtol: float = 1e-10) -> None:
    """Numbers that differ by rounding alone."""
    for name in ("energy", "energies", "gradient", "strain_derivative"):
        one, other = getattr(found, name), getattr(wanted, name)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * np.abs(other).max())
    assert found.volume == wanted.volume


@pytest.mark.parametrize("name", LISTS)
def test_a_structure_has_the_energy_and_forces_of_the_core(name: str, device: str) -> None:
    """To 1e-10; also an atom alone."""
    rattled = DIAMOND + np.random.default_rng(0).normal(scale=0.02, size=(8, 3))
    here = cells() if name != "formulas" else [Cell(np.eye(3) * 5.5, rattled, ["Si"] * 8)]
    for cell in here:
        images = compute_images(cell, 4.5)
        found = evaluate(LISTS[name], images, device=device, ignore_missing_species=True)
        assert_same(found, by_core(LISTS[name], images))


def test_atoms_outside_of_the_training_set_are_told(device: str) -> None:
    """Grades by range and by distance are those of the core; nan where nothing is known."""
    cell = cells()[0]
    table, rng = compute_images(cell, 4.5).table, np.random.default_rng(0)
    known = []
    for potential, has_moments in zip(BOTH, (True, False), strict=True):
        values = Functions(potential.descriptors).values(table, table.atoms_of(potential.tag))
        ranges = np.array([values.min(axis=0), 0.9 * values.max(axis=0)])
        sample = values + 0.1 * values.std() * rng.normal(size=(200, 1, values.shape[1]))
        sample = sample.reshape(-1, values.shape[1])
        moments = TrainingMoments(sample.mean(axis=0), np.cov(sample.T), 3.0, len(sample))
        known.append(
            NNPotential(
                potential.network,
                potential.descriptors,
                str(potential.tag),
                ranges=ranges,
                moments=moments if has_moments else None,
            )
        )
    for potentials in (known, [known[0], BOTH[1]], known[:1]):
        found = evaluate(potentials, cell, device=device, ignore_missing_species=True)
        wanted = by_core(potentials, cell)
        np.testing.assert_allclose(found.grades, wanted.grades, rtol=1e-9)
        single = evaluate(
            potentials, cell, device=device, precision="single", ignore_missing_species=True
        )
        np.testing.assert_allclose(single.grades, wanted.grades, rtol=1e-3)
    assert np.nanmax(found.grades) > 1
    assert np.isnan(found.grades).any()


def test_members_of_a_committee_differ_as_in_the_core(device: str) -> None:
    """Energies and forces of each, and their spread."""
    cell = cells()[0]
    found = eval_committee(BOTH, cell, device=device)
    with cpu_by_torch(False):
        wanted = eval_committee(BOTH, cell)
    assert_same(found.mean, wanted.mean)
    for one, other in zip(found.members, wanted.members, strict=True):
        assert_same(one, other)
    assert found.energy_std == pytest.approx(wanted.energy_std, rel=1e-8)
    np.testing.assert_allclose(found.forces_std, wanted.forces_std, atol=1e-9)


def test_charges_are_summed_on_the_cpu_and_added(device: str) -> None:
    """Energies, forces, stress, and the charges themselves."""
    cell = cells()[0]
    coulomb = ewald_total_potential_family(a=4.0, charges={"S": 0.4, "O": -0.5})
    found = evaluate([*BOTH, coulomb], cell, device=device)
    assert_same(found, by_core([*BOTH, coulomb], cell))
    charges = np.where(np.array(cell.values) == "S", 0.4, -0.5)
    np.testing.assert_array_equal(found.charges, charges)
    assert abs(found.energy - by_core(BOTH, cell).energy) > 0.01


def test_single_precision_keeps_the_digits_of_large_energies(device: str) -> None:
    """The last shift is -813.25 for each atom; what networks add to it is good to 1e-6."""
    cell = cells()[0]
    wanted = by_core(BOTH, cell)
    found = evaluate(BOTH, cell, device=device, precision="single")
    np.testing.assert_allclose(found.energies, wanted.energies, atol=2e-6)
    largest = np.abs(wanted.gradient).max()
    np.testing.assert_allclose(found.gradient, wanted.gradient, atol=2e-5 * largest)
    assert np.abs(found.gradient - wanted.gradient).max() > 0


def test_many_structures_are_evaluated_together(device: str) -> None:
    """And each gives what it gives alone."""
    found = eval_many(UNDER + BOTH, cells(), device=device, ignore_missing_species=True)
    for one, cell in zip(found, cells(), strict=True):
        assert isinstance(one, Evaluation)
        assert_same(one, by_core(UNDER + BOTH, cell))


def test_the_calculator_moves_pairs_once(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as a list of the CPU holds, only positions and cells go to the device."""
    moved = []
    monkeypatch.setattr(_evaluation, "can_search", lambda _: False)
    of = _evaluation.TensorTable.of
    monkeypatch.setattr(
        _evaluation.TensorTable, "of", staticmethod(lambda *args: moved.append(1) or of(*args))
    )
    atoms, rng = bulk("Si", cubic=True), np.random.default_rng(0)
    calculator = MiniffCalculator(SILICON, device=device)
    assert calculator.parameters["device"] == device
    for step in range(4):
        atoms.rattle(0.02, rng=rng)
        if step == 2:
            atoms.set_cell(atoms.cell * 1.01, scale_atoms=True)
        wanted = by_core(SILICON, Cell(atoms.cell.array, atoms.get_scaled_positions(), ["Si"] * 8))
        np.testing.assert_allclose(calculator.get_forces(atoms), wanted.forces, atol=1e-11)
        np.testing.assert_allclose(calculator.get_stress(atoms), wanted.stress, atol=1e-12)
    assert len(moved) == calculator.n_lists == 1


MIXED = [
    *UNDER,
    *BOTH,
    eam_potential_family("S-O-S", **TWO_EAM),
    eam_potential_family("O-O-S", **TWO_EAM),
    tersoff_potential_family(**TERSOFF),
    lennard_jones(epsilon=0.02, sigma=1.9, a=2.2),
    stillinger_weber_3("O-S-S", epsilon=0.02, sigma=2.1, l=21, gamma=1.2, cos_theta0=-1 / 3, a=1.8),
    ewald_total_potential_family(a=4.0, charges={"S": 0.4, "O": -0.5}),
]
"""Networks, formulas of all kinds, Python functions and charges."""


def test_potentials_of_all_kinds_are_summed(device: str) -> None:
    """Energies, forces, stress, charges and grades are those of the core; single precision too."""
    cell = cells()[0]
    found, wanted = evaluate(MIXED, cell, device=device), by_core(MIXED, cell)
    assert_same(found, wanted)
    np.testing.assert_array_equal(found.charges, wanted.charges)
    np.testing.assert_array_equal(found.grades, wanted.grades)
    for one, other in zip(eval_many(MIXED, [cell] * 2, device=device), [wanted] * 2, strict=True):
        assert_same(one, other)
    without = [p for p in MIXED if p not in BOTH]
    single = evaluate(without, cell, device=device, precision="single")
    assert_same(single, by_core(without, cell))


def test_python_functions_are_evaluated_on_the_cpu(device: str) -> None:
    """Alone, or beside what is on the device; a half of their bonds is told as elsewhere."""
    cell = cells()[0]
    function = lennard_jones("S-O", epsilon=0.02, sigma=1.9, a=2.2)
    for potentials in ([function], [function, *SILICON]):
        with pytest.warns(OneSidedPairWarning, match="general pair acts on S-O but not") as told:
            found = evaluate(potentials, cell, device=device, ignore_missing_species=True)
        assert len(told) == 1
        with pytest.warns(OneSidedPairWarning):
            wanted = by_core(potentials, cell)
        assert_same(found, wanted)
        assert np.abs(found.gradient).max() > 0


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("gpu", "`device` is 'gpu' but must be auto, cpu, or a device of torch such as cuda"),
        ("meta", "`device` is meta, which holds no numbers: choose cpu or cuda"),
        ("xpu:7", "`device` is xpu:7 but torch .* cannot compute in double precision there: .*"),
    ],
)
def test_devices_that_are_not_there_are_refused(name: str, match: str) -> None:
    """Before anything is computed."""
    cell = Cell(np.eye(3) * 5.5, DIAMOND, ["Si"] * 8)
    for run in (
        lambda: evaluate(SILICON, cell, device=name),
        lambda: eval_many(SILICON, [cell], device=name),
        lambda: MiniffCalculator(SILICON, device=name).get_forces(bulk("Si")),
    ):
        with pytest.raises(ValueError, match=match):
            run()


def test_auto_is_a_graphics_processor_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process of torchrun has one of them; else it is the compiled core."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert isinstance(ready_potentials(SILICON, ("Si",), device="auto"), CompiledPotentials)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(_choice, "why_not_double", lambda _: None)
    assert device_of("auto") == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device_of("cuda") == torch.device("cuda:1")
    assert device_of("cuda:0") == torch.device("cuda:0")


def test_auto_is_the_core_for_what_torch_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a graphics processor, and nothing that it could do."""
    monkeypatch.setattr(_sorting, "device_of", lambda _: torch.device("meta"))
    function = lennard_jones(epsilon=1.0, sigma=2.0, a=2.0)
    charges = ewald_total_potential_family(a=4.0, charges={"S": 0.4, "O": -0.5})
    for potentials in (SILICON, [function, *SILICON], [*BOTH, charges]):
        assert evaluation_device("auto", potentials) == torch.device("meta")
    for potentials in ([function], [charges], [function, charges]):
        assert isinstance(
            ready_potentials(potentials, ("S", "O"), device="auto"), CompiledPotentials
        )
        assert evaluation_device("cuda", potentials) == torch.device("meta")


def test_networks_are_trained_where_all_descriptors_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, the core's, if one has no form in torch; a device that is named refuses it."""
    monkeypatch.setattr(_sorting, "device_of", lambda _: torch.device("meta"))
    known = BOTH[0].descriptors
    assert training_device("auto", known) == torch.device("meta")
    family = LocalPotentialFamily(
        name="Gaussian core",
        n_bodies=2,
        parameters={},
        cutoff_of=lambda _: 3.0,
        compile=lambda builder, _p, column, on: builder.core.gaussian_core(column, on[0]),
    )
    unknown = [*known, family()]
    assert training_device("auto", unknown) == torch.device("cpu")
    with pytest.raises(
        TypeError, match=r"Gaussian core \(all species\) has no form in torch, so it"
    ):
        training_device("cuda", unknown)


def test_as_many_numbers_at_a_time_as_memory_and_kernels_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A quarter of what is free; fewer than 32 bits count; where torch does not tell, some."""
    there = torch.device("cuda")
    for free, wanted in ((8e6, 2.5e5), (8e3, _choice.FEWEST), (150e9, 2.0**31), (None, 2.0**23)):
        monkeypatch.setattr(_choice, "free_bytes", lambda _, free=free: free)
        assert _choice.numbers_at_a_time(there, torch.float64) == wanted


def test_derivatives_on_a_device_begin_with_something_small(device: str) -> None:
    """Before any product of matrices, once for each device, also where none are wanted."""
    _choice.make_ready.cache_clear()
    with torch.no_grad():
        ready_potentials(SILICON, ("Si",), device=device)
        ready_potentials(SILICON, ("Si",), device=device)
    assert _choice.make_ready.cache_info().misses == 1
    assert _choice.make_ready.cache_info().hits == 1


@pytest.mark.usefixtures("as_installed")
def test_a_table_must_have_the_species_and_cutoff(device: str) -> None:
    """The same refusals as those of the core."""
    ready = ready_potentials(BOTH, ("O", "S"), device=device)
    assert isinstance(ready, DevicePotentials)
    with pytest.raises(ValueError, match="the table has the species Si but the potentials were"):
        ready.evaluate(compute_images(Cell(np.eye(3) * 5.5, DIAMOND, ["Si"] * 8), 5).table)
    with pytest.raises(ValueError, match=r"`cutoff` of the neighbour list is 3.0 but must be at"):
        ready.evaluate(compute_images(cells()[0], 3.0).table)
    with pytest.raises(ValueError, match="precision"):
        ready_potentials(BOTH, ("O", "S"), device=device, precision="half")  # type: ignore[arg-type]
