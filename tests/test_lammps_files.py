"""Potentials from files of LAMMPS have its energies; what cannot be meant is refused by line."""

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from test_golden_lammps import cell_of

from miniff import kernel
from miniff.io import PotentialFileError, read_funcfl, read_lammps_tersoff, read_setfl
from miniff.kernel import Cell
from miniff.potentials import (
    funcfl_potentials,
    lammps_sw_potentials,
    lammps_tersoff_potentials,
    setfl_potentials,
)
from miniff.potentials._devices import cpu_by_torch

HERE = Path(__file__).parent / "data/lammps_potentials"
GOLDEN = json.loads((HERE / "golden.json").read_text())
READ = {
    "sw": lammps_sw_potentials,
    "tersoff": lammps_tersoff_potentials,
    "eam/alloy": setfl_potentials,
    "eam/fs": lambda path: setfl_potentials(path, form="fs"),
}
FILES = {case["style"]: HERE / case["file"] for case in GOLDEN["cases"]}


def refuses(sentence):
    """Expect a refusal that contains the sentence, word for word."""
    return pytest.raises(PotentialFileError, match=re.escape(sentence))


def assert_is(result, energy, forces, stress):
    np.testing.assert_allclose(result.energy, energy, rtol=1e-11)
    np.testing.assert_allclose(result.forces, forces, atol=1e-11 * np.abs(forces).max())
    np.testing.assert_allclose(result.stress, stress, atol=1e-11 * np.abs(stress).max())


def golden_cell():
    vectors = np.array(GOLDEN["cell"])
    coordinates = np.linalg.solve(vectors.T, np.array(GOLDEN["positions"]).T).T
    return Cell(vectors, coordinates, GOLDEN["symbols"])


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["style"])
def test_energies_forces_and_stresses_are_those_of_lammps(case):
    """Two elements, all numbers different; `data/lammps_potentials/make.py` ran LAMMPS."""
    found = kernel.eval(READ[case["style"]](HERE / case["file"]), golden_cell())
    assert_is(found, case["energy"], case["forces"], case["stress"])


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["style"])
def test_devices_have_the_numbers_of_lammps_too(case, device):
    """The same by torch."""
    found = kernel.eval(READ[case["style"]](HERE / case["file"]), golden_cell(), device=device)
    assert_is(found, case["energy"], case["forces"], case["stress"])


# Published numbers, in the layout of the files.
BERE_SERRA = {  # Phil. Mag. 86, 2159 (2006): epsilon, sigma, a
    "GaGa": (1.2, 2.1, 1.6),
    "NN": (1.2, 1.3, 1.8),
    "GaN": (2.17, 1.695, 1.8),
}


def bere_serra():
    """Gallium nitride; lambda epsilon of mixed angles is the geometric mean."""
    for i, j, k in product(("Ga", "N"), repeat=3):
        epsilon, sigma, a = BERE_SERRA["".join(sorted((i, k)))]
        if j != k:
            epsilon = 1.6136914
        yield f"{i} {j} {k} {epsilon} {sigma} {a} 32.5 1.2 -0.333333333333 7.917 0.72 4 0 0"


def tersoff_silicon():
    """Phys. Rev. B 37, 6991 (1988)."""
    yield "Si Si Si 3 1 1.3258 4.8381 2.0417 0 22.956 0.33675 1.3258 95.373 3.0 0.2 3.2394 3264.7"


TERSOFF_1989 = {  # Phys. Rev. B 39, 5566: c d cos_theta0 n beta, as LAMMPS rounds them
    "C": "38049 4.3484 -.57058 .72751 0.00000015724",
    "Si": "100390 16.217 -.59825 .78734 0.0000011",
}
BONDS_1989 = {  # lambda2 B, R D, lambda1 A
    "CC": ("2.2119 346.7", "1.95 0.15", "3.4879 1393.6"),
    "SiSi": ("1.73222 471.18", "2.85 0.15", "2.4799 1830.8"),
    "CSi": ("1.97205 395.126", "2.36 0.15", "2.9839 1597.3111"),
}


def tersoff_silicon_carbide():
    for i, j, k in product(("C", "Si"), repeat=3):
        attraction, _, repulsion = BONDS_1989["".join(sorted((i, j)))]
        cutoff = BONDS_1989["".join(sorted((i, k)))][1]
        yield f"{i} {j} {k} 3 1 0 {TERSOFF_1989[i]} {attraction} {cutoff} {repulsion}"


@pytest.mark.parametrize(
    ("name", "entries", "read"),
    [
        ("sw_GaN_wurtzite_rattled16", bere_serra, lammps_sw_potentials),
        ("tersoff_Si_rattled8", tersoff_silicon, lammps_tersoff_potentials),
        ("tersoff_SiC_rattled8", tersoff_silicon_carbide, lammps_tersoff_potentials),
    ],
)
def test_published_potentials_are_those_of_lammps(shared_data, tmp_path, name, entries, read):
    """The potentials that LAMMPS ships, by their published numbers; in the core and by torch."""
    golden = json.loads((shared_data / "lammps_golden/golden.json").read_text())
    (case,) = [case for case in golden["cases"] if case["name"] == name]
    file = tmp_path / "potential"
    file.write_text("\n".join(entries()))
    for by_torch in (False, True):
        with cpu_by_torch(by_torch):
            found = kernel.eval(read(file), cell_of(case))
        assert_is(found, case["energy"], case["forces"], case["stress_ase_voigt"])


@pytest.mark.parametrize("style", ["sw", "tersoff", "eam/alloy"])
def test_one_element_of_two_can_be_read(style):
    """A crystal of one element has the same energy with both elements read and with one."""
    cell = Cell(4.9 * np.eye(3), [[0, 0, 0], [0.3, 0.2, 0.25], [0.6, 0.5, 0.5]], ["N"] * 3)
    alone = kernel.eval(READ[style](FILES[style], ["N"]), cell)
    both = kernel.eval(READ[style](FILES[style]), cell, ignore_missing_species=True)
    assert alone.energy != 0
    np.testing.assert_allclose(alone.energies, both.energies, rtol=1e-13)
    np.testing.assert_allclose(alone.gradient, both.gradient, atol=1e-12)


@pytest.mark.parametrize("style", ["sw", "tersoff", "eam/alloy", "eam/fs"])
def test_elements_may_be_asked_for_in_any_order(style):
    """The order of the elements changes nothing."""
    options = {"form": "fs"} if style == "eam/fs" else {}
    read = setfl_potentials if style.startswith("eam") else READ[style]
    one, other = (
        kernel.eval(read(FILES[style], names, **options), golden_cell())
        for names in (["Ga", "N"], ["N", "Ga"])
    )
    np.testing.assert_allclose(one.energies, other.energies, rtol=1e-12)
    np.testing.assert_allclose(one.gradient, other.gradient, atol=1e-11)


def funcfl(tmp_path, text=None):
    """A file with F = -rho, Z = 2 - r, f = (2 - r)^2 at five points."""
    file = tmp_path / "metal.eam"
    tables = "0 -1 -2 -3 -4\n2 1.5 1 0.5 0\n4 2.25 1 0.25 0\n"
    file.write_text(text or f"comment\n29 63.55 3.6 fcc\n5 1.0 5 0.5 2.0\n{tables}")
    return file


def test_funcfl_has_effective_charges(tmp_path):
    """A pair at a grid point: F(rho) + phi/2 with phi = 27.2 0.529 Z^2 / r; one at the origin."""
    cell = Cell(np.eye(3), [[0, 0, 0], [1, 0, 0]], ["Cu"] * 2, pbc=False)
    energies = kernel.eval(funcfl_potentials(funcfl(tmp_path), "Cu"), cell).energies
    np.testing.assert_allclose(energies, -1 + 27.2 * 0.529 / 2, rtol=1e-13)
    assert read_funcfl(funcfl(tmp_path), "Cu").masses == (63.55,)


# --- what is refused


def changed(tmp_path, style, line, old, new):
    """The file with a change in one line, counted from 1."""
    lines = FILES[style].read_text().splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    file = tmp_path / "changed"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize(
    ("style", "line", "old", "new", "sentence"),
    [
        ("sw", 2, "2.1", "x", "line 2: `sigma` is 'x' but must be a number"),
        ("sw", 2, "2.1", "nan", "line 2: `sigma` is nan but must be finite"),
        (
            *("sw", 2, "1.2 ", ""),
            "line 4: the entry that starts in line 2 has 19 words but must have 14",
        ),
        ("sw", 17, "0.0  #", "0.0 9 #", "line 17: the entry that starts in line 16 has 15 words "),
        ("sw", 17, "0.0  #", "#", "line 16: the file ends within this entry, which has 13 words"),
        ("sw", 4, "Ga Ga N", "Ga Ga Ga", "line 4: the entry Ga Ga Ga is also in line 2"),
        (
            *("sw", 4, "Ga Ga N", "#"),
            "line 5: '14.4047619047619' must be an element: an entry starts with three of them",
        ),
        ("sw", 4, "Ga Ga N", "Ga Ga As", "entries are missing: Ga Ga N, Ga As Ga, Ga As As, "),
        ("sw", 3, "0.0  #", "0.01 #", "line 2: `tol` is 0.01 but must be 0"),
        (
            *("sw", 8, "1.7", "1.8"),
            "line 8: `sigma` of Ga N N is 1.8 but must be that of N Ga Ga, which is 1.7 in line 10",
        ),
        (
            *("sw", 5, "14.40", "14.50"),
            "line 4: `epsilon lambda` of Ga Ga N is 30.46 but must be that of Ga N Ga, which is "
            "30.25 in line 6",
        ),
        ("sw", 2, "1.6", "0.6", "line 2: Ga-Ga: `a` is 0.6 but must be in (1.0, inf)"),
        ("tersoff", 3, "1 0.5", "2 0.5", "line 3: Ga-Ga-N: `m` is 2.0 but must be 1 or 3"),
        ("tersoff", 4, "2.6", "0.1", "line 3: Ga-Ga-N: `D` is 0.3 but must be at most `R`"),
        ("tersoff", 3, "3.0 1.5", "3.0 0", "`d[0][0]` is 0.0 but must be in (0.0, inf)"),
        ("eam/alloy", 4, "2 Ga", "3 Ga", "line 4: there are 2 names of elements but must be 3"),
        ("eam/alloy", 4, "Ga N", "N N", "line 4: an element is named twice"),
        ("eam/alloy", 4, "2 Ga", "1.5 Ga", "line 4: `number of elements` is 1.5 but must be a w"),
        ("eam/alloy", 5, "40", "4", "line 5: `Nrho` is 4 but must be a whole number of at least 5"),
        ("eam/alloy", 5, "0.1 ", "-0.1 ", "line 5: `dr` is -0.1 but must be in (0, inf)"),
        ("eam/alloy", 5, " 4.9", "", "line 5: there are 4 words but must be 5: Nrho, drho, Nr, dr"),
        ("eam/alloy", 6, "14.5", "-1", "line 6: `mass` is -1 but must be in (0, inf)"),
        ("eam/alloy", 5, "40", "41", "line 15: F(rho) of Ga must end with the line that has its"),
        ("eam/alloy", 7, "e+00 ", "e+00 x ", "line 7: `F(rho) of Ga` is 'x' but must be a number"),
        ("eam/alloy", 5, " 4.9", " 6.9", "`density` has 50 points, `dr` 0.1 apart, but must reach"),
    ],
)
def test_damaged_files_are_refused_by_line(tmp_path, style, line, old, new, sentence):
    """File, line, what is there and what is demanded."""
    file = changed(tmp_path, style, line, old, new)
    with refuses(sentence) as caught:
        READ[style](file)
    assert str(caught.value).startswith(str(file))


@pytest.mark.parametrize("style", ["eam/alloy", "eam/fs"])
def test_truncated_tables_are_refused(tmp_path, style):
    """Wherever the file ends too early, it is said which table is short."""
    lines = FILES[style].read_text().splitlines()
    file = tmp_path / "short"
    for n in range(len(lines)):
        file.write_text("\n".join(lines[:n]))
        with refuses("the file ends where "):
            READ[style](file)
    file.write_text("\n".join(lines[:-1]))
    with refuses("r phi(r) of N and N, of which there are 45 of 50 numbers, must be"):
        READ[style](file)


def test_files_with_more_tables_are_refused(tmp_path):
    """A file with one density for each pair is not taken for one with one for each element."""
    with refuses("line 35: `f(r) of N` is 'fcc' but must be a number"):
        setfl_potentials(HERE / "binary.eam.fs")
    file = tmp_path / "long"
    file.write_text(FILES["eam/alloy"].read_text() + "1 2 3\n")
    with refuses("line 74: the file must end here, after the last table"):
        setfl_potentials(file)


def test_unknown_and_repeated_elements_are_refused():
    """The known ones are listed."""
    sentence = "`Si` is not a known element of the file. Known: `Ga`, `N`"
    for style in FILES:
        if style == "eam/fs":
            continue
        with refuses(sentence):
            READ[style](FILES[style], ["Ga", "Si"])
        with refuses("`elements` is ['N', 'N'] but must name one or more, each once"):
            READ[style](FILES[style], ["N", "N"])
        with refuses("`elements` is [] but must name one or more, each once"):
            READ[style](FILES[style], [])


def test_empty_binary_and_absent_files_are_refused(tmp_path):
    """What is no potential file at all."""
    file = tmp_path / "file"
    file.write_text("# nothing\n")
    with refuses("there is no entry in the file"):
        read_lammps_tersoff(file)
    file.write_bytes(b"\xff\xfe\x00")
    with refuses("the file must be text"):
        read_setfl(file)
    with pytest.raises(FileNotFoundError):
        read_setfl(tmp_path / "absent")


def test_unknown_form_is_refused(as_installed):
    """The two forms are listed."""
    sentence = "`fa` is not a known `form`. Known: `alloy`, `fs`"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        setfl_potentials(FILES["eam/alloy"], form="fa")


def test_short_funcfl_is_refused(tmp_path):
    """The table is named."""
    text = funcfl(tmp_path).read_text()
    with refuses("the file ends where Z(r), of which there are 0 of 5 numbers, must be"):
        read_funcfl(funcfl(tmp_path, "".join(text.splitlines(True)[:4])), "Cu")
