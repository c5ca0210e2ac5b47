"""Plots of structures: distributions, energies against volumes, runs of dynamics."""

import re

import ase.units
import numpy as np
import pytest
from drawn import curves_of, legend_of
from matplotlib.figure import Figure
from scipy.integrate import trapezoid

from miniff.kernel import Cell, compute_images, eval
from miniff.potentials import lj_potential_family
from miniff.presentation import (
    DynamicsRecord,
    plot_adf,
    plot_dynamics,
    plot_energy_volume,
    plot_rdf,
)

R = np.linspace(1.0, 3.0, 21)
EDGE = 2 ** (2 / 3)
FCC = Cell(EDGE * (1 - np.eye(3)) / 2 * 3.0, [[0.0, 0.0, 0.0]], ["a"])
LJ = [lj_potential_family(epsilon=0.4, sigma=2.0, a=2.5)]


def test_a_distribution_of_distances_in_its_units():
    """Densities per cubic bohr on a grid in bohr hold as many atoms."""
    table = compute_images(FCC, 4.0)
    rdf = table.rdf(R, 0.1)
    ax = plot_rdf(R, rdf, length_unit="bohr")
    ((r, density),) = curves_of(ax)
    np.testing.assert_allclose(
        trapezoid(4 * np.pi * r**2 * density, r),
        trapezoid(4 * np.pi * R**2 * rdf["a-a"], R),
    )
    np.testing.assert_allclose(r * ase.units.Bohr, R, rtol=1e-8)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("r (bohr)", "density (1/bohr³)")
    assert legend_of(ax) == ["a-a"]


def test_the_reference_lies_under_the_prediction():
    """Broader and paler, in the same colour; points come in any order."""
    shuffled = np.random.default_rng(0).permutation(len(R))
    predicted = {"a-a": R**2, "a-b": R**3}
    ax = plot_rdf(
        R[shuffled],
        {key: values[shuffled] for key, values in predicted.items()},
        {"a-b": (1 + R)[shuffled]},
        normalized=True,
        labels=("network", "DFT"),
    )
    first, below, above = (line for line in ax.lines if len(line.get_xdata()) > 2)
    np.testing.assert_allclose(first.get_xydata(), np.stack([R, R**2], axis=1))
    np.testing.assert_allclose(below.get_xydata(), np.stack([R, 1 + R], axis=1))
    np.testing.assert_allclose(above.get_xydata(), np.stack([R, R**3], axis=1))
    assert below.get_color() == above.get_color() != first.get_color()
    assert below.get_linewidth() > above.get_linewidth()
    assert legend_of(ax) == ["a-a", "a-b", "network", "DFT"]
    assert ax.get_ylabel() == "g(r)"


def test_a_distribution_of_angles_is_per_degree():
    """The integral over degrees is the number of triples."""
    theta = np.linspace(0, np.pi, 721)
    images = compute_images(FCC, 1.2 * 3.0 * EDGE / np.sqrt(2))
    adf = images.adf(theta, 0.02, images.cutoff)
    ax = plot_adf(theta, adf)
    ((degrees, values),) = curves_of(ax)
    assert degrees[-1] == 180
    triples = 12 * 11 / 2
    inside = (degrees > 0) & (degrees < 150)
    straight = 6
    np.testing.assert_allclose(
        trapezoid(values[inside], degrees[inside]), triples - straight, rtol=1e-6
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("angle (degrees)", "triples per degree")
    assert legend_of(plot_adf(theta, adf, adf)) == ["predicted", "reference"]


@pytest.mark.parametrize(
    ("r", "rdf", "reference", "sentence"),
    [
        (R, {}, None, "`rdf` is empty: there is nothing to draw"),
        (R[:1], {"a-a": R[:1]}, None, "`r` has 1 numbers but must have two or more"),
        (R, {"a-a": R[1:]}, None, "`rdf['a-a']` has shape (20,) but must be (21)"),
        (R, {"a-a": R}, {"a-a": R[1:]}, "`reference['a-a']` has shape (20,) but must be (21)"),
        (R, {"a-a": R}, {"a-b": R}, "`a-b` is not a known key of `rdf`; did you mean `a-a`?"),
        (R, {"a-a": R * np.nan}, None, "`rdf['a-a']` is nan at [0] but must be finite"),
    ],
)
def test_distributions_that_cannot_be_drawn_are_refused(r, rdf, reference, sentence):
    """With what was given and what is demanded."""
    with pytest.raises(ValueError, match=re.escape(sentence).replace(r"\(21\)", r"\(21,?\)")):
        plot_rdf(r, rdf, reference)


def test_energies_against_volumes_are_those_of_scaled_cells():
    """Evaluated one by one; points of the reference stand where they were given."""
    points = np.array([15.0, 16.0, 18.0]), np.array([-1.0, -1.1, -0.9])
    ax = plot_energy_volume({"LJ": LJ}, FCC, {"DFT": points}, limits=(0.5, 2.0))
    curve, known = (line.get_xydata().T for line in ax.lines)
    for volume, energy in curve.T[::20]:
        edge = (volume / FCC.volume) ** (1 / 3)
        scaled = Cell(FCC.vectors * edge, FCC.coordinates, FCC.values)
        np.testing.assert_allclose(energy, eval(LJ, scaled).energy, rtol=1e-9)
    np.testing.assert_allclose(curve[0, [0, -1]], [FCC.volume / 2, FCC.volume * 2])
    np.testing.assert_array_equal(known, points)
    assert legend_of(ax) == ["LJ", "DFT"]
    ax = plot_energy_volume({}, FCC, {"DFT": points}, energy_unit="Ry", length_unit="bohr")
    ((x, y),) = (line.get_xydata().T for line in ax.lines)
    np.testing.assert_allclose(x * ase.units.Bohr**3, points[0], rtol=1e-7)
    np.testing.assert_allclose(y * ase.units.Ry, points[1], rtol=1e-7)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("volume (bohr³/atom)", "energy (Ry/atom)")


def murnaghan(v, e0, b, slope, v0):
    """Murnaghan, PNAS 30, 244 (1944)."""
    return e0 + b * v / slope * ((v0 / v) ** slope / (slope - 1) + 1) - v0 * b / (slope - 1)


def test_an_equation_of_state_is_found_again():
    """Its volume and bulk modulus stand in the legend, its curve goes through the points."""
    v = np.linspace(17.0, 23.0, 9)
    points = v, murnaghan(v, -5.0, 98.8 * ase.units.GPa, 4.2, 20.1)
    ax = plot_energy_volume({}, FCC, {"DFT": points}, eos="murnaghan", relative=True)
    fit, known = (line.get_xydata().T for line in ax.lines)
    assert legend_of(ax) == ["DFT: $V_0$ = 20.10 Å³, $B_0$ = 98.8 GPa"]
    np.testing.assert_allclose(known[1], points[1] + 5.0, atol=1e-6)
    np.testing.assert_allclose(
        fit[1], murnaghan(fit[0], 0.0, 98.8 * ase.units.GPa, 4.2, 20.1), atol=1e-6
    )
    assert ax.get_ylabel() == "energy above the minimum (eV/atom)"
    (text,) = legend_of(
        plot_energy_volume(
            {}, FCC, {"DFT": points}, eos="murnaghan", energy_unit="1", length_unit="1"
        )
    )
    modulus = f"{98.8 * ase.units.GPa:.3g}"
    assert text == f"DFT: $V_0$ = 20.10, $B_0$ = {modulus}"


@pytest.mark.parametrize("eos", ["sj", "birchmurnaghan", "vinet", "p3", "anton-schmidt"])
def test_every_equation_counts_from_its_minimum(eos):
    """Close to it all equations are right: there the curve is 0, and the volume is the legend's."""
    ((v, energy),) = curves_of(plot_energy_volume({"LJ": LJ}, FCC, limits=(0.25, 0.4)))
    lowest = v[energy.argmin()] / FCC.volume
    ax = plot_energy_volume(
        {"LJ": LJ}, FCC, limits=(0.96 * lowest, 1.04 * lowest), eos=eos, relative=True
    )
    ((v, energy),) = curves_of(ax)
    assert abs(energy.min()) < 0.01 * energy.max()
    found = float(re.search(r"V_0\$ = ([\d.]+)", legend_of(ax)[0])[1])
    assert found == pytest.approx(v[energy.argmin()], rel=1e-3)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"potentials": {}}, "neither `potentials` nor `reference` are given"),
        ({"limits": (1.0, 0.9)}, "`limits` are (1.0, 0.9) but must be two rising positive"),
        ({"eos": "birch-murnaghan"}, "did you mean `birchmurnaghan`?"),
        ({"energy_unit": "bohr"}, "`bohr` is not a known unit of energy"),
        ({"eos": "vinet", "limits": (1.0, 1.1)}, "`vinet` has no minimum for LJ between 27 and"),
        ({"eos": "sj", "limits": (1.0, 1.1)}, "`sj` cannot be fitted to LJ: No minimum!"),
        (
            {"reference": {"DFT": ([1.0, 2.0], [1.0])}},
            "`reference['DFT']` has volumes of shape (2,) and energies of shape (1,)",
        ),
        (
            {"reference": {"DFT": ([1.0, np.nan], [1.0, 1.0])}},
            "`reference['DFT']` is nan at [1] but must be finite",
        ),
        (
            {"potentials": {}, "eos": "sj", "reference": {"DFT": ([1.0, 2.0], [1.0, 1.0])}},
            "DFT has 2 points but an equation of state needs 5",
        ),
        (
            {"cell": Cell(np.eye(3), [[0, 0, 0]], ["a"], pbc=(True, True, False))},
            "`pbc` is (True, True, False): a structure that does not repeat along all",
        ),
    ],
)
def test_volumes_that_make_no_sense_are_refused(more, sentence):
    """With what was given and what is demanded."""
    given = {"potentials": {"LJ": LJ}, "cell": FCC, **more}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        plot_energy_volume(**given)


@pytest.mark.usefixtures("as_installed")
def test_potentials_need_names():
    """They stand in the legend."""
    with pytest.raises(TypeError, match="`potentials` is a list but must give each by its name"):
        plot_energy_volume(LJ, FCC)


def a_run(**more):
    time = np.linspace(0, 2, 101) * 1e3 * ase.units.fs
    given = {
        "potential_energy": 8 * (-4 + 0.1 * np.sin(time)),
        "temperature": 300 + 10 * np.cos(np.pi * np.arange(101)),
        "pressure": np.full(101, 0.5 * ase.units.GPa),
        "conserved": 8 * (-3 + 0.002 * np.linspace(0, 2, 101)),
    }
    return DynamicsRecord(8, time, **{**given, **more})


def test_a_run_at_a_glance():
    """Per atom, in picoseconds and by the units; the slope and the means are told."""
    axes = plot_dynamics(a_run())
    energy, _, pressure, drift = axes
    t, e = curves_of(energy)[0]
    np.testing.assert_allclose(t, np.linspace(0, 2, 101), rtol=1e-8)
    np.testing.assert_allclose(e, a_run().potential_energy / 8)
    np.testing.assert_allclose(curves_of(pressure)[0][1], 0.5, rtol=1e-8)
    np.testing.assert_allclose(curves_of(drift)[0][1], 2 * t, atol=1e-9)
    notes = [ax.get_title(loc="right") for ax in axes]
    assert notes[1:] == [
        "mean 300.1 ± 10.0 K",
        "mean 0.500 ± 0.000 GPa",
        "slope 2 meV/atom/ps",
    ]
    assert [ax.get_ylabel() for ax in axes] == [
        "potential energy\n(eV/atom)",
        "temperature\n(K)",
        "pressure\n(GPa)",
        "drift\n(meV/atom)",
    ]
    assert [ax.get_xlabel() for ax in axes] == ["", "", "", "time (ps)"]


def test_units_of_a_run():
    """By name; plain numbers too."""
    (energy, drift) = plot_dynamics(
        a_run(temperature=None, pressure=None),
        energy_unit="Hartree",
        drift_unit="eV",
        time_unit="1",
    )
    t, e = curves_of(energy)[0]
    np.testing.assert_allclose(t, a_run().time)
    np.testing.assert_allclose(e * ase.units.Hartree, a_run().potential_energy / 8, rtol=1e-7)
    assert drift.get_title(loc="right") == "slope 2e−05 eV/atom"  # noqa: RUF001 - as printed


def test_what_was_not_noted_has_no_panel():
    """Axes can be given, as many as there are panels."""
    record = DynamicsRecord(1, np.arange(3.0), temperature=np.arange(3.0))
    ax = Figure().subplots()
    assert plot_dynamics(record, axes=[ax]) == [ax]
    with pytest.raises(ValueError, match="2 axes are given but there are 1 panels"):
        plot_dynamics(record, axes=Figure().subplots(1, 2))
    with pytest.raises(ValueError, match="`record` has nothing but times"):
        plot_dynamics(DynamicsRecord(1, np.arange(3.0)))
    with pytest.raises(ValueError, match="`GPa` is not a known unit of time"):
        plot_dynamics(record, time_unit="GPa")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((0, np.arange(3.0)), "`n_atoms` is 0 but must be in [1, inf)"),
        ((1, np.zeros(3)), "`time` has 3 numbers but must have two or more that rise"),
        ((1, np.zeros(1)), "`time` has 1 numbers but must have two or more that rise"),
        ((1, np.arange(3.0), np.zeros(2)), "`potential_energy` has shape (2,) but must be (3,)"),
        ((1, np.arange(2.0), None, np.array([1, np.inf])), "`temperature` is inf at [1] but must"),
    ],
)
def test_records_are_checked(given, sentence):
    """When they are made."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        DynamicsRecord(*given)


def test_a_record_is_a_copy():
    """Later changes of the arrays do not reach it."""
    time = np.arange(3.0)
    record = DynamicsRecord(1, time)
    time[:] = 7
    np.testing.assert_array_equal(record.time, [0, 1, 2])
