"""Charges in pictures, tables and files, in other programs, and in the errors of workflows."""

import re

import numpy as np
import pytest
from charged_networks import potential, structure
from command_line import run
from lammps_run import lammps_with
from numpy import testing

from miniff import kernel, ml, ml_util
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell
from miniff.lammps import attach
from miniff.ml_util import Properties, compare
from miniff.presentation import plot_charges, plot_data_set, plot_parities, plot_potentials


def charged_cells(key="charges", off=0.0):
    """Structures with charges of a potential, and more or less."""
    cells = [structure(n=6, total=total, seed=k) for k, total in enumerate((0.0, 1.0))]
    return [
        Cell(
            *(c.vectors, c.coordinates, c.values),
            {**c.meta, key: kernel.eval(potential(), c).charges + off * (-1.0) ** np.arange(6)},
            pbc=c.pbc,
        )
        for c in cells
    ]


def test_how_many_atoms_have_which_charge() -> None:
    """Every atom is in one bar of its species."""
    cells = charged_cells()
    ax = plot_charges(cells)
    counts = {p.get_label(): p.get_path().vertices[:, 1] for p in ax.patches}
    names = [name for cell in cells for name in cell.values]
    edges = np.unique(ax.patches[0].get_path().vertices[:, 0])
    charges = np.concatenate([cell.meta["charges"] for cell in cells])
    for name in "CH":
        own = charges[[n == name for n in names]]
        known, _ = np.histogram(own, 50, (charges.min(), charges.max()))
        assert counts[name].max() == known.max()
    testing.assert_allclose([edges[0], edges[-1]], [charges.min(), charges.max()])
    assert ax.get_xlabel() == "charge (e)"
    same = Cell(np.eye(3), [[0.0] * 3], ["C"], {"charges": np.zeros(1)})
    assert plot_charges([same]).get_xlim()[0] < -0.4


def test_what_cannot_be_drawn_is_refused() -> None:
    """No charges, or others than atoms."""
    with pytest.raises(ValueError, match="no cell has `charges_pred` in its `meta`"):
        plot_charges(charged_cells(), "charges_pred")
    wrong = Cell(np.eye(3), [[0.0] * 3], ["C"], {"q": np.zeros(3)})
    with pytest.raises(ValueError, match=r"`q` has shape \(3,\) but must be \(1,\)"):
        plot_charges([wrong], "q")


def test_pictures_of_data_and_potentials_have_charges() -> None:
    """A panel more of a data set; radial descriptors of the networks of charges."""
    labels = [ax.get_xlabel() for ax in plot_data_set(charged_cells()).axes]
    assert "charge (e)" in labels
    assert len(plot_potentials([potential(sees=True)]).axes) == 4


def test_errors_of_charges() -> None:
    """Beside the others, where they are predicted and known."""
    cells = charged_cells(off=0.1)
    known = Properties.known(cells)
    nothing = Properties(known.n_atoms, known.energy, known.forces, known.stress)
    assert np.isnan(nothing.charges).all()
    assert compare(known, nothing).charges is None
    predicted = Properties(
        *(known.n_atoms, known.energy, known.forces, known.stress),
        charges=np.concatenate([kernel.eval(potential(), cell).charges for cell in cells]),
    )
    error = compare(known, predicted).charges
    testing.assert_allclose((error.mae, error.rmse, error.n), (0.1, 0.1, 12))
    (ax,) = plot_parities(known, predicted)
    assert ax.get_xlabel() == "reference charges (e)"
    assert Properties.join([predicted, known]).taken(np.array([3])).charges.tolist() == (
        known.charges[6:].tolist()
    )


def test_info_and_eval_show_charges(folder) -> None:
    """Of data, of potentials, of predictions; what is written is what was found."""
    Cell.save(charged_cells(off=0.1), "data.xyz")
    ml.save_potentials("charges.pt", [potential("equilibrate", sees=True)])
    said = run("info", "data.xyz", "--no-picture")
    assert re.search(r"charges all structures; C -?\d.* H .* e", said)
    assert "total charge 0 to 1 e" in said
    said = run("info", "charges.pt", "--no-picture")
    for text in ("C: χ", "H: energy", "hardness C 5, H 7 eV/e²", "widths C 0.76, H 0.31 Å"):
        assert text in said
    ml.save_potentials("charges.pt", [potential()])
    said = run("eval", "charges.pt", "data.xyz", "-o", "out.xyz")
    assert "charges (e) 0.1 0.1 12" in said
    for cell in Cell.load("out.xyz"):
        found = kernel.eval(potential(), cell).charges
        testing.assert_allclose(cell.meta["charges_pred"], found, atol=1e-7)


def test_pages_name_what_was_learned() -> None:
    """Charges, and networks that see them."""
    from miniff.ml_util._page import made_of

    assert made_of([potential()]) == "learned charges of C, H"
    assert made_of([potential(sees=True, n_models=2), _lj()]) == (
        "learned charges of C, H, seen by 2 networks for each and 1 formula"
    )
    (c, h) = potential().charge_networks
    assert made_of([c, h, potential()]) == (
        "1 network for each of C and H beside learned charges of C, H"
    )


def test_direct_compares_charges_by_any_name(folder) -> None:
    """And tells of atoms outside the training set by networks of charges, too."""
    Cell.save(charged_cells("q", off=0.2), "data.xyz")
    ml.save_potentials("charges.pt", [potential()])
    prepare = {"fn_cells": "data.xyz", "potentials": "charges.pt", "charges_key": "q"}
    (result,) = ml_util.exec_workflows(
        {"test-direct": {"init": {"log": "warning"}, "prepare": prepare}}
    )
    testing.assert_allclose(result.errors.charges.mae, 0.2, rtol=1e-6)
    assert "0.2 e in the charges" in (folder / "test-direct.html").read_text()


def test_ase_sees_another_total_charge() -> None:
    """What changes in ``info`` or in the initial charges makes another energy."""
    cell = structure(n=5)
    atoms = cell.to_ase()
    atoms.info.pop("total_charge", None)
    atoms.calc = MiniffCalculator(potential())
    energies = [atoms.get_potential_energy()]
    atoms.info["total_charge"] = 1.0
    energies.append(atoms.get_potential_energy())
    testing.assert_allclose(atoms.get_charges().sum(), 1.0)
    del atoms.info["total_charge"]
    atoms.set_initial_charges([-1.0, 0, 0, 0, 0])
    energies.append(atoms.get_potential_energy())
    testing.assert_allclose(atoms.get_charges().sum(), -1.0)
    assert len(set(energies)) == 3
    assert "charges" not in MiniffCalculator(_lj()).implemented_properties


def _lj():
    from miniff.potentials import lj_potential_family

    return lj_potential_family(epsilon=1.0, sigma=1.0, a=2.0)


@pytest.mark.parametrize("total", [0.0, 0.5])
def test_lammps_has_the_same_forces(total) -> None:
    """Of learned charges in a crystal, for the total charge that is said."""
    cell = structure("crystal", n=8, total=total)
    lower = np.linalg.qr(cell.vectors.T)[1].T
    lower = lower * np.sign(np.diag(lower))
    turned = Cell(lower, cell.coordinates, cell.values, cell.meta, pbc=cell.pbc)
    own = potential(sees=True, background=True)
    lmp = lammps_with(turned, ["C", "H"])
    attach(lmp, own, ["C", "H"], total_charge=total)
    lmp.command("run 0")
    found = kernel.eval(own, turned)
    testing.assert_allclose(lmp.get_thermo("pe"), found.energy, rtol=1e-9)
