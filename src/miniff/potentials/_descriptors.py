"""Descriptors besides Behler's own, with the cosine cutoff function fc(r) = (1 + cos(pi r/a)) / 2.

==========  ======================================================================================
family      one term
==========  ======================================================================================
sigmoid     fc(r) / (1 + exp((r - r0)/dr)): counts neighbours closer than r0
Behler 5x   epsilon/4 (cos t - cos_theta0)^2 [h1(r_ij) h2(r_ik) + h2(r_ij) h1(r_ik)],
            hn = exp(-eta_n r^2) fc(r): neighbours at two distances, and at any angle but theta0
==========  ======================================================================================

Behler 5x is summed over ordered (j, k): halve ``epsilon`` to count pairs of equal species once.
"""

from collections.abc import Mapping, Sequence

from miniff.potentials._functions import CoreBuilder, LocalPotentialFamily
from miniff.potentials._parameters import Parameter, Value, numbers_of

__all__ = ["behler5x_descriptor_family", "sigmoid_descriptor_family"]

CUTOFF = Parameter(0.0, above=True, text="cutoff (length)")
ETA = Parameter(0.0, 1e100, text="exponent of a Gaussian (1/length^2)")
SMALLEST_WIDTH = 1e-100
"""Below it, slopes overflow."""


def _cutoff(p: Mapping[str, Value]) -> float:
    return float(p["a"])


def _sigmoid(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    builder.core.sigmoid(column, on[0], _cutoff(p), **numbers_of(p, "dr", "r0"))


def _behler5x(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    numbers = numbers_of(p, "epsilon", "eta1", "eta2", "cos_theta0")
    builder.core.behler_5x(column, on[0], on[1], _cutoff(p), **numbers)


sigmoid_descriptor_family = LocalPotentialFamily(
    name="Sigmoid",
    n_bodies=2,
    parameters={
        "a": CUTOFF,
        "dr": Parameter(SMALLEST_WIDTH, text="width of the step (length)"),
        "r0": Parameter(text="place of the step (length)"),
    },
    cutoff_of=_cutoff,
    compile=_sigmoid,
    formula="fc(r) / (1 + exp((r - r0)/dr))",
)

behler5x_descriptor_family = LocalPotentialFamily(
    name="Behler type 5x",
    n_bodies=3,
    parameters={
        "a": CUTOFF,
        "eta1": ETA,
        "eta2": ETA,
        "cos_theta0": Parameter(-1.0, 1.0, text="cosine of the angle that does not count"),
        "epsilon": Parameter(default=1.0, text="prefactor"),
    },
    cutoff_of=_cutoff,
    compile=_behler5x,
    formula="epsilon/4 (cos t - cos_theta0)^2 [h1(r_ij) h2(r_ik) + h2(r_ij) h1(r_ik)]",
)
