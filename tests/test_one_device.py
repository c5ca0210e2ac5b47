"""All of a step is on one device, and nothing of it on the host: see ``pretended_device``."""

import os
import subprocess
import sys
from pathlib import Path


def test_steps_and_training_stay_on_one_device() -> None:
    """Elsewhere, since a process has one such device for ever."""
    root = str(Path(__file__).resolve().parents[1])  # where the benchmarks are
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("pretended_device.py"))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout == "on one device\n", done.stderr
