"""The compiled core, in the version for this processor.

The same sources are compiled for several sets of instructions; ``instruction_set`` names the one in
use. The environment variable ``MINIFF_INSTRUCTION_SET`` asks for another: ``default`` runs on every
processor, ``v3`` (AVX2) and ``v4`` (AVX-512) are levels of x86-64.
"""

import os
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from miniff._checks import unknown_name
from miniff._cpu import instruction_set as _best

_KNOWN = ("default", "v3", "v4")


def _load() -> ModuleType:
    supported = _KNOWN[: _KNOWN.index(_best()) + 1]
    asked = os.environ.get("MINIFF_INSTRUCTION_SET", "")
    if asked and asked not in supported:
        raise ImportError(unknown_name("`MINIFF_INSTRUCTION_SET`", asked, supported))
    for name in [asked] if asked else reversed(supported):
        if find_spec(f"miniff._core_{name}") is not None:
            return import_module(f"miniff._core_{name}")
    raise ImportError(
        f"miniff was built without a core for {asked or 'this processor'}: install it anew"
    )


_module = _load()
globals().update({name: value for name, value in vars(_module).items() if name[0] != "_"})
