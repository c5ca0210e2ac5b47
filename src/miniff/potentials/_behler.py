"""Behler's symmetry functions.

Behler, J. Chem. Phys. 134, 074106 (2011), https://doi.org/10.1063/1.3553717; the cutoff functions
are those of n2p2 (Singraber et al., J. Chem. Theory Comput. 15, 1827 (2019)).

==========  =====================================================================================
family      one term, with p(r) = exp(-eta (r - r_sphere)^2) fc(r)
==========  =====================================================================================
Behler 2    p(r_ij)                                                           (type 2 in n2p2)
Behler 4    epsilon 2^(1-zeta) (1 + l cos t)^zeta p(r_ij) p(r_ik) p(r_jk)     (type 3 in n2p2)
Behler 5    epsilon 2^(1-zeta) (1 + l cos t)^zeta p(r_ij) p(r_ik)             (type 9 in n2p2)
==========  =====================================================================================

Angular functions are summed over ordered (j, k): twice what n2p2 has for equal species.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from miniff.potentials._functions import CoreBuilder, LocalPotentialFamily
from miniff.potentials._parameters import Choice, Parameter, Value
from miniff.potentials._symmetry import (
    CUTOFF_FUNCTIONS,
    AngularFunction,
    CosinePower,
    CutoffFunction,
    RadialFunction,
)

__all__ = [
    "ANGULAR",
    "CUTOFF_FUNCTIONS",
    "RADIAL",
    "add_angular",
    "add_radial",
    "behler2_descriptor_family",
    "behler4_descriptor_family",
    "behler5_descriptor_family",
    "cutoff_of",
]

LARGEST_ALPHA = 1 - 1e-9
LARGEST_ETA, LARGEST_ZETA = 1e100, 256.0
"""Beyond these, numbers overflow."""

RADIAL: dict[str, Parameter | Choice] = {
    "a": Parameter(0.0, above=True, text="cutoff (length)"),
    "eta": Parameter(0.0, LARGEST_ETA, text="exponent of the Gaussian (1/length^2)"),
    "r_sphere": Parameter(0.0, default=0.0, text="centre of the Gaussian (length)"),
    "cutoff_function": Choice(CUTOFF_FUNCTIONS, "cosine", "form of the cutoff function"),
    "cutoff_alpha": Parameter(
        0.0, LARGEST_ALPHA, 0.0, text="the cutoff function is 1 below this fraction of a"
    ),
}
ANGULAR: dict[str, Parameter | Choice] = {
    **RADIAL,
    "l": Parameter(-1.0, 1.0, text="lambda: sign and weight of the cosine"),
    "zeta": Parameter(1.0, LARGEST_ZETA, text="sharpness in the angle"),
    "epsilon": Parameter(default=1.0, text="prefactor"),
}


def cutoff_of(p: Mapping[str, Value]) -> float:
    return float(p["a"])


def _cutoff_function(p: Mapping[str, Value]) -> CutoffFunction:
    return CutoffFunction(str(p["cutoff_function"]), float(p["a"]), float(p["cutoff_alpha"]))


def add_radial(
    builder: CoreBuilder,
    p: Mapping[str, Value],
    column: int,
    on: Sequence[int],
    weight: float = 1.0,
) -> None:
    """Behler 2 times a weight, for neighbours of the species with code ``on``."""
    builder.radial.append(
        RadialFunction(
            column,
            neighbor=on[0],
            fc=_cutoff_function(p),
            prefactor=weight,
            eta=float(p["eta"]),
            shift=float(p["r_sphere"]),
        )
    )


def add_angular(
    builder: CoreBuilder,
    p: Mapping[str, Value],
    column: int,
    on: Sequence[int],
    weight: float = 1.0,
    *,
    narrow: bool,
) -> None:
    """Behler 4 (narrow) or 5 times a weight, for neighbours of the two species ``on``."""
    builder.angular.append(
        AngularFunction(
            column,
            first=on[0],
            second=on[1],
            fc=_cutoff_function(p),
            angle=CosinePower(float(p["l"]), float(p["zeta"])),
            narrow=narrow,
            prefactor=weight * float(p["epsilon"]),
            eta=float(p["eta"]),
            shift=float(p["r_sphere"]),
        )
    )


behler2_descriptor_family = LocalPotentialFamily(
    name="Behler type 2",
    n_bodies=2,
    parameters=RADIAL,
    cutoff_of=cutoff_of,
    compile=add_radial,
    formula="exp(-eta (r - r_sphere)^2) fc(r)",
)

behler4_descriptor_family = LocalPotentialFamily(
    name="Behler type 4",
    n_bodies=3,
    parameters=ANGULAR,
    cutoff_of=cutoff_of,
    compile=partial(add_angular, narrow=True),
    formula="epsilon 2^(1-zeta) (1 + l cos t)^zeta p(r_ij) p(r_ik) p(r_jk)",
)

behler5_descriptor_family = LocalPotentialFamily(
    name="Behler type 5",
    n_bodies=3,
    parameters=ANGULAR,
    cutoff_of=cutoff_of,
    compile=partial(add_angular, narrow=False),
    formula="epsilon 2^(1-zeta) (1 + l cos t)^zeta p(r_ij) p(r_ik)",
)
