"""Potentials from and to folders of n2p2, against n2p2 itself and an evaluator of its own."""

import gzip
import json
import re
import shutil
from dataclasses import replace

import ase.io
import n2p2_reference
import numpy as np
import pytest
import torch
from ase import units
from test_golden_n2p2 import FOLDER
from torch import nn

from miniff import kernel, ml
from miniff.dyn import nve
from miniff.io import PotentialFileError, read_n2p2, write_n2p2
from miniff.kernel import Cell
from miniff.ml._core_network import core_networks
from miniff.potentials import (
    Functions,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    lj_potential_family,
    on_site_potential_family,
    polynomial_radial_descriptor_family,
    sigmoid_descriptor_family,
    weighted_angular_descriptor_family,
)
from miniff.units import factor

CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
PLAIN = {"length_unit": "1", "energy_unit": "1"}
"""The golden numbers stay in whatever units they are in."""
CODATA_2018 = {"length_unit": 0.529177210903, "energy_unit": 27.211386245988}
"""With which the published predictions were converted."""


def structure_of(folder):
    (cell,) = Cell.load(folder / "input.data", **PLAIN)
    return cell


def assert_same(result, expected, rtol):
    """Energy, forces and virial, relative to the largest component."""
    np.testing.assert_allclose(result.energy, expected["energy"], rtol=rtol)
    forces = np.array(expected["forces"])
    np.testing.assert_allclose(result.forces, forces, atol=rtol * np.abs(forces).max())
    if expected.get("virial") is not None:
        virial = np.array(expected["virial"])
        np.testing.assert_allclose(result.virial, virial, atol=rtol * np.abs(virial).max())


def networks_of(potentials):
    return [one for one in potentials if isinstance(one, ml.NNPotential)]


@pytest.mark.parametrize("name", CASES)
def test_golden_potentials_are_those_of_n2p2(name):
    """Energy, forces, virial; in the compiled core; all activations, scalings, units."""
    expected = json.loads((FOLDER / name / "expected.json").read_text())
    potentials = ml.load_n2p2(FOLDER / name, **PLAIN)
    assert all(core_networks(one.network) is not None for one in networks_of(potentials))
    assert_same(kernel.eval(potentials, structure_of(FOLDER / name)), expected, 1e-10)


@pytest.mark.parametrize("name", CASES)
def test_inputs_of_networks_are_those_of_n2p2(name):
    """Raw and scaled functions, in n2p2's order."""
    expected = json.loads((FOLDER / name / "expected.json").read_text())
    read = read_n2p2(FOLDER / name)
    potentials = networks_of(ml.load_n2p2(FOLDER / name, **PLAIN))
    images = kernel.compute_images(structure_of(FOLDER / name), max(p.cutoff for p in potentials))
    for potential in potentials:
        atoms = images.table.atoms_of(potential.tag)
        values = Functions(potential.descriptors).values(images.table, atoms)
        scale, shift = read.networks[potential.tag].scaled(read.settings.scaling)
        for raw, own in zip(values, atoms, strict=True):
            np.testing.assert_allclose(raw, expected["G_raw"][own], rtol=1e-9, atol=1e-14)
            found = raw * scale + shift
            np.testing.assert_allclose(found, expected["G_scaled"][own], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", ["Cu2S_PBE", "DMABN_SCAN", "H2O_RPBE-D3"])
def test_example_potentials_give_their_published_numbers(name, shared_data):
    """What n2p2's own tests expect of its examples."""
    folder = shared_data / "n2p2" / "predict" / name
    expected = json.loads((folder / "expected.json").read_text())
    result = kernel.eval(ml.load_n2p2(folder, **PLAIN), structure_of(folder))
    assert_same(result, expected, 1e-10)


@pytest.mark.parametrize("element", ["Cu", "Mo", "Si"])
def test_published_networks_give_their_published_predictions(element, shared_data):
    """mlearn's networks, in eV and angstrom.

    The file of structures has 8 digits of each position after the point, the predictions were made
    from more: 5e-9 angstrom at some 50 eV/angstrom^2.
    """
    folder = shared_data / "mlearn"
    with gzip.open(folder / f"{element}_test_nnp_prediction.json.gz") as file:
        expected = json.load(file)
    potentials = ml.load_n2p2(folder / "models" / "nnp" / element, **CODATA_2018)
    results = [kernel.eval(potentials, c) for c in Cell.load(folder / f"{element}_test.xyz.gz")]
    energies = [result.energy for result in results]
    np.testing.assert_allclose(energies, expected["energies_eV"], rtol=1e-9)
    for result, forces in zip(results, expected["forces_eV_A"], strict=True):
        np.testing.assert_allclose(result.forces, forces, atol=5e-7)


def test_published_ranges_are_those_of_the_published_training_set(shared_data):
    """n2p2 noted the ranges when it trained: our grades of that set end at 1, to 8 digits."""
    folder = shared_data / "mlearn"
    potentials = ml.load_n2p2(folder / "models" / "nnp" / "Mo", **CODATA_2018)
    results = kernel.eval_many(potentials, Cell.load(folder / "Mo_train.xyz.gz"))
    grades = np.concatenate([result.grades for result in results])
    assert grades[:, 0].max() == pytest.approx(1, abs=5e-6)
    assert np.isnan(grades[:, 1]).all()


def test_dynamics_are_those_of_lammps_with_n2p2(shared_data):
    """n2p2's deck for copper sulfide: energies after 100 steps of 1 fs from rest.

    The deck has 32.065 for the mass of sulfur, ASE's table 32.06.
    """
    folder = shared_data / "n2p2"
    file = folder / "md_Cu2S" / "cu2s_144_low-chalcocite_Evans-1979_PBE.data"
    atoms = ase.io.read(file, format="lammps-data", atom_style="atomic", Z_of_type={1: 16, 2: 29})
    potentials = ml.load_n2p2(
        folder / "predict" / "Cu2S_PBE", length_unit="angstrom", energy_unit="eV"
    )
    still = np.zeros((len(atoms), 3))
    state = nve(Cell.from_ase(atoms), potentials, n_steps=100, timestep=units.fs, velocities=still)
    assert state.potential_energy == pytest.approx(-574.21185, abs=1e-4)
    assert state.energy == pytest.approx(-573.6561, abs=1e-4)


def test_units_are_those_that_are_said():
    """By name or by size; eV and angstrom are what comes out."""
    folder = FOLDER / "normalized_units"
    cell = structure_of(folder)
    plain = kernel.eval(ml.load_n2p2(folder, **PLAIN), cell)
    bohr, hartree = factor("bohr"), factor("Hartree")
    large = Cell(cell.vectors * bohr, cell.coordinates, cell.values)
    sizes = {"length_unit": bohr, "energy_unit": hartree}
    for said in ({"length_unit": "bohr", "energy_unit": "hartree"}, sizes):
        result = kernel.eval(ml.load_n2p2(folder, **said), large)
        np.testing.assert_allclose(result.energy, plain.energy * hartree, rtol=1e-12)
        np.testing.assert_allclose(result.forces, plain.forces * hartree / bohr, atol=1e-11)
    with pytest.raises(TypeError, match="length_unit"):
        ml.load_n2p2(folder)
    with pytest.raises(ValueError, match="`bohr` is not a known unit of energy"):
        ml.load_n2p2(folder, length_unit="bohr", energy_unit="bohr")
    with pytest.raises(ValueError, match="the unit of length is -1 but must be a name or in"):
        ml.load_n2p2(folder, length_unit=-1, energy_unit="eV")


@pytest.mark.parametrize("name", CASES)
def test_writing_and_reading_gives_the_same_potential(name, tmp_path):
    """In other units than before; also through a file of ours."""
    cell = structure_of(FOLDER / name)
    first = ml.load_n2p2(FOLDER / name, **PLAIN)
    ml.save_potentials(tmp_path / "p.pt", first)
    expected = kernel.eval(first, cell)
    other = {"length_unit": "bohr", "energy_unit": "kcal/mol"}
    ml.save_n2p2(tmp_path / "nnp", ml.load_potentials(tmp_path / "p.pt"), **other)
    again = ml.load_n2p2(tmp_path / "nnp", **other)
    assert_same(kernel.eval(again, cell), vars_of(expected), 1e-11)
    for one, other in zip(networks_of(first), networks_of(again), strict=True):
        np.testing.assert_allclose(one.ranges, other.ranges, rtol=1e-14)
    copies = [one.copy(one.tag) for one in again]
    assert kernel.eval(copies, cell).energy == kernel.eval(again, cell).energy


def vars_of(result):
    return {"energy": result.energy, "forces": result.forces, "virial": result.virial}


def assert_reference_agrees(folder, cell, expected):
    vectors = cell.vectors if any(cell.pbc) else None
    found = n2p2_reference.energy(folder, vectors, cell.cartesian(), cell.values)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize(
    "name", ["t2_cos", "t3_cos", "t9_cos", "cut_2", "act_S", "normalize_nodes"]
)
def test_what_is_written_means_the_same_to_others(name, tmp_path):
    """An evaluator of n2p2's files, which agrees with n2p2, gives our energy from what we write."""
    folder = with_activation(tmp_path, "S") if name == "act_S" else FOLDER / name
    cell = structure_of(folder)
    potentials = ml.load_n2p2(folder, **PLAIN)
    energy = kernel.eval(potentials, cell).energy
    if name != "act_S":
        golden = json.loads((folder / "expected.json").read_text())["energy"]
        assert_reference_agrees(folder, cell, golden)
    assert_reference_agrees(folder, cell, energy)
    ml.save_n2p2(tmp_path / "nnp", potentials)
    assert_reference_agrees(tmp_path / "nnp", cell, energy)


def with_activation(tmp_path, letter):
    """A golden potential with another activation."""
    folder = copied(tmp_path, "act_t")
    edit(folder / "input.nn", "short t t l", f"short {letter} {letter} l")
    return folder


@pytest.mark.parametrize("letter", "ltsprgcSeh")
def test_every_activation_has_its_slope(letter, tmp_path):
    """Forces are slopes of the energy, in the core as with torch."""
    folder = with_activation(tmp_path, letter)
    potentials, cell = ml.load_n2p2(folder, **PLAIN), structure_of(folder)
    assert_reference_agrees(folder, cell, kernel.eval(potentials, cell).energy)
    move = np.random.default_rng(0).normal(size=(cell.size, 3))

    def energy(step):
        moved = cell.transform_from_cartesian(cell.cartesian() + step * move)
        return kernel.eval(potentials, Cell(cell.vectors, moved, cell.values, pbc=cell.pbc)).energy

    rise = (energy(1e-5) - energy(-1e-5)) / 2e-5
    forces = kernel.eval(potentials, cell).forces
    np.testing.assert_allclose(np.vdot(forces, move), -rise, rtol=1e-6, atol=1e-9)


def linear(n_in, n_out):
    return nn.Linear(n_in, n_out).double()


def fitted(name, descriptors, width=4, activation=nn.Tanh, depth=1, **kwargs):
    """A network as `fit` makes one, with numbers drawn by chance."""
    n = len(descriptors)
    layers = [ml.Affine(torch.rand(n).double() + 0.5, torch.randn(n).double())]
    for k in range(depth):
        layers += [linear(width if k else n, width), activation()]
    layers += [
        linear(width if depth else n, 1),
        ml.Affine(torch.tensor([0.3]).double(), torch.tensor([-7.5]).double()),
    ]
    return ml.NNPotential(nn.Sequential(*layers), descriptors, name, **kwargs)


def own_potentials(**kwargs):
    """Two elements, our own angular convention, networks of different widths and activations."""
    torch.manual_seed(1)
    a = {"a": 4.2}
    of_si = [
        behler4_descriptor_family("Si-O-Si", eta=0.05, l=1.0, zeta=2.0, **a),
        behler5_descriptor_family("Si-O-O", eta=0.05, l=-1.0, zeta=4.0, epsilon=1.7, **a),
        behler2_descriptor_family("Si-Si", eta=0.3, r_sphere=1.5, **a),
        behler4_descriptor_family("Si-Si-Si", eta=0.02, l=-1.0, zeta=1.5, **a),
        behler2_descriptor_family("Si-O", eta=0.3, **a),
    ]
    of_o = [
        behler5_descriptor_family("O-Si-Si", eta=0.01, l=1.0, zeta=1.0, epsilon=-0.4, **a),
        behler2_descriptor_family("O-Si", eta=0.8, a=3.0),
    ]
    ranges = np.array([np.arange(5.0), np.arange(5.0) + 2])
    return [
        fitted("Si", of_si, 3, ranges=ranges, **kwargs),
        fitted("O", of_o, 5, nn.Sigmoid, **kwargs),
        on_site_potential_family("Si", v0=-2.5),
        on_site_potential_family(v0=0.25),
    ]


def own_cell():
    rng = np.random.default_rng(4)
    vectors = 4.6 * np.eye(3) + rng.normal(scale=0.2, size=(3, 3))
    return Cell(vectors, rng.random((5, 3)), ["Si", "O", "Si", "O", "O"])


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_own_potentials_can_be_written(depth, tmp_path):
    """Ordered sums, other strengths, nodes that only one element has: n2p2 gives our energy."""
    potentials, cell = own_potentials(depth=depth), own_cell()
    expected = kernel.eval(potentials, cell)
    said = ml.save_n2p2(tmp_path / "nnp", potentials)
    assert_reference_agrees(tmp_path / "nnp", cell, expected.energy)
    again = ml.load_n2p2(tmp_path / "nnp", length_unit="angstrom", energy_unit="eV")
    assert_same(kernel.eval(again, cell), vars_of(expected), 1e-11)
    oxygen, silicon = networks_of(again)
    assert oxygen.ranges is None
    strengths = {
        (0.0, 2.0): 1.0,
        (1.0, 3.0): 3.4,
        (2.0, 4.0): 1.0,
        (3.0, 5.0): 2.0,
        (4.0, 6.0): 1.0,
    }
    wanted = sorted((low / f, high / f) for (low, high), f in strengths.items())
    np.testing.assert_allclose(sorted(map(tuple, silicon.ranges.T)), wanted, rtol=1e-14)
    assert said.splitlines() == [
        f'pair_style hdnnp 4.21 dir "{tmp_path / "nnp"}" showew no showewsum 100 resetew no '
        "maxew 100 cflength 1.0 cfenergy 1.0",
        "pair_coeff * * O Si",
    ]


def test_lammps_is_told_the_units(tmp_path):
    """cflength and cfenergy take angstrom and eV to the units of the files."""
    said = ml.save_n2p2(
        tmp_path / "nnp", own_potentials(), length_unit="bohr", energy_unit="Hartree"
    )
    numbers = dict(re.findall(r"(cf\w+) (\S+)", said))
    assert float(numbers["cflength"]) == pytest.approx(1.8897261328, rel=1e-7)
    assert float(numbers["cfenergy"]) == pytest.approx(0.0367493254, rel=1e-6)
    head = (tmp_path / "nnp" / "input.nn").read_text().splitlines()
    assert head[0] == "# written by miniff; lengths in bohr, energies in Hartree"
    assert head[2:4] == [f"# {line}" for line in said.splitlines()]


def committee():
    one, other = (fitted("Si", silicon_descriptors()) for _ in range(2))
    mean = nn.Sequential(ml.Mean([one.network, other.network]))
    return ml.NNPotential(mean, silicon_descriptors(), "Si")


def silicon_descriptors(**kwargs):
    return [behler2_descriptor_family("Si-Si", eta=0.1, a=4.0, **kwargs)]


REFUSED = [
    (list, "there is no network among the potentials"),
    (lambda: [committee()], "the network of Si is a committee"),
    (lambda: [fitted("Si", silicon_descriptors())] * 2, "there are two networks for Si"),
    (
        lambda: [fitted("Xx", [behler2_descriptor_family(eta=0.1, a=4.0)])],
        "'Xx' is no chemical element",
    ),
    (
        lambda: [
            fitted("Si", silicon_descriptors()),
            lj_potential_family("Si-Si", epsilon=1.0, sigma=2.0, a=2.0),
        ],
        "n2p2's files hold networks and on-site energies alone",
    ),
    (
        lambda: [fitted("Si", silicon_descriptors()), on_site_potential_family("O", v0=1.0)],
        "cannot be written: there is no network for O",
    ),
    (
        lambda: [fitted("Si", [sigmoid_descriptor_family("Si-Si", r0=2.0, dr=0.5, a=4.0)])],
        "cannot be written: n2p2 has no Sigmoid; it has Behler type 2",
    ),
    (
        lambda: [fitted("Si", [behler2_descriptor_family(eta=0.1, a=4.0)])],
        "cannot be written: it has no tag",
    ),
    (
        lambda: [fitted("Si", [behler2_descriptor_family("Si-O", eta=0.1, a=4.0)])],
        "cannot be written: it sees O, which has no network",
    ),
    (
        lambda: [
            fitted("Si", silicon_descriptors() + silicon_descriptors(cutoff_function="poly2"))
        ],
        "have different cutoff functions but n2p2 has one for all: cosine with cutoff_alpha 0.0 "
        "and poly2 with cutoff_alpha 0.0",
    ),
    (
        lambda: [
            fitted(
                "Si",
                [weighted_angular_descriptor_family("Si", eta=0, l=1, zeta=1, a=4, epsilon=0)],
            )
        ],
        "cannot be written: its `epsilon` is 0",
    ),
    (
        lambda: [fitted("Si", silicon_descriptors(), activation=nn.GELU)],
        "the network of Si cannot be written: n2p2 has no gelu as it is here",
    ),
    (
        lambda: [fitted("Si", silicon_descriptors(), activation=lambda: nn.Softplus(2))],
        "n2p2 has no softplus as it is here",
    ),
    (
        lambda: [
            ml.NNPotential(nn.Sequential(nn.Tanh(), linear(1, 1)), silicon_descriptors(), "Si")
        ],
        "it must begin with a linear layer",
    ),
    (
        lambda: [ml.NNPotential(nn.Sequential(), silicon_descriptors(), "Si")],
        "it must begin with a linear layer",
    ),
    (
        lambda: [
            fitted("Si", silicon_descriptors()),
            fitted("O", [polynomial_radial_descriptor_family("O-O", low=0.5, a=4.0)], depth=2),
        ],
        "networks must all have as many hidden layers for n2p2, but have: O 2, Si 1",
    ),
]


@pytest.mark.parametrize(("make", "sentence"), REFUSED)
def test_what_the_files_cannot_hold_is_refused(make, sentence, tmp_path):
    """By name, and nothing is written."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml.save_n2p2(tmp_path / "nnp", make())
    assert not list(tmp_path.iterdir())


def test_no_folder_is_written_over(tmp_path):
    """A file of another potential must not be left among those of this one."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "weights.001.data").touch()
    (tmp_path / "empty").mkdir()
    potential = fitted("Si", silicon_descriptors())
    with pytest.raises(FileExistsError, match="full is there already: name a new folder"):
        ml.save_n2p2(tmp_path / "full", potential)
    with pytest.raises(FileNotFoundError, match="no folder"):
        ml.save_n2p2(tmp_path / "none" / "deep", potential)
    ml.save_n2p2(tmp_path / "empty", potential)
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == [
        "input.nn",
        "scaling.data",
        "weights.014.data",
    ]


def copied(tmp_path, name="atom_energy"):
    folder = tmp_path / name
    shutil.copytree(FOLDER / name, folder)
    return folder


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


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
