"""Folders of n2p2 as people have them: their numbers and keywords, and what is wrong in them."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from n2p2_folders import CASES, FOLDER, PLAIN, copied, edit, own_cell, own_potentials, structure_of

from miniff import kernel, ml
from miniff.io import PotentialFileError, read_n2p2, write_n2p2


@pytest.mark.parametrize("name", CASES)
def test_numbers_of_the_files_come_back(name, tmp_path):
    """Read, written as they stand and read again; sums that are divided are so in the weights."""
    first = read_n2p2(FOLDER / name)
    write_n2p2(tmp_path / "nnp", first)
    again = read_n2p2(tmp_path / "nnp")
    same = {"path": again.settings.path, "normalize_nodes": False}
    assert again.settings == replace(first.settings, **same)
    for element, network in first.networks.items():
        other = again.networks[element]
        for field in ("weights", "biases"):
            for one, two in zip(getattr(network, field), getattr(other, field), strict=True):
                np.testing.assert_array_equal(one, two)
        for field in ("least", "largest", "mean", "sigma"):
            np.testing.assert_array_equal(getattr(network, field), getattr(other, field))
    wider = replace(network, topology=replace(network.topology, nodes=(9, 9)))
    unequal = replace(first, networks={**first.networks, "X": wider})
    with pytest.raises(ValueError, match="elements must all have as many nodes, but have:"):
        write_n2p2(tmp_path / "other", unequal)


def test_keywords_of_training_are_passed_over(tmp_path):
    """So are comments of both kinds and lines in any order."""
    folder = copied(tmp_path)
    cell = structure_of(folder)
    expected = kernel.eval(ml.load_n2p2(folder, **PLAIN), cell).energy
    lines = (folder / "input.nn").read_text().splitlines()
    extra = ["epochs 10", "kalman_q0 0.01 ! large", "write_trainlog", "nnp_type 2G-HDNNP # short"]
    (folder / "input.nn").write_text("\n".join([*lines[::-1], *extra]))
    assert kernel.eval(ml.load_n2p2(folder, **PLAIN), cell).energy == expected


def test_networks_of_elements_may_differ(tmp_path):
    """`element_*_short` as n2p2 2.3.0 and as RuNNer mean them; the number of weights tells."""
    torch.manual_seed(2)
    potentials = own_potentials()
    ml.save_n2p2(tmp_path / "nnp", potentials)
    cell = own_cell()
    energy = kernel.eval(potentials, cell).energy
    path = tmp_path / "nnp" / "input.nn"
    assert "element_activation_short Si t l" in path.read_text()
    metal = {"length_unit": "angstrom", "energy_unit": "eV"}
    for line in ("element_nodes_short Si 5", "element_nodes_short O 1 5"):
        edit(path, "global_nodes_short 5", f"global_nodes_short 5\n{line}")
    assert kernel.eval(ml.load_n2p2(tmp_path / "nnp", **metal), cell).energy == pytest.approx(
        energy
    )
    edit(path, "global_hidden_layers_short 1", "global_hidden_layers_short 2")
    edit(path, "global_nodes_short 5", "global_nodes_short 7 7")
    edit(path, "element_nodes_short O 1 5", "element_nodes_short O 5")
    edit(path, "global_activation_short s l", "global_activation_short t t l")
    own = ["element_hidden_layers_short Si 1", "element_hidden_layers_short O 1"]
    text = path.read_text().replace("Si t l", "Si t l\nelement_activation_short O s l")
    path.write_text("\n".join([text, *own]))
    again = ml.load_n2p2(tmp_path / "nnp", **metal)
    assert kernel.eval(again, cell).energy == pytest.approx(energy, rel=1e-12)


DAMAGED = [
    ("input.nn", "cutoff_type 1", "cutof_type 1", "`cutof_type` is not a known keyword; did you"),
    ("input.nn", "cutoff_type 1", "cutoff_type 9", "`cutoff_type` is 9 but must be in [0, 8]"),
    ("input.nn", "cutoff_type 1", "", "there is no `cutoff_type`"),
    ("input.nn", "cutoff_type 1", "cutoff_type 1\ncutoff_type 2", "`cutoff_type` is given twice"),
    ("input.nn", "cutoff_type 1", "cutoff_type", "`cutoff_type` has 0 values but must have 1"),
    ("input.nn", "cutoff_type 1", "cutoff_type 1\nnnp_type 4G", "networks with charges are not"),
    (
        "input.nn",
        "cutoff_type 1",
        "cutoff_type 1\nuse_electrostatics",
        "`use_electrostatics` is not",
    ),
    (
        "input.nn",
        "elements Cu S",
        "elements Cu",
        "`number_of_elements` is 2 but `elements` names 1",
    ),
    ("input.nn", "elements Cu S", "elements Cu Cu", "an element is named twice"),
    ("input.nn", "elements Cu S", "elements Cu Sx", "`Sx` is no chemical element"),
    ("input.nn", "atom_energy S", "atom_energy O", "`O` is not a known element of `elements`"),
    ("input.nn", "atom_energy S", "atom_energy Cu", "`atom_energy` of Cu is given twice"),
    (
        "input.nn",
        "short t t l",
        "short t t",
        "`global_activation_short` has 2 values but must have",
    ),
    ("input.nn", "short t t l", "short t x l", "`x` is not a known activation"),
    ("input.nn", "nodes_short 5 4", "nodes_short 5 4 3", "the network of S must have 2 numbers of"),
    ("input.nn", "nodes_short 5 4", "nodes_short 5 5", "numbers but the network of S must have"),
    ("input.nn", "cutoff_type 1", "cutoff_type 1\nmean_energy 1", "`mean_energy` is given without"),
    (
        "input.nn",
        "cutoff_type 1",
        "cutoff_type 1\nscale_symmetry_functions_sigma",
        "`scale_symmetry_functions_sigma` is given beside",
    ),
    (
        "input.nn",
        "cutoff_type 1",
        "cutoff_type 1\nelement_activation_short S 1 2 t",
        "activations of single nodes are not read",
    ),
    (
        "input.nn",
        "cutoff_type 1",
        "cutoff_type 1\nelement_nodes_short S 3",
        "`element_nodes_short` must give the nodes of 2 hidden layers",
    ),
    ("input.nn", "symfunction_short Cu 2 S", "symfunction_short Cu 7 S", "`7` is not a known type"),
    ("input.nn", "symfunction_short Cu 2 S", "symfunction_short Cu 2", "type 2 must have element"),
    (
        "input.nn",
        "symfunction_short Cu 2 S",
        "symfunction_short Cu 2 O",
        "`O` is not a known element",
    ),
    ("input.nn", "symfunction_short Cu 2 S", "symfunction_short Cu", "`type` is"),
    (
        "input.nn",
        "cutoff_type 1",
        "cutoff_type 1\nsymfunction_short Cu",
        "`symfunction_short` has 1 values but must have 2",
    ),
    ("scaling.data", "\n1 2 ", "\n1 1 ", "function 1 of S is given twice"),
    ("scaling.data", "\n1 2 ", "\n# ", "function 2 of S is missing"),
    ("scaling.data", "\n1 2 ", "\n3 2 ", "there are 2 elements but this is 3"),
    ("scaling.data", "\n1 2 ", "\n1 99 ", "symmetry functions in input.nn but this is 99"),
    ("weights.016.data", " b ", " a ", "this is marked 'a' but must be a bias ('b')"),
    ("weights.016.data", " a ", " b ", "this is marked 'b' but must be a weight ('a')"),
]


@pytest.mark.parametrize(("file", "old", "new", "sentence"), DAMAGED)
def test_damaged_files_are_refused(file, old, new, sentence, tmp_path):
    """With the file, and the line where there is one."""
    folder = copied(tmp_path)
    edit(folder / file, old, new)
    with pytest.raises(PotentialFileError, match=re.escape(sentence)) as refusal:
        ml.load_n2p2(folder, **PLAIN)
    assert str(folder) in str(refusal.value)


def test_scaling_without_width_is_refused(tmp_path):
    """A function that was constant in training cannot be divided by its range, or sigma."""
    folder = copied(tmp_path, "scal_sigma")
    path = folder / "scaling.data"
    lines = path.read_text().splitlines()
    words = lines[3].split()
    path.write_text("\n".join([*lines[:3], " ".join([*words[:5], "0.0"]), *lines[4:]]))
    with pytest.raises(PotentialFileError, match=r"line 4: there must be a sigma other than 0"):
        ml.load_n2p2(folder, **PLAIN)
    edit(folder / "input.nn", "scale_symmetry_functions_sigma", "scale_symmetry_functions")
    path.write_text("\n".join([*lines[:3], " ".join([*words[:2], "1", "1", "1"]), *lines[4:]]))
    with pytest.raises(PotentialFileError, match=r"line 4: least and largest are both 1\.0"):
        ml.load_n2p2(folder, **PLAIN)


def test_numbers_out_of_our_range_are_refused(tmp_path):
    """With the file and the family."""
    folder = copied(tmp_path)
    edit(folder / "input.nn", "symfunction_short Cu 2 S 4.0", "symfunction_short Cu 2 S -4.0")
    with pytest.raises(
        PotentialFileError, match=r"a function of Cu: `eta` is -4\.0 but must be in"
    ):
        ml.load_n2p2(folder, **PLAIN)
    with pytest.raises(FileNotFoundError):
        ml.load_n2p2(tmp_path / "none", **PLAIN)
    folder = copied(tmp_path / "other")
    (folder / "weights.016.data").unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.016\.data"):
        ml.load_n2p2(folder, **PLAIN)
