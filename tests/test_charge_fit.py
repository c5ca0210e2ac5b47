"""Jobs that learn charges from charges, or from energies, and networks that see charges."""

import json

import ase.io
import charged_networks as charged
import numpy as np
import pytest
import torch
from charge_jobs import charge_fit, evaluated, fit, write
from charged_networks import potential
from numpy import testing

from miniff import kernel, ml
from miniff.ewald import COULOMB_CONSTANT
from miniff.kernel import Cell
from miniff.ml import ChargePotential, NNPotential
from miniff.ml_util import exec_workflows


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
