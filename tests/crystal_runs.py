"""A crystal of silicon, and how each ensemble is run with it."""

from ase import units
from ase_silicon import SILICON, silicon

from miniff import dyn
from miniff.kernel import Cell

CRYSTAL = Cell.from_ase(silicon(2, rattle=0.02))
FS = units.fs

RUNS = {
    "nve": (dyn.nve, {"velocities": dyn.thermal_velocities(CRYSTAL, 1500, seed=2)}),
    "langevin": (dyn.nvt, {"temperature": 1500, "seed": 3}),
    "nose-hoover": (dyn.nvt, {"temperature": 1500, "thermostat": "nose-hoover"}),
    "npt": (dyn.npt, {"temperature": 1500, "pressure": units.GPa, "period": 100 * FS}),
}


def moved(name: str, n_steps: int, **options) -> dyn.State:
    """Hot enough, with a skin short enough, to make new lists on the way."""
    function, how = RUNS[name]
    given = {"timestep": 2 * FS, "skin": 0.3, **how, **options}
    return function(CRYSTAL, SILICON, n_steps=n_steps, **given)
