"""Symmetry functions of all local types against n2p2.

`data/n2p2_golden` names the version that made the numbers. Lengths stay in whatever unit the files
have. n2p2 sums j < k once (trap 11): epsilon = 1/2 where the neighbour species are equal or all.
"""

import json

import numpy as np
import pytest
from n2p2_folders import CASES, FOLDER

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import (
    CUTOFF_FUNCTIONS,
    Functions,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    polynomial_narrow_descriptor_family,
    polynomial_radial_descriptor_family,
    polynomial_wide_descriptor_family,
    weighted_angular_descriptor_family,
    weighted_polynomial_narrow_descriptor_family,
    weighted_polynomial_radial_descriptor_family,
    weighted_polynomial_wide_descriptor_family,
    weighted_radial_descriptor_family,
)

ANGLES = ("low", "a", "left", "right", "form")
KINDS = {
    2: (behler2_descriptor_family, 1, ("eta", "r_sphere", "a")),
    3: (behler4_descriptor_family, 2, ("eta", "l", "zeta", "a", "r_sphere")),
    9: (behler5_descriptor_family, 2, ("eta", "l", "zeta", "a", "r_sphere")),
    12: (weighted_radial_descriptor_family, 0, ("eta", "r_sphere", "a")),
    13: (weighted_angular_descriptor_family, 0, ("eta", "r_sphere", "l", "zeta", "a")),
    20: (polynomial_radial_descriptor_family, 1, ("low", "a", "form")),
    21: (polynomial_narrow_descriptor_family, 2, ANGLES),
    22: (polynomial_wide_descriptor_family, 2, ANGLES),
    23: (weighted_polynomial_radial_descriptor_family, 0, ("low", "a", "form")),
    24: (weighted_polynomial_narrow_descriptor_family, 0, ANGLES),
    25: (weighted_polynomial_wide_descriptor_family, 0, ANGLES),
}
"""Of each type the family, how many neighbour species it names, and the arguments in order."""

GOLDEN_NAMES = {
    "eta": "eta",
    "r_sphere": "rs",
    "a": "rc",
    "l": "lam",
    "zeta": "zeta",
    "low": "rl",
    "left": "al",
    "right": "ar",
}


def read_input_data(path):
    """The only structure of an `input.data`; without a lattice nothing repeats."""
    lines = [line.split() for line in path.read_text().splitlines()]
    vectors = np.array([line[1:4] for line in lines if line[0] == "lattice"], float)
    positions = np.array([line[1:4] for line in lines if line[0] == "atom"], float)
    names = [line[4] for line in lines if line[0] == "atom"]
    if not len(vectors):
        return Cell(np.eye(3), positions, names, pbc=False)
    return Cell(vectors, np.linalg.solve(vectors.T, positions.T).T, names)


def read_input_nn(path):
    """The symmetry functions of an `input.nn`, in its order."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    kind, *alpha = next(line[1:] for line in lines if line[0] == "cutoff_type")
    cutoff = {
        "cutoff_function": CUTOFF_FUNCTIONS[int(kind)],
        "cutoff_alpha": float(alpha[0]) if alpha else 0.0,
    }
    return [function(line[1:], cutoff) for line in lines if line[0] == "symfunction_short"]


def function(words, cutoff):
    """The potential of `C type ...`; n2p2 sums j < k once."""
    centre, kind = words[0], int(words[1])
    family, n_names, names = KINDS[kind]
    neighbors, numbers = words[2 : 2 + n_names], words[2 + n_names :]
    given = dict(zip(names, numbers, strict=False))
    parameters = {name: x if name == "form" else float(x) for name, x in given.items()}
    if len(set(neighbors)) == 1 == n_names - 1 or kind in (13, 24, 25):
        parameters["epsilon"] = 0.5
    fc = cutoff if kind < 20 else {}
    return family(tag="-".join([centre, *neighbors]), **parameters, **fc)


def key_of(potential):
    """What tells functions apart; the order of the two neighbour species does not."""
    p, (centre, *neighbors) = potential.parameters, potential.species
    numbers = [p.get(name, 0) for name in GOLDEN_NAMES]
    return (potential.family.name, centre, *sorted(neighbors), *numbers, p.get("form", ""))


def key_of_golden(centre, entry):
    """The same for an entry of `symfunc_order`."""
    neighbors = sorted(name for name in (entry["e1"], entry["e2"]) if name)
    numbers = [entry[name] for name in GOLDEN_NAMES.values()]
    return (KINDS[entry["type"]][0].name, centre, *neighbors, *numbers, entry["sub"])


def assert_functions_agree(folder):
    """Every function of every atom agrees to 1e-9."""
    expected = json.loads((folder / "expected.json").read_text())
    cell = read_input_data(folder / "input.data")
    functions = {key_of(f): f for f in read_input_nn(folder / "input.nn")}
    images = kernel.compute_images(cell, max(f.cutoff for f in functions.values()))
    assert len(functions) == sum(map(len, expected["symfunc_order"].values()))
    for centre, order in expected["symfunc_order"].items():
        atoms = images.table.atoms_of(centre)
        mine = [functions[key_of_golden(centre, entry)] for entry in order]
        golden = np.array([expected["G_raw"][atom] for atom in atoms])
        values = Functions(mine).values(images.table, atoms)
        np.testing.assert_allclose(values, golden, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_functions_are_those_of_n2p2(name):
    """All types, cutoff functions and forms."""
    assert_functions_agree(FOLDER / name)


@pytest.mark.parametrize("family", [behler4_descriptor_family, behler5_descriptor_family])
def test_equal_neighbours_count_twice_what_n2p2_has(family):
    """Trap 11: the manual's ordered sum is twice the sum over j < k for equal species only."""
    cell = read_input_data(FOLDER / "t9_cos" / "input.data")
    parameters = {"a": 5.0, "eta": 0.02, "l": 1.0, "zeta": 2.0}
    images = kernel.compute_images(cell, 5.0)
    names = sorted(set(cell.values))
    with_once = {(b, c): 0.5 if b == c else 1.0 for b in names for c in names if b <= c}
    once = [
        family(tag=f"{names[0]}-{b}-{c}", epsilon=epsilon, **parameters)
        for (b, c), epsilon in with_once.items()
    ]
    ordered = [family(tag=f"{names[0]}-{b}-{c}", **parameters) for b in names for c in names]
    total, twice = images.eval(ordered).sum(axis=0), 2 * images.eval(once).sum(axis=0)
    np.testing.assert_allclose(total, twice, rtol=1e-12)
