"""`miniff eval`, as a user types it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import METAL, refused, run, runner
from command_line import data as data  # a fixture
from command_line import originals as originals  # a fixture
from n2p2_folders import FOLDER, own_potentials
from rich.console import Console

from miniff import kernel, ml, ml_util
from miniff.cli import app
from miniff.kernel import Cell
from miniff.potentials import lj_potential_family, on_site_potential_family
from miniff.units import three_digits

# --- eval

LJ_OF_ALL = lj_potential_family(epsilon=0.1, sigma=2.0, a=2.0)


def test_eval_says_what_the_kernel_says(data: Path) -> None:
    """Energies, errors, and structures with predictions beside their references."""
    potentials = [lj_potential_family("Si-Si", epsilon=0.1, sigma=2.1, a=2.0)]
    ml.save_potentials("lj.pt", potentials)
    said = run("eval", "lj.pt", "train.xyz", "-o", "out.xyz")
    cells, written = Cell.load("train.xyz"), Cell.load("out.xyz")
    results = [kernel.eval(potentials, cell) for cell in cells]
    for k, (cell, result, out) in enumerate(zip(cells, results, written, strict=True)):
        assert f"{k} Si8 {result.energy:.6f} {result.energy / 8:.6f}" in said
        assert out.meta["energy_pred"] == result.energy
        np.testing.assert_array_equal(out.meta["forces_pred"], result.forces)
        np.testing.assert_array_equal(out.meta["stress_pred"], result.stress)
        assert out.meta["energy"] == cell.meta["energy"]
    off = [1e3 * (r.energy - c.meta["energy"]) / 8 for r, c in zip(results, cells, strict=True)]
    mae, rmse = np.mean(np.abs(off)), np.sqrt(np.mean(np.square(off)))
    assert f"energy (meV/atom) {mae:.0f} {rmse:.0f} 6" in said
    assert "--output writes all" not in said


def test_eval_of_many_structures_without_references(data: Path) -> None:
    """The first twenty are shown; there is nothing to compare with."""
    ml.save_potentials("v0.pt", [on_site_potential_family(v0=1.0)])
    cells = [Cell(np.eye(3) * (5 + k), [[0, 0, 0]], ["Si"]) for k in range(23)]
    Cell.save(cells, "many.xyz")
    said = run("eval", "v0.pt", "many.xyz")
    assert "and 3 more structures; --output writes all" in said
    assert "Errors" not in said
    Cell.save(Cell(np.eye(3), [[0, 0, 0]], ["Si"], pbc=False), "one.xyz")
    run("eval", "v0.pt", "one.xyz", "-o", "out.xyz")
    (out,) = Cell.load("out.xyz")
    assert out.meta["energy_pred"] == 1.0
    assert "stress_pred" not in out.meta
    run("eval", "v0.pt", "one.xyz", "-o", "out.xyz", "--overwrite")


def test_eval_of_a_folder_of_n2p2_on_its_own_structure(data: Path) -> None:
    """Both need the units that are said once; doubts about atoms beyond training are told."""
    said = run("eval", "nnp", "nnp/input.data", *METAL)
    expected = json.loads((FOLDER / "atom_energy" / "expected.json").read_text())["energy"]
    assert f"{expected:.6f}" in said
    read = ml.load_n2p2("nnp", length_unit="angstrom", energy_unit="eV")
    (cell,) = Cell.load("nnp/input.data", length_unit="angstrom", energy_unit="eV")
    networks = [one for one in read if isinstance(one, ml.NNPotential)]
    table = kernel.compute_images(cell, max(one.cutoff for one in networks)).table
    outside = sum(int(one.outside_training(table).sum()) for one in networks)
    assert (f"{outside} of {cell.size} atoms are outside of the training" in said) == (outside > 0)


def test_eval_names_the_structure_and_the_option(data: Path) -> None:
    """Where two atoms are at one place, and where atoms have no energy."""
    lj = lj_potential_family("Si-Si", epsilon=0.1, sigma=2.0, a=2.0)
    ml.save_potentials("lj.json", [lj])
    good = Cell(9 * np.eye(3), [[0, 0, 0], [0.3, 0, 0]], ["Si", "Si"])
    same = Cell(9 * np.eye(3), [[0, 0, 0], [1, 0, 0]], ["Si", "Si"])
    Cell.save([good, same], "same.xyz")
    sentence = refused("eval", "lj.json", "same.xyz")
    assert sentence.startswith("same.xyz, structure 1 (counted from 0): atoms 0 and 1 are at the")
    Cell.save([Cell(9 * np.eye(3), [[0, 0, 0]], ["Ge"])], "other.xyz")
    assert refused("eval", "lj.json", "other.xyz").endswith("with `--ignore-missing-species`")


def test_eval_says_what_it_does_not_say(data: Path) -> None:
    """No pressure of a slab, no stress of one without a volume, and what acts on all species."""
    ml.save_potentials("lj.json", [lj_potential_family(epsilon=0.1, sigma=2.0, a=2.0)])
    box = np.diag([9.0, 9.0, 12.0])
    slab = Cell(box, [[0, 0, 0], [0.3, 0, 0]], ["Si", "O"], pbc=(True, True, False))
    Cell.save(slab, "slab.xyz")
    said = run("eval", "lj.json", "slab.xyz", "-o", "out.xyz")
    assert "no pressure where a structure does not repeat along all three vectors" in said
    assert "Lennard-Jones: no `tag` is given, so it acts on all of O, Si: give one if" in said
    (out,) = Cell.load("out.xyz")
    expected = kernel.eval(LJ_OF_ALL, slab).stress
    np.testing.assert_allclose(out.meta["stress_pred"], expected, rtol=1e-12, atol=1e-15)
    Path("slab.xyz").write_text(
        '2\nLattice="9 0 0 0 9 0 0 0 0" pbc="T T F"\nSi 0 0 0\nSi 2.7 0 0\n'
    )
    said = run("eval", "lj.json", "slab.xyz", "-o", "out.xyz", "--overwrite")
    assert "no `tag`" not in said
    (out,) = Cell.load("out.xyz")
    assert "stress_pred" not in out.meta
    assert out.meta["energy_pred"] == pytest.approx(kernel.eval(LJ_OF_ALL, slab).energy, rel=1e-14)


def test_eval_of_structures_without_some_of_the_species(data: Path) -> None:
    """A potential for two species is good for structures of one."""
    run("eval", "own.pt", "train.xyz")
    ml.save_potentials("o.pt", own_potentials()[1:2])
    sentence = refused("eval", "o.pt", "train.xyz")
    assert sentence.startswith("train.xyz, structure 0 (counted from 0)")
    assert "0 Si8 0.000000" in run("eval", "o.pt", "train.xyz", "--ignore-missing-species")


def committee() -> list[ml.NNPotential]:
    """Two members for each species, with descriptors in common."""
    torch.manual_seed(5)
    one, other = (own_potentials()[:2] for _ in range(2))
    return [
        ml.NNPotential(torch.nn.Sequential(ml.Mean([a.network, b.network])), a.descriptors, a.tag)
        for a, b in zip(one, perturbed(other), strict=True)
    ]


def perturbed(potentials: list[ml.NNPotential]) -> list[ml.NNPotential]:
    for one in potentials:
        with torch.no_grad():
            for parameter in one.network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return potentials


def test_members_of_a_committee_are_told_apart(data: Path) -> None:
    """`eval` says how far they differ, `convert --member` takes one for n2p2."""
    ml.save_potentials("committee.pt", committee())
    rng = np.random.default_rng(4)
    cell = Cell(4.6 * np.eye(3), rng.random((5, 3)), ["Si", "O", "Si", "O", "O"])
    Cell.save(cell, "five.xyz")
    said = run("eval", "committee.pt", "five.xyz", "-o", "out.xyz")
    spread = ml.eval_committee(ml.load_potentials("committee.pt"), cell)
    (written,) = Cell.load("out.xyz")
    assert written.meta["energy_std"] == pytest.approx(spread.energy_std, rel=1e-9)
    np.testing.assert_allclose(written.meta["forces_std"], spread.forces_std, rtol=1e-9)
    forces = np.sqrt(np.mean(np.square(spread.forces_std)))
    sentence = (
        f"members of the committee differ by {three_digits(1e3 * spread.energy_std / 5)} meV/atom "
        f"and {three_digits(forces)} eV/Å (root mean squares)"
    )
    assert sentence in said
    test = {"prepare": {"fn_cells": "five.xyz", "potentials": "committee.pt"}}
    ml_util.exec_workflows({"test-direct": test})
    assert sentence in Path("test-direct.log").read_text()
    assert refused("convert", "committee.pt", "c") == (
        "committee.pt is a committee of 2 networks for each element, and n2p2's files hold one: "
        "take one of them with --member 1, or write each to a folder of its own (--member 1 to 2)"
    )
    assert not Path("c").exists()
    run("convert", "committee.pt", "second", "--member", "2")
    expected = kernel.eval(ml.committee_members(committee())[1], cell).energy
    again = ml.load_n2p2("second", length_unit="angstrom", energy_unit="eV")
    assert kernel.eval(again, cell).energy == pytest.approx(expected, rel=1e-12)


def test_predictions_fit_a_terminal_of_80_columns(data: Path, monkeypatch) -> None:
    """No number is cut short, of one with six decimals before the point neither."""
    monkeypatch.setattr("miniff._commands._eval.console", lambda: Console(width=80, markup=False))
    ml.save_potentials("site.pt", [on_site_potential_family("Si", v0=-123456.123456)])
    lines = runner.invoke(app, ["eval", "site.pt", "train.xyz"]).output.splitlines()
    assert max(map(len, lines)) <= 80
    (first,) = (line for line in lines if "│  0 │" in line or "│ 0 │" in line)
    assert f"{-123456.123456 * 8:.6f}" in first
    assert "-123456.123456" in first
