"""Commands as a user types them: their names, their mistakes, and the page about them."""

import re
from pathlib import Path

import numpy as np
import pytest
from command_line import AU, METAL, refused, run, runner
from command_line import data as data  # a fixture
from command_line import originals as originals  # a fixture

from miniff import kernel, ml
from miniff.cli import app
from miniff.kernel import Cell


def test_names_of_commands_come_before_jobs(folder: Path) -> None:
    """Whatever is no command is a job; `run` says so in words."""
    for arguments in (["absent.yml"], ["-v", "absent.yml"], ["run", "absent.yml"]):
        assert refused(*arguments) == "there is no file `absent.yml`: the folder `.` is empty"
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
        (["info", "absent"], "there is no file `absent`. The folder has "),
        (["info", "trin.xyz"], "there is no file `trin.xyz`; did you mean `train.xyz`?"),
        (["info", "x/train.xyz"], "there is no file `x/train.xyz`: there is no folder `x`"),
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
        (["convert", "train.xyz", "new.cif"], "new.cif must end in .json, .xyz, .extxyz or .data"),
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
