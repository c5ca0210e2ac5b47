"""`miniff info`, as a user types it."""

import json
import re
from pathlib import Path

import numpy as np
from command_line import AU, METAL, run
from command_line import data as data  # a fixture
from command_line import originals as originals  # a fixture
from n2p2_folders import own_potentials

from miniff import kernel
from miniff.kernel import Cell


def test_info_of_structures(data: Path) -> None:
    """Numbers are those of the structures; the picture is there."""
    said = run("info", "train.xyz")
    cells = Cell.load("train.xyz")
    assert "structures 6, of 8 atoms; 48 atoms in all" in said
    assert "species Si 48" in said
    assert "compositions Si8 (6)" in said
    assert "repeating in all directions (6)" in said
    largest = max(np.linalg.norm(c.meta["forces"], axis=1).max() for c in cells)
    assert f"largest {largest:.3f} eV/Å" in said
    nearest = min(kernel.compute_images(c, 4.0).distances.data.min() for c in cells)
    assert f"shortest Si-Si {nearest:.2f} Å" in said
    assert re.search(r"cold 4 32 .* hot 2 16", said)
    assert "picture: train.xyz-info.png" in said
    assert Path("train.xyz-info.png").stat().st_size > 5000
    said = run("info", "*.xyz", "--picture", "all.png")
    assert "forces 6 of 7 structures" in said
    assert "stress 6 of 7 structures" in said
    assert "(none) 1 8" in said
    assert Path("all.png").exists()


def test_info_of_input_data_and_molecules(data: Path) -> None:
    """Units are said; what is not there is said, too."""
    (data / "input.data").write_text("begin\natom 0 0 0 H 0 0 0 0 1\nenergy -0.5\nend\n")
    said = run("info", "input.data", *AU, "--no-picture")
    assert "repeating in no direction (1)" in said
    assert "-13.6057 eV/atom" in said
    assert "stress none" in said
    assert not list(data.glob("*.png"))


def test_info_of_potentials(data: Path) -> None:
    """Networks, formulas, and where they come from; folders of n2p2 as files of ours."""
    said = run("info", "own.pt")
    numbers = [sum(p.numel() for p in one.network.parameters()) for one in own_potentials()[:2]]
    assert f"5-3-1 tanh {numbers[0]} 1 ranges" in said
    assert f"2-5-1 sigmoid {numbers[1]} 1 unknown" in said
    assert "on-site Si v0 -2.5" in said
    assert "seed 3" in said
    assert "versions a 1" in said
    assert Path("own.pt-info.png").exists()
    said = run("info", "nnp", *METAL)
    assert "-5-4-1 tanh" in said
    assert "on-site Cu v0 -3.5" in said


def test_info_of_formulas(data: Path) -> None:
    """A file that people write; what has no picture has none."""
    Path("lj.yml").write_text("- {family: lj, tag: Ar-Ar, epsilon: 0.01, sigma: 3.4, a: 2.5}\n")
    said = run("info", "lj.yml")
    assert "Lennard-Jones Ar-Ar 8.500 epsilon 0.01, sigma 3.4, a 2.5" in said
    assert Path("lj.yml-info.png").exists()
    Path("v0.json").write_text(json.dumps({"family": "on_site", "tag": "Ar", "v0": 1.0}))
    assert "picture" not in run("info", "v0.json")
    Path("simple").write_text(
        "POT Si 5.0\nSYM 1\n2 5.0 0.05 0.0 0.0 Si\nscale1 1\nscale2 2\nNET 1 1 1\n"
        "LAYER 0 tanh\nw0 1\nb0 0\nLAYER 1 linear\nw0 1\nb0 0\n"
    )
    assert "1-1-1 tanh 4 1 unknown" in run("info", "simple")
