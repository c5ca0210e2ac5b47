"""Job files: what is run, and what is refused before anything runs."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from miniff.ml_util import JobError
from miniff.ml_util._jobfile import job_from_mapping, read_job_file
from miniff.ml_util._steps import Step
from miniff.ml_util._types import InputFile, InputFiles, OutputFile
from miniff.ml_util._validation import check_job


class Prepared:
    def run(
        self,
        *,
        n_epochs: int = 10,
        weight: float = 1.0,
        save: OutputFile | None = "out.pt",
        optimizer: Literal["one", "two"] = "one",
        options: dict[str, float] | None = None,
    ) -> None: ...


class Making:
    OUTPUTS = (".json", ".log")

    def __init__(self, *, seed: int = 0) -> None: ...

    def prepare(
        self, *, fn_cells: InputFiles, test_set: float | InputFiles | None = None
    ) -> Prepared:
        return Prepared()


class Finished:
    def run(self) -> None: ...


class Comparing:
    OUTPUTS = (".json", ".log", ".extxyz")

    def __init__(self) -> None: ...

    def prepare(self, *, potentials: InputFile = "out.pt") -> Finished:
        return Finished()


KNOWN: dict[str, type] = {"fit": Making, "test-direct": Comparing}


def check(text: str) -> list[Step]:
    Path("jobs.yml").write_text(text)
    return check_job(read_job_file("jobs.yml"), KNOWN)


@pytest.fixture(autouse=True)
def with_data(folder: Path) -> None:
    """A current folder with a data file."""
    (folder / "data.xyz").touch()


def test_sections_left_out_or_empty_mean_defaults() -> None:
    """`run:` with nothing, no `run` and no `init` all mean no arguments."""
    for text in (
        "fit: {prepare: {fn_cells: data.xyz}}",
        "fit: {prepare: {fn_cells: data.xyz}, run: }",
    ):
        (step,) = check(text)
        assert step.name == "fit"
        assert (step.init, step.prepare, step.run) == ({}, {"fn_cells": "data.xyz"}, {})


def test_order_of_the_file_is_kept() -> None:
    """Workflows come in the order in which they stand."""
    Path("out.pt").touch()
    steps = check("test-direct:\nfit: {prepare: {fn_cells: data.xyz}, run: {save: other.pt}}")
    assert [step.name for step in steps] == ["test-direct", "fit"]


def test_file_of_an_earlier_workflow_counts_as_present() -> None:
    """What `fit` saves, by name or by default, `test-direct` may read."""
    check("fit: {prepare: {fn_cells: data.xyz}}\ntest-direct:")
    check(
        "fit: {prepare: {fn_cells: data.xyz}, run: {save: p.pt}}\n"
        "test-direct: {prepare: {potentials: ./p.pt}}"
    )


def test_patterns_and_lists_name_files() -> None:
    """`fn_cells` may be a pattern or a list."""
    check("fit: {prepare: {fn_cells: '*.xyz', test_set: [data.xyz]}}")


def test_the_mapping_is_not_modified() -> None:
    """A job given as a mapping is the caller's."""
    job = {"fit": {"prepare": {"fn_cells": "data.xyz"}}}
    check_job(job_from_mapping(job), KNOWN)
    assert job == {"fit": {"prepare": {"fn_cells": "data.xyz"}}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "jobs.yml is empty but must name at least one workflow"),
        ("{}", "jobs.yml is empty but must name at least one workflow"),
        ("- fit", "jobs.yml, line 1: a job file must be a mapping of workflows"),
        ("fit:\n\tprepare: 1", "jobs.yml, line 2: there is a tab; indent with spaces"),
        ("fit: [", "jobs.yml, line 1: not valid YAML"),
        ("fit:\nfit:", "jobs.yml, line 2: `fit` is given twice, first in line 1"),
        ("3: 4", "jobs.yml, line 1: the key 3 must be a word"),
        (
            "fit: !!python/object/apply:os.system ['touch run']",
            "jobs.yml, line 1: a job file holds plain data, but here is a tag",
        ),
        (
            "\nfitt:\n",
            "jobs.yml, line 2: `fitt` is not a known workflow; did you mean `fit`? "
            "Known: `fit`, `test-direct`",
        ),
        (
            "fit:\n  prepare: {fn_cells: data.xyz}\n  rum: {}",
            "jobs.yml, line 3: `rum` is not a known section of `fit`; did you mean `run`? "
            "Known: `init`, `prepare`, `run`",
        ),
        (
            "fit:\n  prepare: {fn_cells: data.xyz}\n  run:\n    n_epoch: 3",
            "jobs.yml, line 4: `n_epoch` is not a known key of `fit.run`; did you mean `n_epochs`?",
        ),
        ("fit: 3", "jobs.yml, line 1: `fit` is 3 but must be a mapping of init, prepare, run"),
        ("fit: {run: 3}", "jobs.yml, line 1: `fit.run` is 3 but must be a mapping"),
        ("fit:\n  run:", "jobs.yml, line 1: `fit.prepare.fn_cells` is missing"),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {n_epochs: '10'}}",
            "`fit.run.n_epochs` is '10' but must be an integer",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {n_epochs: true}}",
            "`fit.run.n_epochs` is True but must be an integer",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {n_epochs: 1e5}}",
            "`fit.run.n_epochs` is '1e5' but must be an integer; YAML reads it as text, "
            "write 100000",
        ),
        (
            "fit:\n  prepare: {fn_cells: data.xyz}\n  run:\n    options:\n      lr: 1e-3",
            "jobs.yml, line 5: `fit.run.options.lr` is '1e-3' but must be a number; "
            "YAML reads it as text, write 1.0e-3",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz, test_set: 1e-1}}",
            "YAML reads it as text, write 1.0e-1",
        ),
        (
            "fit:\n  init: {seed: 2026-13-01}",
            "jobs.yml, line 2: `2026-13-01` cannot be read: month",
        ),
        ("fit: &all\n  prepare: *all", "jobs.yml, line 1: this part of the file contains itself"),
        (
            "fit: !!python/object:os.system {prepare: }",
            "jobs.yml, line 1: a job file holds plain data, but here is a tag",
        ),
        (
            "fit: {prepare: {fn_cells: [{a: 1, a: 2}]}}",
            "jobs.yml, line 1: `a` is given twice, first in line 1",
        ),
        ("fit: \x00", "jobs.yml: not valid YAML: there is the character #x0000"),
        ("fit: {init: {seed: !!int ''}}", "jobs.yml, line 1: `` cannot be read: it does not fit"),
        ("fit: !!timestamp x", "jobs.yml, line 1: `x` cannot be read: it does not fit"),
        ("fit: " + 3000 * "[", "jobs.yml: not valid YAML: it is nested too deeply"),
        ("fit: {? [a, b] : 1}", "jobs.yml, line 1: a key must be a word, but here it is a list"),
        (
            "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(
                f"{n}: &{n} [{', '.join([f'*{m}'] * 10)}]\n" for m, n in pairwise("abcdefgh")
            ),
            "aliases repeat more than 10000 parts of the file",
        ),
        ("fit: {prepare: {fn_cells: []}}", "`fit.prepare.fn_cells`: no file is named"),
        ("fit: {prepare: {fn_cells: .}}", "`fit.prepare.fn_cells`: . is a folder but must be"),
        (
            "fit: {prepare: {fn_cells: data.xyz}}\ntest-direct: {prepare: {potentials: '*.xyz'}}",
            "jobs.yml, line 2: `test-direct.prepare.potentials`: there is no file `*.xyz`",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {weight: 1e5}}",
            "`fit.run.weight` is '1e5' but must be a number; YAML reads it as text, write 1.0e+5",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {optimizer: three}}",
            "`fit.run.optimizer` is 'three' but must be one of 'one' or 'two'",
        ),
        (
            "fit: {prepare: {fn_cells: 3}}",
            "`fit.prepare.fn_cells` is 3 but must be text or a list",
        ),
        (
            "fit:\n  prepare:\n    fn_cells: dta.xyz",
            "jobs.yml, line 3: `fit.prepare.fn_cells`: there is no file `dta.xyz`; did you mean "
            "`data.xyz`?",
        ),
        (
            "test-direct:\nfit: {prepare: {fn_cells: data.xyz}}",
            "jobs.yml, line 1: `test-direct.prepare.potentials`: there is no file `out.pt`",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {save: data.xyz}}",
            "`fit.run.save` would write over data.xyz, which `fit.prepare.fn_cells` reads",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {save: jobs.yml}}",
            "`fit.run.save` would write over jobs.yml, the job file",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {save: fit.json}}",
            "`fit.run.save`: fit.json is the name of a report that the job writes",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {save: nowhere/out.pt}}",
            "`fit.run.save`: nowhere/out.pt cannot be written: there is no folder nowhere",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {save: .}}",
            "`fit.run.save`: . is a folder but must be a file",
        ),
        (
            "fit: {prepare: {fn_cells: data.xyz}, run: {save: ''}}",
            "`fit.run.save`: no file is named",
        ),
    ],
)
def test_refusals(text: str, sentence: str) -> None:
    """Each mistake gets one sentence with the line, the name, and what would do."""
    with pytest.raises(JobError, match=re.escape(sentence)):
        check(text)
    assert not Path("run").exists()


def test_output_named_like_an_input_is_refused() -> None:
    """`fit.json` as a data file would be lost to the report."""
    Path("fit.json").touch()
    with pytest.raises(JobError, match=r"`fit` would write over fit\.json"):
        check("fit: {prepare: {fn_cells: fit.json}}")


def test_all_problems_are_told_together() -> None:
    """A later mistake is not hidden behind an earlier one."""
    with pytest.raises(JobError) as caught:
        check("fitt:\nfit: {prepare: {fn_cells: 3}, run: {n_epoch: 1, weight: x}}")
    assert len(str(caught.value).splitlines()) == 4


def test_missing_files_are_told_beside_wrong_keys() -> None:
    """But not those that a workflow with mistakes might have written."""
    with pytest.raises(JobError) as caught:
        check("fit: {prepare: {fn_cells: dta.xyz}, run: {n_epoch: 1}}\ntest-direct:")
    first, second = str(caught.value).splitlines()
    assert "`n_epoch` is not a known key" in first
    assert "there is no file `dta.xyz`" in second


def test_binary_file_and_folder_are_refused(folder: Path) -> None:
    """What is no text is no job."""
    Path("jobs.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JobError, match=r"jobs\.yml: the file must be text in UTF-8, but byte 0"):
        read_job_file("jobs.yml")
    with pytest.raises(JobError, match="is a folder but must be a file"):
        read_job_file(folder)
