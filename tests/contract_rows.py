"""The families of potentials, each with parameters and a formula to compare with.

A new family adds a row, which then has to keep the contract.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import python_potentials
import reference
import reference_descriptors

from miniff import potentials
from miniff.potentials import FunctionPotential, GeneralPotential


@dataclass(frozen=True)
class Row:
    """A family with parameters, its formula in plain numpy, and how it ends at the cutoff."""

    name: str
    make: Callable[..., FunctionPotential | GeneralPotential]
    parameters: dict
    energies: Callable
    smooth: bool = True
    angular: bool = False  # weighted, but a sum over pairs of neighbours

    @property
    def has_triples(self):
        return self.angular or self.n_bodies == 3

    def potential(self, tag=None):
        return self.make(tag=tag, **self.parameters)

    def reference(self, cell, tag=None):
        return self.energies(cell, tag, **self.parameters)

    @property
    def n_bodies(self):
        potential = self.potential()
        return getattr(potential, "family", potential).n_bodies

    @property
    def compiled(self):
        """Whether it is a family of the core, or made of Python functions."""
        return isinstance(self.potential(), FunctionPotential)

    def tag(self, *species):
        """A tag of the first names given."""
        return "-".join(species[: self.n_bodies])

    def all_tags(self, names):
        """The tags whose potentials together act as the one without a tag."""
        if self.compiled and self.make.neighbors_of is not None:
            return ["-".join((centre, *names)) for centre in names]
        return [self.tag(*chosen) for chosen in product(names, repeat=self.n_bodies)]


def _behler(name, make, energies, *, smooth=True, **parameters):
    return Row(name, make, {"a": 4.2, "eta": 0.11} | parameters, energies, smooth)


_SIGMOID = potentials.sigmoid_descriptor_family


def eam_tables(**changes):
    """Tables of smooth functions; in dense structures rho goes beyond the last point of F."""
    r, rho = np.linspace(0, 4.3, 44), np.linspace(0, 3, 31)
    end = np.clip(1 - r / 4.2, 0, None) ** 4
    tables = {
        "a": 4.2,
        "dr": float(r[1]),
        "d_rho": float(rho[1]),
        "embedding": rho**2 / 9 - 2 * np.sqrt(rho),
        "density": 3 * np.exp(-r / 2) * end,
        "r_phi": (4 + r) * np.cos(r) * end,
    }
    return tables | changes


TERSOFF = (
    {"A": 1830.8, "B": 471.18, "lambda1": 2.4799, "lambda2": 1.7322, "n": 0.78734, "beta": 0.11}
    | {"m": 3, "gamma": 1.3, "lambda3": 0.7, "c": 4.8, "d": 2.0, "cos_theta0": -0.4}
    | {"R": 3.5, "D": 0.7}
)


def _compact(name, make, energies, form="p2", *, low=0.6, angular=False, **angles):
    return Row(
        f"{name}-{form}{'-'.join(['', *(f'{x:g}' for x in angles.values())])}",
        make,
        {"low": low, "a": 4.2, "form": form} | angles,
        energies,
        angular=angular,
    )


_LJ = potentials.lj_potential_family
_SW2 = potentials.sw2_potential_family
_SW3 = potentials.sw3_potential_family
_B2 = potentials.behler2_descriptor_family
_B4 = potentials.behler4_descriptor_family
_B5 = potentials.behler5_descriptor_family
_W12 = potentials.weighted_radial_descriptor_family
_W13 = potentials.weighted_angular_descriptor_family
_P20 = potentials.polynomial_radial_descriptor_family
_P21 = potentials.polynomial_narrow_descriptor_family
_P22 = potentials.polynomial_wide_descriptor_family
_P23 = potentials.weighted_polynomial_radial_descriptor_family
_P24 = potentials.weighted_polynomial_narrow_descriptor_family
_P25 = potentials.weighted_polynomial_wide_descriptor_family

ROWS = [
    Row("on-site", potentials.on_site_potential_family, {"v0": -1.7}, reference.on_site),
    Row(
        "harmonic",
        potentials.harmonic_repulsion_potential_family,
        {"a": 4.1, "epsilon": 0.8},
        reference.harmonic_repulsion,
    ),
    Row(
        "morse",
        potentials.morse_potential_family,
        {"d0": 0.34, "alpha": 1.36, "r0": 2.87, "a": 4.4},
        reference.morse,
        smooth=False,
    ),
    Row(
        "buckingham",
        potentials.buckingham_potential_family,
        {"amplitude": 1250.0, "rho": 0.31, "c": 21.0, "a": 4.3},
        reference.buckingham,
        smooth=False,
    ),
    Row(
        "zbl",
        potentials.zbl_potential_family,
        {"z1": 14.0, "z2": 6.0, "a_inner": 2.6, "a": 4.2},
        reference.zbl,
    ),
    Row(
        "zbl-other-units",
        potentials.zbl_potential_family,
        {
            "z1": 8,
            "z2": 8,
            "a_inner": 0,
            "a": 4.2,
            "coulomb_constant": 1.0,
            "screening_length": 0.8853,
        },
        reference.zbl,
    ),
    Row("sigmoid", _SIGMOID, {"a": 4.2, "dr": 0.3, "r0": 2.6}, reference_descriptors.sigmoid),
    Row(
        "sigmoid-flat", _SIGMOID, {"a": 4.2, "dr": 0.42, "r0": 42.0}, reference_descriptors.sigmoid
    ),
    Row("lj", _LJ, {"epsilon": 0.3, "sigma": 1.9, "a": 2.2}, reference.lennard_jones, smooth=False),
    Row(
        "sw2",
        _SW2,
        {"epsilon": 0.5, "sigma": 2.1, "gauge_a": 7.05, "gauge_b": 0.602, "a": 1.8, "p": 4, "q": 0},
        reference.stillinger_weber_2,
    ),
    Row(
        "sw2-real-exponents",
        _SW2,
        {"epsilon": 1, "sigma": 2.0, "gauge_a": 5, "gauge_b": 0.7, "a": 2.1, "p": 5.3, "q": 1.7},
        reference.stillinger_weber_2,
    ),
    Row(
        "sw3",
        _SW3,
        {"epsilon": 0.5, "sigma": 2.1, "l": 21, "gamma": 1.2, "cos_theta0": -1 / 3, "a": 1.8},
        reference.stillinger_weber_3,
    ),
    Row(
        "behler5x",
        potentials.behler5x_descriptor_family,
        {"a": 4.2, "eta1": 0.05, "eta2": 0.4, "cos_theta0": -1 / 3, "epsilon": 0.7},
        reference_descriptors.behler_5x,
    ),
    Row(
        "sw3-mixed",
        potentials.sw3_mixed_potential_family,
        {"epsilon": 0.5, "l": 21, "cos_theta0": -0.2}
        | {"sigma_1": 2.1, "gamma_1": 1.2, "a_1": 2.0}
        | {"sigma_2": 1.7, "gamma_2": 0.9, "a_2": 1.8},
        reference.sw3_mixed,
    ),
    Row("eam", potentials.eam_potential_family, eam_tables(), reference.embedded_atom),
    Row("tersoff", potentials.tersoff_potential_family, TERSOFF, reference.tersoff),
    Row(
        "tersoff-1",
        potentials.tersoff_potential_family,
        TERSOFF | {"m": 1, "lambda3": -0.4, "n": 1.9, "beta": 3.0},
        reference.tersoff,
    ),
    Row(
        "tersoff-step",
        potentials.tersoff_potential_family,
        TERSOFF | {"R": 3.4, "D": 0, "lambda3": 0},
        reference.tersoff,
        smooth=False,
    ),
    _behler("behler2", _B2, reference_descriptors.behler_2),
    _behler("behler2-shifted", _B2, reference_descriptors.behler_2, r_sphere=2.1, eta=1.3),
    _behler("behler2-flat", _B2, reference_descriptors.behler_2, eta=0),
    _behler("behler4", _B4, reference_descriptors.behler_4, l=-1, zeta=1),
    _behler("behler4-real-zeta", _B4, reference_descriptors.behler_4, l=1, zeta=2.5, r_sphere=0.7),
    _behler("behler4-sharp", _B4, reference_descriptors.behler_4, l=0.6, zeta=16, epsilon=0.5),
    _behler("behler5", _B5, reference_descriptors.behler_5, l=1, zeta=4),
    _behler("behler5-real-zeta", _B5, reference_descriptors.behler_5, l=-1, zeta=1.5, r_sphere=1.4),
    *(
        _behler(
            f"{family}-{name}",
            make,
            energies,
            smooth=name != "none",
            cutoff_function=name,
            cutoff_alpha=0.0 if name.startswith("tanh3") else 0.3,
            **angular,
        )
        for family, make, energies, angular in (
            ("behler2", _B2, reference_descriptors.behler_2, {}),
            ("behler4", _B4, reference_descriptors.behler_4, {"l": 1.0, "zeta": 2.0}),
        )
        for name in reference.CUTOFF_FUNCTIONS
    ),
    Row(
        "python-pair",
        python_potentials.lennard_jones,
        {"epsilon": 0.3, "sigma": 1.9, "a": 2.2},
        reference.lennard_jones,
        smooth=False,
    ),
    Row(
        "python-pair-by-numbers",
        python_potentials.stillinger_weber_2,
        {"epsilon": 0.5, "sigma": 2.1, "gauge_a": 7.05, "gauge_b": 0.602, "a": 1.8, "p": 4, "q": 0},
        reference.stillinger_weber_2,
    ),
    *(
        Row(
            f"python-triple{name}",
            partial(python_potentials.stillinger_weber_3, numerical=bool(name)),
            {"epsilon": 0.5, "sigma": 2.1, "l": 21, "gamma": 1.2, "cos_theta0": -1 / 3, "a": 1.8},
            reference.stillinger_weber_3,
        )
        for name in ("", "-numerical")
    ),
    Row(
        "python-triple-by-numbers",
        python_potentials.unequal_triple,
        {"a": 3.9},
        python_potentials.unequal_triple_energies,
    ),
    _behler("weighted-radial", _W12, reference_descriptors.weighted_radial, r_sphere=1.2),
    Row(
        "weighted-angular",
        _W13,
        {"a": 4.2, "eta": 0.11, "l": -1, "zeta": 2.0, "epsilon": 0.5},
        reference_descriptors.weighted_angular,
        angular=True,
    ),
    *(
        _compact("polynomial-radial", _P20, reference_descriptors.polynomial_radial, form)
        for form in potentials.COMPACT_FORMS
    ),
    _compact(
        "polynomial-radial-whole", _P20, reference_descriptors.polynomial_radial, "p1", low=-4.2
    ),
    *(
        _compact(name, make, energies, form, low=low, left=left, right=right)
        for name, make, energies in (
            ("polynomial-narrow", _P21, reference_descriptors.polynomial_narrow),
            ("polynomial-wide", _P22, reference_descriptors.polynomial_wide),
        )
        for form, low, left, right in (
            ("p1", 0.6, -90.0, 90.0),
            ("p1", 0.6, 0.0, 180.0),
            ("p2", -4.2, 60.0, 150.0),
            ("p3a", 0.6, 0.0, 360.0),
            ("p4", 0.6, -180.0, 180.0),
            ("e", 0.6, 100.1, 259.9),
            ("ea", 1.1, 0.0, 75.0),
        )
    ),
    _compact(
        "weighted-polynomial-radial", _P23, reference_descriptors.weighted_polynomial_radial, "p4a"
    ),
    *(
        _compact(name, make, energies, form, left=left, right=right, angular=True)
        for name, make, energies in (
            ("weighted-polynomial-narrow", _P24, reference_descriptors.weighted_polynomial_narrow),
            ("weighted-polynomial-wide", _P25, reference_descriptors.weighted_polynomial_wide),
        )
        for form, left, right in (("p2", 40.0, 170.0), ("ea", 90.0, 270.0))
    ),
]
COMPILED = [row for row in ROWS if row.compiled]
