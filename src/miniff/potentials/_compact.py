"""Symmetry functions with compact support, in the distance and in the angle.

Bircher, Singraber and Dellago, Mach. Learn.: Sci. Technol. 2, 035026 (2021),
https://doi.org/10.1088/2632-2153/abf817

==========================  ==============================================  ===================
family                      one term                                        type in n2p2
==========================  ==============================================  ===================
polynomial radial           C(r_ij)                                         20
polynomial narrow           epsilon A(t) C(r_ij) C(r_ik) C(r_jk)            21
polynomial wide             epsilon A(t) C(r_ij) C(r_ik)                    22
weighted polynomial radial  Z_j C(r_ij)                                     23
weighted polynomial narrow  epsilon Z_j Z_k A(t) C(r_ij) C(r_ik) C(r_jk)    24
weighted polynomial wide    epsilon Z_j Z_k A(t) C(r_ij) C(r_ik)            25
==========================  ==============================================  ===================

C is 0 outside ``low`` and ``a``, and f(|r - m| / h) inside, m being the middle and h half the
width: 1 in the middle, falling smoothly to both sides. A is the same of the angle t between
``left`` and ``right``. ``form`` is what f is, of y in [0, 1]:

====  =================================  ====  ================================================
p1    1 + y^2 (2 y - 3)                  p3    1 + y^4 (20 y^3 - 70 y^2 + 84 y - 35)
p2    1 + y^3 (-6 y^2 + 15 y - 10)       p4    1 + y^5 (-70 y^4 + 315 y^3 - 540 y^2 + 420 y - 126)
e     exp(1 - 1 / (1 - y^2))             ...a  in C, not in A, y (2 - y) takes the place of y
====  =================================  ====  ================================================

``low`` = -``a`` makes C fall from 1 at r = 0, and limits such as -90, 90 or 90, 270 make A fall
from 1 at 0 or at 180 degrees. Where three atoms lie on a line, A and its slope have the values they
have close by; n2p2 leaves out triples whose cosine is 1 or -1 to the last bit.

Angular functions are summed over ordered (j, k), as all of ours: twice what n2p2 has for equal
species and for weighted functions. Weights are explained in ``_weighted.py``.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from math import isclose, radians

from miniff.potentials._behler import cutoff_of
from miniff.potentials._functions import Compile, CoreBuilder, LocalPotentialFamily
from miniff.potentials._parameters import Choice, Parameter, Value
from miniff.potentials._symmetry import (
    AngleWindow,
    AngularFunction,
    RadialFunction,
    RadialWindow,
)
from miniff.potentials._weighted import sum_weighted_pairs, sum_weighted_triples

__all__ = [
    "COMPACT_FORMS",
    "polynomial_narrow_descriptor_family",
    "polynomial_radial_descriptor_family",
    "polynomial_wide_descriptor_family",
    "weighted_polynomial_narrow_descriptor_family",
    "weighted_polynomial_radial_descriptor_family",
    "weighted_polynomial_wide_descriptor_family",
]

_CUTOFF_FUNCTION = {
    "p1": "poly1",
    "p2": "poly2",
    "p3": "poly3",
    "p4": "poly4",
    "e": "exponential",
}
COMPACT_FORMS = (*_CUTOFF_FUNCTION, *(f"{name}a" for name in _CUTOFF_FUNCTION))
"""Names of the forms, as n2p2 has them."""

_RADIAL: dict[str, Parameter | Choice] = {
    "low": Parameter(text="lower end of C (length)"),
    "a": Parameter(0.0, above=True, text="cutoff: upper end of C (length)"),
    "form": Choice(COMPACT_FORMS, "p2", "form of C and A"),
}
_ANGULAR: dict[str, Parameter | Choice] = {
    **_RADIAL,
    "left": Parameter(-180.0, 180.0, text="lower end of A (degrees)"),
    "right": Parameter(0.0, 360.0, text="upper end of A (degrees)"),
    "epsilon": Parameter(default=1.0, text="prefactor"),
}


def _form(p: Mapping[str, Value]) -> tuple[str, bool]:
    """The name of the cutoff function, and whether C is the asymmetric one."""
    form = str(p["form"])
    return _CUTOFF_FUNCTION[form.removesuffix("a")], form.endswith("a")


def _check_radial(p: Mapping[str, Value]) -> None:
    if not float(p["low"]) < float(p["a"]):
        raise ValueError(f"`low` is {p['low']} but must be below `a`, which is {p['a']}")


def _is_about(p: Mapping[str, Value], centre: float) -> bool:
    return isclose(float(p["left"]) + float(p["right"]), 2 * centre, abs_tol=1e-9)


def _check_angular(p: Mapping[str, Value]) -> None:
    _check_radial(p)
    left, right = float(p["left"]), float(p["right"])
    if not left < right:
        raise ValueError(f"`left` is {left} but must be below `right`, which is {right}")
    if left < 0 and not _is_about(p, 0):
        raise ValueError(
            f"`left` is {left} and `right` is {right}, but below 0 degrees `left` must be -`right`"
        )
    if right > 180 and not _is_about(p, 180):
        raise ValueError(
            f"`left` is {left} and `right` is {right}, but beyond 180 degrees `right` must be "
            "360 - `left`"
        )


def _radial_window(p: Mapping[str, Value]) -> RadialWindow:
    name, asymmetric = _form(p)
    return RadialWindow(name, float(p["low"]), float(p["a"]), asymmetric)


def _angle_window(p: Mapping[str, Value]) -> AngleWindow:
    left, right = float(p["left"]), float(p["right"])
    centre = 180.0 if right > 180 else 0.0 if left < 0 else (left + right) / 2
    return AngleWindow(_form(p)[0], radians(centre), radians(right - left) / 2)


def _add_radial(
    builder: CoreBuilder,
    p: Mapping[str, Value],
    column: int,
    on: Sequence[int],
    weight: float = 1.0,
) -> None:
    builder.radial.append(RadialFunction(column, on[0], _radial_window(p), weight))


def _add_angular(
    builder: CoreBuilder,
    p: Mapping[str, Value],
    column: int,
    on: Sequence[int],
    weight: float = 1.0,
    *,
    narrow: bool,
) -> None:
    builder.angular.append(
        AngularFunction(
            column,
            first=on[0],
            second=on[1],
            fc=_radial_window(p),
            angle=_angle_window(p),
            narrow=narrow,
            prefactor=weight * float(p["epsilon"]),
        )
    )


def _radial_family(
    name: str, n_bodies: int, compile: Compile, formula: str
) -> LocalPotentialFamily:
    return LocalPotentialFamily(
        name, n_bodies, _RADIAL, cutoff_of, compile, formula, check=_check_radial
    )


def _angular_family(
    name: str, n_bodies: int, compile: Compile, formula: str
) -> LocalPotentialFamily:
    return LocalPotentialFamily(
        name, n_bodies, _ANGULAR, cutoff_of, compile, formula, check=_check_angular
    )


_add_narrow, _add_wide = partial(_add_angular, narrow=True), partial(_add_angular, narrow=False)

polynomial_radial_descriptor_family = _radial_family("polynomial radial", 2, _add_radial, "C(r)")
polynomial_narrow_descriptor_family = _angular_family(
    "polynomial narrow", 3, _add_narrow, "epsilon A(t) C(r_ij) C(r_ik) C(r_jk)"
)
polynomial_wide_descriptor_family = _angular_family(
    "polynomial wide", 3, _add_wide, "epsilon A(t) C(r_ij) C(r_ik)"
)
weighted_polynomial_radial_descriptor_family = _radial_family(
    "weighted polynomial radial", 1, partial(sum_weighted_pairs, _add_radial), "Z_j C(r)"
)
weighted_polynomial_narrow_descriptor_family = _angular_family(
    "weighted polynomial narrow",
    1,
    partial(sum_weighted_triples, _add_narrow),
    "epsilon Z_j Z_k A(t) C(r_ij) C(r_ik) C(r_jk)",
)
weighted_polynomial_wide_descriptor_family = _angular_family(
    "weighted polynomial wide",
    1,
    partial(sum_weighted_triples, _add_wide),
    "epsilon Z_j Z_k A(t) C(r_ij) C(r_ik)",
)
