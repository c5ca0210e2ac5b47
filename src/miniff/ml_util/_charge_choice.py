"""The argument `charges` of a fit: charges that networks see, or that are learned beside them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from miniff._checks import unknown_name
from miniff.ml import ChargePotential, load_potentials
from miniff.ml_util._charge_use import LearnedCharges, SeenCharges, coulomb_of
from miniff.ml_util._types import Checked, Problem, Reads

__all__ = [
    "LEARNED",
    "ChargesArgument",
    "charges_of_argument",
    "conflict_of_charges",
    "conflict_of_place",
    "is_learned",
    "problems_of_widths",
]

LEARNED = "learned"
SETTINGS = ("a", "accuracy", "widths", "background")
ROWS_NEEDED = ("levenberg", "kalman")
"""Optimisers that need each error's derivatives, which there are for energies of networks alone."""


def load_charges(path: str) -> ChargePotential:
    """The learned charges of a file, and nothing but them.

    Raises:
        ValueError: A file with something else.
    """
    potentials = load_potentials(path)
    if len(potentials) != 1 or not isinstance(potentials[0], ChargePotential):
        raise ValueError(f"{path} must hold learned charges alone, as `charge-fit` saves them")
    if potentials[0].energy_networks:
        raise ValueError(f"{path} holds charges with networks that see them already")
    return potentials[0]


def _problems(given: object) -> list[Problem]:
    if not isinstance(given, Mapping):
        return []
    found: list[Problem] = [
        ((str(name),), unknown_name("key of learned charges", str(name), SETTINGS))
        for name in given
        if name not in SETTINGS
    ]
    for name in ("a", "accuracy"):
        value = given.get(name, 1.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            found.append(((name,), f"it is {value!r} but must be a number above 0"))
    if not isinstance(given.get("background", False), bool):
        found.append((("background",), f"it is {given['background']!r} but must be true or false"))
    return found + [
        (("widths", *at), what) for at, what in problems_of_widths(given.get("widths", {}))
    ]


def problems_of_widths(given: object) -> list[Problem]:
    """What is wrong with widths of species."""
    if not isinstance(given, Mapping):
        return [((), f"it is {given!r} but must be a mapping of species to widths")]
    return [
        ((str(name),), f"it is {value!r} but must be a number above 0")
        for name, value in given.items()
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0
    ]


ChargesArgument = Annotated[
    str | dict[str, Any], Reads(besides=(LEARNED,), load=load_charges), Checked(_problems)
]
"""A file of charges, ``learned``, or settings of what is learned."""


def charges_of_argument(
    given: str | Mapping[str, Any] | None, names: Sequence[str]
) -> LearnedCharges | SeenCharges | None:
    """What is to be done with charges.

    Args:
        given: The argument.
        names: The species.

    Raises:
        ValueError: What cannot be used.
    """
    if given is None:
        return None
    if isinstance(given, str) and given != LEARNED:
        return SeenCharges(load_charges(given))
    settings: Mapping[str, Any] = {} if isinstance(given, str) else given
    for at, what in _problems(settings):
        raise ValueError(f"`{'.'.join(('charges', *at))}`: {what}")
    return LearnedCharges(coulomb_of(names, rule="shift", **settings))


def is_learned(given: object) -> bool:
    """Whether the argument asks for charges that are learned."""
    return given == LEARNED or isinstance(given, Mapping)


def conflict_of_place(charges: object, device: object) -> list[Problem]:
    """Charges are learned by the core: ``auto`` is the CPU where there are some."""
    if charges is None or device in ("auto", "cpu"):
        return []
    return [(("device",), f"is {device} but charges are learned on the CPU alone: take cpu")]


def conflict_of_charges(
    charges: object, optimizer: object, w_charges: object = 0.0, n_models: object = None
) -> list[Problem]:
    """What does not go together with charges, and with none; places start with the section."""
    found: list[Problem] = []
    if charges is not None and optimizer in ROWS_NEEDED:
        what = f"is {optimizer}, which cannot be used with `charges`; take lbfgs or adam"
        found.append((("run", "optimizer"), what))
    if is_learned(charges) and isinstance(n_models, int) and n_models > 1:
        what = (
            f"is {n_models} but must be 1 where charges are learned from energies: members may "
            "learn different charges, whose mean is none of them"
        )
        found.append((("prepare", "n_models"), what))
    if not is_learned(charges) and isinstance(w_charges, int | float) and w_charges > 0:
        what = f"is {w_charges} but no charges are learned: say `charges: learned` in `prepare`"
        found.append((("run", "w_charges"), what))
    return found
