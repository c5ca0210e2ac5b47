"""Environment functions in torch give what the compiled core gives."""

import contract
import numpy as np
import pytest
import torch
from contract import ROWS, TERSOFF, Row
from elsewhere import printed_by
from many_body import ROWS as OF_TWO_SPECIES

from miniff.kernel import Cell, compute_images
from miniff.ml._device._angular_terms import power
from miniff.ml._device._environment import TensorEnvironment
from miniff.ml._device._functions import Formulas, MissingFormError, TensorFunctions
from miniff.ml._device._ops import tensor_image_gradient
from miniff.ml._device._table import TensorTable
from miniff.potentials import (
    FunctionPotential,
    Functions,
    LocalPotentialFamily,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    behler5x_descriptor_family,
    known_families,
    polynomial_narrow_descriptor_family,
    polynomial_wide_descriptor_family,
    sigmoid_descriptor_family,
    weighted_angular_descriptor_family,
)

COMPILED = [row for row in ROWS if row.compiled]
"""All but Python functions, which torch cannot look into; `test_devices.py` has those."""
MOST = 3e3
"""So few numbers at a time that each structure comes in several parts."""


def structure() -> Cell:
    """Three species, repeated along two vectors; one atom without neighbours."""
    rng = np.random.default_rng(0)
    vectors = np.diag([6.0, 6.3, 60.0]) + rng.normal(size=(3, 3)) * 0.2
    places = rng.random((10, 3)) * [1, 1, 0.1]
    places[-1, 2] = 0.5
    return Cell(vectors, places, list("SSOOHSHOOS"), pbc=(True, True, False))


class Both:
    """The same functions of the same structure, in the core and in torch."""

    def __init__(self, functions: list[FunctionPotential], device: str, dtype: torch.dtype) -> None:
        self.core = Functions(functions)
        self.table = compute_images(structure(), max(4.6, self.core.cutoff)).table
        self.centres = self.table.atoms_of(self.core.centre)
        self.device = torch.device(device)
        like = torch.zeros(0, dtype=dtype, device=self.device)
        functions_there = TensorFunctions(functions, self.table.names, like)
        self.there = TensorTable.of(self.table, self.device)
        self.torch = TensorEnvironment.of(functions_there, self.there, self.centres, MOST)
        rng = np.random.default_rng(1)
        self.weight = rng.normal(size=(2, len(self.centres), len(functions)))
        self.direction = rng.normal(size=(2, self.table.n_images, 3))

    def sent(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def by_core(self) -> list[np.ndarray]:
        """Values, vjp and jvp."""
        table, centres = self.table, self.centres
        by_image = np.zeros((2, table.n_images, 3))
        for weight, out in zip(self.weight, by_image, strict=True):
            self.core.vjp(table, centres, weight, out)
        changes = [self.core.jvp(table, centres, along) for along in self.direction]
        return [self.core.values(table, centres), by_image, np.stack(changes)]

    def by_torch(self) -> list[np.ndarray]:
        images = self.there.images
        values = self.torch.values(images)
        by_image = torch.zeros(2, self.table.n_images, 3, dtype=torch.float64, device=self.device)
        self.torch.add_vjp(images, self.sent(self.weight), by_image)
        changes = self.torch.jvp(images, self.sent(self.direction), torch.float64)
        return [found.detach().cpu().numpy() for found in (values, by_image, changes)]

    def assert_equal(self, rtol: float) -> None:
        for found, wanted in zip(self.by_torch(), self.by_core(), strict=True):
            size = np.abs(wanted).max(initial=0.0)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * size)


@pytest.mark.parametrize("row", COMPILED, ids=lambda row: row.name)
@pytest.mark.parametrize("species", [None, "SOH", "OOO", "OOX"])
def test_every_family_agrees_with_the_core(row: Row, species: str | None, device: str) -> None:
    """Values and both products with derivatives, to 1e-10."""
    tag = None if species is None else row.tag(*species)
    Both([row.potential(tag)], device, torch.float64).assert_equal(1e-10)


@pytest.mark.parametrize("row", OF_TWO_SPECIES, ids=lambda row: row.name)
@pytest.mark.parametrize("tag", ["O-O-S", "S-H-O", "O-H-X", "S-X-Y"])
def test_neighbours_that_are_told_apart_agree_with_the_core(
    row: Row, tag: str, device: str
) -> None:
    """In the order of the tag; also where some of them, or all, are not there."""
    Both([row.potential(tag)], device, torch.float64).assert_equal(1e-10)


def a_set(centre: str = "O") -> list[FunctionPotential]:
    """Functions that share work, and some that share nothing."""
    return [
        *(
            behler2_descriptor_family(f"{centre}-{other}", a=a, eta=eta, r_sphere=shift)
            for other in "HOS"
            for a, eta, shift in ((4.0, 0.1, 0.0), (4.0, 1.0, 2.0), (3.1, 0.1, 0.0))
        ),
        *(
            family(f"{centre}-{pair}", a=4.1, eta=eta, l=sign, zeta=zeta, epsilon=0.3)
            for family in (behler4_descriptor_family, behler5_descriptor_family)
            for pair in ("O-O", "S-H", "H-S")
            for eta, sign, zeta in ((0.1, 1, 1), (0.1, -1, 4), (0.2, 1, 2.5), (0.0, -0.5, 16))
        ),
        *(
            family(f"{centre}-S-S", low=0.5, a=4.3, left=30, right=right, form="p3a")
            for family in (polynomial_narrow_descriptor_family, polynomial_wide_descriptor_family)
            for right in (90, 170)
        ),
        weighted_angular_descriptor_family(centre, a=3.9, eta=0.1, l=1, zeta=2),
        sigmoid_descriptor_family(f"{centre}-S", a=4.2, dr=0.3, r0=2.6),
        behler5x_descriptor_family(a=4.2, eta1=0.05, eta2=0.4, cos_theta0=-0.3),
    ]


def test_a_set_agrees_with_the_core(device: str) -> None:
    """Functions of many kinds in one pass."""
    Both(a_set(), device, torch.float64).assert_equal(1e-12)


def test_single_precision_agrees_to_its_digits(device: str) -> None:
    """Sharp angles have the largest errors."""
    Both(a_set(), device, torch.float32).assert_equal(2e-5)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_kept_derivatives_are_those_computed(share: float, device: str) -> None:
    """In single precision, and also where only some of the rows fit."""
    both = Both(a_set(), device, torch.float64)
    needed = both.torch.bytes_needed()
    both.torch = both.torch.keeping(both.there.images, share * needed)
    n = len(both.torch.kept.rows)
    assert 0 < n <= len(both.torch.rows)
    assert (n == len(both.torch.rows)) == (share == 1)
    assert sum(4 * rows.numel() for rows in both.torch.kept.rows) <= share * needed
    both.assert_equal(1e-6)
    both.torch = both.torch.keeping(both.there.images, 0.0)
    assert both.torch.kept is None
    both.assert_equal(1e-12)


def test_kept_derivatives_are_not_for_images_that_moved(device: str) -> None:
    """Then they are computed."""
    both = Both(a_set(), device, torch.float64)
    both.torch = both.torch.keeping(both.there.images, 1e9)
    vectors = both.table.cells * [1.02, 1.0, 1.0]
    both.table = both.table.moved(both.table.positions * [1.02, 1.0, 1.0], vectors)
    both.there = both.there.at(both.table)
    both.assert_equal(1e-12)


@pytest.mark.parametrize("row", COMPILED, ids=lambda row: row.name)
def test_no_more_is_in_memory_than_is_counted(row: Row) -> None:
    """What torch keeps for derivatives is below what rows are made for."""
    both = Both([row.potential()], "cpu", torch.float64)
    widest = both.torch.rows[-1]
    vectors = widest.vectors(both.there.images, both.torch.functions.far).requires_grad_()
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes() // 8
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        both.torch.functions.values(vectors, widest.bounds)
    widths = np.diff(widest.bounds)
    counted = both.torch.functions.n_numbers(lambda s: float(widths.sum() if s < 0 else widths[s]))
    assert sum(kept.values()) <= len(vectors) * counted


def test_neighbours_on_a_line_have_the_slopes_close_by(device: str) -> None:
    """Cosines of 1 and -1 to the last bit; the core has the same rule."""
    line = Cell(np.eye(3) * 40, np.arange(5)[:, None] * [0.03, 0.0, 0.0], ["O"] * 5, pbc=False)
    functions = [
        polynomial_wide_descriptor_family(low=-5.0, a=5.0, left=left, right=right)
        for left, right in ((-90, 90), (90, 270), (0, 75))
    ]
    core = Functions(functions)
    table = compute_images(line, 5.0).table
    centres, weight = table.atoms_of(None), np.ones((5, 3))
    wanted = np.zeros((table.n_images, 3))
    core.vjp(table, centres, weight, wanted)
    there = TensorTable.of(table, torch.device(device))
    like = torch.zeros(0, dtype=torch.float64, device=device)
    own = TensorEnvironment.of(TensorFunctions(functions, table.names, like), there, centres, MOST)
    found = torch.zeros(1, table.n_images, 3, dtype=torch.float64, device=device)
    own.add_vjp(there.images, torch.from_numpy(weight)[None].to(device), found)
    np.testing.assert_allclose(found[0].cpu().numpy(), wanted, atol=1e-7)
    values = own.values(there.images).cpu().numpy()
    np.testing.assert_allclose(values, core.values(table, centres), atol=1e-12)


def test_values_are_differentiable_twice() -> None:
    """First and second derivatives of the values pass gradcheck."""
    both = Both(a_set("H")[::3], "cpu", torch.float64)
    images = both.there.images.clone().requires_grad_()
    weight = both.sent(both.weight[0])

    def total(images: torch.Tensor) -> torch.Tensor:
        return (weight * both.torch.values(images)).sum()

    assert torch.autograd.gradcheck(total, images, fast_mode=True)
    assert torch.autograd.gradgradcheck(total, images, fast_mode=True)


@pytest.mark.parametrize("row", COMPILED, ids=lambda row: row.name)
def test_second_derivatives_are_slopes_of_the_core(row: Row, device: str) -> None:
    """Of forces along a direction; all are numbers, in places that are not taken too."""
    both = Both([row.potential()], device, torch.float64)
    assert_curvature_is_slope(both)


@pytest.mark.parametrize("row", OF_TWO_SPECIES, ids=lambda row: row.name)
def test_second_derivatives_of_neighbours_told_apart_are_slopes(row: Row, device: str) -> None:
    """The same."""
    assert_curvature_is_slope(Both([row.potential("O-S-O")], device, torch.float64))


def assert_curvature_is_slope(both: Both, step: float = 1e-6) -> None:
    """The change of the gradient along a direction; kinks of second derivatives cost digits."""
    images = both.there.images.clone().requires_grad_()
    weight, along = both.weight[:1], both.direction[0]
    gradient = tensor_image_gradient(images, [both.torch], [both.sent(weight)])[0]
    (found,) = torch.autograd.grad((gradient * both.sent(along)).sum(), images)
    ends = []
    for sign in (1, -1):
        at = both.table.images + sign * step * along
        ends.append(np.zeros_like(at))
        both.core.vjp(both.table, both.centres, weight[0], ends[-1], at)
    wanted = (ends[0] - ends[1]) / (2 * step)
    size = np.abs(wanted).max(initial=0.0)
    np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=0, atol=1e-5 * max(size, 1e-3))


@pytest.mark.parametrize("changes", [{}, {"m": 1, "lambda3": -0.4}, {"D": 0}, {"n": 2.0}])
def test_bonds_that_nothing_weakens_have_finite_second_derivatives(changes: dict) -> None:
    """Two atoms; a third beyond the cutoff, at it, and just inside of it."""
    potential = known_families["Tersoff"](**(TERSOFF | changes))
    own = TensorFunctions([potential], ("O",), torch.zeros(0, dtype=torch.float64))
    places = torch.full((5, 3, 3), own.far, dtype=torch.float64)
    places[:, 0] = torch.tensor([2.0, 0.1, 0.0])
    for row, r in enumerate((4.3, 4.2, 4.2 - 1e-13, 4.2 - 1e-6)):
        places[row, 1] = torch.tensor([0.0, 0.0, r])
    vectors = places.requires_grad_()
    (slope,) = torch.autograd.grad(own.values(vectors, (0, 3)).sum(), vectors, create_graph=True)
    (curvature,) = torch.autograd.grad((slope * slope.detach()).sum(), vectors)
    assert slope.isfinite().all()
    assert curvature.isfinite().all()
    assert (slope[:, 2] == 0).all()
    assert (curvature[:, 2] == 0).all()
    torch.testing.assert_close(slope[:3, 0], slope[4, 0].expand(3, -1), rtol=1e-10, atol=1e-10)


def test_extreme_bond_orders_do_not_overflow() -> None:
    """They are those of the core."""
    for beta, n in ((1e200, 30.0), (1e-200, 30.0), (1e-300, 2.0), (0.0, 0.7), (0.1, 1e-3)):
        functions = [known_families["Tersoff"](**(TERSOFF | {"beta": beta, "n": n}))]
        Both(functions, "cpu", torch.float64).assert_equal(1e-10)


@pytest.mark.parametrize("height", [0.2, 7.0, -0.4])
def test_densities_beyond_the_table_go_on_straight(height: float) -> None:
    """Above the last and below the first point, as in the core, with second derivatives."""
    tables = contract.eam_tables(density=height * np.arange(44.0)[::-1])
    both = Both([known_families["Embedded atom"](**tables)], "cpu", torch.float64)
    both.assert_equal(1e-10)
    assert_curvature_is_slope(both)


@pytest.mark.parametrize("powers", [(1,), (2,), (16,), (1, 4, 16), (3, 5), (1.5, 2), (2.5, 7)])
def test_derivatives_of_powers_pass_the_checks_of_torch(powers: tuple[float, ...]) -> None:
    """Backward, forward and both twice, whichever powers are asked for."""
    x = torch.rand(5, dtype=torch.float64, generator=torch.manual_seed(0)) + 0.5
    x.requires_grad_()

    def found(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(power(x, zeta) for zeta in powers)

    for one, zeta in zip(found(x), powers, strict=True):
        torch.testing.assert_close(one, x**zeta, rtol=1e-14, atol=0)
    assert torch.autograd.gradcheck(found, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(found, x, check_fwd_over_rev=True)


COMPILING = """
import torch
from miniff.ml._device._functions import TensorFunctions
from miniff.potentials import known_families

angles = {"l": -1, "zeta": 4}
functions = [
    known_families["Behler type 2"](a=4.0, eta=0.1),
    known_families["Behler type 4"](a=4.0, eta=0.1, **angles),
    known_families["Behler type 5"]("O-O-O", a=4.0, eta=0.1, **angles),
    known_families["Sigmoid"](a=4.0, dr=0.3, r0=2.6),
    known_families["polynomial narrow"](low=0.5, a=4.0, left=-90, right=90, form="p3a"),
    known_families["Embedded atom"](
        a=4.0,
        dr=0.5,
        d_rho=0.5,
        embedding=[0, -1, -1.5, -1.7, -1.8],
        density=[3, 2, 1, 0.5, 0.3, 0.2, 0.1, 0.05, 0],
        r_phi=[5, 3, 1, 0, -1, -1, -0.5, -0.2, 0],
    ),
    known_families["Tersoff"](
        **{"A": 1800, "B": 470, "lambda1": 2.5, "lambda2": 1.7, "n": 0.8, "beta": 0.1, "m": 3},
        **{"gamma": 1.3, "lambda3": 0.7, "c": 4.8, "d": 2, "cos_theta0": -0.4, "R": 3.5, "D": 0.7},
    ),
]
own = TensorFunctions(functions, ("O",), torch.zeros(0, dtype=torch.float64))
vectors = torch.randn(5, 4, 3, dtype=torch.float64, generator=torch.manual_seed(0))
vectors.requires_grad_()
compiled = torch.compile(own.values, backend="aot_eager", fullgraph=True)
found = []
for values_of in (compiled, own.values):
    values = values_of(vectors, (0, 4))
    (slope,) = torch.autograd.grad(values.square().sum(), vectors)
    found.append((values.detach(), slope))
torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)
print("the same")
"""


def test_values_are_one_graph_for_the_compiler() -> None:
    """torch.compile takes all of it, forward and backward, and gives the same numbers.

    Elsewhere, since it does not look into functions whose annotations are checked.
    """
    assert printed_by(COMPILING) == "the same\n"


def test_families_that_torch_lacks_are_named() -> None:
    """With what to do instead."""
    family = LocalPotentialFamily(
        name="Gaussian core",
        n_bodies=2,
        parameters={},
        cutoff_of=lambda _: 3.0,
        compile=lambda builder, _p, column, on: builder.core.gaussian_core(column, on[0]),
    )
    match = r"Gaussian core \(S-O\) has no form in torch, .* the device `cpu`"
    with pytest.raises(TypeError, match=match):
        TensorFunctions([family("S-O")], ("S",), torch.zeros(0, dtype=torch.float64))


def test_a_formula_that_is_not_there_is_a_missing_attribute() -> None:
    """Whatever its name."""
    with pytest.raises(MissingFormError, match="gaussian_core"):
        _ = Formulas(torch.zeros(0)).gaussian_core
    assert issubclass(MissingFormError, AttributeError)
