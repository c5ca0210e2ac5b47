"""Potential files: tensors and plain data, read without running any code from them."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from miniff.io import atomic_write
from miniff.ml._potential import NN_TAG, NNPotential
from miniff.potentials import LocalPotential, potential_from_state_dict

__all__ = ["load_potentials", "save_potentials"]

FORMAT = "miniff potentials"
VERSION = 1


def save_potentials(
    path: str | Path,
    potentials: Sequence[LocalPotential],
    *,
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Writes potentials to a file, whole or not at all.

    Args:
        path: Where to.
        potentials: Formulas and networks.
        provenance: Where they come from, as plain data: versions, seed, hash of the data.

    Raises:
        ValueError: A network that cannot be saved.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "units": {"energy": "eV", "length": "angstrom"},
        "potentials": [potential.state_dict() for potential in potentials],
        "provenance": dict(provenance or {}),
    }
    with atomic_write(path) as temporary:
        torch.save(content, temporary)


def load_potentials(path: str | Path) -> list[LocalPotential]:
    """The potentials of a file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file that is damaged, holds something else, or was written by a newer version.
    """
    content = _content(Path(path))
    try:
        return [_potential(state) for state in content]
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _content(path: Path) -> list[Mapping[str, object]]:
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise ValueError(f"{path} is not a potential file, or it is damaged") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"{path} is not a potential file of miniff")
    if data.get("version") != VERSION:
        raise ValueError(
            f"{path} has format version {data.get('version')} but this miniff reads {VERSION}"
        )
    potentials = data.get("potentials")
    if not isinstance(potentials, list):
        raise ValueError(f"{path} holds no list of potentials")
    return potentials


def _potential(state: Mapping[str, object]) -> LocalPotential:
    if state.get("tag") == NN_TAG:
        return NNPotential.from_state_dict(state)
    return potential_from_state_dict(state)
