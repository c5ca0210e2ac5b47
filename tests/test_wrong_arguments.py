"""Things given in place of others, as a user without checked annotations gives them."""

import re
from pathlib import Path

import contract
import numpy as np
import pytest

from miniff import dyn, kernel, ml, ml_util
from miniff.io import find_files
from miniff.potentials import (
    general_pair_potential_family,
    general_triple_potential_family,
    lj_potential_family,
    tersoff_potential_family,
)
from miniff.presentation import plot_potential_2

pytestmark = pytest.mark.usefixtures("as_installed")
LJ = lj_potential_family(epsilon=1.0, sigma=1.0, a=2.5)


def refuses(sentence):
    """Expect a refusal of a type, with the sentence, word for word."""
    return pytest.raises(TypeError, match=re.escape(sentence))


def test_a_family_is_no_potential():
    """Everywhere; nor is anything else, in a list or alone."""
    cell = contract.crystal()
    images = kernel.compute_images(cell, 3.0)
    for call in (
        lambda given: kernel.eval(given, cell),
        lambda given: kernel.atomic_virials(given, cell),
        lambda given: kernel.profile_strain(given, cell, np.ones(2)),
        lambda given: dyn.SkinForces(given, cell),
        images.eval,
        plot_potential_2,
    ):
        for given in (lj_potential_family, [LJ, lj_potential_family]):
            with refuses(
                "`potentials` has <Lennard-Jones: epsilon, sigma, a> but must have potentials; "
                "call a family with its parameters"
            ):
                call(given)
        with refuses("`potentials` has 3 but must have potentials"):
            call(3)


def test_one_cell_at_a_time():
    """`eval` takes one; what gives none in a scan is told."""
    cell = contract.crystal()
    with refuses("`structure` is list but must be one Cell, or its CellImages; `eval_many` takes"):
        kernel.eval(LJ, [cell, cell])
    with refuses("`cell_at` gives int but must give a Cell"):
        kernel.profile(LJ, lambda x: 3, np.ones(2))
    with refuses("`cutoff` is '3' but must be a number"):
        kernel.compute_images(cell, "3")


def test_files_and_atoms_are_no_structures():
    """Nor are files potentials; the sentence says how they become some."""
    cell = contract.crystal()
    atoms = cell.to_ase()
    load = "`Cell.load('x.xyz')` gives the list of those in a file"
    make = "`Cell.from_ase(atoms)` makes one of ASE's atoms"
    moves = {"n_steps": 1, "timestep": 1.0}
    for call, sentence in (
        (lambda s: kernel.eval(LJ, s), "`structure` is {} but must be one Cell, or its CellImages"),
        (lambda s: kernel.atomic_virials(LJ, s), "`structure` is {} but must be one Cell"),
        (lambda s: kernel.compute_images(s, 3.0), "`cell` is {} but must be one Cell"),
        (lambda s: kernel.eval_many(LJ, [s]), "`cells` has {} at 0 (counted from 0) but must have"),
    ):
        for given, advice in ((atoms, make), ("x.xyz", load)):
            with refuses(sentence.format(type(given).__name__)) as told:
                call(given)
            assert str(told.value).endswith(advice)
    for call in (
        lambda s: kernel.eval_many(LJ, s),
        lambda s: dyn.relax_many(s, LJ),
        lambda s: dyn.relax(s, LJ),
        lambda s: dyn.nve(s, LJ, **moves),
    ):
        with refuses(load):
            call("x.xyz")
    with refuses("`potentials` is Cell but must be potentials; the structure comes after them"):
        kernel.eval(cell, LJ)
    with refuses("`potentials` is 'p.pt' but must be a list of potentials"):
        ml.eval_committee("p.pt", cell)
    with refuses("`cells` is Cell but must be a list of cells"):
        kernel.eval_many(LJ, cell)
    for given, verb in (("p.pt", "is"), (Path("p.pt"), "is"), ([LJ, "p.pt"], "has")):
        with refuses(
            f"`potentials` {verb} 'p.pt' but must be a list of potentials: "
            "`miniff.ml.load_potentials('p.pt')` gives that of a file"
        ):
            kernel.eval(given, cell)


def test_tags_are_text():
    """Lists and numbers are told how a tag looks."""
    with refuses("`tag` is ['a', 'b'] but must be text like 'a-b', or None for all"):
        LJ.copy(["a", "b"])
    with refuses("`tag` is 3 but must be text like 'a-b-c', or None for all"):
        general_triple_potential_family(3, f=lambda r1, r2, t: r1 * r2 * t, a=3.0)
    tersoff = next(row for row in contract.COMPILED if row.make is tersoff_potential_family)
    with refuses("`tag` is 3 but must be text like 'a-a-b'"):
        tersoff_potential_family(3, **tersoff.parameters)


def test_functions_take_what_they_are_given():
    """Those of the old release took indices too; the derivative is looked at as well."""
    with refuses("`f` takes (r, row, col) but must take (r): missing a required argument: 'row'"):
        general_pair_potential_family(f=lambda r, row, col: r, a=3.0)
    with refuses("`df_dt` takes (r) but must take (r1, r2, cos_t): too many positional arguments"):
        general_triple_potential_family(f=lambda r1, r2, t: r1 * r2 * t, df_dt=lambda r: r, a=3.0)
    general_pair_potential_family(f=np.exp, a=3.0)


def test_learning_takes_structures_with_neighbours():
    """Not cells alone, and descriptors by species."""
    cell = contract.crystal()
    with refuses("`images` has Cell but must have CellImages: structures with neighbours, as"):
        ml.learn_cauldron([cell])
    with refuses("`descriptors` is list but must be a mapping from species to lists of"):
        ml.learn_cauldron([kernel.compute_images(cell, 3.0)], [LJ])


def test_files_and_jobs_are_named_by_text(folder):
    """A cell is no file, and a file no job; a file of other things is quoted in short."""
    with pytest.raises(ValueError, match="Cell is no name of a file with structures"):
        find_files([contract.crystal()])
    sentence = "a job is 'jobs.yml' but must be a mapping of workflows; `run_job_file` runs those"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows("jobs.yml")
    kernel.Cell.save(contract.crystal(), "cells.json")
    with pytest.raises(ValueError, match="must be a mapping with a `family`") as told:
        ml.load_potentials("cells.json")
    assert len(str(told.value)) < 250
