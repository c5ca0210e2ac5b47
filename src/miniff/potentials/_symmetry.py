"""Symmetry functions as plain data: what families say of them, and whoever computes them reads.

A function is a sum over neighbours of ``prefactor p(r)``, or over pairs of neighbours of
``prefactor A(t) p(r_ij) p(r_ik)`` with, if it is narrow, one more ``p(r_jk)``. ``p(r) = exp(-eta (r
- shift)^2) fc(r)`` and A is a power of ``1 + lambda cos t`` or a window of the angle t. Triples of
equal species (or any) are summed over ordered (j, k), of unequal species once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from miniff import _core

__all__ = [
    "ANY_SPECIES",
    "CUTOFF_FUNCTIONS",
    "AngleWindow",
    "AngularFunction",
    "CosinePower",
    "CutoffFunction",
    "FormulaSet",
    "RadialFunction",
    "RadialWindow",
    "add_symmetry_functions",
]

if TYPE_CHECKING:
    FormulaSet = _core.FunctionSet
else:
    FormulaSet = object
"""What families add formulas to: the core's set, or one that takes the same calls."""

ANY_SPECIES = -1

CUTOFF_FUNCTIONS = (
    "none",
    "cosine",
    "tanh3",
    "tanh3_one",
    "exponential",
    "poly1",
    "poly2",
    "poly3",
    "poly4",
)
"""Names of the cutoff functions; the place in the list is n2p2's ``cutoff_type``."""


@dataclass(frozen=True)
class CutoffFunction:
    """fc(r): 1 below ``alpha cutoff``, 0 at and beyond the cutoff (length)."""

    form: str
    cutoff: float
    alpha: float = 0.0


@dataclass(frozen=True)
class RadialWindow:
    """fc(r): 1 in the middle between ``low`` and the cutoff (length), 0 outside of them.

    Attributes:
        form: One of the cutoff functions, of the distance from the middle.
        low: May be negative.
        cutoff: Above it.
        asymmetric: Whether x (2 - x) takes the place of that distance x.
    """

    form: str
    low: float
    cutoff: float
    asymmetric: bool


@dataclass(frozen=True)
class CosinePower:
    """A(t) = 2^(1 - zeta) (1 + lambda cos t)^zeta."""

    lambda_: float
    zeta: float


@dataclass(frozen=True)
class AngleWindow:
    """A(t): 1 at the centre, 0 farther from it than ``half_width`` (radians)."""

    form: str
    centre: float
    half_width: float


@dataclass(frozen=True)
class RadialFunction:
    """A term of a column that is a sum over neighbours.

    Attributes:
        column: Which function it belongs to.
        neighbor: The species code of the neighbours, or ``ANY_SPECIES``.
        fc: The cutoff function.
        prefactor: Of the term.
        eta: Exponent of the Gaussian (1/length^2).
        shift: Its centre (length).
    """

    column: int
    neighbor: int
    fc: CutoffFunction | RadialWindow
    prefactor: float = 1.0
    eta: float = 0.0
    shift: float = 0.0


@dataclass(frozen=True)
class AngularFunction:
    """A term of a column that is a sum over pairs of neighbours.

    Attributes:
        column: Which function it belongs to.
        first: The species code of the one neighbour; ``ANY_SPECIES`` for both, or for none.
        second: Of the other.
        fc: The cutoff function.
        angle: A(t).
        narrow: Whether there is a factor of r_jk.
        prefactor: Of the term.
        eta: Exponent of the Gaussians (1/length^2).
        shift: Their centre (length).
    """

    column: int
    first: int
    second: int
    fc: CutoffFunction | RadialWindow
    angle: CosinePower | AngleWindow
    narrow: bool
    prefactor: float = 1.0
    eta: float = 0.0
    shift: float = 0.0


def add_symmetry_functions(
    functions: "FormulaSet | _core.FunctionSet32",
    radial: Sequence[RadialFunction],
    angular: Sequence[AngularFunction],
) -> None:
    """Adds all of a set at once, so that what they share is computed once."""
    if isinstance(functions, _core.FunctionSet | _core.FunctionSet32):
        functions.symmetry_functions([_radial(f) for f in radial], [_angular(f) for f in angular])
    else:
        functions.symmetry_functions(radial, angular)


def _number(form: str) -> int:
    return CUTOFF_FUNCTIONS.index(form)


def _window(fc: RadialWindow) -> _core.RadialWindow:
    return _core.RadialWindow(_number(fc.form), fc.low, fc.cutoff, fc.asymmetric)


def _radial(f: RadialFunction) -> _core.RadialFunction:
    if isinstance(f.fc, RadialWindow):
        return _core.RadialFunction(f.column, f.neighbor, f.prefactor, _window(f.fc))
    return _core.RadialFunction(
        f.column,
        neighbor=f.neighbor,
        eta=f.eta,
        shift=f.shift,
        cutoff_type=_number(f.fc.form),
        alpha=f.fc.alpha,
        cutoff=f.fc.cutoff,
        prefactor=f.prefactor,
    )


def _angular(f: AngularFunction) -> _core.AngularFunction:
    if isinstance(f.fc, RadialWindow):
        assert isinstance(f.angle, AngleWindow), "windows of distance and angle go together"
        return _core.AngularFunction(
            f.column,
            first=f.first,
            second=f.second,
            prefactor=f.prefactor,
            window=_window(f.fc),
            angle=_core.AngleWindow(_number(f.angle.form), f.angle.centre, f.angle.half_width),
            narrow=f.narrow,
        )
    assert isinstance(f.angle, CosinePower), "windows of distance and angle go together"
    return _core.AngularFunction(
        f.column,
        first=f.first,
        second=f.second,
        prefactor=f.prefactor,
        eta=f.eta,
        lambda_=f.angle.lambda_,
        zeta=f.angle.zeta,
        shift=f.shift,
        cutoff_type=_number(f.fc.form),
        alpha=f.fc.alpha,
        cutoff=f.fc.cutoff,
        narrow=f.narrow,
    )
