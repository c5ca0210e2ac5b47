"""The how-to of a potential in C++ is followed to the letter, in a copy of the sources.

What takes minutes, the whole core and the contract, is for `python -m nox -s how_to`. Here the
formula is compiled into the sum it is made for, the binding is checked by the compiler, and the
family is made and asked what it hands to the core.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import miniff
from miniff.kernel import Cell

ROOT = Path(__file__).parents[1]
COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-psabi")
PARAMETERS = {"epsilon": 0.8, "sigma": 1.7, "a": 4.2}
compiled = pytest.mark.skipif(
    COMPILER is None or sys.platform == "win32", reason="a compiler with GCC's options is needed"
)

# A centre with one neighbour at (r, 0, 0); packs are filled up with neighbours beyond the cutoff.
DRIVER = """
#include <cstdio>
#include <cstdlib>

#include "pair_sum.hpp"

using namespace miniff;

int main(int n, char** r) {
    const PairSum<FORM> sum(0, any_species, FORM{NUMBERS});
    for (int k = 1; k < n; ++k) {
        double x[width<double>], zero[width<double>] = {};
        double gx[width<double>] = {}, gy[width<double>] = {}, gz[width<double>] = {};
        for (double& v : x) v = 2 * sum.cutoff();
        x[0] = std::atof(r[k]);
        const std::int64_t begin[2] = {0, width<double>}, pair[width<double>] = {};
        const Neighborhood<double> nb{1, begin, pair, x, zero, zero, gx, gy, gz};
        const auto worker = sum.worker();
        worker->begin(nb);
        double weight = 1, energy = 0;
        worker->both(&weight, &energy);
        std::printf("%.17g %.17g\\n", energy, gx[0]);
    }
}
"""

# What the family asks of the core, which is a stand-in that takes anything down.
ASKED = """
import json, types
from miniff.potentials import gaussian_core_potential_family as family, known_families

calls = []
note = lambda name: lambda *given, **named: calls.append((name, given, named))
core = type("Core", (), {"__getattr__": lambda self, name: note(name)})()
potential = family(tag="A-A", **PARAMETERS)
family.compile(types.SimpleNamespace(core=core), potential.parameters, 3, [1])
try:
    family(**PARAMETERS | {"sigma": 0})
except ValueError as refusal:
    refused = str(refusal)
print(json.dumps([calls, potential.cutoff, "Gaussian core" in known_families, refused]))
"""


ON_DEVICE = """
import json, torch
from miniff.ml._device._functions import TensorFunctions
from miniff.potentials import gaussian_core_potential_family as family

own = TensorFunctions([family(**PARAMETERS)], ("A",), torch.zeros(0, dtype=torch.float64))
r = torch.tensor(DISTANCES, dtype=torch.float64)
print(json.dumps(own.values(r[:, None, None] * torch.eye(3)[:1], (0, 1))[:, 0].tolist()))
"""


def loaded(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def how_to():
    yield loaded(ROOT / "docs" / "how_to.py", "how_to")
    del sys.modules["how_to"]


@pytest.fixture(scope="module")
def copy(how_to, tmp_path_factory):
    """The sources as the page wants them; its Python with the core that is installed."""
    folder = tmp_path_factory.mktemp("how-to")
    how_to.follow(how_to.PAGE.read_text(), folder)
    for module in Path(miniff.__file__).parent.glob("*.so"):
        (folder / "src" / "miniff" / module.name).symlink_to(module)
    return folder


@pytest.fixture(scope="module")
def bound(copy):
    """The form, its name and those of its numbers, as the page binds them."""
    text = (copy / "cpp/bindings/functions.cpp").read_text()
    (line,) = re.findall(r"bind_pair<(Gaussian\w+)[^>]*>\(set, (.*?)\);", text)
    name, *numbers = re.findall(r'"(\w+)"', line[1])
    return line[0], name, numbers


def energies_of(copy):
    """The formula of the contract's row, of one distance."""
    reference = loaded(copy / "tests" / "reference.py", "reference_of_the_how_to")

    def energy(distance):
        pair = Cell(np.eye(3), [[0, 0, 0], [distance, 0, 0]], ["A", "A"], pbc=False)
        return reference.gaussian_core(pair, None, **PARAMETERS)[0]

    return energy


def compile_(*arguments):
    command = [COMPILER, *FLAGS, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_no_block_of_the_page_is_left_out(how_to):
    """All but those of the console and the last one, which uses what was made."""
    page = how_to.PAGE.read_text()
    blocks = re.findall(r"^```(?:cpp|python)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [step.code for step in how_to.steps(page)] == blocks[:-1]


@compiled
def test_the_sum_of_the_new_formula_is_right(copy, bound, tmp_path):
    """Beside the formula of the contract's row: values, and slopes as differences of those."""
    form, _, numbers = bound
    given = ", ".join(str(PARAMETERS[name]) for name in ["a", *numbers])
    source, program = tmp_path / "driver.cpp", tmp_path / "driver"
    source.write_text(DRIVER.replace("FORM", form).replace("NUMBERS", given))
    done = compile_("-I", copy / "cpp", source, "-o", program)
    assert done.returncode == 0, done.stderr
    r = np.array([0.3, 1.0, 1.7, 4.1, 4.2, 5.0])
    output = subprocess.run([program, *map(repr, r.tolist())], capture_output=True, check=True)
    values, slopes = np.array(output.stdout.split(), dtype=float).reshape(-1, 2).T

    energy, step = energies_of(copy), 1e-6
    np.testing.assert_allclose(values, [energy(x) for x in r], rtol=1e-13)
    np.testing.assert_allclose(
        slopes[:4], [(energy(x + step) - energy(x - step)) / (2 * step) for x in r[:4]], rtol=1e-7
    )
    assert slopes[4] == slopes[5] == values[4] == values[5] == 0


@compiled
def test_the_new_binding_compiles(copy, bound):
    """With as many numbers as the form has; with one more it does not."""
    nanobind = pytest.importorskip("nanobind", reason="the headers of nanobind are needed")
    path = copy / "cpp/bindings/functions.cpp"
    folders = (copy / "cpp", nanobind.include_dir(), sysconfig.get_path("include"))
    options = ("-fsyntax-only", *(f"-I{folder}" for folder in folders))
    done = compile_(*options, path)
    assert done.returncode == 0, done.stderr
    wrong = path.with_name("wrong.cpp")
    more = path.read_text().replace(f"{bound[0]}, double", f"{bound[0]}, double, double")
    wrong.write_text(more.replace(f'"{bound[1]}", ', f'"{bound[1]}", "more", '))
    done = compile_(*options, wrong)
    assert done.returncode != 0
    assert "too many initializers" in done.stderr or "excess elements" in done.stderr


def python_of(copy, program):
    """What a program prints, with the Python of the page."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env=os.environ | {"PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_new_family_asks_for_what_is_bound(copy, bound):
    """By its name, with all its numbers, and parameters out of range are refused."""
    program = ASKED.replace("PARAMETERS", repr(PARAMETERS))
    calls, cutoff, known, refused = python_of(copy, program)
    _, name, numbers = bound
    assert calls == [[name, [3, 1, PARAMETERS["a"]], {key: PARAMETERS[key] for key in numbers}]]
    assert cutoff == PARAMETERS["a"]
    assert known
    assert refused == "`sigma` is 0 but must be in (0.0, inf)"


def test_the_new_form_in_torch_is_right(copy):
    """The formula of the contract's row, zero from the cutoff on."""
    r = [0.3, 1.7, 4.1, 4.2, 5.0]
    program = ON_DEVICE.replace("PARAMETERS", repr(PARAMETERS)).replace("DISTANCES", repr(r))
    energy = energies_of(copy)
    wanted = [energy(x) for x in r[:3]] + [0, 0]
    np.testing.assert_allclose(python_of(copy, program), wanted, rtol=1e-13)


def test_the_new_family_has_its_row(copy):
    """In the contract, with the formula and the parameters that it takes."""
    row = (
        (copy / "tests/contract_rows.py")
        .read_text()
        .split('"gaussian-core",')[1]
        .split("\n    ),")[0]
    )
    assert "potentials.gaussian_core_potential_family," in row
    assert "reference.gaussian_core," in row


def test_a_step_that_does_not_fit_is_refused(how_to, tmp_path):
    """Lines that are not there, or twice where the last is not asked for; files that are there."""
    (tmp_path / "a.py").write_text("one = 1\none = 2\n")
    with pytest.raises(ValueError, match=r"a\.py has 2 lines that begin with 'one'"):
        how_to.Step("a.py", "one", "").do(tmp_path)
    with pytest.raises(ValueError, match=r"a\.py has 0 lines that begin with 'two'"):
        how_to.Step("a.py", "two", "").do(tmp_path)
    how_to.Step("a.py", "one", "    0\n", last=True).do(tmp_path)
    assert (tmp_path / "a.py").read_text() == "one = 1\n    0\none = 2\n"
    with pytest.raises(ValueError, match=r"a\.py is there already"):
        how_to.Step("a.py", None, "").do(tmp_path)
