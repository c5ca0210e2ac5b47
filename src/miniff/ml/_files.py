"""Potential files: tensors and plain data, read without running any code from them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from miniff.ml._charge_potential import CHARGE_TAG, ChargePotential
from miniff.ml._old_files import old_potential
from miniff.ml._plain import (
    PLAIN_SUFFIXES,
    plain_of,
    potential_from_plain,
    read_plain,
    write_plain,
)
from miniff.ml._potential import NN_TAG, NNPotential
from miniff.ml._tensor_files import DamagedFileError, read_tensors, write_tensors
from miniff.potentials import (
    FixedChargePotential,
    FunctionPotential,
    Potential,
    potential_from_state_dict,
)

__all__ = ["load_potentials", "load_provenance", "potential_from_state", "save_potentials"]

FORMAT = "miniff potentials"
VERSION = 2
"""1 had no moments of the training set."""


def save_potentials(
    path: str | Path,
    potentials: Sequence[Potential],
    *,
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Writes potentials to a file, whole or not at all.

    Args:
        path: Where to. ``.json``, ``.yml`` and ``.yaml`` get formulas as plain data that people can
            write too; any other name all potentials.
        potentials: Formulas and networks.
        provenance: Where they come from, as plain data: versions, seed, hash of the data.

    Raises:
        ValueError: A network that cannot be saved; networks or a provenance for plain data.
    """
    if Path(path).suffix in PLAIN_SUFFIXES:
        _save_plain(Path(path), potentials, provenance)
        return
    content = {
        "format": FORMAT,
        "version": VERSION,
        "units": {"energy": "eV", "length": "angstrom"},
        "potentials": [potential.state_dict() for potential in potentials],
        "provenance": dict(provenance or {}),
    }
    write_tensors(path, content)


def _save_plain(
    path: Path, potentials: Sequence[Potential], provenance: Mapping[str, object] | None
) -> None:
    if provenance:
        raise ValueError(f"{path} has no place for where potentials come from: name it in .pt")
    plain = []
    for one in potentials:
        if not isinstance(one, FunctionPotential | FixedChargePotential):
            raise ValueError(f"{path} can hold formulas alone, but here is {one}: name it in .pt")
        plain.append(plain_of(one))
    write_plain(path, plain)


def load_potentials(path: str | Path, *, old_activation: str | None = None) -> list[Potential]:
    """The potentials of a file: one that :func:`save_potentials` wrote, or plain data.

    Args:
        path: ``.json``, ``.yml`` and ``.yaml`` hold a list of family, tag, parameters, or one such;
            any other file is what :func:`save_potentials` writes, or release 0.1.4 did.
        old_activation: What stands between the linear layers of networks in a file of release
            0.1.4, which does not say it. Potentials without a tag act on every species now.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file that is damaged, holds something else, or was written by a newer version.
    """
    if Path(path).is_dir():
        raise ValueError(
            f"{path} is a folder but must be a file; potentials of n2p2 are read by `ml.load_n2p2` "
            "or turned into a file by `miniff convert`"
        )
    if Path(path).suffix in PLAIN_SUFFIXES:
        return _plain_potentials(Path(path))
    data = _content(Path(path))
    old = data if isinstance(data, list) else None
    if old_activation is not None and old is None:
        raise ValueError(f"{path} is no file of release 0.1.4: it says what its activations are")
    if old is not None:
        return _made(path, old, lambda state: old_potential(state, old_activation))
    return _made(path, _of_this_format(path, data), potential_from_state)


def _made(
    path: str | Path, states: list[Any], make: Callable[[Mapping[str, Any]], Potential]
) -> list[Potential]:
    return [_one_made(path, place, state, make) for place, state in enumerate(states)]


def _one_made(
    path: str | Path,
    place: int,
    state: object,
    make: Callable[[Mapping[str, Any]], Potential],
) -> Potential:
    """One potential, or the refusal of its data."""
    where = f"{path}, potential {place} (counted from 0)"
    if not isinstance(state, Mapping):
        raise ValueError(f"{where}: it is {type(state).__name__} but must be a mapping")
    try:
        return make(state)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error
    except (LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{where}: its data are no potential's ({what:.200})") from error


def load_provenance(path: str | Path) -> dict[str, object]:
    """Where the potentials of a file come from, as whoever saved them said: plain data.

    Args:
        path: What :func:`save_potentials` wrote; a file of release 0.1.4 says nothing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file that is damaged or holds something else.
    """
    data = _content(Path(path))
    if isinstance(data, list):
        return {}
    _of_this_format(path, data)
    assert isinstance(data, dict)
    return dict(data.get("provenance", {}))


def _plain_potentials(path: Path) -> list[Potential]:
    content = read_plain(path)
    items = content if isinstance(content, list) else [content]
    potentials: list[Potential] = []
    for place, item in enumerate(items):
        try:
            potentials.append(potential_from_plain(item))
        except ValueError as error:
            raise ValueError(f"{path}, potential {place} (counted from 0): {error}") from None
    return potentials


def _content(path: Path) -> object:
    """What a file holds, plain data and tensors alone."""
    try:
        return read_tensors(path)
    except DamagedFileError as error:
        if "`numpy" in str(error):
            raise ValueError(
                f"{path} holds arrays of numpy, as files of release 0.1.4 with histograms of "
                "descriptors do: reading them would run code from the file. Save it with that "
                "release once more, with descriptor_fidelity_histograms=None"
            ) from error
        raise ValueError(f"{path} is not a potential file, or it is damaged: {error}") from error


def _of_this_format(path: str | Path, data: object) -> list[Mapping[str, object]]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"{path} is not a potential file of miniff")
    version = data.get("version")
    if version not in range(1, VERSION + 1):
        is_newer = isinstance(version, int) and version > VERSION
        advice = ": it was written by a newer one, so update miniff" if is_newer else ""
        raise ValueError(
            f"{path} has format version {version!r:.40} but this miniff reads those up to "
            f"{VERSION}{advice}"
        )
    potentials = data.get("potentials")
    if not isinstance(potentials, list):
        raise ValueError(f"{path} holds no list of potentials")
    return potentials


def potential_from_state(state: Mapping[str, object]) -> Potential:
    """The potential, a formula or a network, whose ``state_dict`` this is."""
    if state.get("tag") == NN_TAG:
        return NNPotential.from_state_dict(state)
    if state.get("tag") == CHARGE_TAG:
        return ChargePotential.from_state_dict(state)
    return potential_from_state_dict(state)
