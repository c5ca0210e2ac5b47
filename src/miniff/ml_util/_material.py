"""What workflows are given: structures, and potentials that fit them."""

from dataclasses import dataclass, replace

from miniff.ase import MiniffCalculator
from miniff.kernel import Cell
from miniff.ml import load_potentials, processes_of_torchrun
from miniff.ml_util._data import hash_of_files
from miniff.ml_util._data_files import SetFiles, names_of, read_data
from miniff.ml_util._outputs import refuse_unwritable
from miniff.ml_util._settings import chosen_device, versions
from miniff.potentials import Potential, refuse_uncovered_species

__all__ = ["Material", "chosen_cell", "read_material", "read_material_to_move"]


@dataclass(frozen=True)
class Material:
    """Structures, and the potentials for them.

    Attributes:
        cells: As they were read.
        potentials: As they were read.
        ignore_missing_species: Whether atoms that no potential is for have no energy.
        provenance: Where the numbers come from, for reports.
        device: Where energies and forces are computed.
    """

    cells: list[Cell]
    potentials: list[Potential]
    ignore_missing_species: bool
    provenance: dict[str, object]
    device: str = "cpu"

    def potentials_for(self, cell: Cell) -> list[Potential]:
        """Those that can act in a structure: others name elements that it does not have."""
        return [p for p in self.potentials if p.acts_in(cell.values)]


def read_material(
    fn_cells: SetFiles, potentials: str, *, ignore_missing_species: bool, seed: int, device: str
) -> Material:
    """Reads structures and potentials.

    Raises:
        ValueError: Files that cannot be used, or atoms that no potential is for.
    """
    loaded = load_potentials(potentials)
    made = _material(fn_cells, potentials, loaded, ignore_missing_species, seed)
    return replace(made, device=chosen_device(device, loaded))


def read_material_to_move(
    fn_cells: SetFiles, potentials: str, *, ignore_missing_species: bool, seed: int, device: str
) -> Material:
    """Reads structures and potentials that move their atoms.

    Raises:
        ValueError: What :func:`read_material` refuses, species that are no chemical elements, or
            more than one process.
    """
    n_processes = processes_of_torchrun().size
    if n_processes > 1:
        raise ValueError(
            f"torchrun has started {n_processes} processes but atoms are moved in one alone: run "
            "this workflow in a job of its own, without torchrun"
        )
    loaded = load_potentials(potentials)
    MiniffCalculator(loaded)  # refuses what has no place in ASE
    made = _material(fn_cells, potentials, loaded, ignore_missing_species, seed)
    return replace(made, device=chosen_device(device, loaded))


def _material(
    fn_cells: SetFiles,
    fn_potentials: str,
    loaded: list[Potential],
    ignore_missing_species: bool,
    seed: int,
) -> Material:
    cells = read_data(fn_cells)
    if not ignore_missing_species:
        for cell in cells:
            where = str(cell.meta.get("source", "a structure"))
            refuse_uncovered_species(loaded, cell.values, where=where)
    refuse_unwritable(cells)
    provenance: dict[str, object] = {
        "seed": seed,
        "versions": versions(),
        "data_sha256": hash_of_files(names_of(fn_cells)),
        "potentials_sha256": hash_of_files(fn_potentials),
    }
    return Material(cells, loaded, ignore_missing_species, provenance)


def chosen_cell(cells: list[Cell], index: int | None, files: str) -> Cell:
    """One structure of the files."""
    if index is None and len(cells) > 1:
        raise ValueError(f"{files}: there are {len(cells)} structures: say which one by `index`")
    place = 0 if index is None else index
    if not -len(cells) <= place < len(cells):
        raise ValueError(
            f"{files}: `index` is {index} but must be in [{-len(cells)}, {len(cells)})"
        )
    return cells[place]
