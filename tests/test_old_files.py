"""Potential files of release 0.1.4, written here as that release wrote them."""

import re
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from miniff.kernel import Cell, compute_images
from miniff.ml import load_potentials, save_potentials
from miniff.potentials import (
    behler2_descriptor_family,
    behler5_descriptor_family,
    lj_potential_family,
    sw3_potential_family,
)

LJ = {
    "tag": "Lennard-Jones",
    "parameters": {"epsilon": 0.5, "sigma": 2.0, "a": 1.9},
    "ptag": "Si-Si",
}
SW3 = {
    "tag": "Stillinger-Weber type 3",
    "parameters": {
        "epsilon": 1.0,
        "sigma": 2.0,
        "l": 21.0,
        "gamma": 1.2,
        "cos_theta0": -1 / 3,
        "a": 1.8,
    },
    "ptag": "Si-Si-Si",
}
DESCRIPTORS = [
    {
        "tag": "Behler type 2",
        "parameters": {"a": 4.0, "eta": 0.1, "r_sphere": 0.5},
        "ptag": "Si-Si",
    },
    {
        "tag": "Behler type 5",
        "parameters": {"a": 4.0, "eta": 0.1, "l": -1.0, "zeta": 2.0, "epsilon": 1.0},
        "ptag": "Si-Si-Si",
    },
]


def old_network(tensors: dict[str, object], histograms: object = None) -> dict[str, object]:
    return {
        "tag": "ml potential",
        "parameters": {
            "nn": OrderedDict(tensors),
            "descriptor_fidelity_histograms": histograms,
        },
        "ptag": "Si",
        "descriptors": DESCRIPTORS,
    }


def weights(*sizes: int, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    """Linear layers at even places, as the release kept them."""
    rng = torch.Generator().manual_seed(0)
    found = {}
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        found[f"{2 * k}.weight"] = torch.randn(n_out, n_in, generator=rng, dtype=dtype)
        found[f"{2 * k}.bias"] = torch.randn(n_out, generator=rng, dtype=dtype)
    return found


def cell() -> Cell:
    return Cell(np.eye(3) * 5, np.random.default_rng(0).random((4, 3)), ["Si"] * 4)


def test_formulas_are_read(folder: Path) -> None:
    """With the parameters and species that they had."""
    torch.save([LJ, SW3], "old.pt")
    assert load_potentials("old.pt") == [
        lj_potential_family("Si-Si", epsilon=0.5, sigma=2.0, a=1.9),
        sw3_potential_family(
            "Si-Si-Si", epsilon=1.0, sigma=2.0, l=21.0, gamma=1.2, cos_theta0=-1 / 3, a=1.8
        ),
    ]


def test_linear_networks_are_read(folder: Path) -> None:
    """One layer leaves no doubt about activations: e = w F + b."""
    torch.save([old_network(weights(2, 1))], "old.pt")
    (network,) = load_potentials("old.pt")
    images = compute_images(cell(), 4.0)
    functions = [
        behler2_descriptor_family("Si-Si", a=4.0, eta=0.1, r_sphere=0.5),
        behler5_descriptor_family("Si-Si-Si", a=4.0, eta=0.1, l=-1.0, zeta=2.0),
    ]
    given = weights(2, 1)
    expected = given["0.weight"].numpy()[0] @ images.eval(functions) + given["0.bias"].numpy()
    np.testing.assert_allclose(images.eval(network), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "function"),
    [("sigmoid", lambda x: 1 / (1 + np.exp(-x))), ("tanh", np.tanh)],
)
def test_activations_are_those_that_the_caller_names(
    folder: Path, name: str, function: object
) -> None:
    """And from then on the file says them."""
    given = weights(2, 3, 1)
    torch.save([LJ, old_network(given)], "old.pt")
    potentials = load_potentials("old.pt", old_activation=name)
    save_potentials("new.pt", potentials)
    images = compute_images(cell(), 4.0)
    features = images.eval(potentials[1].descriptors).T
    w = {key: tensor.numpy() for key, tensor in given.items()}
    hidden = function(features @ w["0.weight"].T + w["0.bias"])
    expected = (hidden @ w["2.weight"].T + w["2.bias"])[:, 0]
    np.testing.assert_allclose(images.eval(potentials[1]), expected, rtol=1e-12)
    np.testing.assert_array_equal(
        images.eval(load_potentials("new.pt")[1]), images.eval(potentials[1])
    )
    with pytest.raises(ValueError, match=r"new\.pt is no file of release 0\.1\.4: it says what"):
        load_potentials("new.pt", old_activation=name)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (old_network(weights(2, 3, 1)), "a Tanh network cannot be told from a Sigmoid one. Say it"),
        (
            old_network(weights(2, 1), np.zeros((2, 2, 5), np.float32)),
            "old.pt holds arrays of numpy, as files of release 0.1.4 with histograms of",
        ),
        (
            {**LJ, "parameters": {"epsilon": np.float64(1.0)}},
            "old.pt holds arrays of numpy",
        ),
        (
            old_network({"0.weight": torch.ones(3, 2), "1.weight": torch.ones(1, 3)}),
            "tensors at the places 0, 1 is not read: linear layers stand at 0, 2, 4",
        ),
        (old_network({}), "tensors at the places none is not read"),
        (
            old_network({"0.alpha": torch.ones(1)}),
            "a network with `0.alpha` is not read: its layers are not known",
        ),
        (old_network({"0.bias": torch.ones(1)}), "the shapes {'bias': (1,)} is not linear"),
        (old_network(weights(2, 1), [1]), "histograms of descriptors are not read"),
        (old_network(weights(3, 1)), "the network does not take 2 descriptors"),
        ({**old_network({}), "parameters": {}}, "a network's parameters are nn and"),
        ({"tag": "ml potential"}, "a network's data have the keys descriptors, parameters, ptag"),
        ({**old_network(weights(2, 1)), "descriptors": None}, "`descriptors` is NoneType but must"),
        ({**LJ, "tag": "Lenard"}, "`Lenard` is not a known family"),
        (3, "old.pt, potential 0 (counted from 0): it is int but must be a mapping"),
    ],
)
def test_what_cannot_be_read_safely_is_refused(folder: Path, state: object, sentence: str) -> None:
    """Each with the reason, and a way out where there is one."""
    torch.save([state], "old.pt")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_potentials("old.pt")


def test_networks_in_single_precision_keep_their_numbers(folder: Path) -> None:
    """They are computed in double precision with the numbers that the file has."""
    given = weights(2, 1, dtype=torch.float32)
    torch.save([old_network(given)], "old.pt")
    (network,) = load_potentials("old.pt")
    (layer,) = [part for part in network.network if isinstance(part, nn.Linear)]
    assert torch.equal(layer.weight.detach(), given["0.weight"].double())
