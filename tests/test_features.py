"""Principal components of features, and descriptors that tell nothing."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from silicon import labelled
from silicon_fit import JOB
from silicon_fit import silicon as silicon  # a fixture

from miniff import ml_util
from miniff.kernel import Cell, compute_images
from miniff.kernel import eval as evaluate
from miniff.ml import (
    Dataset,
    Normalization,
    PerCellDataset,
    PerPointDataset,
    filter_descriptors,
    forward_cauldron,
    learn_cauldron,
    load_potentials,
    potentials_from_ml_data,
    save_potentials,
)
from miniff.ml_util import JobError, behler_nn
from miniff.potentials import behler2_descriptor_family


def dataset_of(features: np.ndarray) -> Dataset:
    """One structure with these features of its atoms."""
    return Dataset(
        PerCellDataset(torch.zeros(1, 1, dtype=torch.float64)),
        PerPointDataset(torch.from_numpy(features)[None], tag="Si"),
    )


def silicon_dataset(etas: tuple[float, ...]) -> Dataset:
    images = [compute_images(Cell.from_structure(structure), 4.5) for structure in labelled(4, 0)]
    functions = [behler2_descriptor_family("Si-Si", a=4.5, eta=eta) for eta in etas]
    return learn_cauldron(images, {"Si": functions})


def correlated(n: int = 300) -> np.ndarray:
    """Five features that are mixtures of three, of very different sizes."""
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, 5)) * [1, 10, 1e-3, 5, 1] + [3, 0, 1, 0, 9]


def test_components_are_eigenvectors_of_the_correlations() -> None:
    """Uncorrelated, of variance 1; spreads are the roots of numpy's eigenvalues."""
    features = correlated()
    seen_by_callable: list[float] = []

    def three(spreads: list[float]) -> int:
        seen_by_callable.extend(spreads)
        return 3

    normal = Normalization.from_dataset(dataset_of(features), pca_features=three)
    seen = normal.features(0, torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(np.cov(seen.T, bias=True), np.eye(3), atol=1e-10)
    values, vectors = np.linalg.eigh(np.corrcoef(features.T))
    np.testing.assert_allclose(
        np.square(seen_by_callable) / len(features), values[::-1][:3], rtol=1e-10
    )
    rows = normal.features_projection[0].numpy() * np.sqrt(values[::-1][:3, None])
    np.testing.assert_allclose(np.abs(rows), np.abs(vectors.T[::-1][:3]), atol=1e-10)
    assert normal.n_inputs(0) == 3


def test_components_by_number_and_by_share() -> None:
    """An integer takes so many, a float those with that share of the first one's spread."""
    features = correlated()
    values = np.linalg.eigvalsh(np.corrcoef(features.T))[::-1]
    spreads = np.sqrt(values[:3])
    for wanted, n in (
        (1, 1),
        (2, 2),
        (1.0, 1),
        (1e-12, 3),
        (float(spreads[1] / spreads[0]) * 0.999, 2),
        (float(spreads[1] / spreads[0]) * 1.001, 1),
    ):
        normal = Normalization.from_dataset(dataset_of(features), pca_features=wanted)
        assert normal.n_inputs(0) == n


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (4, "`pca_features` asks for 4 components but the features of Si have 3 independent"),
        (0, "`pca_features` asks for 0 components"),
        (1.5, "`pca_features` is 1.5 but must be in (0, 1], or an integer"),
        (lambda spreads: 9, "`pca_features` asks for 9 components"),
    ],
)
def test_components_that_are_not_there_are_refused(wanted: object, sentence: str) -> None:
    """What lies beyond is rounding, which would be magnified."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Normalization.from_dataset(dataset_of(correlated()), pca_features=wanted)


def test_constant_features_have_no_part_in_components() -> None:
    """Rounding around one value is not magnified to variance 1."""
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.normal(size=50), 7 + 1e-12 * rng.normal(size=50)])
    normal = Normalization.from_dataset(dataset_of(features), pca_features=1e-30)
    assert normal.n_inputs(0) == 1
    assert normal.features_projection[0][0, 1] == 0


def test_components_become_a_layer_of_the_potential(folder: Path) -> None:
    """What is saved gives the energies and forces of the training, also from the core."""
    dataset = silicon_dataset((0.05, 0.1, 0.3, 0.9, 1.5))
    normal = Normalization.from_dataset(dataset, pca_features=3)
    torch.manual_seed(0)
    networks = [behler_nn(3, 4)]
    save_potentials("p.pt", potentials_from_ml_data(networks, dataset, normal))
    potentials = load_potentials("p.pt")
    layers = [type(layer).__name__ for layer in potentials[0].network]
    assert layers[:3] == ["Affine", "Linear", "Linear"]
    prediction = forward_cauldron(networks, dataset, True, normal)
    first = 0
    for s, structure in enumerate(labelled(4, 0)):
        result = evaluate(potentials, Cell.from_structure(structure))
        np.testing.assert_allclose(result.energy, prediction.energy[s, 0].item(), rtol=1e-12)
        gradient = prediction.gradient[first : first + 8].detach().numpy()
        np.testing.assert_allclose(result.gradient, gradient, atol=1e-10)
        first += 8
    needed = dataset.keep_derivatives(1e9)
    assert needed > 0
    kept = forward_cauldron(networks, dataset, True, normal)
    np.testing.assert_allclose(kept.gradient.detach(), prediction.gradient.detach(), atol=1e-6)


def test_constant_and_redundant_descriptors_are_found() -> None:
    """A repeated one, and one that nothing is near enough to change; others stay."""
    dataset = silicon_dataset((0.1, 1.0, 0.1, 90.0))
    functions = dataset.per_point_datasets[0].environment.functions.potentials
    filtered = filter_descriptors(dataset, min_spread=1e-6)
    assert filtered.kept["Si"] == list(functions[:3])
    (sentence,) = filtered.dropped
    assert sentence.startswith(f"{functions[3]}: its spread of ")
    assert sentence.endswith(" is below 1e-06")
    filtered = filter_descriptors(dataset, min_spread=1e-6, min_independence=1e-6)
    assert len(filtered.kept["Si"]) == 2
    assert functions[1] in filtered.kept["Si"]
    assert len(filtered.dropped) == 2
    assert "others explain all but" in filtered.dropped[0]
    assert filter_descriptors(dataset).kept["Si"] == list(functions)


def test_independence_is_the_residual_of_least_squares() -> None:
    """For each one dropped, numpy's fit by those kept leaves less than asked; else more."""
    etas = tuple(np.geomspace(0.01, 2.0, 9).tolist())
    dataset = silicon_dataset(etas)
    points = dataset.per_point_datasets[0]
    functions, x = list(points.environment.functions.potentials), points.features.numpy()
    x = (x - x.mean(0)) / x.std(0)
    limit = 1e-2
    kept = filter_descriptors(dataset, min_independence=limit).kept["Si"]
    inside = [i for i, function in enumerate(functions) if function in kept]
    assert 1 < len(inside) < 8

    def left(i: int, others: list[int]) -> float:
        return float(np.std(x[:, i] - x[:, others] @ np.linalg.lstsq(x[:, others], x[:, i])[0]))

    for i in range(9):
        if i not in inside:
            assert left(i, inside) < limit
    assert max(left(i, [j for j in inside if j != i]) for i in inside) > limit


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"min_spread": -1.0}, "`min_spread` is -1.0 but must be in [0, inf)"),
        ({"min_independence": 1.0}, "`min_independence` is 1.0 but must be in [0, 1)"),
        (
            {"min_spread": 1e9},
            "no descriptor of Si is left: lower `min_spread`, which is 1000",
        ),
    ],
)
def test_filters_without_sense_are_refused(limits: dict[str, float], sentence: str) -> None:
    """Ranges, and limits that leave nothing."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        filter_descriptors(silicon_dataset((0.1, 1.0)), **limits)
    with pytest.raises(ValueError, match="values of features but no descriptor functions"):
        filter_descriptors(dataset_of(correlated()))


def test_job_filters_and_projects(silicon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is left out is named; the errors written are those of the potentials saved."""
    keys = {
        "descriptors": "default",
        "min_spread": 1e-3,
        "min_independence": 1e-3,
        "pca_features": 6,
    }
    fit = {
        "init": {"threads": 1},
        "prepare": {**JOB["prepare"], **keys},
        "run": {"n_epochs": 3},
    }
    test = {"prepare": {"fn_cells": "train.xyz"}}
    result, tested = ml_util.exec_workflows({"fit": fit, "test-direct": test})
    said = capsys.readouterr().out
    (count,) = re.findall(r"Si: 6 principal components of (\d+) descriptors", said)
    n_dropped = said.count("left out <Behler type")
    assert n_dropped > 0
    assert int(count) == 40 - n_dropped == len(result.potentials[0].descriptors)
    made_by = torch.load("potentials.pt", weights_only=True)["provenance"]["job"]["prepare"]
    assert {key: made_by[key] for key in keys} == keys
    errors = [result.errors[part].energy for part in ("train", "validation")]
    n = sum(error.n for error in errors)
    mae = sum(error.mae * error.n for error in errors) / n
    assert tested.errors.energy.mae == pytest.approx(mae, rel=1e-6)
    assert json.loads(Path("test-direct.json").read_text())["errors"]["energy"]["n"] == n


@pytest.mark.parametrize(
    ("key", "value", "range_"),
    [
        ("pca_features", 0, "in [1, inf) or in (0, 1]"),
        ("pca_features", 1.5, "in [1, inf) or in (0, 1]"),
        ("pca_features", "all", "an integer or a number"),
        ("min_spread", -1, "in [0, inf)"),
        ("min_independence", 1.0, "in [0, 1)"),
    ],
)
def test_ranges_in_jobs(silicon: Path, key: str, value: object, range_: str) -> None:
    """Refused before any data are read."""
    Path("train.xyz").write_text("nothing that could be read")
    job = {**JOB, "prepare": {**JOB["prepare"], key: value}}
    sentence = f"`fit.prepare.{key}` is {value!r} but must be {range_}"
    with pytest.raises(JobError, match=re.escape(sentence)):
        ml_util.exec_workflows({"fit": job})


def test_cutoffs_with_crowds_within_are_refused(silicon: Path) -> None:
    """Whether the cutoff is given or stands in a descriptor; before anything is computed."""
    long = {"family": "behler2", "tag": "Si-Si", "eta": 0, "a": 55}
    for wanted, reach in (
        ({"cutoff": 60}, 60),
        ({"descriptors": "default", "cutoff": 40, "min_spread": 0.1}, 40),
        ({"descriptors": {"Si": [long]}}, 55),
        ({"descriptors": {"Si": [long]}, "min_spread": 0.1}, 55),
    ):
        said = rf"descriptors reach {reach} angstrom, within which an atom of train.xyz, structure"
        with pytest.raises(ValueError, match=said + r" 0 .* must have less than 4000"):
            ml_util.FitWorkflow(log="warning").prepare(fn_cells="train.xyz", **wanted)
