"""Potential files: tensors and plain data, read without running any code from them."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from miniff.io import atomic_write
from miniff.ml._plain import PLAIN_SUFFIXES, potential_from_plain, read_plain
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
    """The potentials of a file: one that :func:`save_potentials` wrote, or plain data.

    Args:
        path: ``.json``, ``.yml`` and ``.yaml`` hold a list of family, tag, parameters, or one such;
            any other file is what :func:`save_potentials` writes.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file that is damaged, holds something else, or was written by a newer version.
    """
    if Path(path).suffix in PLAIN_SUFFIXES:
        return _plain_potentials(Path(path))
    content = _content(Path(path))
    try:
        return [_potential(state) for state in content]
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _plain_potentials(path: Path) -> list[LocalPotential]:
    content = read_plain(path)
    items = content if isinstance(content, list) else [content]
    potentials: list[LocalPotential] = []
    for place, item in enumerate(items):
        try:
            potentials.append(potential_from_plain(item))
        except ValueError as error:
            raise ValueError(f"{path}, potential {place} (counted from 0): {error}") from None
    return potentials


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
