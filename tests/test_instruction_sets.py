"""Every version of the compiled core that this processor can run gives the same numbers."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import contract
import numpy as np
import pytest

from miniff import _core, _cpu, kernel

KNOWN = ("default", "v3", "v4")
OTHERS = [
    name
    for name in KNOWN[: KNOWN.index(_cpu.instruction_set()) + 1]
    if name != _core.instruction_set and find_spec(f"miniff._core_{name}")
]

PROGRAM = """
import sys
import numpy as np
from miniff import _core
from test_instruction_sets import results

assert _core.instruction_set == sys.argv[1]
np.savez(sys.argv[2], **results())
"""


def results() -> dict[str, np.ndarray]:
    """Energies, gradients and strain derivatives of all families."""
    found = {}
    for row in contract.COMPILED:
        result = kernel.eval(row.potential(), contract.large())
        for name in ("energies", "gradient", "strain_derivative"):
            found[f"{row.name} {name}"] = getattr(result, name)
    return found


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program with that version of the core."""
    tests = str(Path(__file__).parent)
    environment = os.environ | {"MINIFF_INSTRUCTION_SET": name, "PYTHONPATH": tests}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", OTHERS)
def test_versions_of_the_core_agree(name, tmp_path):
    """All families agree to rounding."""
    file = tmp_path / "results.npz"
    ended = run(name, name, str(file))
    assert ended.returncode == 0, ended.stderr
    theirs = np.load(file)
    for key, ours in results().items():
        scale = max(1.0, np.abs(ours).max())
        np.testing.assert_allclose(theirs[key], ours, rtol=1e-11, atol=1e-12 * scale)


def test_unknown_instruction_sets_are_refused():
    """The sentence lists those that would do."""
    ended = run("avx9", "avx9", "nowhere")
    assert ended.returncode != 0
    assert "`avx9` is not a known `MINIFF_INSTRUCTION_SET`. Known: `default`" in ended.stderr
