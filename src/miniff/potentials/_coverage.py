"""Which species a list of potentials is for: what would silently be zero, or half, is told."""

from collections.abc import Sequence
from warnings import warn

from miniff._checks import unknown_name
from miniff.potentials._functions import FunctionPotential
from miniff.potentials._general import GeneralPotential
from miniff.potentials._local import Potential

__all__ = [
    "OneSidedPairWarning",
    "refuse_uncovered_species",
    "refuse_unknown_species",
    "warn_of_one_sided_pairs",
]


GENERAL = "general pair"
"""What potentials from Python functions are called."""


class OneSidedPairWarning(UserWarning):
    """A pair potential acts on "a-b" and not on "b-a": half of the energy of each bond is absent.

    Where this is meant, silence it with ``warnings.simplefilter("ignore", OneSidedPairWarning)``.
    """


def refuse_uncovered_species(
    potentials: Sequence[Potential], names: Sequence[str], *, where: str = "the structure"
) -> None:
    """Refuse atoms that no potential gives an energy to.

    A potential without a tag gives one to all; a tagged one to its first species. Beside networks
    what has no tag is a baseline, and so is the interaction of learned charges: an atom needs more
    than that. No potential at all is no energy at all, and is not refused; neither are learned
    charges alone.

    Args:
        potentials: Their energies are summed.
        names: Species of the atoms.
        where: The atoms' structure, for the sentence.
    """
    learned = any(p.is_learned for p in potentials)
    if not potentials or (any(not p.species for p in potentials) and not learned):
        return
    covered = sorted({name for p in potentials for name in p.centres})
    missing = sorted(set(names) - set(covered))
    if missing and covered:
        raise ValueError(
            f"{where} has atoms of {', '.join(missing)} but the potentials give energies only to "
            f"atoms of {', '.join(covered)}; add potentials, or let such atoms have none with "
            "`ignore_missing_species=True`"
        )


def refuse_unknown_species(potentials: Sequence[Potential], names: Sequence[str]) -> None:
    """Refuse potentials for species that are absent: a misspelt name would give a silent zero."""
    for potential in [p for p in potentials if not p.acts_in(names)]:
        for name in potential.species:
            if name not in names:
                raise ValueError(
                    f"{potential}: {unknown_name('species', name, names)}; allow species that are "
                    "not in the structure with `ignore_missing_species=True`"
                )


def warn_of_one_sided_pairs(potentials: Sequence[Potential], names: Sequence[str]) -> None:
    """Warn where a family acts on "a-b" but not on "b-a" and both species are there."""
    tags: dict[str, set[tuple[str, ...]]] = {}
    for potential in potentials:
        form = _pair_form(potential)
        if form is not None:
            tags.setdefault(form, set()).add(potential.species)
    for form, species in tags.items():
        for pair in sorted(species):
            if () not in species and pair[::-1] not in species and set(pair) <= set(names):
                one, other = pair
                how = (
                    "make another for it"
                    if form == GENERAL
                    else "`potentials.counted_once` makes both halves"
                )
                warn(
                    f"{form} acts on {one}-{other} but not on {other}-{one}: pairs are directed, "
                    f"and the half of the energy of each bond that the atom of {other} has is "
                    f"absent; {how}",
                    OneSidedPairWarning,
                    stacklevel=3,
                )


def _pair_form(potential: Potential) -> str | None:
    """What names the form of a pair potential; None for others."""
    if isinstance(potential, FunctionPotential) and potential.family.is_pair_sum:
        return potential.family.name
    if isinstance(potential, GeneralPotential) and potential.n_bodies == 2:
        return GENERAL
    return None
