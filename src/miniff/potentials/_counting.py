"""Sets of potentials in which each bond and each angle counts once.

Sums over neighbours count a bond from both ends and sums over ordered neighbours an angle between
equal species twice. Published parameters are mostly for bonds and angles counted once:

==========  =========================  ====================================
key         potentials made            epsilon of each
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

SCALE = "epsilon"


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
        family: Of pairs or triples, with a scale ``epsilon``; a triple must be the same with its
            neighbours exchanged, as those of all families are.
        parameters: For each pair ``"a-b"`` or triple ``"centre-a-b"`` of the species that are named
            anywhere, in one order of a and b, the parameters for a bond or angle counted once; None
            where there is no such interaction.

    Raises:
        TypeError: A family without ``epsilon``, or parameters it refuses.
        ValueError: A pair or triple that is absent or given in both orders, or is none.
    """
    if SCALE not in family.parameters or family.n_bodies not in (2, 3):
        raise TypeError(
            f"{family.name}: only pairs and triples with a scale `{SCALE}` can be counted once"
        )
    given = {}
    for tag, values in parameters.items():
        check_tag(tag, family.n_bodies)
        key = _key(tag.split("-"))
        if key in given:
            raise ValueError(f"`{'-'.join(key)}` is given in both orders but must be given in one")
        given[key] = values
    _refuse_absent(family, set(given))
    made = []
    for key, values in given.items():
        if values is not None:
            whole = family("-".join(key), **values)
            made += [_scaled(whole, tag, factor) for tag, factor in _tags(key)]
    return made


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


def _tags(key: tuple[str, ...]) -> list[tuple[str, float]]:
    """The tags that together sum over a bond or angle, and the share of each term."""
    one, other = key[-2:]
    if one == other:
        return [("-".join(key), 0.5)]
    if len(key) == 3:
        return [("-".join(key), 1.0)]
    return [(f"{one}-{other}", 0.5), (f"{other}-{one}", 0.5)]


def _scaled(potential: FunctionPotential, tag: str, factor: float) -> FunctionPotential:
    parameters = {**potential.parameters, SCALE: factor * float(potential.parameters[SCALE])}
    return potential.family(tag, **parameters)
