"""Programs in a process of their own."""

import subprocess
import sys


def printed_by(program: str) -> str:
    """What a program printed; its complaints where it ended with an error."""
    run = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else done.stderr
