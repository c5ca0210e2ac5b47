"""`miniff info`, `eval`, `convert` and `init`, as a user types them."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from n2p2_folders import FOLDER, own_potentials
from silicon import labelled
from typer.testing import CliRunner

from miniff import kernel, ml
from miniff.cli import app
from miniff.kernel import Cell
from miniff.potentials import lj_potential_family, on_site_potential_family
from miniff.presentation import plot_data_set, plot_potentials

runner = CliRunner()
AU = ["--length-unit", "bohr", "--energy-unit", "Hartree"]
METAL = ["--length-unit", "angstrom", "--energy-unit", "eV"]


def run(*arguments: str) -> str:
    """What a command prints that ends well; blanks are one each."""
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return re.sub(r"[\s│┃]+", " ", result.output)


def refused(*arguments: str) -> str:
    """The sentence of a command that ends with exit code 2."""
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    (line,) = result.output.strip().splitlines()
    assert line.startswith("miniff: ")
    return line.removeprefix("miniff: ")


@pytest.fixture
def data(folder: Path, originals: Path) -> Path:
    """A folder with those files."""
    shutil.copytree(originals, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Silicon in two groups; the second file has no forces. A potential, and one of n2p2."""
    folder = tmp_path_factory.mktemp("originals")
    cells = [Cell.from_structure(s) for s in labelled(6, seed=0)]
    names = ["hot", "cold", "cold"] * 2
    grouped = [
        Cell(c.vectors, c.coordinates, c.values, {**c.meta, "config_type": name}, pbc=c.pbc)
        for c, name in zip(cells, names, strict=True)
    ]
    Cell.save(grouped, folder / "train.xyz")
    bare = Cell(cells[0].vectors, cells[0].coordinates, cells[0].values, {"energy": -1.0})
    Cell.save(bare, folder / "bare.xyz")
    said = {"seed": 3, "versions": {"a": "1"}}
    ml.save_potentials(folder / "own.pt", own_potentials(), provenance=said)
    shutil.copytree(FOLDER / "atom_energy", folder / "nnp")
    return folder


# --- which files are what


def test_names_of_commands_come_before_jobs(folder: Path) -> None:
    """Whatever is no command is a job; `run` says so in words."""
    for arguments in (["absent.yml"], ["-v", "absent.yml"], ["run", "absent.yml"]):
        assert refused(*arguments) == "there is no file absent.yml"
    for word in ("run", "info", "eval", "convert", "init"):
        assert word in runner.invoke(app, ["--help"]).output
        assert "Usage" in run(word, "--help")
    assert runner.invoke(app, []).exit_code == 2


def test_misspelt_command_is_named(data: Path) -> None:
    """With a word behind it, what is neither a command nor a file was meant as a command."""
    result = runner.invoke(app, ["ifno", "train.xyz"])
    assert result.exit_code == 2
    assert "`ifno` is not a known command; did you mean `info`? Known: `convert`" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["info", "absent"], "there is no file absent"),
        (["info", "*.absent"], "no file matches `*.absent`"),
        (["info", "jobs.yml"], "jobs.yml is a job file: run it with `python -m miniff jobs.yml`"),
        (["info", "nnp"], "nnp: n2p2's files do not say their units, so they must be said"),
        (["info", "."], ". is a folder without `input.nn`, so it is none of n2p2's"),
        (["info", "nnp", *AU[:2], "--energy-unit", "ev"], "`ev` is not a known unit of energy"),
        (["info", "nnp", *AU[:2], "--energy-unit", "-1"], "the unit of energy is -1.0 but must be"),
        (["info", "nnp", *AU[:2]], "--length-unit and --energy-unit must be given together or not"),
        (["info", "own.pt", *AU], "--length-unit and --energy-unit are for files that do not say"),
        (["info", "train.xyz", *AU], "train.xyz: units are said for it, but only"),
        (["info", "broken.pt"], "broken.pt is not a potential file, or it is damaged"),
        (["eval", "own.pt", "train.xyz", *AU], "--length-unit and --energy-unit are said but no"),
        (["eval", "train.xyz", "train.xyz"], "train.xyz is not a potential file"),
        (["eval", "own.pt", "train.xyz", "-o", "own.pt"], "own.pt is there already: choose"),
        (["eval", "nnp", "train.xyz", *METAL], "train.xyz, structure 0 (counted from 0)"),
        (["convert", "train.xyz", "own.pt"], "own.pt is there already: choose another name"),
        (["convert", "train.xyz", "new"], "new has no ending that says a format of structures"),
        (["convert", "train.xyz", "new.cif"], "`path` is 'new.cif' but must end in .json, .xyz"),
        (["convert", "train.xyz", "new.data"], "new.data: the file does not say its units"),
        (
            ["convert", "train.xyz", "a.data", *AU],
            "train.xyz, structure 0 (counted from 0): `config",
        ),
        (["convert", "train.xyz", "a.xyz", *AU], "--length-unit and --energy-unit are said but no"),
        (
            ["convert", "train.xyz", "a.xyz", "--without", "x"],
            "--without is x but no structure has",
        ),
        (["convert", "train.xyz", "a.xyz", "--member", "1"], "--member is given but there are"),
        (["convert", "own.pt", "a.pt", "--without", "x"], "--without is given but there are pot"),
        (["convert", "own.pt", "a.pt", "--member", "2"], "--member is 2 but must be in [1, 1]"),
        (["convert", "own.pt", "a.yml"], "a.yml can hold formulas alone, but here is <network"),
        (["convert", "own.pt", "a.txt"], "a.txt ends in .txt but must end in .pt, .json or .yml"),
        (["convert", "own.pt", "nnp"], "nnp is there already: name a new folder"),
        (["init", "own.pt", "-o", "new.yml"], "own.pt holds potentials but must hold structures"),
        (
            ["init", "none.xyz", "-o", "new.yml"],
            "none.xyz: no structure has an energy, forces or a stress",
        ),
        (
            ["init", "train.xyz", "-o", "new.yml", *AU],
            "--length-unit and --energy-unit are said but no file",
        ),
        (["init", "train.xyz", "-o", "jobs.yml"], "jobs.yml is there already"),
    ],
)
def test_mistakes_end_with_a_sentence(data: Path, arguments: list[str], sentence: str) -> None:
    """Exit code 2, one line, and nothing is written."""
    Path("jobs.yml").write_text("fit: {prepare: {fn_cells: train.xyz}}")
    Path("broken.pt").write_text("no potential")
    Cell.save(Cell(np.eye(3) * 9, [[0, 0, 0]], ["Si"]), "none.xyz")
    before = {path.name: path.stat().st_mtime_ns for path in data.iterdir()}
    assert sentence in refused(*arguments)
    assert {path.name: path.stat().st_mtime_ns for path in data.iterdir()} == before


# --- info


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
    assert f"energy (meV/atom) {mae:.3f} {rmse:.3f} 6" in said
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
    said = run("eval", "committee.pt", "five.xyz")
    spread = ml.eval_committee(ml.load_potentials("committee.pt"), cell).energy_std / 5
    assert f"members of the committee differ by {1e3 * spread:.3g} meV/atom" in said
    assert "is a committee, which n2p2's files cannot hold" in refused(
        "convert", "committee.pt", "c"
    )
    run("convert", "committee.pt", "second", "--member", "2")
    expected = kernel.eval(ml.committee_members(committee())[1], cell).energy
    again = ml.load_n2p2("second", length_unit="angstrom", energy_unit="eV")
    assert kernel.eval(again, cell).energy == pytest.approx(expected, rel=1e-12)


# --- convert


def test_structures_go_through_all_formats_and_back(data: Path) -> None:
    """Energies, forces and positions are those of the first file."""
    run("convert", "train.xyz", "a.json")
    run("convert", "a.json", "b.data", *AU, "--without", "config_type", "--without", "stress")
    said = run("convert", "b.data", "c.extxyz.gz", *AU)
    assert "wrote c.extxyz.gz: 6 structures" in said
    for cell, other in zip(Cell.load("train.xyz"), Cell.load("c.extxyz.gz"), strict=True):
        np.testing.assert_allclose(other.cartesian(), cell.cartesian(), rtol=1e-14)
        np.testing.assert_allclose(other.meta["forces"], cell.meta["forces"], rtol=1e-14)
        assert other.meta["energy"] == pytest.approx(cell.meta["energy"], rel=1e-14)
    run("convert", "train.xyz", "a.json", "--overwrite")


def test_potentials_go_to_n2p2_and_back(data: Path) -> None:
    """The lines for LAMMPS are printed on lines of their own; energies stay."""
    result = runner.invoke(app, ["convert", "own.pt", "out", *AU])
    lines = result.output.splitlines()
    assert any(line.startswith('pair_style hdnnp 4.21 dir "out"') for line in lines)
    assert "pair_coeff * * O Si" in lines
    run("convert", "out", "back.pt", *AU)
    rng = np.random.default_rng(4)
    cell = Cell(4.6 * np.eye(3), rng.random((4, 3)), ["Si", "O", "Si", "O"])
    energies = [kernel.eval(ml.load_potentials(f), cell).energy for f in ("own.pt", "back.pt")]
    assert energies[0] == pytest.approx(energies[1], rel=1e-12)
    assert "converted_from" in ml.load_provenance("back.pt")
    run("convert", "own.pt", "copy.pt")
    assert ml.load_provenance("copy.pt") == {"seed": 3, "versions": {"a": "1"}}


def test_formulas_are_written_as_plain_data(data: Path) -> None:
    """From .pt to YAML and JSON and back, all digits."""
    potentials = [lj_potential_family("Ar-Ar", epsilon=0.1 / 3, sigma=3.4, a=2.5)]
    ml.save_potentials("a.pt", potentials)
    run("convert", "a.pt", "b.yml")
    run("convert", "b.yml", "c.json")
    run("convert", "c.json", "d.pt")
    (again,) = ml.load_potentials("d.pt")
    assert again.state_dict() == potentials[0].state_dict()
    with pytest.raises(ValueError, match=r"e\.yml has no place for where potentials come from"):
        ml.save_potentials("e.yml", potentials, provenance={"seed": 1})


# --- init


def test_job_that_init_writes_runs(data: Path) -> None:
    """As it is, but for less work; what it says of the data is true."""
    said = run("init", "train.xyz", "--test", "bare.xyz")
    assert "wrote jobs.yml: it fits 6 structures" in said
    text = Path("jobs.yml").read_text()
    assert "# A fit of 6 structures with 48 atoms of Si." in text
    assert "# Groups of structures can weigh more or less: cold (4), hot (2)" in text
    job = yaml.safe_load(text)
    assert job["fit"]["prepare"]["fn_cells"] == "train.xyz"
    assert job["test-direct"]["prepare"] == {"fn_cells": "bare.xyz", "potentials": "potentials.pt"}
    quick = text.replace("quality: default", "quality: fast   ").replace(
        "  run:\n", "  run:\n    n_epochs: 1\n"
    )
    Path("jobs.yml").write_text(quick)
    run("jobs.yml")
    assert Path("potentials.pt").exists()
    assert Path("test-direct.json").exists()


def test_job_fits_the_amount_of_data(data: Path) -> None:
    """Sets are set aside where there is enough; labels that are missing are named."""
    run("init", "bare.xyz", "-o", "few.yml")
    text = Path("few.yml").read_text()
    assert "# No structure has forces." in text
    assert "# No structure has stress." in text
    assert yaml.safe_load(text)["fit"]["prepare"]["validation_set"] == 0
    cells = Cell.load("train.xyz") * 5
    Cell.save(cells, "more.xyz")
    run("init", "more.xyz", "bare.xyz", "-o", "more.yml")
    text = Path("more.yml").read_text()
    assert "# Only 30 of them have forces." in text
    prepare = yaml.safe_load(text)["fit"]["prepare"]
    assert prepare["test_set"] == prepare["validation_set"] == 0.1
    assert prepare["fn_cells"] == ["more.xyz", "bare.xyz"]
    assert "# 3 structures that training never sees" in text


def test_job_for_input_data_says_its_units(data: Path) -> None:
    """The entry of the file has what was said; the job is valid."""
    run(
        "convert", "train.xyz", "input.data", *AU, "--without", "config_type", "--without", "stress"
    )
    run("init", "input.data", *AU)
    job = yaml.safe_load(Path("jobs.yml").read_text())
    entry = {"files": "input.data", "length_unit": "bohr", "energy_unit": "Hartree"}
    assert job["fit"]["prepare"]["fn_cells"] == entry


# --- pictures


def test_picture_of_a_data_set_has_what_there_is(data: Path) -> None:
    """A panel each for energies, forces and distances; energies are less constants."""
    cells = Cell.load("train.xyz")
    axes = plot_data_set(cells).axes
    assert [ax.get_xlabel() for ax in axes] == [
        "volume per atom (Å³)",
        "size of the force (eV/Å)",
        "distance (Å)",
    ]
    shown = np.asarray(axes[0].collections[0].get_offsets())
    energies = np.array([c.meta["energy"] / c.size for c in cells])
    np.testing.assert_allclose(shown[:, 0], [c.volume / c.size for c in cells])
    np.testing.assert_allclose(shown[:, 1], 1e3 * (energies - energies.mean()), atol=1e-6)
    molecule = Cell(np.eye(3), [[0, 0, 0], [0, 0, 1]], ["H", "F"], {"energy": -1.0}, pbc=False)
    labels = [ax.get_xlabel() for ax in plot_data_set([molecule]).axes]
    assert labels == ["relative energy (meV/atom)", "distance (Å)"]
    with pytest.raises(ValueError, match="`cells` has no structure to draw"):
        plot_data_set([])


def test_distances_in_the_picture_count_neighbours() -> None:
    """The integral of the curve over the first shell of a crystal is its number of neighbours."""
    fcc = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    ax = plot_data_set([Cell(4 * np.eye(3), fcc, ["Al"] * 4)]).axes[-1]
    r, values = ax.lines[0].get_data()
    shell = np.asarray(r) < 3.3
    area = np.trapezoid(np.asarray(values)[shell], np.asarray(r)[shell])
    assert area == pytest.approx(12, rel=5e-3)


def test_many_compositions_share_a_colour() -> None:
    """The six most frequent have their own."""
    cells = [
        Cell(
            (5 + 0.1 * n) * np.eye(3),
            np.random.default_rng(n).random((n + 1, 3)),
            ["Si"] + ["O"] * n,
            {"energy": -1.0 * n},
        )
        for n in range(9)
    ]
    labels = plot_data_set(cells).axes[0].get_legend_handles_labels()[1]
    assert labels[0] == "Si"
    assert labels[-1] == "3 others"


def test_picture_of_potentials_has_radial_functions() -> None:
    """A panel for each pair of a network, one for all pair potentials; none without any."""
    figure = plot_potentials(
        [*own_potentials(), lj_potential_family("Si-Si", epsilon=1, sigma=2, a=2)]
    )
    assert figure is not None
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == ["Si with Si", "Si with O", "O with Si"]
    assert len(titles) == 4
    low, high = figure.axes[3].get_ylim()
    assert -1.5 < low < -1 < high < 4
    assert plot_potentials([on_site_potential_family(v0=1.0)]) is None


# --- the page about it


def test_commands_of_the_page_run(folder: Path) -> None:
    """All blocks of `docs/library/command-line.md`, in their order; the job with less work."""
    page = (Path(__file__).parents[1] / "docs" / "library" / "command-line.md").read_text()
    blocks = re.findall(r"^```(python|console)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    for language, block in blocks[1:]:  # the first one is the job, before there is any
        if language == "python":
            exec(block, names)
            continue
        for line in block.splitlines():
            program, *arguments = line.split()
            assert program == "miniff"
            if arguments == ["jobs.yml"]:
                text = Path("jobs.yml").read_text()
                few = "n_models: 2\n    n_epochs: 2"
                text = text.replace("quality: default", "quality: fast").replace(
                    "  run:\n", f"    {few.splitlines()[0]}\n  run:\n{few.splitlines()[1]}\n"
                )
                Path("jobs.yml").write_text(text)
            run(*arguments)
    made = ["train.xyz-info.png", "predicted.xyz", "train.json", "input.data", "nnp", "nnp.pt"]
    assert all(Path(name).exists() for name in made)
    (potential,) = ml.load_potentials("nnp.pt")
    expected = kernel.eval(
        ml.committee_members(ml.load_potentials("potentials.pt"))[0], Cell.load("train.xyz")[0]
    )
    again = kernel.eval(potential, Cell.load("train.xyz")[0])
    assert again.energy == pytest.approx(expected.energy, rel=1e-12)


def test_interruption_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with a sentence and exit code 130."""

    def interrupted(path: str, units: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("miniff._commands._info.load_cells", interrupted)
    result = runner.invoke(app, ["info", "train.xyz"])
    assert result.exit_code == 130
    assert result.output == "miniff: interrupted\n"
