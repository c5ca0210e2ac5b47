"""Charges learned from charges, or from energies; networks that see charges; whole jobs."""

import json
from dataclasses import replace

import ase.io
import charged_networks as charged
import numpy as np
import pytest
import torch
from charged_networks import potential, structure
from numpy import testing

from miniff import kernel, ml, ml_util
from miniff._neighbors import join
from miniff.ewald import COULOMB_CONSTANT, Coulomb
from miniff.kernel import Cell, compute_images
from miniff.ml import ChargeData, ChargePotential, Hardness, NNPotential, Normalization
from miniff.ml_util import JobError, exec_workflows

DESCRIPTORS = {name: [ml.plain_of(f) for f in own] for name, own in charged.DESCRIPTORS.items()}
INIT = {"log": "warning", "memory_gb": 8.0, "threads": 1}


def write(name, cells, **more):
    """Structures with energies and forces of some charges, which the file calls ``q``."""
    labelled = []
    for cell, found in cells:
        meta = {**cell.meta, "q": found.charges, "energy": found.energy, "forces": found.forces}
        meta |= {"stress": found.stress} if any(cell.pbc) else {}
        labelled.append(Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc))
    Cell.save(labelled, name)
    return [cell for cell, _ in cells]


def evaluated(own, kinds, n):
    """Structures of a potential."""
    cells = [
        structure(
            kind, n=5 + seed % 3, total=float(seed % 2 if kind == "molecule" else 0), seed=seed
        )
        for seed in range(n)
        for kind in kinds
    ]
    return [(cell, kernel.eval(own, cell)) for cell in cells]


def charge_fit(rule, **more):
    run = {"n_epochs": more.pop("n_epochs", 15), "save": "charges.pt"}
    prepare = {
        "fn_cells": "data.xyz",
        "charges_key": "q",
        "rule": rule,
        "descriptors": DESCRIPTORS,
        "validation_set": 0.2,
        **more,
    }
    return {"init": INIT, "prepare": prepare, "run": run}


def fit(**more):
    run = {"n_epochs": more.pop("n_epochs", 5), **more.pop("run", {})}
    prepare = {
        "fn_cells": "data.xyz",
        "charges_key": "q",
        "descriptors": DESCRIPTORS,
        "validation_set": 0.2,
        "n_models": 1,
        **more,
    }
    return {"init": INIT, "prepare": prepare, "run": run}


@pytest.mark.parametrize("rule", ["shift", "equilibrate"])
def test_charges_of_a_model_are_learned(rule, folder) -> None:
    """Those of its networks, in crystals and charged molecules; the file gives what is reported."""
    write("data.xyz", evaluated(potential(rule), ("molecule", "crystal"), 12))
    (result,) = exec_workflows({"charge-fit": charge_fit(rule, widths=charged.WIDTHS)})
    known = result.reference["validation"].charges
    error = result.errors["validation"].charges
    assert error.n == len(known)
    assert error.rmse < 0.1 * known.std()
    (own,) = ml.load_potentials("charges.pt")
    assert isinstance(own, ChargePotential)
    cells = Cell.load("data.xyz")
    found = np.concatenate([kernel.eval(own, cell).charges for cell in cells])
    truth = np.concatenate([cell.meta["q"] for cell in cells])
    whole = np.square(found - truth)
    parts = [
        (result.errors[name].charges.rmse, result.errors[name].charges.n)
        for name in ("train", "validation")
    ]
    testing.assert_allclose(whole.sum(), sum(rmse**2 * n for rmse, n in parts), rtol=1e-6)
    report = json.loads((folder / "charge-fit.json").read_text())
    assert report["errors"]["validation"]["charges"]["rmse"] == error.rmse
    assert report["errors"]["validation"]["energy"] is None
    for name in ("convergence", "parity"):
        assert (folder / f"charge-fit-{name}.png").stat().st_size > 10000


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


@pytest.mark.parametrize(
    ("rule", "use"), [("shift", "baseline"), ("shift", "charges"), ("equilibrate", "charges")]
)
def test_what_is_fitted_over_charges_is_what_is_saved(rule, use, folder) -> None:
    """Of both generations; energies, forces and stress of every structure."""
    write("data.xyz", evaluated(potential(rule, sees=True), ("molecule", "crystal"), 5))
    job = {
        "charge-fit": charge_fit(rule, widths=charged.WIDTHS, n_epochs=2),
        "fit": fit(**{use: "charges.pt", "n_models": 2, "n_epochs": 2}),
        "test-direct": {"init": {"log": "warning"}, "prepare": {"fn_cells": "data.xyz"}},
    }
    of_charges, fitted, tested = exec_workflows(job)
    own = ml.load_potentials("potentials.pt")
    if use == "charges":
        assert [type(p) for p in own] == [ChargePotential]
        assert [p.tag for p in own[0].energy_networks] == ["C", "H"]
    else:
        assert [type(p) for p in own] == [ChargePotential, NNPotential, NNPotential]
    assert len(ml.committee_members(own)) == 2
    predicted, n = {}, {name: len(x.energy) for name, x in fitted.predicted.items()}
    for name in ("energy", "forces", "stress", "charges"):
        both = [getattr(fitted.predicted[part], name) for part in ("train", "validation")]
        predicted[name] = np.sort(np.concatenate([x.ravel() for x in both]))
        known = np.sort(getattr(tested.predicted, name).ravel())
        testing.assert_allclose(predicted[name], known, atol=3e-6, rtol=1e-6)
    assert sum(n.values()) == len(tested.predicted.energy)
    known = of_charges.reference["train"].charges
    testing.assert_array_equal(np.sort(fitted.reference["train"].charges), np.sort(known))
    assert "charges_pred" in ase.io.read("test-direct.extxyz").arrays


def ions(n, seed=0):
    """Two bonds far apart, with charges that depend on their lengths; all is written down here.

    Energies, forces: Coulomb's law between all atoms, and a Morse potential along each bond.
    """
    rng, made = np.random.default_rng(seed), []
    for _ in range(n):
        lengths = 1.0 + 0.5 * rng.random(2)
        axes = rng.normal(size=(2, 3))
        axes /= np.linalg.norm(axes, axis=1)[:, None]
        along = rng.normal(size=3)
        along *= (4.6 + 3.0 * rng.random()) / np.linalg.norm(along)
        x = torch.tensor(
            np.array([[0, 0, 0], axes[0] * lengths[0], along, along + axes[1] * lengths[1]]),
            requires_grad=True,
        )
        energy, charges = _energy_of_ions(x)
        (gradient,) = torch.autograd.grad(energy, x)
        meta = {"energy": energy.item(), "forces": -gradient.numpy(), "q": charges.detach().numpy()}
        box = 40 * np.eye(3)
        places = x.detach().numpy() / 40 + 0.5
        made.append(Cell(box, places, ["C", "C", "H", "H"], meta, pbc=(False,) * 3))
    return made


def _energy_of_ions(x):
    bonds = torch.stack([(x[1] - x[0]).norm(), (x[3] - x[2]).norm()])
    size = 0.3 * torch.exp(1.2 - bonds)
    charges = torch.stack([-size[0], -size[0], size[1], size[1]])
    charges = charges - charges.mean()
    energy = sum(
        COULOMB_CONSTANT * charges[i] * charges[j] / (x[i] - x[j]).norm()
        for i in range(4)
        for j in range(i)
    )
    return energy + 3.0 * (1 - torch.exp(-1.5 * (bonds - 1.2))).square().sum(), charges


def test_charges_are_learned_from_energies_and_forces_alone(folder) -> None:
    """What is between bonds farther apart than the descriptors reach, networks alone cannot see."""
    Cell.save(ions(40), "data.xyz")
    Cell.save(ions(20, seed=1), "test.xyz")
    (plain,) = exec_workflows({"fit": fit(test_set="test.xyz", n_epochs=4)})
    job = fit(test_set="test.xyz", n_epochs=7, charges="learned")
    (learned,) = exec_workflows({"fit": job})
    errors, without = learned.errors["test"], plain.errors["test"]
    assert errors.energy.rmse < 0.1 * without.energy.rmse
    assert errors.forces.rmse < 0.3 * without.forces.rmse
    assert errors.charges.rmse < 0.02
    own = ml.load_potentials("potentials.pt")
    assert [type(p) for p in own] == [NNPotential, NNPotential, ChargePotential]
    cells = ions(20, seed=1)
    found = [kernel.eval(own, cell) for cell in cells]
    testing.assert_allclose(
        learned.predicted["test"].energy, [one.energy for one in found], rtol=1e-9
    )
    testing.assert_allclose(
        learned.predicted["test"].forces, np.concatenate([one.forces for one in found]), atol=1e-7
    )


def test_charges_that_are_known_help(folder) -> None:
    """With `w_charges` both are learned, and charges are closer."""
    Cell.save(ions(20), "data.xyz")
    settings = {"charges": {"widths": {"C": 0.3, "H": 0.3}}, "n_epochs": 2}
    (alone,) = exec_workflows({"fit": fit(**settings)})
    (both,) = exec_workflows({"fit": fit(**settings, run={"w_charges": 1.0})})
    assert both.errors["train"].charges.rmse < 0.3 * alone.errors["train"].charges.rmse
    (batches,) = exec_workflows(
        {"fit": fit(**settings, run={"w_charges": 1.0, "optimizer": "adam", "batch_size": 8})}
    )
    assert batches.records[-1].loss < batches.records[0].loss


CHAINS = {
    centre: [
        *(
            {"family": "behler2", "tag": f"{centre}-{o}", "a": 6.0, "eta": 4.0, "r_sphere": r}
            for o in "CH"
            for r in (1.1, 1.6, 2.2, 2.8)
        ),
        *(
            {
                "family": "behler5",
                "tag": f"{centre}-C-{o}",
                "a": 6.0,
                "eta": 0.05,
                "l": sign,
                "zeta": 1,
            }
            for o in "CH"
            for sign in (-1.0, 1.0)
        ),
    ]
    for centre in "CH"
}


def test_carbon_chains_in_two_charge_states(shared_data, folder) -> None:
    """C10H2 and C10H3+ (Ko et al. 2021): charges of networks alone cannot follow the charge of the
    whole, equilibrated ones do; and networks that see them have half the errors of forces."""
    cells = Cell.load(str(shared_data / "n2p2/datasets/Carbon_chain_4G_128.xyz.gz"))
    Cell.save(cells, "data.xyz")
    own = {"descriptors": CHAINS, "charges_key": "charge_ref", "quality": "fast"}
    shift, equilibrated = (
        exec_workflows({"charge-fit": charge_fit(rule, **own, n_epochs=4)})[0]
        for rule in ("shift", "equilibrate")
    )
    of = [one.errors["validation"].charges.rmse for one in (shift, equilibrated)]
    assert of[1] < 0.7 * of[0]
    assert of[1] < 0.009
    plain, seeing = (
        exec_workflows({"fit": fit(**own, n_epochs=14, **more)})[0]
        for more in ({}, {"charges": "charges.pt"})
    )
    forces = [one.errors["validation"].forces.rmse for one in (plain, seeing)]
    assert forces[1] < 0.7 * forces[0]
    assert forces[1] < 0.13


def refused(job, sentence) -> None:
    with pytest.raises((JobError, ValueError), match=sentence):
        exec_workflows(job)


def test_wrong_data_and_arguments_are_refused(folder) -> None:
    """Each with its sentence, most before anything runs."""
    pairs = evaluated(potential(), ("molecule",), 8)
    write("data.xyz", pairs)
    bad = [
        Cell(c.vectors, c.coordinates, c.values, {"q": f.charges + 0.1}, pbc=c.pbc)
        for c, f in pairs
    ]
    Cell.save(bad, "bad.xyz")
    ml.save_potentials("charges.pt", [potential()])
    ml.save_potentials("seen.pt", [potential(sees=True)])
    own = {"descriptors": DESCRIPTORS}
    for job, sentence in (
        (
            {"charge-fit": charge_fit("shift", charges_key="nothing")},
            "no structure for training has `nothing`",
        ),
        (
            {"charge-fit": charge_fit("shift", fn_cells="bad.xyz")},
            "`q` add up to .* but the total charge is",
        ),
        ({"charge-fit": charge_fit("guess")}, "'shift' or 'equilibrate'"),
        (
            {"charge-fit": charge_fit("shift", widths={"C": -1.0})},
            "widths.C.*it is -1.0 but must be a number above 0",
        ),
        (
            {"charge-fit": charge_fit("shift", widths={"O": 1.0})},
            "`widths`: `O` is not a known species",
        ),
        ({"charge-fit": charge_fit("equilibrate", a=1.0)}, "`a` is 1.0 but must be at least"),
        ({"fit": fit(charges="seen.pt")}, "holds charges with networks that see them already"),
        ({"fit": fit(charges="data.xyz")}, "data.xyz is not a potential file"),
        ({"fit": fit(charges="none.pt")}, "none.pt"),
        ({"fit": fit(charges={"cutoff": 1.0})}, "`cutoff` is not a known key of learned charges"),
        ({"fit": fit(charges={"a": -1.0})}, "it is -1.0 but must be a number above 0"),
        ({"fit": fit(charges={"background": 1})}, "it is 1 but must be true or false"),
        ({"fit": fit(charges={"widths": 1.0})}, "must be a mapping of species to widths"),
        (
            {"fit": fit(charges="learned", n_models=2)},
            "n_models` is 2 but must be 1 where charges are learned",
        ),
        (
            {"fit": fit(charges="learned", run={"optimizer": "kalman"})},
            "is kalman, which cannot be used with",
        ),
        (
            {"fit": fit(charges="charges.pt", run={"optimizer": "levenberg"})},
            "is levenberg, which cannot",
        ),
        ({"fit": fit(run={"w_charges": 1.0})}, "is 1.0 but no charges are learned"),
        (
            {"fit": fit(charges="learned", charges_key="none", run={"w_charges": 1.0})},
            "no structure for training has charges",
        ),
    ):
        refused(job, sentence)
    assert own


def test_a_species_without_a_charge_is_refused(folder) -> None:
    """Nothing could be learned for it."""
    box = 20 * np.eye(3)
    cells = [
        Cell(box, [[0.5] * 3, [0.56] * 3], ["C", "H"], {}, pbc=(False,) * 3),
        Cell(box, [[0.5] * 3, [0.56] * 3], ["C", "C"], {"q": np.zeros(2)}, pbc=(False,) * 3),
    ]
    Cell.save(cells, "lone.xyz")
    refused(
        {"charge-fit": charge_fit("shift", fn_cells="lone.xyz", validation_set=0.0)},
        "no atom of H for training has a charge",
    )


def test_what_is_no_charge_is_refused(folder) -> None:
    """The structure is named."""
    box = 20 * np.eye(3)
    for q, sentence in (
        (np.zeros(3), r"lone.xyz.*`q` has shape \(3,\) but must be a number for each of 2 atoms"),
        (np.array([0.0, np.nan]), "`q` must be finite numbers"),
    ):
        own = Cell(box, [[0.5] * 3, [0.56] * 3], ["C", "H"], {"q": q}, pbc=(False,) * 3)
        Cell.save([own, own], "lone.xyz")
        refused({"charge-fit": charge_fit("shift", fn_cells="lone.xyz")}, sentence)
