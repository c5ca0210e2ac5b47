"""What the command line does besides running jobs: one file for each command.

Torch takes a second to load, which `--help` need not wait for: whatever needs it is imported within
functions.
"""

from miniff._commands._convert import convert
from miniff._commands._eval import evaluate
from miniff._commands._info import info
from miniff._commands._init import init

__all__ = ["convert", "evaluate", "info", "init"]
