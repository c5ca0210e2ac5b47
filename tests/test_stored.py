"""Descriptors in files: the same data set, found again, and noticed when damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy import testing
from silicon import labelled

from miniff import ml_util
from miniff.io import write_extxyz
from miniff.kernel import Cell, compute_images
from miniff.ml import (
    Dataset,
    Normalization,
    cut,
    forward_cauldron,
    learn_cauldron,
    load_potentials,
    stored_dataset,
)
from miniff.ml_util import behler_nn
from miniff.potentials import behler2_descriptor_family, behler5_descriptor_family

FUNCTIONS = {
    "Si": [
        *(behler2_descriptor_family("Si-Si", a=4.0, eta=eta) for eta in (0.1, 1.0)),
        behler5_descriptor_family("Si-Si-Si", a=4.0, eta=0.02, l=1.0, zeta=2.0),
    ]
}


@pytest.fixture
def cells() -> list[Cell]:
    return [Cell.from_structure(one) for one in labelled(5, seed=2)]


def told(cells: list[Cell], functions: Any = FUNCTIONS, **options: bool) -> tuple[Dataset, str]:
    """The data set, and what became of its file."""
    words: list[str] = []
    found = stored_dataset("cache", cells, functions, tell=words.append, **options)
    (word,) = words
    return found, word


def learned(cells: list[Cell]) -> Dataset:
    return learn_cauldron([compute_images(cell, 4.0) for cell in cells], FUNCTIONS)


def test_from_a_file_it_is_the_same_data_set(folder: Path, cells: list[Cell]) -> None:
    """Values, references, forces and pieces, to the bit, made or found."""
    whole = learned(cells)
    normal = Normalization.from_dataset(whole)
    torch.manual_seed(0)
    networks = [behler_nn(3, 4)]
    for expected in ("made", "found"):
        mapped, word = told(cells)
        assert word == expected
        assert len(list(Path("cache").iterdir())) == 1
        pairs = [(whole, mapped), *zip(cut(whole, 2), cut(mapped, 2), strict=True)]
        for one, other in pairs:
            a, b = one.per_point_datasets[0], other.per_point_datasets[0]
            testing.assert_array_equal(a.features, b.features)
            testing.assert_array_equal(one.per_cell_dataset.energy, other.per_cell_dataset.energy)
            testing.assert_array_equal(
                one.per_cell_dataset.gradient, other.per_cell_dataset.gradient
            )
            first = forward_cauldron(networks, one, True, normal)
            second = forward_cauldron(networks, other, True, normal)
            assert torch.equal(first.gradient, second.gradient)
            assert torch.equal(first.stress, second.stress)
    assert whole.keep_derivatives(1e9) == mapped.keep_derivatives(1e9)
    kept = forward_cauldron(networks, mapped, True, normal).gradient
    assert torch.equal(kept, forward_cauldron(networks, whole, True, normal).gradient)


def file_behind(tensor: torch.Tensor) -> str:
    """The file whose pages hold a tensor."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        ends, _, _, _, _, *name = line.split(maxsplit=5)
        first, last = (int(end, 16) for end in ends.split("-"))
        if first <= tensor.data_ptr() < last:
            return name[0] if name and name[0].startswith("/") else ""
    raise AssertionError("it is nowhere")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no list of mapped files")
def test_values_are_not_in_memory(folder: Path, cells: list[Cell]) -> None:
    """They lie in the file; what is changed there is not written to it, nor cut out as a copy."""
    mapped, _ = told(cells)
    (path,) = Path("cache").iterdir()
    before, features = path.read_bytes(), mapped.per_point_datasets[0].features
    assert file_behind(features) == str(path.resolve())
    assert file_behind(learned(cells).per_point_datasets[0].features) == ""
    piece = cut(mapped, 2)[1].per_point_datasets[0].features
    assert np.shares_memory(piece.numpy(), features.numpy())
    features += 1.0
    assert path.read_bytes() == before


def test_another_question_has_another_file(folder: Path, cells: list[Cell]) -> None:
    """References do not matter; positions, cells, species, functions and their use do."""
    told(cells)
    one = cells[0]

    def changed(**new: Any) -> list[Cell]:
        own = {"vectors": one.vectors, "coordinates": one.coordinates, "values": one.values}
        made = {**own, "meta": one.meta, "pbc": one.pbc, **new}
        return [Cell(**made), *cells[1:]]

    moved = np.array(one.coordinates)
    moved[0, 0] = np.nextafter(moved[0, 0], 2)
    assert told(changed(meta={"energy": 1.0}))[1] == "found"
    assert told(cells)[1] == "found"
    others = [
        changed(coordinates=moved),
        changed(vectors=one.vectors * (1 + 1e-15)),
        changed(pbc=(True, True, False)),
        cells[:4],
        cells[::-1],
    ]
    for other in others:
        assert told(other)[1] == "made"
    fewer = {"Si": FUNCTIONS["Si"][:2]}
    assert told(cells, fewer)[1] == "made"
    assert told(cells, derivatives=False)[1] == "made"
    assert len(list(Path("cache").iterdir())) == 1 + len(others) + 2


def _cut_short(content: bytes) -> bytes:
    return content[:-100]


def _no_header(content: bytes) -> bytes:
    return b"something else\n" + content


def _nothing(content: bytes) -> bytes:
    return b""


def _one_bit(content: bytes) -> bytes:
    """Of a value, near the end of the file."""
    place = len(content) - 80
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [_cut_short, _no_header, _nothing, _one_bit])
def test_damage_is_noticed(
    folder: Path, cells: list[Cell], damage: Callable[[bytes], bytes]
) -> None:
    """The file is made anew, as it was."""
    told(cells)
    (path,) = Path("cache").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    found, word = told(cells)
    assert word == "damaged"
    assert path.read_bytes() == whole
    assert told(cells)[1] == "found"
    testing.assert_array_equal(
        found.per_point_datasets[0].features, learned(cells).per_point_datasets[0].features
    )


def test_no_structure_is_a_data_set_too(folder: Path) -> None:
    """The share of a process may be empty."""
    for expected in ("made", "found"):
        nothing, word = told([])
        assert word == expected
        assert len(nothing) == 0
        assert nothing.per_point_datasets[0].features.shape == (0, 3)


JOB = {
    "init": {"seed": 3, "threads": 1},
    "prepare": {"fn_cells": "train.xyz", "cutoff": 4.5, "validation_set": 0.2, "n_models": 1},
    "run": {"n_epochs": 2, "optimizer": "kalman", "batch_size": 4},
}


def fitted(**prepare: object) -> list[torch.Tensor]:
    """All numbers of the networks of a fit."""
    ml_util.exec_workflows({"fit": {**JOB, "prepare": {**JOB["prepare"], **prepare}}})
    return [t for p in load_potentials("potentials.pt") for t in p.network.state_dict().values()]


def test_fit_from_files_is_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the bit, made or found; what became of the files is told, damage as a warning."""
    write_extxyz("train.xyz", labelled(12, seed=0))
    plain = fitted(forces_fraction=0.5)
    for sentence in ("0 of 3 files", "3 of 3 files"):
        stored = fitted(forces_fraction=0.5, cache="kept")
        assert f"kept: {sentence} of descriptors were there" in capsys.readouterr().out
        assert all(torch.equal(a, b) for a, b in zip(plain, stored, strict=True))
    for path in Path("kept").iterdir():
        path.write_bytes(path.read_bytes()[:200])
        break
    fitted(forces_fraction=0.5, cache="kept")
    said = capsys.readouterr().out
    assert "warning: kept: 1 of 3 files were damaged and have been made anew" in said


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "no folder is named"),
        ("train.xyz", r"train.xyz is a file but must be a folder"),
        ("no/such", r"no/such cannot be made: there is no .*no$"),
    ],
)
def test_cache_must_be_a_folder(folder: Path, name: str, sentence: str) -> None:
    """Refused before anything is read, in a job and from Python."""
    write_extxyz("train.xyz", labelled(3, seed=0))
    with pytest.raises(ValueError, match=rf"`fit.prepare.cache`: {sentence}"):
        fitted(cache=name)
    with pytest.raises(ValueError, match=rf"`cache`: {sentence}"):
        ml_util.FitWorkflow(log="warning").prepare(fn_cells="train.xyz", cache=name)
    with pytest.raises(ValueError, match=rf"`cache`: {sentence}"):
        ml_util.ChargeFitWorkflow(log="warning").prepare(fn_cells="train.xyz", cache=name)
