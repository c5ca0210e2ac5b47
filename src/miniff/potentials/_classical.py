"""Classical potentials.

====================  =======================================================================
family                energy of one term
====================  =======================================================================
on-site               v0, for every atom of the species, whatever its neighbours
harmonic repulsion    epsilon (r - a)^2 / (2 a^2)
Morse                 d0 [exp(-2 alpha (r - r0)) - 2 exp(-alpha (r - r0))], cut at a, not shifted
Buckingham            amplitude exp(-r/rho) - c/r^6, cut at a, not shifted
Lennard-Jones         4 epsilon [(sigma/r)^12 - (sigma/r)^6], cut at a sigma, not shifted
Stillinger-Weber 2    epsilon A (B x^-p - x^-q) exp(1/(x - a)), x = r/sigma
Stillinger-Weber 3    epsilon l (cos t - cos_theta0)^2 exp(gamma/(x1 - a) + gamma/(x2 - a))
mixed legs            epsilon l (cos t - cos_theta0)^2 h1(x1) h2(x2),
                      h1 = exp(gamma_1/(x1 - a_1)), x1 = r_ij/sigma_1; h2 with r_ik, sigma_2 ...
====================  =======================================================================

Morse, Phys. Rev. 34, 57 (1929), https://doi.org/10.1103/PhysRev.34.57
Buckingham, Proc. R. Soc. A 168, 264 (1938), https://doi.org/10.1098/rspa.1938.0173
Stillinger and Weber, Phys. Rev. B 31, 5262 (1985), https://doi.org/10.1103/PhysRevB.31.5262

Pairs are directed: a term on "a-a" counts every bond twice, once on either atom, and so do two
terms on "a-b" and "b-a". Triples are summed over ordered (j, k). Halve what is proportional to the
energy to count each once, as LAMMPS does: epsilon, d0, or amplitude and c.

Buckingham's parameters A, rho, C of LAMMPS (``pair_style buck``) and GULP are ``amplitude``,
``rho`` and ``c`` here; ``a`` is the cutoff. The energy has no lower bound at small distances.
"""

from collections.abc import Mapping, Sequence
from math import exp

from miniff import _core
from miniff.potentials._functions import CoreBuilder, LocalPotentialFamily
from miniff.potentials._parameters import Parameter, Value, numbers_of

__all__ = [
    "StillingerWeberLeg",
    "buckingham_potential_family",
    "harmonic_repulsion_potential_family",
    "lj_potential_family",
    "morse_potential_family",
    "on_site_potential_family",
    "sw2_potential_family",
    "sw3_mixed_potential_family",
    "sw3_potential_family",
]

CUTOFF = Parameter(0.0, above=True, text="cutoff (length)")
EPSILON = Parameter(text="energy scale (energy)")
SIGMA = Parameter(0.0, above=True, text="length scale (length)")


def _scaled_cutoff(p: Mapping[str, Value]) -> float:
    return float(p["a"]) * float(p["sigma"])


def _cutoff(p: Mapping[str, Value]) -> float:
    return float(p["a"])


def _no_cutoff(p: Mapping[str, Value]) -> float:
    return 0.0


def _on_site(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    builder.core.on_site(column, **numbers_of(p, "v0"))


def _harmonic(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    builder.core.harmonic_repulsion(column, on[0], _cutoff(p), **numbers_of(p, "epsilon"))


def _morse(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    builder.core.morse(column, on[0], _cutoff(p), **numbers_of(p, "d0", "alpha", "r0"))


def _buckingham(
    builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]
) -> None:
    numbers = numbers_of(p, "amplitude", "rho", "c")
    builder.core.buckingham(column, on[0], _cutoff(p), **numbers)


def _lj(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    numbers = numbers_of(p, "epsilon", "sigma")
    builder.core.lennard_jones(column, on[0], _scaled_cutoff(p), **numbers)


def _sw2(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    numbers = numbers_of(p, "epsilon", "sigma", "gauge_a", "gauge_b", "p", "q")
    builder.core.stillinger_weber_2(column, on[0], _scaled_cutoff(p), **numbers)


class StillingerWeberLeg(_core.StillingerWeberLeg):
    """h(r) = exp(gamma/(r/sigma - a)), with its numbers to be read; cutoff = a sigma (length)."""

    def __init__(self, cutoff: float, sigma: float, gamma: float) -> None:
        super().__init__(cutoff, sigma, gamma)
        self.cutoff, self.sigma, self.gamma = cutoff, sigma, gamma


def _sw3(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    leg = StillingerWeberLeg(_scaled_cutoff(p), float(p["sigma"]), float(p["gamma"]))
    numbers = numbers_of(p, "epsilon", "l", "cos_theta0")
    builder.core.stillinger_weber_3(column, on[0], on[1], **numbers, first_leg=leg, second_leg=leg)


def _sw3_mixed(
    builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]
) -> None:
    first, second = (
        StillingerWeberLeg(
            float(p[f"a_{n}"]) * float(p[f"sigma_{n}"]),
            float(p[f"sigma_{n}"]),
            float(p[f"gamma_{n}"]),
        )
        for n in (1, 2)
    )
    numbers = numbers_of(p, "epsilon", "l", "cos_theta0")
    builder.core.stillinger_weber_3(
        column, on[0], on[1], **numbers, first_leg=first, second_leg=second
    )


def _with_gauge(given: dict[str, object]) -> dict[str, object]:
    """Fills in gauge_a and gauge_b so that the minimum is -epsilon at 2^(1/6) sigma.

    The slope vanishes there for one B, and the depth then fixes A. It is a minimum, with A and B
    positive, where q < p and the cutoff lies beyond it.
    """
    missing = {"gauge_a", "gauge_b"} - set(given)
    if len(missing) != 2 or not {"a", "p", "q"} <= set(given):
        return given
    known = {name: SW2_PARAMETERS[name].check(name, given[name]) for name in ("a", "p", "q")}
    a, p, q = (float(known[name]) for name in ("a", "p", "q"))
    place = 2 ** (1 / 6)
    if a <= place or q >= p:
        raise ValueError(
            f"Stillinger-Weber 2: no gauge puts a minimum at 2^(1/6) sigma for a = {a}, p = {p}, "
            f"q = {q}; `a` must be in (2^(1/6), inf] and `q` below `p`, or give gauge_a and gauge_b"
        )
    pull = 1 / (a - place) ** 2
    b = place ** (p - q) * (q / place + pull) / (p / place + pull)
    depth = (b * place**-p - place**-q) * exp(1 / (place - a))
    return given | {"gauge_a": -1 / depth, "gauge_b": b}


SW2_PARAMETERS = {
    "epsilon": EPSILON,
    "sigma": SIGMA,
    "gauge_a": Parameter(text="A; with B left out too: minimum -epsilon at 2^(1/6) sigma"),
    "gauge_b": Parameter(text="B"),
    "a": Parameter(1.0, above=True, text="cutoff in units of sigma"),
    "p": Parameter(1.0, above=True, text="exponent of the repulsion"),
    "q": Parameter(text="exponent of the attraction"),
}

on_site_potential_family = LocalPotentialFamily(
    name="on-site",
    n_bodies=1,
    sees_neighbors=False,
    parameters={"v0": Parameter(text="energy of an atom (energy)")},
    cutoff_of=_no_cutoff,
    compile=_on_site,
    formula="v0",
)

harmonic_repulsion_potential_family = LocalPotentialFamily(
    name="harmonic repulsion",
    n_bodies=2,
    parameters={
        "a": CUTOFF,
        "epsilon": Parameter(0.0, above=True, text="twice the energy at r = 0 (energy)"),
    },
    cutoff_of=_cutoff,
    compile=_harmonic,
    formula="epsilon (r - a)^2 / (2 a^2)",
)

morse_potential_family = LocalPotentialFamily(
    name="Morse",
    n_bodies=2,
    parameters={
        "d0": Parameter(text="depth of the minimum (energy)"),
        "alpha": Parameter(0.0, above=True, text="steepness (1/length)"),
        "r0": Parameter(0.0, above=True, text="place of the minimum (length)"),
        "a": CUTOFF,
    },
    cutoff_of=_cutoff,
    compile=_morse,
    formula="d0 [exp(-2 alpha (r - r0)) - 2 exp(-alpha (r - r0))]",
    scaled_by=("d0",),
)

buckingham_potential_family = LocalPotentialFamily(
    name="Buckingham",
    n_bodies=2,
    parameters={
        "amplitude": Parameter(text="A, strength of the repulsion (energy)"),
        "rho": Parameter(0.0, above=True, text="range of the repulsion (length)"),
        "c": Parameter(text="C, strength of the dispersion (energy length^6)"),
        "a": CUTOFF,
    },
    cutoff_of=_cutoff,
    compile=_buckingham,
    formula="amplitude exp(-r/rho) - c/r^6",
    scaled_by=("amplitude", "c"),
)

lj_potential_family = LocalPotentialFamily(
    name="Lennard-Jones",
    n_bodies=2,
    parameters={
        "epsilon": EPSILON,
        "sigma": SIGMA,
        "a": Parameter(2 ** (1 / 6), text="cutoff in units of sigma"),
    },
    cutoff_of=_scaled_cutoff,
    compile=_lj,
    formula="4 epsilon [(sigma/r)^12 - (sigma/r)^6]",
)

sw2_potential_family = LocalPotentialFamily(
    name="Stillinger-Weber type 2",
    n_bodies=2,
    parameters=SW2_PARAMETERS,
    cutoff_of=_scaled_cutoff,
    compile=_sw2,
    formula="epsilon A (B x^-p - x^-q) exp(1/(x - a)), x = r/sigma",
    complete=_with_gauge,
)

SW3_ANGLE = {
    "epsilon": EPSILON,
    "l": Parameter(text="lambda, strength of the angular term"),
    "cos_theta0": Parameter(-1.0, 1.0, text="cosine of the angle preferred"),
}
SW3_LEG = {
    "sigma": SIGMA,
    "gamma": Parameter(0.0, text="range of the radial factor"),
    "a": Parameter(1.0, above=True, text="cutoff in units of sigma"),
}

sw3_mixed_potential_family = LocalPotentialFamily(
    name="Stillinger-Weber type 3, mixed",
    n_bodies=3,
    parameters=SW3_ANGLE | {f"{name}_{n}": SW3_LEG[name] for n in (1, 2) for name in SW3_LEG},
    cutoff_of=lambda p: max(p["a_1"] * p["sigma_1"], p["a_2"] * p["sigma_2"]),
    compile=_sw3_mixed,
    formula="epsilon l (cos t - cos_theta0)^2 exp(gamma_1/(x1 - a_1) + gamma_2/(x2 - a_2)), "
    "x1 = r_ij/sigma_1, x2 = r_ik/sigma_2",
)

sw3_potential_family = LocalPotentialFamily(
    name="Stillinger-Weber type 3",
    n_bodies=3,
    parameters={
        "epsilon": EPSILON,
        "sigma": SIGMA,
        "l": Parameter(text="lambda, strength of the angular term"),
        "gamma": Parameter(text="range of the radial factors"),
        "cos_theta0": Parameter(-1.0, 1.0, text="cosine of the angle preferred"),
        "a": Parameter(1.0, above=True, text="cutoff in units of sigma"),
    },
    cutoff_of=_scaled_cutoff,
    compile=_sw3,
    formula="epsilon l (cos t - cos_theta0)^2 exp(gamma/(x1 - a) + gamma/(x2 - a)), x = r/sigma",
)
