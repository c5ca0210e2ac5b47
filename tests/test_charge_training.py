"""Training of networks with charges: what is trained is what is evaluated, and its slopes."""

from dataclasses import replace

import charged_networks as charged
import numpy as np
import pytest
import torch
from charge_jobs import evaluated
from charged_networks import potential
from numpy import testing

from miniff import kernel, ml, ml_util
from miniff._neighbors import join
from miniff.ewald import Coulomb
from miniff.kernel import Cell, compute_images
from miniff.ml import ChargeData, ChargePotential, Hardness, Normalization


def data_set(rule, *, derivatives=True, kinds=("molecule", "crystal")):
    """Structures with what charges are learned from, and the interaction."""
    pairs = evaluated(potential(), kinds, 3)
    coulomb = Coulomb(charged.A, widths=charged.WIDTHS)
    cells = [
        Cell(c.vectors, c.coordinates, c.values, {**c.meta, "charges": f.charges}, pbc=c.pbc)
        for c, f in pairs
    ]
    images = [compute_images(cell, charged.A) for cell in cells]
    table = join([one.table for one in images])
    reference = np.concatenate([f.charges for _, f in pairs])
    own = ml.interactions_of(coulomb, table, derivatives=derivatives)
    dataset = ml.learn_cauldron(images, charged.DESCRIPTORS)
    return dataset.with_charges(ChargeData.of(table, ["C", "H"], reference, own)), cells, coulomb


def networks(seed):
    return [charged.network(len(charged.DESCRIPTORS["C"]), seed + k) for k in range(2)]


@pytest.mark.parametrize("precision", ["double", "single"])
def test_what_is_trained_is_what_is_evaluated(precision) -> None:
    """Energies, forces, stress, charges of networks with charges; also of pieces of a data set."""
    dataset, cells, coulomb = data_set("shift")
    normalization = Normalization.from_dataset(dataset)
    of_charges = replace(
        normalization, energy_scale=0.3, energy_offsets=torch.tensor([-0.1, 0.1]).double()
    )
    short, charges = networks(0), networks(10)
    forward = ml.ForwardWithCharges(of_charges)
    members = [[*short, *charges], [*networks(20), *charges]]
    (found, _), (energies, _) = (
        forward(members, dataset, grad, normalization, precision=precision)
        for grad in (True, False)
    )
    rtol = 1e-6 if precision == "single" else 1e-12
    testing.assert_allclose(energies.energy.detach(), found.energy.detach(), rtol=rtol)
    potentials = [
        *ml.potentials_from_ml_data(short, dataset, normalization),
        ChargePotential(
            ml.potentials_from_ml_data(charges, dataset, of_charges), ml.Shift(), coulomb
        ),
    ]
    known = [kernel.eval(potentials, cell) for cell in cells]
    atol = 1e-5 if precision == "single" else 2e-6
    for name, value in (
        ("energy", [one.energy for one in known]),
        ("gradient", np.concatenate([one.gradient for one in known])),
        ("charges", np.concatenate([one.charges for one in known])),
    ):
        numbers = getattr(found, name).detach().numpy().reshape(np.shape(value))
        testing.assert_allclose(numbers, value, rtol=1e-6, atol=atol)
    for s, one in enumerate(known):
        if one.volume is not None:
            testing.assert_allclose(found.stress[s].detach(), one.stress, atol=2e-6)
    atoms, structures = 0, 0
    for part in ml.cut(dataset, 2):
        (piece, _) = forward(members, part, True, normalization, precision=precision)
        own = slice(atoms, atoms := atoms + len(piece.gradient))
        testing.assert_allclose(piece.gradient.detach(), found.gradient[own].detach(), atol=1e-6)
        ends = slice(structures, structures := structures + len(part))
        testing.assert_allclose(piece.energy.detach(), found.energy[ends].detach(), rtol=1e-9)


def test_the_loss_changes_with_parameters_as_its_gradient_says() -> None:
    """Of energies, forces, stress and charges, through all networks."""
    dataset, _, _ = data_set("shift")
    reference = dataset.per_cell_dataset
    reference.energy = torch.randn(reference.energy.shape).double()
    reference.gradient = torch.randn(reference.gradient.shape).double()
    reference.stress = torch.randn(reference.stress.shape).double()
    normalization = Normalization.from_dataset(dataset)
    of_charges = replace(
        normalization, energy_scale=0.3, energy_offsets=torch.tensor([-0.1, 0.1]).double()
    )
    _assert_slope(
        [*networks(0), *networks(10)],
        dataset,
        normalization,
        ml.ForwardWithCharges(of_charges),
        ml_util.LossWeights(1.0, 0.3, 0.2, 5.0),
    )


def test_charges_change_with_hardness_and_electronegativities() -> None:
    """Through the equations that equilibrate them."""
    dataset, _, _ = data_set("equilibrate")
    normalization = Normalization.from_dataset(dataset)
    modules = [*networks(0), Hardness([4.0, 6.0])]
    weights = ml_util.LossWeights(0.0, charges=1.0)
    _assert_slope(modules, dataset, normalization, ml.ForwardCharges(True), weights)


def _assert_slope(modules, dataset, normalization, forward, weights) -> None:
    from miniff.ml_util._objective import Objective

    objective = Objective(modules, [dataset], normalization, weights, forward=forward)
    point, rng = objective.start(modules), np.random.default_rng(0)
    ((_, gradient),) = objective.evaluate([point])
    for _ in range(3):
        move = rng.normal(size=point.shape)
        move[-1] = 0
        rise = [objective.evaluate([point + k * 1e-5 * move])[0][0] for k in (1, -1)]
        testing.assert_allclose(gradient @ move, (rise[0] - rise[1]) / 2e-5, rtol=1e-5, atol=1e-9)
