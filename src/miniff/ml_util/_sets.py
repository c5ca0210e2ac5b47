"""The sets of a fit, as arguments of ``prepare`` name them: read, hashed, told."""

from collections.abc import Sequence

from miniff.kernel import Cell
from miniff.ml_util._data import Split, hash_of_files, split
from miniff.ml_util._data_files import DataFiles, SetFiles, names_of, read_data
from miniff.ml_util._progress import Reporter

__all__ = ["hash_of_sets", "read_sets", "report_size"]


def read_sets(
    fn_cells: DataFiles,
    test_set: float | SetFiles | None,
    validation_set: float | SetFiles,
    *,
    seed: int,
) -> Split:
    """The structures for training, validation and test.

    Args:
        fn_cells: Files.
        test_set, validation_set: Shares of what they hold, or other files.
        seed: Of what is drawn by chance.
    """
    return split(
        read_data(fn_cells),
        validation=_share_or_cells(validation_set),
        test=_share_or_cells(test_set or 0.0),
        seed=seed,
    )


def hash_of_sets(*sets: object) -> str:
    """Of all files that are named, set by set; shares name none."""
    return hash_of_files(*(names_of(own) for own in sets if isinstance(own, str | list | dict)))


def report_size(reporter: Reporter, name: str, cells: Sequence[Cell]) -> None:
    """How many structures and atoms a set has, and of which species."""
    n_atoms = sum(cell.size for cell in cells)
    species = sorted({value for cell in cells for value in cell.values})
    reporter.info(f"{name}: {len(cells)} structures, {n_atoms} atoms of {', '.join(species)}")


def _share_or_cells(given: float | SetFiles) -> float | list[Cell]:
    """A share of what is read, or what files hold."""
    return given if isinstance(given, int | float) else read_data(given)
