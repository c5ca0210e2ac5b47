"""Symmetry functions of types 2, 3 and 9 against n2p2.

`data/n2p2_golden` names the version that made the numbers. Lengths stay in whatever unit the files
have. n2p2 sums j < k once (trap 11): epsilon = 1/2 where the neighbour species are equal.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import (
    CUTOFF_FUNCTIONS,
    Functions,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
)

FOLDER = Path(__file__).parent / "data/n2p2_golden"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
ANGULAR = {"3": behler4_descriptor_family, "9": behler5_descriptor_family}


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
    """`C 2 N eta shift rc` or `C 3|9 N1 N2 eta lambda zeta rc [shift]`."""
    centre, kind = words[:2]
    if kind == "2":
        eta, shift, rc = map(float, words[3:6])
        tag = f"{centre}-{words[2]}"
        return behler2_descriptor_family(tag=tag, a=rc, eta=eta, r_sphere=shift, **cutoff)
    first, second = words[2:4]
    eta, l, zeta, rc, shift = map(float, [*words[4:], "0"][:5])  # noqa: E741
    return ANGULAR[kind](
        tag=f"{centre}-{first}-{second}",
        epsilon=0.5 if first == second else 1.0,
        a=rc,
        eta=eta,
        l=l,
        zeta=zeta,
        r_sphere=shift,
        **cutoff,
    )


def key_of(potential):
    """What tells functions apart; the order of the two neighbour species does not."""
    p, (centre, *neighbors) = potential.parameters, potential.species
    numbers = [p[name] for name in ("eta", "r_sphere", "a")] + [p.get("l", 0), p.get("zeta", 0)]
    return (potential.family.name, centre, *sorted(neighbors), *numbers)


def key_of_golden(centre, entry):
    """The same for an entry of `symfunc_order`."""
    family = {"2": behler2_descriptor_family, **ANGULAR}[str(entry["type"])]
    neighbors = sorted(name for name in (entry["e1"], entry["e2"]) if name)
    numbers = [entry[name] for name in ("eta", "rs", "rc", "lam", "zeta")]
    return (family.name, centre, *neighbors, *numbers)


@pytest.mark.parametrize("name", CASES)
def test_functions_are_those_of_n2p2(name):
    """Every function of every atom agrees to 1e-9."""
    expected = json.loads((FOLDER / name / "expected.json").read_text())
    cell = read_input_data(FOLDER / name / "input.data")
    functions = {key_of(f): f for f in read_input_nn(FOLDER / name / "input.nn")}
    images = kernel.compute_images(cell, max(f.cutoff for f in functions.values()))
    assert len(functions) == sum(map(len, expected["symfunc_order"].values()))
    for centre, order in expected["symfunc_order"].items():
        atoms = images.table.atoms_of(centre)
        mine = [functions[key_of_golden(centre, entry)] for entry in order]
        golden = np.array([expected["G_raw"][atom] for atom in atoms])
        values = Functions(mine).values(images.table, atoms)
        np.testing.assert_allclose(values, golden, rtol=1e-9, atol=1e-14)


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
