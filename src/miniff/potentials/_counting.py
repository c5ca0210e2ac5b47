"""Sets of potentials in which each bond and each angle counts once.

Sums over neighbours count a bond from both ends and sums over ordered neighbours an angle between
equal species twice. Published parameters are mostly for bonds and angles counted once. The share of
each potential goes into the parameters that its energy is proportional to: ``epsilon``, ``d0``
(Morse), ``amplitude`` and ``c`` (Buckingham) or ``coulomb_constant`` (ZBL).

==========  =========================  ====================================
key         potentials made            energy of each
==========  =========================  ====================================
``a-a``     ``a-a``                    half of that given
``a-b``     ``a-b`` and ``b-a``        half of that given
``c-a-a``   ``c-a-a``                  half of that given
``c-a-b``   ``c-a-b``                  that given
==========  =========================  ====================================
"""

from collections.abc import Mapping
from itertools import combinations_with_replacement, product

from miniff.potentials._functions import FunctionPotential, LocalPotentialFamily
from miniff.potentials._local import check_tag

__all__ = ["counted_once"]

Given = tuple[str, Mapping[str, object] | None]
"""A tag as it was given, and its parameters."""


def counted_once(
    family: LocalPotentialFamily, parameters: Mapping[str, Mapping[str, object] | None]
) -> list[FunctionPotential]:
    """Potentials of one family for a set of species, in which each bond or angle counts once.

    >>> from miniff.potentials import counted_once, lj_potential_family
    >>> krypton = {"epsilon": 0.014, "sigma": 3.65, "a": 2.5}
    >>> argon = {"epsilon": 0.010, "sigma": 3.4, "a": 2.5}
    >>> mixed = {"epsilon": 0.012, "sigma": 3.52, "a": 2.5}
    >>> for p in counted_once(
    ...     lj_potential_family, {"Ar-Ar": argon, "Ar-Kr": mixed, "Kr-Kr": krypton}
    ... ):
    ...     print(p)
    <Lennard-Jones Ar-Ar: epsilon=0.005, sigma=3.4, a=2.5>
    <Lennard-Jones Ar-Kr: epsilon=0.006, sigma=3.52, a=2.5>
    <Lennard-Jones Kr-Ar: epsilon=0.006, sigma=3.52, a=2.5>
    <Lennard-Jones Kr-Kr: epsilon=0.007, sigma=3.65, a=2.5>

    Args:
        family: Of pairs or triples, with parameters that its energy is proportional to.
        parameters: For each pair ``"a-b"`` or triple ``"centre-a-b"`` of the species that are named
            anywhere, in one order of a and b, the parameters for a bond or angle counted once; None
            where there is no such interaction.

    Raises:
        TypeError: A family for which this makes no sense, with what to do instead, or parameters
            that it refuses.
        ValueError: A pair or triple that is absent or given in both orders, or is none.
    """
    _refuse_other_sums(family)
    given: dict[tuple[str, ...], Given] = {}
    for tag, values in parameters.items():
        check_tag(tag, family.n_bodies)
        key = _key(tag.split("-"))
        if key in given:
            raise ValueError(f"`{'-'.join(key)}` is given in both orders but must be given in one")
        given[key] = tag, values
    _refuse_absent(family, set(given))
    made = []
    for tag, values in given.values():
        if values is not None:
            whole = family(tag, **values)
            made += [_scaled(whole, name, share) for name, share in _shares(tag)]
    return made


def _refuse_other_sums(family: LocalPotentialFamily) -> None:
    """What is no sum over bonds or angles, or cannot be halved."""
    if not isinstance(family, LocalPotentialFamily):
        raise TypeError(
            f"`family` is {getattr(family, '__name__', family)!r} but must be a family of "
            "formulas; write the share of each bond or angle into the Python function itself"
        )
    if family.neighbors_of is not None:
        raise TypeError(
            f"{family.name} is no sum over bonds: take its parameters as they are published, with "
            "a potential for each centre and all species of neighbours in the tag"
        )
    if family.n_bodies not in (2, 3):
        raise TypeError(
            f"{family.name} has no bonds or angles between named species that could be counted "
            "once: its tag names the centre alone"
        )
    if not family.scales:
        raise TypeError(
            f"{family.name} has no parameter that its energy is proportional to, so that no half "
            "of it can be made: it is a descriptor, which is tagged for each centre and neighbour"
        )


def _key(species: list[str]) -> tuple[str, ...]:
    """The same for both orders of the two that a bond or an angle has at its ends."""
    return *species[:-2], *sorted(species[-2:])


def _refuse_absent(family: LocalPotentialFamily, given: set[tuple[str, ...]]) -> None:
    species = sorted({name for key in given for name in key})
    ends = list(combinations_with_replacement(species, 2))
    wanted = [(*c, *pair) for c in product(species, repeat=family.n_bodies - 2) for pair in ends]
    absent = ["-".join(key) for key in wanted if key not in given]
    if absent:
        raise ValueError(
            f"{family.name}: parameters for {', '.join(absent)} are missing; give None where there "
            "is no interaction"
        )


def _shares(tag: str) -> list[tuple[str, float]]:
    """The tags that together sum over a bond or angle, and the share of each term."""
    *centre, one, other = tag.split("-")
    if one == other:
        return [(tag, 0.5)]
    if centre:
        return [(tag, 1.0)]
    return [(tag, 0.5), (f"{other}-{one}", 0.5)]


def _scaled(potential: FunctionPotential, tag: str, factor: float) -> FunctionPotential:
    scaled = {name: factor * float(potential.parameters[name]) for name in potential.family.scales}
    return potential.family(tag, **{**potential.parameters, **scaled})
