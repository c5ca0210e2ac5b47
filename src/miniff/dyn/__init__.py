"""Motion of atoms under local potentials.

Units are those of the potentials: with eV, angstrom and atomic mass units, times are in ASE's unit
(``ase.units.fs`` is one femtosecond).
"""

from miniff.dyn._forces import SkinForces
from miniff.dyn._verlet import State, nve, thermal_velocities

__all__ = ["SkinForces", "State", "nve", "thermal_velocities"]
