"""The universal repulsion of Ziegler, Biersack and Littmark between screened nuclei.

Ziegler, Biersack and Littmark, The Stopping and Range of Ions in Matter, vol. 1 (Pergamon, 1985):

    f(r) = coulomb_constant z1 z2 phi(r/u) / r + S(r),
    u = screening_length / (z1^0.23 + z2^0.23),
    phi(x) = 0.18175 exp(-3.1998 x) + 0.50986 exp(-0.94229 x)
           + 0.28022 exp(-0.4029 x) + 0.02817 exp(-0.20162 x)

S is that of LAMMPS (``pair_style zbl``): constant below ``a_inner``, and from there to the cutoff
``a`` a polynomial of the fourth order, with which energy, force and curvature go to zero at ``a``.

The defaults are for eV and angstrom. In other units give **both** ``coulomb_constant``,
e^2/(4 pi epsilon0), and ``screening_length``: in hartree and bohr they are 1 and 0.8853.

Pairs are directed: a term on "a-a", or the two on "a-b" and "b-a", count every bond twice. Halve
``coulomb_constant`` (14.399645 / 2) for the numbers of LAMMPS.
"""

from collections.abc import Mapping, Sequence

from miniff.potentials._functions import CoreBuilder, LocalPotentialFamily
from miniff.potentials._parameters import Parameter, Value, numbers_of

__all__ = ["zbl_potential_family"]

PARAMETERS = {
    "z1": Parameter(0.0, above=True, text="atomic number of the centre"),
    "z2": Parameter(0.0, above=True, text="atomic number of the neighbour"),
    "a_inner": Parameter(0.0, text="where switching to zero begins (length), below a"),
    "a": Parameter(0.0, above=True, text="cutoff (length)"),
    "coulomb_constant": Parameter(
        0.0, default=14.399645, above=True, text="e^2/(4 pi epsilon0) (energy length)"
    ),
    "screening_length": Parameter(
        0.0, default=0.4685, above=True, text="of two atoms with z1^0.23 + z2^0.23 = 1 (length)"
    ),
}


def _with_switch(given: dict[str, object]) -> dict[str, object]:
    """Refuses a switch that begins at its end or beyond."""
    if {"a_inner", "a"} <= set(given):
        inner, outer = (PARAMETERS[name].check(name, given[name]) for name in ("a_inner", "a"))
        if inner >= outer:
            raise ValueError(f"ZBL: `a_inner` is {inner} but must be below `a`, which is {outer}")
    return given


def _cutoff(p: Mapping[str, Value]) -> float:
    return float(p["a"])


def _zbl(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    names = ("z1", "z2", "a_inner", "coulomb_constant", "screening_length")
    builder.core.zbl(column, on[0], _cutoff(p), **numbers_of(p, *names))


zbl_potential_family = LocalPotentialFamily(
    name="ZBL",
    n_bodies=2,
    parameters=PARAMETERS,
    cutoff_of=_cutoff,
    compile=_zbl,
    formula="coulomb_constant z1 z2 phi(r/u) / r + S(r)",
    complete=_with_switch,
    scaled_by=("coulomb_constant",),
)
