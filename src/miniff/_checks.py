"""The wording of refusals: what was given, and what is demanded."""

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from math import inf, isfinite

import numpy as np
from numpy import ndarray

__all__ = [
    "WHY_NO_NUMBER",
    "check_at_least",
    "check_finite",
    "check_not_negative",
    "check_positive",
    "check_shape",
    "no_such_file",
    "unknown_name",
    "words_for_no_number",
]

LONGEST_SHOWN, MOST_LISTED = 200, 60
MOST_NAMES = 5
"""Files of a folder that are named."""
WHY_NO_NUMBER = "atoms came too close, or the potential fails here"


def check_shape(name: str, array: ndarray, shape: Sequence[int | str]) -> None:
    """Refuse an array of another shape.

    Args:
        name: What the user calls the array.
        array: The array given.
        shape: Lengths demanded; a word such as ``"n_atoms"`` stands for any length.
    """
    fits = len(array.shape) == len(shape) and all(
        isinstance(wanted, str) or given == wanted
        for given, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        demanded = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"`{name}` has shape {array.shape} but must be ({demanded})")


def check_finite(name: str, array: ndarray | float) -> None:
    """Refuse nan and infinity, saying where the first one is."""
    bad = np.argwhere(~np.isfinite(array))
    if not len(bad):
        return
    first = tuple(bad[0].tolist())
    where = f" at {list(first)}" if first else ""
    raise ValueError(f"`{name}` is {np.asarray(array)[first]}{where} but must be finite")


def check_positive(name: str, value: float) -> None:
    """Refuse zero, what is below it, infinity and nan."""
    if not 0 < value < inf:
        raise ValueError(f"`{name}` is {value} but must be in (0, inf)")


def check_not_negative(name: str, value: float) -> None:
    """Refuse what is below zero, infinity and nan."""
    if not 0 <= value < inf:
        raise ValueError(f"`{name}` is {value} but must be in [0, inf)")


def check_at_least(name: str, value: int, least: int) -> None:
    """Refuse a smaller count."""
    if value < least:
        raise ValueError(f"`{name}` is {value} but must be in [{least}, inf)")


def unknown_name(what: str, given: str, known: Iterable[str]) -> str:
    """The sentence about a name nobody knows: the nearest known one, then all of them.

    Args:
        what: The kind of name, e.g. ``"parameter"``.
        given: The name given.
        known: All names that would do.
    """
    names = sorted(known)
    spelt = {name.lower(): name for name in names}
    nearest = get_close_matches(given, names, n=1) or get_close_matches(given.lower(), spelt, n=1)
    hint = f"; did you mean `{spelt[nearest[0].lower()]}`?" if nearest else "."
    listed = ", ".join(f"`{name}`" for name in names) or "none"
    if len(names) > MOST_LISTED:
        listed = f"{len(names)} names, from `{names[0]}` to `{names[-1]}`"
    shown = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}..."
    return f"`{shown}` is not a known {what}{hint} Known: {listed}"


def no_such_file(pattern: str) -> str:
    """The sentence about a file that is not there: which are instead, those of like names first."""
    folder = os.path.dirname(os.path.expanduser(pattern)) or "."
    if not os.path.isdir(folder):
        return f"there is no file `{pattern}`: there is no folder `{folder}`"
    there = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    if not there:
        return f"there is no file `{pattern}`: the folder `{folder}` is empty"
    wanted = os.path.basename(pattern)
    nearest = get_close_matches(wanted, there, n=1, cutoff=0.6)
    known = get_close_matches(wanted, there, n=MOST_NAMES, cutoff=0.3) or there[:MOST_NAMES]
    hint = f"; did you mean `{_within(folder, nearest[0])}`?" if nearest else "."
    listed = ", ".join(f"`{_within(folder, name)}`" for name in known)
    others = f" and {len(there) - len(known)} more" if len(there) > len(known) else ""
    return f"there is no file `{pattern}`{hint} The folder has {listed}{others}"


def _within(folder: str, name: str) -> str:
    return name if folder == "." else os.path.join(folder, name)


def words_for_no_number(energy: float, gradient: ndarray) -> tuple[str, list[int]]:
    """How to tell that an energy or a force is infinite or nan, and the first such atom, if any.

    Args:
        energy: Of the structure (energy).
        gradient: dE/dr of its atoms (energy/length).
    """
    wrong = np.flatnonzero(~np.isfinite(gradient).all(axis=1))[:1].tolist()
    if not wrong:
        return f"the energy is {energy}, no finite number", wrong
    first = "" if isfinite(energy) else f"the energy is {energy} and "
    return f"{first}the force on atom {wrong[0]} (counted from 0) is no finite number", wrong
