"""What is found in published data is what the notes beside them say."""

import re
from pathlib import Path

import pytest
from sound_data import changed, kinds, own

from miniff.kernel import Cell, check_data
from miniff.units import factor

REAL = {
    "mlearn/Ni_train": {"offset of stress": "note", "copies": "note"},
    "mlearn/Cu_train": {"offset of stress": "note", "copies": "note"},
    "mlearn/Li_train": {"copies": "note"},
    "mlearn/Mo_train": {},
    "mlearn/Si_train": {"copies": "note"},
    "mlearn/Ge_train": {"copies": "note"},
    "ta_fitsnap/Ta_363": {"copies": "note"},
    "tio2_aenet/TiO2_train": {},
    "acac/train_300K": {},
    "water_deepmd/data_1": {"net forces": "note"},
    "pbte_gpumd/PbTe_train": {},
    "n2p2/datasets/Cu2S_PBE_20": {},
    "n2p2/datasets/DMABN_SCAN_21": {"net forces": "note"},
    "n2p2/datasets/H2O_RPBE-D3_20": {},
    "n2p2/datasets/Carbon_chain_4G_128": {},
}


TOO_FAR = ("n2p2/datasets/DMABN_SCAN_21", "n2p2/datasets/H2O_RPBE-D3_20")
"""Too few structures, too far from each other."""


@pytest.mark.parametrize("name", REAL)
def test_real_data_raise_no_false_alarm(shared_data: Path, name: str) -> None:
    """What the notes beside the data say of them is found, and nothing else."""
    checkup = check_data({"data": Cell.load(shared_data / f"{name}.xyz.gz")})
    assert {one.kind: one.severity for one in checkup.findings} == REAL[name]
    (said,) = checkup.seen
    slopes = re.findall(r"([\d.]+) ± ([\d.]+) times the work", said)
    for slope, error in slopes:
        assert abs(float(slope) - 1) < 3 * float(error) + 0.02
    assert bool(slopes) == (name not in TOO_FAR)


@pytest.mark.parametrize("name", ["pbte_gpumd/PbTe_train", "n2p2/datasets/Carbon_chain_4G_128"])
@pytest.mark.parametrize(
    ("factors", "sentence"),
    [
        ((1, -1), "look like gradients, of the opposite sign"),
        ((1 / factor("kcal/mol"), 1), "as if the energies were in kcal/mol"),
        ((1, 1 / factor("Hartree/bohr")), "as if the forces were in Hartree/bohr"),
    ],
)
def test_wrong_units_of_published_data_are_told(
    shared_data: Path, name: str, factors: tuple[float, float], sentence: str
) -> None:
    """And the sign, of a crystal and of molecules."""
    cells = Cell.load(shared_data / f"{name}.xyz.gz")
    of_energy, of_forces = factors
    wrong = [
        changed(
            cell,
            energy=float(own(cell, "energy")) * of_energy,
            forces=own(cell, "forces") * of_forces,
        )
        for cell in cells
    ]
    assert sentence in " ".join(finding.sentence for finding in kinds(wrong).values())


@pytest.mark.parametrize(("element", "kbar"), [("Ni", 29), ("Cu", 24)])
def test_offset_of_published_stress(shared_data: Path, element: str, kbar: float) -> None:
    """The notes beside the data say how large it is."""
    cells = Cell.load(shared_data / f"mlearn/{element}_train.xyz.gz")
    size = re.search(r"lies ([-+\d.]+) GPa", kinds(cells)["offset of stress"].sentence)
    assert size is not None
    assert float(size[1]) == pytest.approx(kbar / 10, rel=0.1)


@pytest.mark.parametrize(("element", "n", "n_same"), [("Cu", 13, 9), ("Si", 3, 3), ("Mo", 0, 0)])
def test_copies_in_published_test_sets(
    shared_data: Path, element: str, n: int, n_same: int
) -> None:
    """The notes beside the data count those with the same energy."""
    sets = {
        part: Cell.load(shared_data / f"mlearn/{element}_{part}.xyz.gz")
        for part in ("train", "test")
    }
    found = {one.kind: one for one in check_data(sets).findings}
    assert ("copies between sets" in found) == bool(n)
    if n:
        sentence = found["copies between sets"].sentence
        assert sentence.startswith(f"{n} of {len(sets['test'])} structures of the test set are")
        assert f"({n_same} of them with the same energy)" in sentence


def test_bonds_of_half_their_length_are_another_unit(shared_data: Path) -> None:
    """In this copy of QM9 the bonds of C and H are 0.58 angstrom long: 1.09 times the bohr."""
    cells = Cell.load(shared_data / "n2p2/datasets/QM9_100.xyz.gz")
    found = kinds(cells)["unit of length"]
    assert "lengths look too short, as if they had been taken for bohr" in found.sentence
