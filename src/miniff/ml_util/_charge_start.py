"""Where networks for charges begin: scales from charges that are known, or guessed ones."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from miniff.ewald import Coulomb
from miniff.ml import Dataset, Normalization, Processes

__all__ = ["guessed_charges", "known_charges", "known_electronegativities"]

# fmt: off
PAULING = {
    "H": 2.20, "Li": 0.98, "Be": 1.57, "B": 2.04, "C": 2.55, "N": 3.04, "O": 3.44, "F": 3.98,
    "Na": 0.93, "Mg": 1.31, "Al": 1.61, "Si": 1.90, "P": 2.19, "S": 2.58, "Cl": 3.16, "K": 0.82,
    "Ca": 1.00, "Sc": 1.36, "Ti": 1.54, "V": 1.63, "Cr": 1.66, "Mn": 1.55, "Fe": 1.83, "Co": 1.88,
    "Ni": 1.91, "Cu": 1.90, "Zn": 1.65, "Ga": 1.81, "Ge": 2.01, "As": 2.18, "Se": 2.55,
    "Br": 2.96, "Rb": 0.82, "Sr": 0.95, "Y": 1.22, "Zr": 1.33, "Nb": 1.60, "Mo": 2.16, "Ag": 1.93,
    "Cd": 1.69, "In": 1.78, "Sn": 1.96, "Sb": 2.05, "Te": 2.10, "I": 2.66, "Cs": 0.79, "Ba": 0.89,
    "La": 1.10, "Hf": 1.30, "Ta": 1.50, "W": 2.36, "Pt": 2.28, "Au": 2.54, "Hg": 2.00, "Pb": 2.33,
    "Bi": 2.02,
}
# fmt: on
"""Electronegativities after Pauling; only where learning begins, and with which sign."""
TYPICAL = 2.0
SOFT = 5.0
"""Charges are guessed as differences of electronegativities over this."""
SCALE = 0.1
"""What the 1 of a network stands for (charge) where charges are guessed."""
LEAST_SPREAD = 1e-3
"""Charges that vary less have this scale (charge)."""


def guessed_charges(normalization: Normalization, names: Sequence[str]) -> Normalization:
    """What networks see and give for charges that nothing is known about.

    Energies of neutral structures do not change when all charges change their sign: the beginning
    decides, and so the more electronegative species is negative.
    """
    own = np.array([PAULING.get(name, TYPICAL) for name in names])
    charges = (own.mean() - own) / SOFT
    return replace(normalization, energy_scale=SCALE, energy_offsets=torch.from_numpy(charges))


def known_charges(
    normalization: Normalization, parts: Sequence[Dataset], processes: Processes
) -> Normalization:
    """What networks for charges see and give: means and spread of those that are known.

    Args:
        normalization: Of the features.
        parts: What this process has of the training set.
        processes: All must call this.

    Raises:
        ValueError: A species of which no charge is known.
    """
    names = [str(points.tag) for points in parts[0].per_point_datasets]
    counts, sums = (np.zeros(len(names)) for _ in range(2))
    for species, charges in _known(parts):
        counts += np.bincount(species, minlength=len(names))
        sums += np.bincount(species, charges, minlength=len(names))
    counts, sums = processes.sum(np.stack([counts, sums]))
    for name, n in zip(names, counts, strict=True):
        if n == 0:
            raise ValueError(f"no atom of {name} for training has a charge: none can be learned")
    means = sums / counts
    squares = sum(np.square(charges - means[species]).sum() for species, charges in _known(parts))
    spread = float(np.sqrt(processes.sum(np.array([squares]))[0] / counts.sum()))
    return replace(
        normalization,
        energy_scale=max(spread, LEAST_SPREAD),
        energy_offsets=torch.from_numpy(means),
    )


def known_electronegativities(
    of_charges: Normalization, names: Sequence[str], hardness: float, coulomb: Coulomb
) -> Normalization:
    """The same for electronegativities: those with which a lone atom would have such charges."""
    own = [hardness + coulomb.scale / (coulomb.widths[name] * np.pi**0.5) for name in names]
    return replace(
        of_charges,
        energy_scale=of_charges.energy_scale * float(np.mean(own)),
        energy_offsets=-torch.tensor(own, dtype=torch.float64) * of_charges.energy_offsets,
    )


def _known(
    parts: Sequence[Dataset],
) -> list[tuple[ndarray, Float64[ndarray, " n_known"]]]:
    """Species and charge of the atoms whose charge is known."""
    found = []
    for part in parts:
        assert part.charges is not None
        known = ~torch.isnan(part.charges.reference)
        found.append((part.charges.species[known].numpy(), part.charges.reference[known].numpy()))
    return found
