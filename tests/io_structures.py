"""Structures for tests of files, and how their refusal is expected."""

import re

import numpy as np
import pytest

from miniff.io import Structure, StructureError

LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
FRAME = f"""2
{LATTICE} Properties=species:S:1:pos:R:3:forces:R:3 energy=-3.5 stress="1 6 5 6 2 4 5 4 3"
Si 0 0 0 0.1 0.2 0.3
Ge 1 1 9 -0.1 -0.2 -0.3
"""


def refuses(sentence):
    """Expect a refusal that contains the sentence, word for word."""
    return pytest.raises(StructureError, match=re.escape(sentence))


def make_structure(seed=0, **changes):
    rng = np.random.default_rng(seed)
    fields = {
        "vectors": np.diag([4.0, 5.0, 6.0]) + rng.normal(scale=0.1, size=(3, 3)),
        "positions": rng.normal(scale=9, size=(3, 3)),
        "species": ("Si", "O", "O"),
        "periodic": (True, True, False),
        "energy": rng.normal(),
        "forces": rng.normal(size=(3, 3)),
        "stress": rng.normal(size=6),
    }
    return Structure(**(fields | changes))
