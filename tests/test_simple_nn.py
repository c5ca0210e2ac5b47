"""Files of SIMPLE-NN against its definition, evaluated slowly and on its own."""

import re
from itertools import pairwise

import n2p2_reference
import numpy as np
import pytest

from miniff import kernel, ml
from miniff.io import PotentialFileError
from miniff.kernel import Cell

FUNCTIONS = {
    "Si": ["2 4.0 0.1 1.5 0.0 Si", "4 4.0 0.01 4.0 -1.0 Si O", "5 4.0 0.02 2.0 1.0 O O"],
    "O": ["2 3.5 0.3 0.0 0.0 Si", "4 4.0 0.01 1.0 1.0 Si Si"],
}
WIDTHS = {"Si": [4, 3], "O": [2, 2]}
LAYERS = {"Si": ["sigmoid", "relu", "linear"], "O": ["tanh", "linear", "linear"]}


def row(title, numbers):
    return " ".join([title, *(f"{x:.17g}" for x in numbers)])


def written(rng):
    """A file of SIMPLE-NN, and the same numbers for whoever evaluates it."""
    lines, numbers = ["ELEM_LIST Si O", ""], {}
    for name, functions in FUNCTIONS.items():
        n = len(functions)
        offset, divisor = rng.normal(size=n), rng.uniform(1, 2, size=n)
        lines += [f"POT {name} 4.0", f"SYM {n}", *functions]
        lines += [row("scale1", offset), row("scale2", divisor)]
        widths = [n, *WIDTHS[name], 1]
        lines += [" ".join(["NET", str(len(widths) - 2), *map(str, widths[1:])])]
        layers = []
        for k, (n_in, n_out) in enumerate(pairwise(widths)):
            weight, bias = rng.normal(size=(n_out, n_in)), rng.normal(size=n_out)
            layers.append((weight, bias))
            lines.append(f"LAYER {k} {LAYERS[name][k]}")
            for o in range(n_out):
                lines += [row(f"w{o}", weight[o]), row(f"b{o}", bias[o : o + 1])]
        numbers[name] = (offset, divisor, layers)
    return "\n".join(lines) + "\n", numbers


def expected_energy(cell, numbers):
    """As SIMPLE-NN defines it: each unordered pair of neighbours once."""
    activation = {"linear": "l", "sigmoid": "s", "tanh": "t", "relu": "r"}
    total = 0.0
    for i, name in enumerate(cell.values):
        near = n2p2_reference.Neighbors(i, cell.vectors, cell.cartesian(), cell.values)
        values = []
        for function in FUNCTIONS[name]:
            kind, rc, eta, third, fourth, *elements = function.split()
            if kind == "2":
                words = [name, "2", *elements, eta, third, rc]
            else:
                words = [name, {"4": "3", "5": "9"}[kind], *elements, eta, fourth, third, rc]
            values.append(n2p2_reference.value(words, 1, near))
        offset, divisor, layers = numbers[name]
        x = (np.array(values) - offset) / divisor
        for (weight, bias), layer in zip(layers, LAYERS[name], strict=True):
            x = n2p2_reference.ACTIVATIONS[activation[layer]](weight @ x + bias)
        total += x[0]
    return total


@pytest.fixture
def text(folder):
    content, _ = written(np.random.default_rng(2))
    (folder / "potential_saved").write_text(content)
    return content


def test_energy_is_that_of_the_definition(folder, text):
    """Radial and angular functions of both kinds, two elements, all activations."""
    _, numbers = written(np.random.default_rng(2))
    rng = np.random.default_rng(4)
    vectors = 4.6 * np.eye(3) + rng.normal(scale=0.2, size=(3, 3))
    cell = Cell(vectors, rng.random((5, 3)), ["Si", "O", "Si", "O", "O"])
    potentials = ml.load_simple_nn("potential_saved")
    expected = expected_energy(cell, numbers)
    assert kernel.eval(potentials, cell).energy == pytest.approx(expected, rel=1e-12)
    ml.save_potentials("p.pt", potentials)
    again = ml.load_potentials("p.pt")
    assert kernel.eval(again, cell).energy == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("POT O", "POT Si", "there is a second network for Si"),
        ("SYM 3", "SYM 4", "`type` is 'scale1' but must be a number"),
        ("SYM 3", "SYM", "line 4: `SYM` has 0 values but must have 1"),
        ("2 4.0 0.1", "6 4.0 0.1", "line 5: `6` is not a known type of symmetry functions"),
        ("0.0 Si\n", "0.0\n", "type 2 must have 6: type, cutoff, eta, shift, 0, element"),
        ("0.1 1.5", "-0.1 1.5", "a function of Si: `eta` is -0.1 but must be in"),
        ("NET 2 4 3 1", "NET 2 4 1", "`NET` must have the nodes of 2 hidden layers, and 1 for"),
        ("LAYER 0 sigmoid", "LAYER 0 selu", "`selu` is not a known activation"),
        ("w1 ", "w2 ", "`w2` stands where `w1` must be"),
        ("POT Si", "scale1", "line 3: `scale1` stands where `POT` must be"),
    ],
)
def test_damaged_files_are_refused(folder, text, old, new, sentence):
    """With file and line."""
    assert old in text
    (folder / "potential_saved").write_text(text.replace(old, new, 1))
    with pytest.raises(PotentialFileError, match=re.escape(sentence)) as refusal:
        ml.load_simple_nn("potential_saved")
    assert str(refusal.value).startswith("potential_saved")


def test_files_that_end_early_are_refused(folder, text):
    """Or hold nothing, or divide by 0."""
    path = folder / "potential_saved"
    path.write_text("\n".join(text.splitlines()[:-1]))
    with pytest.raises(PotentialFileError, match=r"the file ends where `b0` must be"):
        ml.load_simple_nn(path)
    path.write_text("ELEM_LIST Si\n")
    with pytest.raises(
        PotentialFileError, match=r"there is no `POT`: this is no file of SIMPLE-NN"
    ):
        ml.load_simple_nn(path)
    path.write_text(re.sub(r"scale2 \S+", "scale2 0.0", text, count=1))
    with pytest.raises(PotentialFileError, match=r"`scale2` of Si has a 0"):
        ml.load_simple_nn(path)
    with pytest.raises(FileNotFoundError):
        ml.load_simple_nn("absent")
