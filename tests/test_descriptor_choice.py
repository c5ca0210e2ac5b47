"""Descriptors by recipe, by list and by file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from silicon import labelled
from silicon_fit import JOB
from silicon_fit import silicon as silicon  # a fixture
from torch import nn

from miniff import ml_util
from miniff.kernel import Cell, compute_images
from miniff.ml import (
    NNPotential,
    default_behler_descriptors,
    learn_cauldron,
    load_descriptors,
    save_descriptors,
    save_potentials,
)
from miniff.ml._plain import families
from miniff.ml_util import JobError
from miniff.potentials import (
    behler2_descriptor_family,
    behler5_descriptor_family,
    charge_families,
    known_families,
    lj_potential_family,
)

FUNCTIONS = [
    behler2_descriptor_family("Si-Si", a=4.5, eta=0.1),
    behler2_descriptor_family(a=4.0, eta=1e-5, r_sphere=1 / 3, cutoff_function="poly2"),
    behler5_descriptor_family("Si-Si-Si", a=3.5, eta=0.2, l=-1.0, zeta=2.0),
]
PLAIN = [
    {"family": "behler2", "tag": "Si-Si", "a": 4.5, "eta": 0.1},
    {
        "family": "Behler type 2",
        "a": 4.0,
        "eta": 1.0e-5,
        "r_sphere": 1 / 3,
        "cutoff_function": "poly2",
    },
    {"family": "behler5", "tag": "Si-Si-Si", "a": 3.5, "eta": 0.2, "l": -1.0, "zeta": 2.0},
]


def silicon_cells() -> list[Cell]:
    return [
        Cell(s.vectors, s.positions @ np.linalg.inv(s.vectors), s.species) for s in labelled(3, 0)
    ]


def test_every_family_has_a_short_name() -> None:
    """That of its factory, besides the one that files use."""
    names = families()
    assert names["behler2"] is names["Behler type 2"] is behler2_descriptor_family
    assert names["lj"] is lj_potential_family
    assert {id(f) for f in names.values()} == {
        id(f) for f in [*known_families.values(), *charge_families.values()]
    }


@pytest.mark.parametrize("name", ["d.json", "d.yml", "d.yaml"])
def test_descriptors_survive_their_file(folder: Path, name: str) -> None:
    """Every digit; the file is plain data that others read too."""
    save_descriptors(name, {"Si": FUNCTIONS})
    assert load_descriptors(name) == {"Si": FUNCTIONS}
    text = Path(name).read_text()
    content = json.loads(text) if name == "d.json" else yaml.safe_load(text)
    assert content["Si"][1]["eta"] == 1e-5
    assert content["Si"][0]["tag"] == "Si-Si"


def test_all_ways_to_name_descriptors_give_the_same_features(folder: Path) -> None:
    """Objects, plain data, files, and the descriptors of saved networks."""
    images = [compute_images(cell, 4.5) for cell in silicon_cells()]
    save_descriptors("d.json", {"Si": FUNCTIONS})
    save_potentials("p.pt", [NNPotential(nn.Linear(3, 1), FUNCTIONS, "Si")])
    expected = np.concatenate([one.eval(FUNCTIONS).T for one in images])
    for choice in ({"Si": FUNCTIONS}, {"Si": PLAIN}, "d.json", Path("d.json"), "p.pt"):
        features = learn_cauldron(images, choice).per_point_datasets[0].features
        np.testing.assert_allclose(features, expected, rtol=1e-12)


def test_recipe_is_the_default_of_a_data_set() -> None:
    """With the cutoff of the neighbour lists; alone or beside functions of one's own."""
    images = [compute_images(cell, 4.5) for cell in silicon_cells()]
    recipe = default_behler_descriptors([one.table for one in images], 4.5)["Si"]
    points = learn_cauldron(images).per_point_datasets[0]
    assert list(points.environment.functions.potentials) == recipe
    points = learn_cauldron(images, {"Si": [FUNCTIONS[0], "default"]}).per_point_datasets[0]
    assert list(points.environment.functions.potentials) == [FUNCTIONS[0], *recipe]


def test_recipe_looks_no_farther_than_its_cutoff() -> None:
    """Longer neighbour lists give the same functions, also where species meet beyond it only."""
    cell = Cell(np.eye(3) * 4.2, [[0, 0, 0], [0.5, 0.5, 0.5]], ["Cs", "Cl"])
    short, long = (compute_images(cell, r).table for r in (4.0, 7.0))
    assert default_behler_descriptors([short], 4.0) == default_behler_descriptors([long], 4.0)


def with_descriptors(value: object, **more: object) -> dict[str, object]:
    prepare = {"fn_cells": "train.xyz", "validation_set": 0.2, "descriptors": value, **more}
    return {"fit": {"init": JOB["init"], "prepare": prepare, "run": {"n_epochs": 1}}}


def test_job_names_descriptors_in_every_way(silicon: Path) -> None:
    """Lists, files and earlier potentials train on the functions they name, and say so."""
    save_descriptors("d.yml", {"Si": FUNCTIONS})
    results = []
    for value in ({"Si": PLAIN}, "d.yml", {"Si": FUNCTIONS}):
        (result,) = ml_util.exec_workflows(with_descriptors(value))
        assert result.potentials[0].descriptors == tuple(FUNCTIONS)
        results.append(result.errors)
    assert results[0] == results[1] == results[2]
    made_by = torch.load("potentials.pt", weights_only=True)["provenance"]["job"]["prepare"]
    assert made_by["descriptors"]["Si"][0]["family"] == "Behler type 2"
    assert made_by["cutoff"] is None
    Path("potentials.pt").rename("first.pt")
    (again,) = ml_util.exec_workflows(with_descriptors("first.pt"))
    assert again.potentials[0].descriptors == tuple(FUNCTIONS)
    (mixed,) = ml_util.exec_workflows(with_descriptors({"Si": [PLAIN[0], "default"]}, cutoff=4.0))
    cutoffs = [function.cutoff for function in mixed.potentials[0].descriptors]
    assert cutoffs == [4.5, *[4.0] * 40]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("descriptors: 3", "line 4: `fit.prepare.descriptors` is 3 but must be text or a mapping"),
        ("descriptors: {}", "line 4: `fit.prepare.descriptors`: no species is given"),
        (
            "descriptors: deflt",
            "line 4: `fit.prepare.descriptors`: there is no file `deflt`",
        ),
        (
            "descriptors:\n      Si: default",
            "line 5: `fit.prepare.descriptors.Si`: it is 'default' but must be a list",
        ),
        (
            "descriptors:\n      Si: []",
            "line 5: `fit.prepare.descriptors.Si`: no descriptor is given",
        ),
        (
            "descriptors:\n      Si:\n        - default\n        - {family: behler, eta: 1.0}",
            "line 7: `fit.prepare.descriptors.Si.1`: `behler` is not a known family; did you mean",
        ),
        (
            "descriptors:\n      Si:\n        - {family: behler2, a: 4.5, eta: -1.0}",
            "line 6: `fit.prepare.descriptors.Si.0`: `eta` is -1.0 but must be in [0.0, 1e+100]",
        ),
        (
            "descriptors:\n      Si:\n        - {family: behler2, a: 4.5}",
            "line 6: `fit.prepare.descriptors.Si.0`: Behler type 2: `eta` is missing",
        ),
        (
            "descriptors:\n      Si:\n        - family: behler2\n          eta: 1e-3",
            "line 7: `fit.prepare.descriptors.Si.0.eta` is '1e-3' but must be a number; YAML",
        ),
        (
            "descriptors:\n      Si:\n        - {family: behler2, tag: Ge-Si, a: 4.5, eta: 1.0}",
            "Ge-Si: a=4.5, eta=1.0, r_sphere=0.0, cutoff_function=cosine, cutoff_alpha=0.0> is "
            "not a descriptor of Si",
        ),
        (
            "descriptors:\n      Si:\n        - {family: behler2, tag: 3, a: 4.5, eta: 1.0}",
            "line 6: `fit.prepare.descriptors.Si.0`: `tag` is 3 but must be text",
        ),
        (
            "descriptors:\n      Si:\n        - behler2",
            "line 6: `fit.prepare.descriptors.Si.0`: it is 'behler2' but must be a mapping with",
        ),
        (
            "cutoff: 4.0\n    descriptors: {Si: [{family: behler2, a: 4.5, eta: 1.0}]}",
            "line 4: `fit.prepare.cutoff` is 4.0 but is for descriptors of a recipe; those given",
        ),
        ("descriptors: bad.json", "bad.json: Si.0: Behler type 2: `eta` is missing"),
        ("descriptors: twice.json", "twice.json: not readable as json: `Si` is given twice"),
        ("descriptors: twice.yml", "twice.yml, line 2: `Si` is given twice, first in line 1"),
        ("descriptors: list.yml", "list.yml must hold a mapping of species to lists"),
        ("descriptors: recipe.yml", "recipe.yml: Si.0: a recipe is not a descriptor"),
        ("descriptors: lj.pt", "lj.pt holds no networks whose descriptors could be used"),
        ("descriptors: two.pt", "two.pt holds networks for Si, Si but must hold one for each"),
    ],
)
def test_wrong_descriptors_are_refused_before_data_are_read(
    folder: Path, text: str, sentence: str
) -> None:
    """Each with its line, its key, and what would do."""
    network = NNPotential(nn.Linear(3, 1), FUNCTIONS, "Si")
    save_potentials("lj.pt", [lj_potential_family(epsilon=1.0, sigma=1.0, a=2.0)])
    save_potentials("two.pt", [network, network])
    Path("bad.json").write_text('{"Si": [{"family": "behler2", "a": 4.5}]}')
    Path("twice.json").write_text('{"Si": [], "Si": []}')
    Path("twice.yml").write_text("Si: []\nSi: []")
    Path("list.yml").write_text("[]")
    Path("recipe.yml").write_text("Si: [default]")
    Path("data.xyz").write_text("nothing that could be read")
    Path("jobs.yml").write_text(f"fit:\n  prepare:\n    fn_cells: data.xyz\n    {text}\n")
    with pytest.raises(JobError, match=re.escape(sentence)):
        ml_util.run_job_file("jobs.yml")


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"Si": PLAIN, "Ge": [{"family": "behler2", "a": 4.0, "eta": 1.0}]}, "descriptors for Ge"),
        (
            {"Si": [{"family": "behler2", "tag": "Si-Ge", "a": 4.0, "eta": 1.0}]},
            "names Ge but the training set has only Si",
        ),
        ({"Si": PLAIN, "Ge": ["default"]}, "descriptors are wanted for Ge but there is no atom"),
    ],
)
def test_species_that_never_occur_are_refused(
    silicon: Path, choice: dict[str, object], sentence: str
) -> None:
    """Their networks would learn nothing; a misspelt neighbour would be a silent zero."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows(with_descriptors(choice))


def test_unusable_choices_are_refused_in_python(folder: Path) -> None:
    """All that is wrong at once; files end in what they hold."""
    images = [compute_images(cell, 4.5) for cell in silicon_cells()]
    with pytest.raises(ValueError, match=r"descriptors\.Si\.0: `x` is not .*\ndescriptors\.Ge: no"):
        learn_cauldron(images, {"Si": [{"family": "x"}], "Ge": []})
    with pytest.raises(ValueError, match=re.escape("`path` is d.txt but must end in one of .json")):
        save_descriptors("d.txt", {"Si": FUNCTIONS})
