"""Entries of structures under other names."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from miniff.io._structure import array_from, number_from, stress_from

if TYPE_CHECKING:
    from miniff.kernel import Cell

__all__ = ["renamed"]


def renamed(cells: "Sequence[Cell]", given: Sequence[str]) -> "list[Cell]":
    """Structures whose entries have other names: energies, forces and stresses in their shapes.

    Args:
        cells: The structures; those without an entry stay as they are.
        given: ``OLD=NEW``, one after the other.

    Raises:
        ValueError: Something else than OLD=NEW, a name that no structure has, one that is there
            already, or an entry that cannot be the label that it is to be.
    """
    found = list(cells)
    for words in given:
        old, equals, new = words.partition("=")
        if not (old and equals and new) or "=" in new:
            raise ValueError(f"--rename is {words} but must be OLD=NEW")
        if not any(old in cell.meta for cell in found):
            raise ValueError(f"--rename is {words} but no structure has `{old}`")
        found = [_renamed(cell, old, new) if old in cell.meta else cell for cell in found]
    return found


def _renamed(cell: "Cell", old: str, new: str) -> "Cell":
    from miniff.kernel import Cell

    source = cell.meta.get("source", "a structure")
    if cell.meta.get(new) is not None:
        raise ValueError(f"{source}: `{old}` cannot be `{new}`, which is there already")
    if new == "stress" and "virial" in old.lower():
        raise ValueError(
            f"{source}: `{old}` cannot be `stress`: it looks like a virial, which must be divided "
            "by minus the volume"
        )
    try:
        value = LABELS.get(new, _as_it_is)(cell.meta[old], cell.size)
    except ValueError as error:
        raise ValueError(f"{source}: `{old}` cannot be `{new}`: {error}") from None
    meta = {key: one for key, one in cell.meta.items() if key not in (old, new)}
    return Cell(cell.vectors, cell.coordinates, cell.values, {**meta, new: value}, pbc=cell.pbc)


def _energy(value: object, n_atoms: int) -> object:
    array = array_from("energy", value)
    return number_from(
        "energy", array.reshape(()) if array is not None and array.size == 1 else value
    )


def _forces(value: object, n_atoms: int) -> object:
    array = array_from("forces", value)
    if array is not None and array.shape != (n_atoms, 3):
        raise ValueError(f"`forces` has shape {array.shape} but must be ({n_atoms}, 3)")
    return array


def _stress(value: object, n_atoms: int) -> object:
    return stress_from(value)


def _as_it_is(value: object, n_atoms: int) -> object:
    return value


LABELS: Mapping[str, Callable[[object, int], object]] = {
    "energy": _energy,
    "forces": _forces,
    "stress": _stress,
}
"""What makes a label of an entry."""
