"""What we write for n2p2, against an evaluator of its files; and what they cannot hold."""

import json
import re

import n2p2_reference
import numpy as np
import pytest
from n2p2_folders import (
    CASES,
    FOLDER,
    PLAIN,
    assert_same,
    copied,
    edit,
    fitted,
    linear,
    networks_of,
    own_cell,
    own_potentials,
    structure_of,
)
from torch import nn

from miniff import kernel, ml
from miniff.kernel import Cell
from miniff.potentials import (
    behler2_descriptor_family,
    lj_potential_family,
    on_site_potential_family,
    polynomial_radial_descriptor_family,
    sigmoid_descriptor_family,
    weighted_angular_descriptor_family,
)


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
    (
        lambda: [committee()],
        "the network of Si is a committee, and n2p2's files hold one network for each",
    ),
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
