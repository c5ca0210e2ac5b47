"""Motion of atoms under local potentials.

Units are those of the potentials: with eV, angstrom and atomic mass units, times are in ASE's unit
(``ase.units.fs`` is one femtosecond).
"""

from miniff.dyn._ensembles import npt, nve, nvt
from miniff.dyn._forces import SkinForces
from miniff.dyn._nvt_many import nvt_many
from miniff.dyn._record import Record
from miniff.dyn._relax import NotConvergedWarning, relax
from miniff.dyn._relax_many import relax_many
from miniff.dyn._state import State, masses_of, thermal_velocities
from miniff.dyn._to_label import ToLabel

__all__ = [
    "NotConvergedWarning",
    "Record",
    "SkinForces",
    "State",
    "ToLabel",
    "masses_of",
    "npt",
    "nve",
    "nvt",
    "nvt_many",
    "relax",
    "relax_many",
    "thermal_velocities",
]
