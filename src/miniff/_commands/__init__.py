"""What the command line does besides running jobs: one file for each command.

Torch takes a second to load, which `--help` need not wait for: whatever needs it is imported within
functions.
"""

from miniff._commands._common import INTERRUPTED, USER_ERROR, let_threads_wait, sentence_of
from miniff._commands._convert import convert
from miniff._commands._eval import evaluate
from miniff._commands._info import info
from miniff._commands._init import init

__all__ = [
    "INTERRUPTED",
    "USER_ERROR",
    "convert",
    "evaluate",
    "info",
    "init",
    "let_threads_wait",
    "sentence_of",
]
