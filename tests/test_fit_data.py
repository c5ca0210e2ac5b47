"""What a fit makes of its data: sets apart, references that are missing, what cannot be used."""

import re
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from silicon import DIAMOND, SILICON, labelled
from silicon_fit import JOB
from silicon_fit import silicon as silicon  # a fixture

from miniff import ml_util
from miniff.io import Structure, write_extxyz
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.ml_util._data import split


def test_test_set_reaches_nothing_but_the_final_errors(silicon: Path) -> None:
    """Another test set changes neither descriptors, nor scales, nor the potentials."""
    states = []
    write_extxyz("far.xyz", labelled(4, seed=9))
    for test_set in ("test.xyz", "far.xyz"):
        job = {**JOB, "prepare": {**JOB["prepare"], "test_set": test_set}, "run": {"n_epochs": 1}}
        (result,) = ml_util.exec_workflows({"fit": job})
        assert set(result.errors) == {"train", "validation", "test"}
        states.append(result.potentials[0].state_dict())
    assert states[0]["descriptors"] == states[1]["descriptors"]
    for one, other in zip(states[0]["network"], states[1]["network"], strict=True):
        assert all(torch.equal(one[k], other[k]) for k in one if k != "layer")


def test_missing_references_are_told_and_masked(
    silicon: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Structures without forces or stress take part with what they have."""
    frames = ase.io.read("train.xyz", ":")
    for atoms in frames[:5]:
        del atoms.calc.results["forces"], atoms.calc.results["stress"]
    ase.io.write("train.xyz", frames)
    (result,) = ml_util.exec_workflows({"fit": {**JOB, "run": {"n_epochs": 1}}})
    said = capsys.readouterr().out
    assert re.search(r"warning: train: \d of 19 structures have no forces", said)
    n = {
        name: sum(e.as_json()[name]["n"] for e in result.errors.values())
        for name in ("energy", "forces")
    }
    assert n == {"energy": 24, "forces": 19 * 24}


def test_energies_alone_are_enough(silicon: Path) -> None:
    """Without any forces and stress only energies are fitted and compared."""
    frames = ase.io.read("train.xyz", ":")
    for atoms in frames:
        del atoms.calc.results["forces"], atoms.calc.results["stress"]
    ase.io.write("train.xyz", frames)
    (result,) = ml_util.exec_workflows({"fit": {**JOB, "run": {"n_epochs": 2}}})
    assert result.errors["train"].forces is None
    assert result.errors["train"].energy.rmse < 0.02


def test_atoms_without_a_potential_are_refused(silicon: Path) -> None:
    """A structure with another species is named with what there is."""
    ml_util.exec_workflows({"fit": {**JOB, "run": {"n_epochs": 1}}})
    frames = ase.io.read("test.xyz", ":")
    frames[2].symbols[0] = "Ge"
    ase.io.write("test.xyz", frames)
    sentence = (
        "test.xyz, structure 2 (counted from 0) has atoms of Ge but the potentials give "
        "energies only to atoms of Si; add potentials, or let such atoms have none with "
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows({"test-direct": {"prepare": {"fn_cells": "test.xyz"}}})
    with pytest.raises(ValueError, match=r"has atoms of Ge but the training set has only Si"):
        ml_util.exec_workflows(
            {"fit": {**JOB, "prepare": {**JOB["prepare"], "test_set": "test.xyz"}}}
        )
    job = {"fn_cells": "test.xyz", "ignore_missing_species": True}
    (result,) = ml_util.exec_workflows({"test-direct": {"prepare": job}})
    assert np.isfinite(result.predicted.energy).all()


def test_split_is_a_partition() -> None:
    """Fractions give sets without a common structure; each seed its own."""
    cells = [Cell(np.eye(3), np.zeros((1, 3)), ["Si"], {"name": str(i)}) for i in range(20)]
    parts = split(cells, validation=0.2, test=0.1, seed=0)
    names = [[cell.meta["name"] for cell in part] for part in parts.sets.values()]
    assert [len(part) for part in names] == [14, 4, 2]
    assert sorted((name for part in names for name in part), key=int) == [str(i) for i in range(20)]
    assert parts.train != split(cells, validation=0.2, test=0.1, seed=1).train
    for fraction, sentence in (
        (1.0, "`test_set` is 1.0 but must be in [0, 1)"),
        (0.95, "none is left"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            split(cells, validation=0.2, test=fraction, seed=0)


def test_energies_alone_are_learned_where_forces_are_known(silicon: Path) -> None:
    """Without a weight forces and stress are not looked at on the way, and compared in the end."""
    run = {"n_epochs": 2, "w_forces": 0, "w_stress": 0}
    (result,) = ml_util.exec_workflows({"fit": {**JOB, "run": run}})
    assert result.records[-1].train.forces is None
    assert result.errors["train"].energy.rmse < result.reference["train"].energy_per_atom.std() / 2
    assert result.errors["train"].forces.n > 0


def test_structures_without_any_reference_are_refused(silicon: Path) -> None:
    """There is nothing to learn from."""
    write_extxyz(
        "bare.xyz", [replace(s, energy=None, forces=None, stress=None) for s in labelled(3, 0)]
    )
    job = {**JOB, "prepare": {**JOB["prepare"], "fn_cells": "bare.xyz"}}
    sentence = "bare.xyz: no structure for training has an energy, forces or a stress"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows({"fit": job})


def test_perfect_crystal_has_constant_features(folder: Path) -> None:
    """Rounding is not learned from: the forces of equal atoms stay those of symmetry."""
    cell = Cell(np.eye(3) * 5.43, DIAMOND, ["Si"] * 8)
    result = evaluate(SILICON, cell)
    crystal = Structure(
        vectors=np.eye(3) * 5.43,
        positions=DIAMOND * 5.43,
        species=("Si",) * 8,
        periodic=(True, True, True),
        energy=result.energy,
        forces=np.zeros((8, 3)),
        stress=result.stress,
    )
    write_extxyz("train.xyz", [crystal])
    job = {**JOB, "prepare": {**JOB["prepare"], "validation_set": 0}, "run": {"n_epochs": 1}}
    (fitted,) = ml_util.exec_workflows({"fit": job})
    assert np.abs(fitted.predicted["train"].forces).max() < 1e-6
    assert fitted.errors["train"].energy.mae < 1e-3


def test_structures_of_training_are_no_test(silicon: Path) -> None:
    """A test file that holds a training structure is refused with both places."""
    write_extxyz("mixed.xyz", [*labelled(2, 5), *labelled(24, 0)[3:4]])
    job = {**JOB, "prepare": {**JOB["prepare"], "test_set": "mixed.xyz", "validation_set": 0}}
    sentence = (
        "mixed.xyz, structure 2 (counted from 0) of the test set is also in the train set, as "
        "train.xyz, structure 3 (counted from 0)"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows({"fit": job})


def test_stress_of_a_boxed_molecule_is_left_out(
    silicon: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Codes print one for the box; what repeats nowhere has none, and it is told."""
    structures = labelled(24, 0)
    write_extxyz("train.xyz", [replace(structures[0], periodic=(False,) * 3), *structures[1:]])
    job = {**JOB, "prepare": {**JOB["prepare"], "validation_set": 0}, "run": {"n_epochs": 1}}
    (result,) = ml_util.exec_workflows({"fit": job})
    assert result.errors["train"].stress.n == 6 * 23
    assert "1 of 24 structures have no stress" in capsys.readouterr().out
