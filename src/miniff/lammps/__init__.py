"""Potentials in LAMMPS: energies, forces and virial for all that it does with atoms.

LAMMPS calls them from its ``fix external`` at each step, in the same process. It is imported by
whoever calls :func:`attach`, not here.

Thompson et al., Computer Physics Communications 271, 108171 (2022), https://doi.org/10.1016/j.cpc.2021.108171
"""

from miniff.lammps._attach import attach
from miniff.lammps._coupling import Coupling

__all__ = ["Coupling", "attach"]
