"""What decides the numbers of a run, to tell whether a checkpoint is of the same one."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy import ndarray

from miniff.dyn._state import Start
from miniff.potentials import Potential, listed_potentials

__all__ = ["fingerprint"]


def fingerprint(
    start: Start,
    potentials: Potential | Sequence[Potential],
    choices: Mapping[str, object],
) -> dict[str, object]:
    """Choices as they are; structure and potentials by a hash of their numbers."""
    cell = start.cell
    structure = [start.positions, cell.vectors, list(cell.values), list(cell.pbc), start.masses]
    return {
        **choices,
        "atoms": " ".join(f"{name}{n}" for name, n in sorted(Counter(cell.values).items())),
        "structure": _hash([*structure, start.velocities]),
        "potentials": _hash([_data(potential) for potential in listed_potentials(potentials)]),
    }


def _data(potential: Potential) -> object:
    try:
        return potential.state_dict()
    except ValueError:  # a Python function, which has a name alone
        return repr(potential)


def _hash(value: object) -> str:
    sha = hashlib.sha256()
    _feed(sha, value)
    return sha.hexdigest()


def _feed(sha: "hashlib._Hash", value: object) -> None:
    """Every number to the last bit, with where it stands."""
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, ndarray):
        sha.update(f"{value.dtype}{value.shape}".encode())
        sha.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            sha.update(f"{name}:".encode())
            _feed(sha, inner)
    elif isinstance(value, list | tuple):
        sha.update(f"[{len(value)}".encode())
        for inner in value:
            _feed(sha, inner)
    else:
        sha.update(f"{value!r};".encode())
