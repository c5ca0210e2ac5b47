"""Symmetry functions of n2p2 and RuNNer as our potentials, and back.

n2p2 sums over unordered pairs of neighbours, our families over ordered ones: for neighbours of one
species, and for functions that see all species, epsilon is 1/2 on the way in.
"""

from collections.abc import Mapping

from miniff import potentials as p
from miniff.io import SymmetryFunction
from miniff.potentials import COMPACT_FORMS, CUTOFF_FUNCTIONS, FunctionPotential

__all__ = ["cutoff_of_n2p2", "function_of_n2p2", "n2p2_of_function", "strength"]

FAMILIES = {
    2: p.behler2_descriptor_family,
    3: p.behler4_descriptor_family,
    9: p.behler5_descriptor_family,
    12: p.weighted_radial_descriptor_family,
    13: p.weighted_angular_descriptor_family,
    20: p.polynomial_radial_descriptor_family,
    21: p.polynomial_narrow_descriptor_family,
    22: p.polynomial_wide_descriptor_family,
    23: p.weighted_polynomial_radial_descriptor_family,
    24: p.weighted_polynomial_narrow_descriptor_family,
    25: p.weighted_polynomial_wide_descriptor_family,
}
"""By n2p2's type."""

NAMES = {"eta": "eta", "rs": "r_sphere", "rc": "a", "lambda": "l", "zeta": "zeta", "rlow": "low"}
LENGTHS = {"eta": -2, "rs": 1, "rc": 1, "rlow": 1}
"""Powers of the unit of length."""
WITHOUT_ALPHA = ("none", "tanh3", "tanh3_one")


def function_of_n2p2(
    function: SymmetryFunction, cutoff_type: int, cutoff_alpha: float, length: float
) -> FunctionPotential:
    """The descriptor with the same values.

    Args:
        function: As the file has it.
        cutoff_type: n2p2's number.
        cutoff_alpha: The cutoff function is 1 below this fraction of the cutoff.
        length: Size of the file's unit.

    Raises:
        ValueError: Numbers out of the range of our family.
    """
    family = FAMILIES[function.kind]
    parameters: dict[str, object] = {
        NAMES.get(name, name): value * length ** LENGTHS.get(name, 0)
        for name, value in function.numbers.items()
    }
    if function.form:
        if function.form not in COMPACT_FORMS:
            raise ValueError(
                f"the form {function.form!r} is not known: there are {', '.join(COMPACT_FORMS)}"
            )
        parameters["form"] = function.form
    if "cutoff_function" in family.parameters:
        parameters["cutoff_function"] = CUTOFF_FUNCTIONS[cutoff_type]
        parameters["cutoff_alpha"] = cutoff_alpha
    if "epsilon" in family.parameters:
        parameters["epsilon"] = 0.5 if _is_counted_twice(function.neighbors) else 1.0
    return family("-".join((function.centre, *function.neighbors)), **parameters)


def _is_counted_twice(neighbors: tuple[str, ...]) -> bool:
    """Whether each unordered pair of these species is two ordered ones: equal, or all."""
    return len(set(neighbors)) < 2


def strength(function: FunctionPotential) -> float:
    """How many times n2p2's value ours is."""
    orders = 2 if _is_counted_twice(function.species[1:]) else 1
    epsilon = function.parameters.get("epsilon")
    return 1.0 if epsilon is None else orders * float(epsilon)


def cutoff_of_n2p2(function: FunctionPotential) -> tuple[int, float] | None:
    """n2p2's number of the cutoff function, and alpha; None for functions without one."""
    name = function.parameters.get("cutoff_function")
    if name is None:
        return None
    alpha = 0.0 if name in WITHOUT_ALPHA else float(function.parameters["cutoff_alpha"])
    return CUTOFF_FUNCTIONS.index(name), alpha


def n2p2_of_function(function: FunctionPotential, length: float) -> SymmetryFunction:
    """What stands for a descriptor in the file, whatever its strength is.

    Args:
        function: With a tag.
        length: Size of the file's unit.

    Raises:
        ValueError: A family that n2p2 does not have, no tag, or a strength of 0.
    """
    known = {family.name: number for number, family in FAMILIES.items()}
    if function.family.name not in known:
        raise ValueError(
            f"{function} cannot be written: n2p2 has no {function.family.name}; it has "
            f"{', '.join(known)}"
        )
    if function.tag is None:
        raise ValueError(
            f"{function} cannot be written: it has no tag, but n2p2's functions name their elements"
        )
    if strength(function) == 0:
        raise ValueError(f"{function} cannot be written: its `epsilon` is 0")
    centre, *neighbors = function.species
    given: Mapping[str, object] = function.parameters
    ours = {name: NAMES.get(name, name) for name in (*NAMES, "left", "right")}
    numbers = {
        name: float(given[own]) * length ** -LENGTHS.get(name, 0)  # type: ignore[arg-type]
        for name, own in ours.items()
        if own in given
    }
    form = str(given.get("form", ""))
    return SymmetryFunction(centre, known[function.family.name], tuple(neighbors), numbers, form)
