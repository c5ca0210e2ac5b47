"""Labels under names that are not read are named, and `miniff convert --rename` makes them read."""

from pathlib import Path

import numpy as np
import pytest
from command_line import refused, run
from sound_data import changed, kinds, own, silicon

from miniff.kernel import Cell
from miniff.ml_util import exec_workflows


def called(cells: list[Cell], names: dict[str, str]) -> list[Cell]:
    """The labels of these structures under other names; what has none is left out."""
    found = []
    for cell in cells:
        labels: dict[str, object] = {
            "energy": float(own(cell, "energy")),
            "forces": own(cell, "forces"),
            "stress": own(cell, "stress"),
            "virial": -own(cell, "stress") * cell.volume,
        }
        meta = {new: labels[old] for old, new in names.items()}
        found.append(Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc))
    return found


def saved(name: str, names: dict[str, str], n: int = 12) -> list[Cell]:
    cells = called(silicon()[:n], names)
    Cell.save(cells, name)
    return cells


@pytest.mark.parametrize(
    ("energy", "forces", "stress"),
    [
        ("REF_energy", "REF_forces", "REF_stress"),
        ("dft_energy", "DFT_forces", "dft_stress"),
        ("free_energy", "force", "Stress"),
        ("TotEnergy", "forces_ref", "stress_gap"),
    ],
)
def test_labels_by_other_names_are_named(
    folder: Path, energy: str, forces: str, stress: str
) -> None:
    """In `info` and `init`, with the command that makes them labels: what it writes is as read."""
    saved("a.xyz", {"energy": energy, "forces": forces, "stress": stress})
    said = run("info", "a.xyz", "--no-picture")
    assert "Nothing looks wrong" not in said
    assert f"`{energy}` of 12 structures looks like the energy" in said
    assert f"`{forces}` of 12 structures looks like the forces" in said
    assert "only `energy`, `forces` and `stress` are read" in said
    labels = {energy: "energy", forces: "forces", stress: "stress"}
    options = [f"--rename {old}={new}" for old, new in labels.items()]
    command = f"miniff convert a.xyz renamed.xyz {' '.join(options)}"
    assert command in said
    assert command in refused("init", "a.xyz")
    run(*command.split()[1:])
    for cell, other in zip(silicon(), Cell.load("renamed.xyz"), strict=False):
        for name in ("energy", "forces", "stress"):
            np.testing.assert_array_equal(own(other, name), own(cell, name))
    assert "looks like" not in run("info", "renamed.xyz", "--no-picture")


def test_virial_is_no_stress(folder: Path) -> None:
    """It must be divided, with its sign."""
    saved("a.xyz", {"energy": "energy", "forces": "forces", "virial": "virials"})
    said = run("info", "a.xyz", "--no-picture")
    assert "warning: a.xyz: `virials` of 12 structures looks like a virial, but only" in said
    assert "divide a virial by minus the volume, and call it `stress`" in said
    refusal = refused("convert", "a.xyz", "b.xyz", "--rename", "virials=stress")
    assert "`virials` cannot be `stress`: it looks like a virial" in refusal


def test_fit_names_labels_that_are_not_read(folder: Path) -> None:
    """Where nothing is left to learn from, and where forces are."""
    saved("a.xyz", {"energy": "REF_energy", "forces": "REF_forces"})
    job = {"fit": {"prepare": {"fn_cells": "a.xyz"}, "run": {"n_epochs": 1}}}
    with pytest.raises(ValueError, match=r"nothing to learn from; a\.xyz: `REF_energy` of"):
        exec_workflows(job)
    assert "`REF_forces` of" in Path("fit.log").read_text()


def test_init_warns_of_forces_that_are_not_read(folder: Path) -> None:
    saved("a.xyz", {"energy": "energy", "forces": "REF_forces"})
    said = run("init", "a.xyz")
    assert "warning: a.xyz: `REF_forces` of 12 structures looks like the forces" in said
    assert "# No structure has forces." in Path("jobs.yml").read_text()


def test_other_entries_are_no_labels(folder: Path) -> None:
    """Weights, predictions, numbers of atoms, words; and what stands beside the label itself."""
    cells = [
        changed(
            cell,
            free_energy=float(own(cell, "energy")),
            energy_pred=1.0,
            config_energy_weight=2.0,
            energies=np.ones(8),
            stress_state="none",
        )
        for cell in silicon()
    ]
    assert "names of labels" not in kinds(cells)
    without = [changed(cell, energy=None, free_energy=None) for cell in cells]
    assert "names of labels" not in kinds(without)


def test_what_is_missing_is_said(folder: Path) -> None:
    """No forces, no energies, no label at all: none of it is for want of neighbours."""
    saved("a.xyz", {"energy": "energy"})
    said = run("info", "a.xyz", "--no-picture")
    assert "a.xyz: no structure has forces, without which signs and units cannot be told" in said
    saved("b.xyz", {"forces": "forces"})
    said = run("info", "b.xyz", "--no-picture")
    assert "b.xyz: no structure has an energy, without which" in said
    saved("c.xyz", {})
    said = run("info", "c.xyz", "--no-picture")
    assert "error: no structure of c.xyz has an energy, forces or a stress: nothing can be" in said
    assert "neighbour" not in said


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("E", "--rename is E but must be OLD=NEW"),
        ("e=energy", "--rename is e=energy but no structure has `e`"),
        ("F=stress", "`F` cannot be `stress`: `stress` has shape (8, 3) but must be (6,)"),
        ("F=energy", "`F` cannot be `energy`, which is there already"),
        ("V=forces", "`V` cannot be `forces`: `forces` has shape (6,) but must be (8, 3)"),
    ],
)
def test_renaming_is_refused(folder: Path, given: str, sentence: str) -> None:
    """What is no pair of names, names nothing, or cannot be what it is called."""
    saved("a.xyz", {"energy": "energy", "forces": "F", "virial": "V"})
    assert sentence in refused("convert", "a.xyz", "b.xyz", "--rename", given)


def test_potentials_are_not_renamed(folder: Path) -> None:
    Path("v0.json").write_text('{"family": "on_site", "tag": "Ar", "v0": 1.0}')
    refusal = refused("convert", "v0.json", "b.json", "--rename", "a=b")
    assert "--rename is given but there are potentials to convert" in refusal
