"""The page of a workflow: written at its end, and never a reason to lose what was computed."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from miniff.ml import ChargePotential, NNPotential, committee_members
from miniff.ml_util._progress import Reporter
from miniff.potentials import Potential

if TYPE_CHECKING:
    from miniff.presentation._report import Report

__all__ = ["made_of", "write_page"]


def write_page(path: str, name: str, make: "Callable[[], Report]", reporter: Reporter) -> None:
    """Writes a page; what goes wrong is a warning that says it.

    A file of that name that is no such page is somebody's own: another name is taken and told.

    Args:
        path: Of the file.
        name: Of the workflow.
        make: Gives what the page says.
        reporter: Told where it is.
    """
    try:
        path = _written(path, name, make)
    except Exception as error:
        reporter.warning(
            f"{path} could not be written ({type(error).__name__}: {error}); all else is there"
        )
    else:
        reporter.info(f"report: {path}")


def _written(path: str, name: str, make: "Callable[[], Report]") -> str:
    from miniff.presentation._report import is_report, write_html

    if os.path.exists(path) and not is_report(path):
        path = f"{name}-{path}"
    write_html(make(), path)
    return path


def made_of(potentials: Sequence[Potential]) -> str:
    """Potentials in a few words: ``4 networks for O and Ti``."""
    networks = [p for p in potentials if isinstance(p, NNPotential)]
    charges = [p for p in potentials if isinstance(p, ChargePotential)]
    formulas = len(potentials) - len(networks) - len(charges)
    parts = [f"learned charges of {', '.join(p.species)}{_seen(p)}" for p in charges]
    parts += [f"{formulas} formula{'s' if formulas > 1 else ''}"] if formulas else []
    besides = " and ".join(parts)
    if not networks:
        return besides or "no potential"
    n = max(len(committee_members(networks)), 1)
    species = [str(p.tag) for p in networks]
    listed = " and ".join([", ".join(species[:-1]), species[-1]] if len(species) > 1 else species)
    each = "each of " if len(species) > 1 else ""
    text = f"{n} network{'s' if n > 1 else ''} for {each}{listed}"
    return f"{text} beside {besides}" if besides else text


def _seen(charges: ChargePotential) -> str:
    if not charges.energy_networks:
        return ""
    n = len(charges.members())
    return f", seen by {n} network{'s' if n > 1 else ''} for each"
