"""Symmetry functions as n2p2 and RuNNer write them: types, arguments, and their order."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from miniff._checks import unknown_name
from miniff.io._potential_text import Line

__all__ = ["SymmetryFunction", "function_from_line", "function_text", "order_of"]


@dataclass(frozen=True)
class SymmetryFunction:
    """One line ``symfunction_short`` of ``input.nn``, numbers as they stand.

    Attributes:
        centre: Element of the centre atom.
        kind: n2p2's type.
        neighbors: Elements of the neighbours; none for functions that see all, weighted.
        numbers: ``eta``, ``rs``, ``rc``, ``lambda``, ``zeta``, ``rlow``, ``left``, ``right``,
            those that the type has.
        form: What the compact types call their subtype.
    """

    centre: str
    kind: int
    neighbors: tuple[str, ...]
    numbers: Mapping[str, float] = field(default_factory=dict)
    form: str = ""


@dataclass(frozen=True)
class _Kind:
    """What a type takes, and by what its functions are sorted."""

    n_neighbors: int
    arguments: tuple[str, ...]
    order: tuple[str, ...]


_EXPONENTIAL = ("eta", "lambda", "zeta", "rc", "rs")
_ANGLES = ("rlow", "rc", "left", "right", "form")
_BY_FORM = ("form", "first", "second", "rc", "rlow", "left", "right")

KINDS = {
    2: _Kind(1, ("eta", "rs", "rc"), ("rc", "eta", "rs", "first")),
    3: _Kind(2, _EXPONENTIAL, ("rc", "eta", "rs", "zeta", "lambda", "first", "second")),
    9: _Kind(2, _EXPONENTIAL, ("rc", "eta", "rs", "zeta", "lambda", "first", "second")),
    12: _Kind(0, ("eta", "rs", "rc"), ("rc", "eta", "rs")),
    13: _Kind(0, ("eta", "rs", "lambda", "zeta", "rc"), ("rc", "eta", "rs", "zeta", "lambda")),
    20: _Kind(1, ("rlow", "rc", "form"), ("form", "first", "rc", "rlow")),
    21: _Kind(2, _ANGLES, _BY_FORM),
    22: _Kind(2, _ANGLES, _BY_FORM),
    23: _Kind(0, ("rlow", "rc", "form"), ("form", "rc", "rlow")),
    24: _Kind(0, _ANGLES, ("form", "rc", "rlow", "left", "right")),
    25: _Kind(0, _ANGLES, ("form", "rc", "rlow", "left", "right")),
}
"""By type. ``rs`` of the types 3 and 9 may be left out at the end of a line."""


def function_from_line(line: Line, elements: Mapping[str, int]) -> SymmetryFunction:
    """The function of a line ``symfunction_short El type ...``.

    Args:
        line: Its words, at least those three.
        elements: The known elements.

    Raises:
        PotentialFileError: An unknown element or type, or other arguments than the type has.
    """
    number = line.count_at(2, "type", 0)
    if number not in KINDS:
        raise line.refuse(unknown_name("type of symmetry functions", str(number), map(str, KINDS)))
    kind = KINDS[number]
    names = kind.arguments
    n_given = len(line.words) - 3 - kind.n_neighbors
    if names == _EXPONENTIAL and n_given == len(names) - 1:
        names = names[:-1]
    if n_given != len(names):
        wanted = ", ".join([*["element"] * kind.n_neighbors, *kind.arguments])
        raise line.refuse(
            f"there are {len(line.words) - 3} arguments but type {number} must have {wanted}"
        )
    first = 3 + kind.n_neighbors
    chosen = [line.words[1], *line.words[3:first]]
    for name in chosen:
        if name not in elements:
            raise line.refuse(unknown_name("element of `elements`", name, elements))
    places = {name: first + k for k, name in enumerate(names)}
    numbers = {n: line.number_at(at, n) for n, at in places.items() if n != "form"}
    if kind.arguments == _EXPONENTIAL:
        numbers.setdefault("rs", 0.0)
    form = line.words[places["form"]] if "form" in places else ""
    return SymmetryFunction(chosen[0], number, tuple(chosen[1:]), numbers, form)


def function_text(function: SymmetryFunction) -> str:
    """The line that stands for a function, every digit of every number."""
    names = KINDS[function.kind].arguments
    if names == _EXPONENTIAL and function.numbers["rs"] == 0:
        names = names[:-1]
    words = [function.form if n == "form" else repr(float(function.numbers[n])) for n in names]
    listed = [function.centre, str(function.kind), *function.neighbors, *words]
    return " ".join(["symfunction_short", *listed])


def order_of(function: SymmetryFunction, elements: Mapping[str, int]) -> tuple[object, ...]:
    """What functions of one centre are sorted by, as scaling data and weights count them.

    Args:
        function: One of them.
        elements: Place of each element, sorted by atomic numbers.
    """
    places = sorted(elements[name] for name in function.neighbors)
    known: dict[str, object] = {**function.numbers, "form": function.form}
    known.update(zip(("first", "second"), places, strict=False))
    return (function.kind, *(known[name] for name in KINDS[function.kind].order))
