"""What every family of potentials promises, as assertions on one row of ``ROWS``.

A new family adds a row. Each assertion takes the potential and a structure; `test_contract.py` runs
all of them for all rows.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import python_potentials
import reference

from miniff import kernel, potentials
from miniff.kernel import Cell
from miniff.potentials import FunctionPotential, Functions, GeneralPotential

FAR = np.array([[2, 0, -8], [0, 5, 0], [-3, 1, 0], [0, 0, 0], [7, -7, 1]])


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
    Row("sigmoid", _SIGMOID, {"a": 4.2, "dr": 0.3, "r0": 2.6}, reference.sigmoid),
    Row("sigmoid-flat", _SIGMOID, {"a": 4.2, "dr": 0.42, "r0": 42.0}, reference.sigmoid),
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
        reference.behler_5x,
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
    _behler("behler2", _B2, reference.behler_2),
    _behler("behler2-shifted", _B2, reference.behler_2, r_sphere=2.1, eta=1.3),
    _behler("behler2-flat", _B2, reference.behler_2, eta=0),
    _behler("behler4", _B4, reference.behler_4, l=-1, zeta=1),
    _behler("behler4-real-zeta", _B4, reference.behler_4, l=1, zeta=2.5, r_sphere=0.7),
    _behler("behler4-sharp", _B4, reference.behler_4, l=0.6, zeta=16, epsilon=0.5),
    _behler("behler5", _B5, reference.behler_5, l=1, zeta=4),
    _behler("behler5-real-zeta", _B5, reference.behler_5, l=-1, zeta=1.5, r_sphere=1.4),
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
            ("behler2", _B2, reference.behler_2, {}),
            ("behler4", _B4, reference.behler_4, {"l": 1.0, "zeta": 2.0}),
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
    _behler("weighted-radial", _W12, reference.weighted_radial, r_sphere=1.2),
    Row(
        "weighted-angular",
        _W13,
        {"a": 4.2, "eta": 0.11, "l": -1, "zeta": 2.0, "epsilon": 0.5},
        reference.weighted_angular,
        angular=True,
    ),
    *(
        _compact("polynomial-radial", _P20, reference.polynomial_radial, form)
        for form in potentials.COMPACT_FORMS
    ),
    _compact("polynomial-radial-whole", _P20, reference.polynomial_radial, "p1", low=-4.2),
    *(
        _compact(name, make, energies, form, low=low, left=left, right=right)
        for name, make, energies in (
            ("polynomial-narrow", _P21, reference.polynomial_narrow),
            ("polynomial-wide", _P22, reference.polynomial_wide),
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
    _compact("weighted-polynomial-radial", _P23, reference.weighted_polynomial_radial, "p4a"),
    *(
        _compact(name, make, energies, form, left=left, right=right, angular=True)
        for name, make, energies in (
            ("weighted-polynomial-narrow", _P24, reference.weighted_polynomial_narrow),
            ("weighted-polynomial-wide", _P25, reference.weighted_polynomial_wide),
        )
        for form, left, right in (("p2", 40.0, 170.0), ("ea", 90.0, 270.0))
    ),
]
COMPILED = [row for row in ROWS if row.compiled]


# --- structures


def crystal(*, pbc=True):
    """Five atoms of two elements in a skewed box shorter than the cutoffs of the rows."""
    rng = np.random.default_rng(0)
    sites = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.52, 0.47, 0.51]]
    coordinates = sites + rng.normal(scale=0.03, size=(5, 3))
    vectors = [[3.6, 0, 0], [0.9, 3.5, 0], [-0.6, 0.8, 3.8]]
    return Cell(vectors, coordinates, ["C", "O", "C", "C", "O"], pbc=pbc)


def lettered(*, pbc=True):
    """The same with species a and b."""
    cell = crystal(pbc=pbc)
    names = [{"C": "a", "O": "b"}[name] for name in cell.values]
    return Cell(cell.vectors, cell.coordinates, names, cell.meta, pbc=cell.pbc)


def tiny():
    """One atom in a primitive cell far smaller than the cutoffs of the rows."""
    return Cell([[0, 1.5, 1.5], [1.5, 0, 1.5], [1.6, 1.5, 0.1]], [[0.2, 0.3, 0.4]], ["C"])


def large():
    """Enough atoms for several threads."""
    return crystal().repeated(3, 3, 4)


STRUCTURES = {
    "periodic": crystal,
    "wire": lambda: crystal(pbc=(False, True, False)),
    "slab": lambda: crystal(pbc=(True, False, True)),
    "cluster": lambda: crystal(pbc=False),
    "tiny": tiny,
}


def moved(cell, change):
    """The cell with cartesian positions changed (length)."""
    coordinates = cell.coordinates + np.linalg.solve(cell.vectors.T, change.T).T
    return Cell(cell.vectors, coordinates, cell.values, pbc=cell.pbc)


def deformed(cell, matrix):
    """The cell with positions and vectors multiplied by a matrix from the right."""
    return Cell(cell.vectors @ matrix, cell.coordinates, cell.values, pbc=cell.pbc)


def energy(potential, cell):
    return kernel.eval(potential, cell, ignore_missing_species=True).energy


# --- assertions


def assert_values_match_reference(row, cell, tag):
    """Energies of the atoms are those of the sum written out in plain numpy."""
    potential = row.potential(tag)
    expected = row.reference(cell, tag)
    result = kernel.eval(potential, cell, ignore_missing_species=True)
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(result.energies, expected, rtol=1e-11, atol=1e-13 * scale)
    np.testing.assert_allclose(result.energy, expected.sum(), rtol=1e-11, atol=1e-12 * scale)


def assert_gradient_is_slope(potential, cell, *, step=1e-5):
    """Along random directions the energy changes as the gradient says."""
    rng = np.random.default_rng(1)
    gradient = kernel.eval(potential, cell, ignore_missing_species=True).gradient
    for _ in range(3):
        along = rng.normal(size=(cell.size, 3))
        rise = energy(potential, moved(cell, step * along))
        rise -= energy(potential, moved(cell, -step * along))
        scale = np.linalg.norm(gradient) * np.linalg.norm(along)
        np.testing.assert_allclose(
            np.vdot(gradient, along), rise / (2 * step), rtol=1e-6, atol=1e-7 * max(scale, 1)
        )


def assert_strain_derivative_is_slope(potential, cell, *, step=1e-5):
    """Under a finite strain of any kind, rotations included, the energy changes as it says."""
    rng = np.random.default_rng(2)
    result = kernel.eval(potential, cell, ignore_missing_species=True)
    for _ in range(3):
        strain = rng.normal(size=(3, 3))
        rise = energy(potential, deformed(cell, np.eye(3) + step * strain))
        rise -= energy(potential, deformed(cell, np.eye(3) - step * strain))
        scale = max(1, np.linalg.norm(result.strain_derivative))
        np.testing.assert_allclose(
            np.vdot(result.strain_derivative, strain),
            rise / (2 * step),
            rtol=1e-6,
            atol=1e-7 * scale,
        )
    np.testing.assert_allclose(
        result.strain_derivative, result.strain_derivative.T, atol=1e-11 * scale
    )


def assert_parts_of_atoms_are_slopes(potential, cell, *, step=1e-5):
    """Each atom's energy changes with strain as its virial, with moves as its gradients say."""
    rng = np.random.default_rng(6)
    strain, along = rng.normal(size=(3, 3)), rng.normal(size=(cell.size, 3))
    result = kernel.eval(potential, cell)
    images = kernel.compute_images(cell, potential.cutoff)
    virials = kernel.atomic_virials(potential, images)
    gradient = images.sparse_gradient(potential)
    scale = max(1, np.abs(result.gradient).max(), np.abs(virials).max())
    np.testing.assert_allclose(virials.sum(axis=0), result.virial, atol=1e-10 * scale)
    np.testing.assert_allclose(
        gradient.sum(axis=0).reshape(-1, 3), result.gradient, atol=1e-11 * scale
    )
    dense = images.eval(potential, "kernel_gradient").reshape(cell.size, -1)
    np.testing.assert_allclose(gradient.toarray(), dense, atol=1e-12 * scale)
    for found, change in (
        (
            np.einsum("ixy,xy->i", -virials, strain),
            lambda s: deformed(cell, np.eye(3) + s * strain),
        ),
        (gradient @ along.ravel(), lambda s: moved(cell, s * along)),
    ):
        after, before = (kernel.eval(potential, change(s)).energies for s in (step, -step))
        np.testing.assert_allclose(
            found, (after - before) / (2 * step), rtol=1e-6, atol=1e-7 * scale
        )


def functions_of(potential, cell):
    """The potential as an environment function, its table and centres, weights and directions."""
    rng = np.random.default_rng(3)
    functions = Functions([potential])
    table = kernel.compute_images(cell, potential.cutoff).table
    centres = table.atoms_of(functions.centre)
    weight = rng.normal(size=(len(centres), 1))
    direction = rng.normal(size=(table.n_images, 3))
    return functions, table, centres, weight, direction


def assert_jvp_is_slope_and_transpose_of_vjp(potential, cell, *, step=1e-6):
    """<w, jvp(t)> = <vjp(w), t>, and jvp(t) is the difference quotient of the values along t."""
    functions, table, centres, weight, direction = functions_of(potential, cell)
    forward = functions.jvp(table, centres, direction)
    backward = np.zeros((table.n_images, 3))
    functions.vjp(table, centres, weight, backward)
    scale = max(1.0, np.linalg.norm(backward) * np.linalg.norm(direction))
    np.testing.assert_allclose(
        np.vdot(weight, forward), np.vdot(backward, direction), rtol=1e-11, atol=1e-13 * scale
    )
    after, before = (
        functions.values(table, centres, table.images + s * direction) for s in (step, -step)
    )
    atol = 1e-7 * max(1, np.abs(forward).max())
    np.testing.assert_allclose(forward, (after - before) / (2 * step), rtol=1e-6, atol=atol)


def assert_rigid_motion_is_free(potential, cell):
    """Energy ignores translation and rotation; gradients sum to zero and turn along."""
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))  # may also reflect
    here = kernel.eval(potential, cell)
    scale = max(1, np.abs(here.gradient).max())
    shifted = kernel.eval(potential, moved(cell, np.full((cell.size, 3), 0.37)))
    turned = kernel.eval(potential, deformed(cell, turn))
    for there in (shifted, turned):
        np.testing.assert_allclose(there.energies, here.energies, rtol=1e-10, atol=1e-12 * scale)
    np.testing.assert_allclose(here.gradient.sum(axis=0), 0, atol=1e-11 * scale)
    np.testing.assert_allclose(shifted.gradient, here.gradient, atol=1e-10 * scale)
    np.testing.assert_allclose(turned.gradient, here.gradient @ turn, atol=1e-10 * scale)


def assert_order_and_images_do_not_matter(potential, cell):
    """Permuted atoms permute the answer; whole lattice vectors change nothing."""
    here = kernel.eval(potential, cell)
    scale = max(1, np.abs(here.gradient).max(), np.abs(here.energies).max())
    order = np.random.default_rng(5).permutation(cell.size)
    permuted = Cell(
        cell.vectors, cell.coordinates[order], [cell.values[i] for i in order], pbc=cell.pbc
    )
    far = FAR[: cell.size] * np.array(cell.pbc)
    outside = Cell(cell.vectors, cell.coordinates + far, cell.values, pbc=cell.pbc)
    for there, names in ((permuted, order), (outside, np.arange(cell.size))):
        result = kernel.eval(potential, there)
        np.testing.assert_allclose(result.energies, here.energies[names], atol=1e-11 * scale)
        np.testing.assert_allclose(result.gradient, here.gradient[names], atol=1e-11 * scale)
        np.testing.assert_allclose(
            result.strain_derivative, here.strain_derivative, atol=1e-10 * scale
        )


def assert_supercell_multiplies(potential, cell):
    """A 2x1x1 supercell has twice the energy and strain derivative, and the same gradients."""
    one, two = kernel.eval(potential, cell), kernel.eval(potential, cell.repeated(2, 1, 1))
    scale = max(1, np.abs(one.gradient).max(), np.abs(one.energies).max())
    np.testing.assert_allclose(two.energies, np.tile(one.energies, 2), atol=1e-11 * scale)
    np.testing.assert_allclose(two.gradient, np.tile(one.gradient, (2, 1)), atol=1e-11 * scale)
    np.testing.assert_allclose(two.strain_derivative, 2 * one.strain_derivative, atol=1e-10 * scale)


def molecule(*legs):
    """An atom at the origin with neighbours at the given vectors, nothing periodic."""
    positions = np.array([np.zeros(3), *legs])
    return Cell(np.eye(3), positions, ["C"] * len(positions), pbc=False)


def assert_ends_at_cutoff(row):
    """Value and slope vanish at the cutoff where the form promises it, and are zero beyond."""
    potential = row.potential()
    rc = potential.cutoff
    u, v = np.array([0.6, 0.8, 0]), np.array([0, 0.8, 0.6])
    fixed = [0.55 * rc * v] if row.has_triples else []
    images = [
        kernel.compute_images(molecule(x * rc * u, *fixed), rc) for x in (0.75, 1 - 1e-6, 1 + 1e-12)
    ]
    inside, near, beyond = (abs(each.eval(potential)[0]) for each in images)
    slopes = [np.abs(each.eval(potential, "kernel_gradient")[0, 1]).max() for each in images]
    if row.smooth:
        assert near < 1e-5 * max(1, inside)
        assert slopes[1] < 1e-4 * max(1, slopes[0])
    else:
        assert near > 1e-5
    assert beyond == slopes[2] == 0


def fingerprint():
    """A digest of everything all compiled rows give for a large structure, bit by bit."""
    digest = hashlib.sha256()
    cell = large()
    for row in COMPILED:
        potential = row.potential()
        result = kernel.eval(potential, cell)
        functions, table, centres, _, direction = functions_of(potential, cell)
        for array in (
            result.energies,
            result.gradient,
            result.strain_derivative,
            functions.jvp(table, centres, direction),
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
