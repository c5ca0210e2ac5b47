"""``potential_saved`` of SIMPLE-NN, which LAMMPS reads with ``pair_style nn``; eV and angstrom.

Lee, Yoo, Jeong and Han, Comput. Phys. Commun. 242, 95 (2019),
https://doi.org/10.1016/j.cpc.2019.04.014

    ELEM_LIST Si O
    POT Si 6.0
    SYM 2
    2 6.0 0.0357 0.0 0.0 O              type, cutoff, eta, shift, nothing, element
    4 6.0 0.0004 1.0 -1.0 Si O          type, cutoff, eta, zeta, lambda, elements
    scale1 (a number for each function, taken away)
    scale2 (a number for each function, divided by)
    NET 1 30 1                          hidden layers, nodes of each, and of the output
    LAYER 0 sigmoid
    w0 (a number for each input)        for each node
    b0 (a number)
    LAYER 1 linear
    ...
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._checks import unknown_name
from miniff.io._n2p2_functions import SymmetryFunction
from miniff.io._potential_text import Line, Lines, PotentialFileError, split_lines

__all__ = ["SimpleNNElement", "read_simple_nn"]

KINDS = {2: 2, 4: 3, 5: 9}
"""Types of Behler's numbering, and what n2p2 calls them."""
N_NEIGHBORS = {2: 1, 4: 2, 5: 2}
ACTIVATIONS = ("linear", "sigmoid", "tanh", "relu")


@dataclass(frozen=True, eq=False)
class SimpleNNElement:
    """The network of an element.

    Attributes:
        path: The file.
        name: Of the element.
        functions: In n2p2's terms; the cutoff function is the cosine.
        offset: Taken away from each function.
        divisor: What each function is divided by then.
        weights: Of each layer, [n_out, n_in].
        biases: Of each layer, [n_out].
        activations: Of each layer: linear, sigmoid, tanh or relu.
    """

    path: Path
    name: str
    functions: tuple[SymmetryFunction, ...]
    offset: Float64[ndarray, " n_functions"]
    divisor: Float64[ndarray, " n_functions"]
    weights: Sequence[Float64[ndarray, "_ _"]]
    biases: Sequence[Float64[ndarray, " _"]]
    activations: tuple[str, ...]


def read_simple_nn(path: str | Path) -> list[SimpleNNElement]:
    """The networks in a file of SIMPLE-NN, in its order.

    Raises:
        PotentialFileError: A file that is damaged, or types and activations that are not known;
            with file and line.
    """
    path = Path(path)
    given = split_lines(path)
    lines = Lines(path, [line for line in given if line.words[0] != "ELEM_LIST"])
    elements: list[SimpleNNElement] = []
    while not lines.is_at_end():
        first = _titled(lines, "POT", 2)
        name = first.words[1]
        if any(one.name == name for one in elements):
            raise first.refuse(f"there is a second network for {name}")
        elements.append(_element(path, name, lines))
    if not elements:
        raise PotentialFileError(f"{path}: there is no `POT`: this is no file of SIMPLE-NN")
    return elements


def _titled(lines: Lines, title: str, n: int) -> Line:
    """The next line, which must begin with a word and have at least `n` more."""
    line = lines.with_words(f"`{title}`", 1)
    if line.words[0] != title:
        raise line.refuse(f"`{line.words[0]}` stands where `{title}` must be")
    if len(line.words) <= n:
        raise line.refuse(f"`{title}` has {len(line.words) - 1} values but must have {n}")
    return line


def _element(path: Path, name: str, lines: Lines) -> SimpleNNElement:
    n = _titled(lines, "SYM", 1).count_at(1, "SYM", 1)
    functions = tuple(_function(name, lines.next("a symmetry function")) for _ in range(n))
    offset, divisor = (_row(lines, title, n) for title in ("scale1", "scale2"))
    if not divisor.all():
        raise PotentialFileError(f"{path}: `scale2` of {name} has a 0, which cannot be divided by")
    net = _titled(lines, "NET", 2)
    n_hidden = net.count_at(1, "NET", 0)
    widths = [net.count_at(k, "NET", 1) for k in range(2, len(net.words))]
    if len(widths) != n_hidden + 1 or widths[-1] != 1:
        raise net.refuse(
            f"`NET` must have the nodes of {n_hidden} hidden layers, and 1 for the output"
        )
    weights, biases, activations = [], [], []
    for n_in, n_out in pairwise([n, *widths]):
        layer = _titled(lines, "LAYER", 2)
        if layer.words[2] not in ACTIVATIONS:
            raise layer.refuse(unknown_name("activation", layer.words[2], ACTIVATIONS))
        activations.append(layer.words[2])
        rows = [(_row(lines, f"w{k}", n_in), _row(lines, f"b{k}", 1)[0]) for k in range(n_out)]
        weights.append(np.array([weight for weight, _ in rows]))
        biases.append(np.array([bias for _, bias in rows]))
    return SimpleNNElement(
        path, name, functions, offset, divisor, weights, biases, tuple(activations)
    )


def _row(lines: Lines, title: str, n: int) -> Float64[ndarray, " n"]:
    line = _titled(lines, title, n)
    if len(line.words) != n + 1:
        raise line.refuse(f"`{title}` has {len(line.words) - 1} values but must have {n}")
    return np.array([line.number_at(k, title) for k in range(1, n + 1)])


def _function(centre: str, line: Line) -> SymmetryFunction:
    kind = line.count_at(0, "type", 0)
    if kind not in KINDS:
        raise line.refuse(unknown_name("type of symmetry functions", str(kind), map(str, KINDS)))
    n = N_NEIGHBORS[kind]
    if len(line.words) != 5 + n:
        raise line.refuse(
            f"there are {len(line.words)} words but type {kind} must have {5 + n}: type, cutoff, "
            "eta, " + ("shift, 0, element" if kind == 2 else "zeta, lambda, two elements")
        )
    rc, eta, third, fourth = (line.number_at(k, "parameter") for k in range(1, 5))
    angular = {"zeta": third, "lambda": fourth, "rs": 0.0}
    numbers = {"rc": rc, "eta": eta, **({"rs": third} if kind == 2 else angular)}
    return SymmetryFunction(centre, KINDS[kind], line.words[5:], numbers)
