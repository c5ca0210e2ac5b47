"""Kernels for sums over pairs: against torch where Triton is installed; what chooses them."""

import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from test_tensor_functions import a_set, structure

from miniff.kernel import compute_images
from miniff.ml._device import _kernel_check, _kernel_sums
from miniff.ml._device._environment import TensorEnvironment
from miniff.ml._device._functions import TensorFunctions
from miniff.ml._device._kernel_check import has_kernels, kernel_problem
from miniff.ml._device._table import TensorTable
from miniff.potentials import Functions, behler4_descriptor_family, behler5_descriptor_family

CPU = torch.device("cpu")

needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton, which torch has beside CUDA, is not installed"
)


class PowersByTorch:
    """What stands for ``PairPowers``; each pair is a number in memory."""

    error = 0.0

    def __init__(
        self,
        couples: Sequence[tuple[int, int]],
        lambdas: Sequence[float],
        zetas: Sequence[int],
        like: torch.Tensor,
        third: Any = None,
    ) -> None:
        assert like.dtype.is_floating_point
        self.couples, self.powers = couples, [(a, z) for a in lambdas for z in zetas]
        self.third = third

    def __call__(
        self, units: torch.Tensor, lengths: torch.Tensor, legs: torch.Tensor
    ) -> torch.Tensor:
        one, other = torch.combinations(torch.arange(units.shape[2])).T
        cosines = (units[:, :, one] * units[:, :, other]).sum(1)
        vectors = units * lengths[:, None]
        d = (vectors[:, :, one] - vectors[:, :, other]).norm(dim=1)
        rows = []
        for couple, (first, second) in enumerate(self.couples):
            both = legs[:, first, one] * legs[:, second, other]
            both = both + legs[:, second, one] * legs[:, first, other]
            if self.third is not None:
                eta, shift = self.third.gaussians[couple]
                near = d < self.third.cutoff
                fc = (1 + torch.cos(torch.pi * d / self.third.cutoff)) / 2
                both = both * torch.exp(-eta * (d - shift) ** 2) * torch.where(near, fc, 0.0)
            rows += [(both * ((1 + a * cosines) / 2) ** z).sum(1) for a, z in self.powers]
        found = torch.stack(rows, dim=1).unflatten(1, (len(self.couples), -1))
        return found * (1 + self.error)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[PowersByTorch]:
    """Of this test alone."""
    own = type("Own", (PowersByTorch,), {})
    for module in (_kernel_check, _kernel_sums):
        monkeypatch.setattr(module, "PairPowers", own)
    return own


def assert_agrees_with_the_core(dtype: torch.dtype, rtol: float) -> None:
    """A set of wide and other functions, with kernels where there are some: values and slopes."""
    more = [
        family(f"O-{pair}", a=6.5, eta=eta, l=sign, zeta=zeta, **shape)
        for family in (behler4_descriptor_family, behler5_descriptor_family)
        for shape in ({}, {"cutoff_function": "poly2"}, {"cutoff_alpha": 0.3})
        for pair in ("O-S", "S-S")
        for eta, sign, zeta in ((0.03, 1, 1), (0.03, -1, 4), (0.1, 1, 200))
    ]
    functions = [*a_set(), *more]
    core = Functions(functions)
    table = compute_images(structure(), core.cutoff).table
    centres = table.atoms_of(core.centre)
    own = TensorFunctions(functions, table.names, torch.zeros(0, dtype=dtype), by_kernels=True)
    there = TensorTable.of(table, CPU)
    environment = TensorEnvironment.of(own, there, centres, 1e5)
    weight = np.random.default_rng(0).normal(size=(1, len(centres), len(functions)))
    wanted, found = np.zeros((table.n_images, 3)), torch.zeros(1, table.n_images, 3).double()
    core.vjp(table, centres, weight[0], wanted)
    environment.add_vjp(there.images, torch.from_numpy(weight), found)
    values = environment.values(there.images).detach().numpy()
    for one, other in ((values, core.values(table, centres)), (found[0].numpy(), wanted)):
        np.testing.assert_allclose(one, other, rtol=0, atol=rtol * np.abs(other).max())


def test_functions_find_their_sums_in_what_the_kernels_give(stand_in: type) -> None:
    """Powers too large for a kernel, those that are no integers, and windows are summed beside."""
    assert_agrees_with_the_core(torch.float64, 1e-12)
    assert_agrees_with_the_core(torch.float32, 1e-4)


INTERPRETED = """
import warnings
import torch
from test_kernels import CPU, assert_agrees_with_the_core
from miniff.ml._device._kernel_check import kernel_problem
from miniff.ml._device._pair_powers import PairPowers

warnings.simplefilter("ignore")
for dtype, rtol in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
    assert kernel_problem(CPU, dtype) is None, kernel_problem(CPU, dtype)
    assert_agrees_with_the_core(dtype, rtol)
powers = PairPowers([(0, 0)], [1.0], [3], torch.zeros(0))
units = torch.tensor([[[1.0, 0.0], [0.0, 0.6], [0.0, 0.8]]], requires_grad=True)
energy = powers(units, torch.ones(1, 2), torch.ones(1, 1, 2)).sum()
try:
    torch.autograd.grad(energy, units, create_graph=True)
except NotImplementedError as error:
    print(error)
empty = powers(torch.zeros(0, 3, 5), torch.zeros(0, 5), torch.zeros(0, 1, 5))
assert empty.shape == (0, 1, 1)
"""

COMPILED = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from miniff.ml._device import _kernels

for kernel in (_kernels.pair_power_sums, _kernels.pair_power_slopes):
    for number in ("fp32", "fp64"):
        signature = {
            name: "constexpr" if name.isupper() else "*i32" if name in ("first", "second")
            else "i32" if name.startswith("n") else "*" + number
            for name in kernel.arg_names
        }
        constants = {"ZETAS": (1, 4, 16), "N_LAMBDAS": 2, "CHUNK": 4, "LANES": 32, "COLUMNS": 8}
        for narrow in (False, True):
            constants["NARROW"] = narrow
            source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
            found = compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
            assert found.asm["cubin"]
print("all of them")
"""


def printed(program: str, **environment: str) -> str:
    path = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )
    return done.stdout if done.returncode == 0 else done.stderr


@pytest.mark.skipif(find_spec("triton") is not None, reason="Triton is installed")
def test_without_triton_there_is_a_problem() -> None:
    """Of which no more is said on a device than that Triton is not there."""
    assert kernel_problem(CPU, torch.float64) == "ModuleNotFoundError: No module named 'triton'"


@needs_triton
def test_interpreted_kernels_agree_with_the_core() -> None:
    """Triton computes them on the CPU; derivatives are not formed twice."""
    found = printed(INTERPRETED, TRITON_INTERPRET="1")
    assert found.startswith("kernels form first derivatives of symmetry functions alone"), found


@needs_triton
def test_kernels_are_compiled_for_a_device_that_is_not_here() -> None:
    """In both precisions."""
    assert printed(COMPILED) == "all of them\n"


def test_right_kernels_have_no_problem(stand_in: type) -> None:
    """In neither precision."""
    for dtype in (torch.float32, torch.float64):
        assert kernel_problem(CPU, dtype) is None


def test_wrong_kernels_are_found(stand_in: type[PowersByTorch]) -> None:
    """By the numbers of an example, which say by how much."""
    stand_in.error = 1e-3
    assert "in an example they are off by 2.0e-03 of" in str(kernel_problem(CPU, torch.float32))
    stand_in.error = 1e-9
    assert kernel_problem(CPU, torch.float32) is None
    assert "they are off by 1.0e-09" in str(kernel_problem(CPU, torch.float64))
    stand_in.error = float("nan")
    assert "they are off by nan" in str(kernel_problem(CPU, torch.float64))


def test_kernels_that_break_are_not_used(stand_in: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their first line is told; torch computes instead."""

    def broken(self: object, *args: object) -> torch.Tensor:
        raise RuntimeError("no ptxas\nat all")

    monkeypatch.setattr(stand_in, "__call__", broken)
    assert kernel_problem(CPU, torch.float32) == "RuntimeError: no ptxas"


def test_a_device_has_kernels_if_they_are_right(
    stand_in: type[PowersByTorch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked for on CUDA devices with Triton; a warning says why they are not used."""
    look = has_kernels.__wrapped__
    cuda = torch.device("cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not look(CPU, torch.float32)
        monkeypatch.setattr(_kernel_check, "find_spec", lambda name: None)
        assert not look(cuda, torch.float32)
        monkeypatch.setattr(_kernel_check, "find_spec", lambda name: name)
        monkeypatch.setattr(_kernel_check, "kernel_problem", lambda *_: None)
        assert look(cuda, torch.float32)
    monkeypatch.setattr(_kernel_check, "kernel_problem", lambda *_: "they are wrong")
    with pytest.warns(
        RuntimeWarning,
        match="the kernels of miniff for sums over pairs of neighbours cannot be used on cuda, "
        "so that torch computes them operation by operation, which is slower: they are wrong",
    ):
        assert not look(cuda, torch.float32)
