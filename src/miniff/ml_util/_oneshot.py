"""The workflow `test-direct`: potentials against reference values, structure by structure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable, join
from miniff._pair_table import TableError
from miniff._stress import stress_from_strain_derivative
from miniff.io import StructureError
from miniff.kernel import Cell, compute_images
from miniff.kernel._mapping import in_chunks
from miniff.ml import committee_members, processes_of_torchrun
from miniff.ml_util._charge_use import labelled_by
from miniff.ml_util._data_files import SetFiles
from miniff.ml_util._deals import deal_evenly, gathered, gathered_atoms
from miniff.ml_util._errors import Errors, Properties, compare, spread_sentence, typical_spread
from miniff.ml_util._extrapolation import grades_of, outside_sentence
from miniff.ml_util._material import Material, read_material
from miniff.ml_util._outputs import (
    write_parities,
    write_predictions,
    write_report,
)
from miniff.ml_util._page import made_of, write_page
from miniff.ml_util._progress import Level, Reporter
from miniff.ml_util._settings import PRECISIONS, DeviceName, NumberType, set_threads, tell_device
from miniff.ml_util._types import Count, InputFile, Seed
from miniff.potentials import (
    Potential,
    Precision,
    is_outside,
    larger_grade,
    ready_potentials,
)

if TYPE_CHECKING:
    from miniff.presentation._report import Report

__all__ = ["OneShotResult", "OneShotWorkflow", "PreparedOneShot"]

NAME = "test-direct"
NO_PROPERTIES = Properties(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 3)), np.zeros((0, 6)))


class OneShotWorkflow:
    """Compares potentials with reference structures without moving an atom."""

    OUTPUTS: ClassVar = (".json", ".log", ".extxyz", ".html", "-parity.png")
    """What it writes, after its name."""

    def __init__(
        self,
        *,
        seed: Seed = 0,
        dtype: NumberType = "float64",
        device: DeviceName = "cpu",
        threads: Count | None = None,
        log: Level = "info",
    ) -> None:
        """Settings of the run.

        Args:
            seed: Noted in the report; nothing is drawn by chance.
            dtype: Type of the numbers inside networks and their descriptors; ``float32`` is faster,
                and forces agree to about 1e-5 of the largest. Formulas and sums are float64.
            device: Where energies and forces are computed: ``cpu``; ``cuda`` or another device of
                torch; or ``auto``, a graphics processor if there is one that can, else ``cpu``.
            threads: Of the core and of torch; as many as the environment says by default.
            log: What to tell: the least important kind of message.
        """
        set_threads(threads)
        self.seed = seed
        self.precision = PRECISIONS[dtype]
        self.log = log
        self.device = device
        self.processes = processes_of_torchrun()

    def prepare(
        self,
        *,
        fn_cells: SetFiles,
        potentials: InputFile = "potentials.pt",
        ignore_missing_species: bool = False,
        charges_key: str = "charges",
    ) -> "PreparedOneShot":
        """Reads structures and potentials.

        Args:
            fn_cells: Files with structures; patterns are allowed. ``input.data`` of n2p2 and RuNNer
                must be a mapping of ``files``, ``length_unit`` and ``energy_unit``.
            potentials: The file that `fit` saved.
            ignore_missing_species: Let atoms that no potential is for have no energy.
            charges_key: What structures call the charges of their atoms, with which those of
                potentials that have learned charges are compared.

        Raises:
            ValueError: Files that cannot be used, or atoms that no potential is for.
        """
        material = read_material(
            fn_cells,
            potentials,
            ignore_missing_species=ignore_missing_species,
            seed=self.seed,
            device=self.device,
        )
        if charges_key != "charges":
            material = replace(material, cells=labelled_by(material.cells, charges_key))
        return PreparedOneShot(self, material)


@dataclass(frozen=True)
class PreparedOneShot:
    """Structures and the potentials to test on them."""

    workflow: OneShotWorkflow
    material: Material

    def run(self) -> "OneShotResult":
        """Evaluates all structures; writes numbers, a plot, and the structures with predictions."""
        start, processes = perf_counter(), self.workflow.processes
        cells, potentials = self.material.cells, self.material.potentials
        sizes = np.array([cell.size for cell in cells], np.int64)
        deals = deal_evenly(sizes.astype(float), sizes, int(sizes.sum()), processes.size)
        own = [cells[s] for deal in deals for s in deal.structures(processes.rank)]
        tables = list(_batches(own, potentials))

        def whole(several: Sequence[Potential]) -> Properties:
            return gathered(self._predicted(several, tables), deals, processes)

        predicted, members = whole(potentials), committee_members(potentials)
        spread = Properties.spread([whole(m) for m in members]) if len(members) > 1 else None
        own_grades = [np.zeros((0, 2)), *(grades_of(potentials, table) for table, _ in tables)]
        grades = gathered_atoms(np.concatenate(own_grades), deals, processes)
        reference, seconds = Properties.known(cells), perf_counter() - start
        result = OneShotResult(cells, reference, predicted, spread, grades, seconds)
        silent = not processes.is_first
        with Reporter(NAME, level=self.workflow.log, silent=silent) as reporter:
            self._report(reporter, result)
        processes.wait()  # until the files are written
        return result

    def _predicted(
        self, potentials: Sequence[Potential], tables: Sequence[tuple[PairTable, list[Cell]]]
    ) -> Properties:
        precision, device = self.workflow.precision, self.material.device
        parts = [_predict(potentials, *batch, precision, device) for batch in tables]
        return Properties.join([NO_PROPERTIES, *parts])

    def _report(self, reporter: Reporter, result: "OneShotResult") -> None:
        n_atoms = int(result.reference.n_atoms.sum())
        reporter.info(f"{len(self.material.cells)} structures, {n_atoms} atoms")
        tell_device(reporter, self.material.device)
        if result.n_outside:
            reporter.warning(outside_sentence(result.n_outside, n_atoms))
        unknown = n_atoms - result.n_known
        if unknown and any(p.is_learned for p in self.material.potentials):
            reporter.info(
                f"of {unknown} of {n_atoms} atoms it is not known whether they are outside of the "
                "training set"
            )
        reporter.table("Errors", {"test": result.errors})
        provenance = {
            **self.material.provenance,
            "n_atoms_outside_training": result.n_outside,
            "largest_extrapolation": result.largest_extrapolation,
        }
        if result.spread is not None:
            provenance["spread"] = typical_spread(result.spread)
            reporter.info(spread_sentence(result.spread))
        if not self.workflow.processes.is_first:
            return
        write_report(NAME, result.errors.as_json(), result.wall_time_s, provenance)
        write_predictions(
            f"{NAME}.extxyz",
            self.material.cells,
            result.predicted,
            result.spread,
            larger_grade(result.grades),
        )
        write_parities(NAME, {"test": result.reference}, {"test": result.predicted})
        write_page(f"{NAME}.html", NAME, lambda: self._page(result, reporter, provenance), reporter)

    def _page(
        self, result: "OneShotResult", reporter: Reporter, provenance: Mapping[str, object]
    ) -> "Report":
        from miniff.presentation._report import Report, ReportedSet

        made = made_of(self.material.potentials)
        return Report(
            title=f"Test of {made}",
            made=made,
            sets=[ReportedSet("test", result.cells, result.reference, result.predicted)],
            warnings=reporter.warnings,
            seconds={"evaluation": result.wall_time_s},
            origin=provenance,
            files={f"{NAME}.json": "the numbers", f"{NAME}.extxyz": "structures and predictions"},
        )


@dataclass(frozen=True)
class OneShotResult:
    """References and predictions.

    Attributes:
        cells: The structures, as they were read.
        reference: Their reference values, nan where there is none.
        predicted: What the potentials give.
        spread: Standard deviation of what the members of a committee give; None without one.
        grades: How far each atom is outside of the training set: see
            :attr:`miniff.kernel.Evaluation.grades`.
        wall_time_s: Time of the evaluation.
    """

    cells: list[Cell]
    reference: Properties
    predicted: Properties
    spread: Properties | None
    grades: Float64[ndarray, "n_atoms 2"]
    wall_time_s: float

    @property
    def n_known(self) -> int:
        """Atoms of which it is known how far outside they are."""
        return int((~np.isnan(larger_grade(self.grades))).sum())

    @property
    def n_outside(self) -> int | None:
        """Atoms outside of the training set; None if it is known of none."""
        return int(is_outside(self.grades).sum()) if self.n_known else None

    @property
    def largest_extrapolation(self) -> float | None:
        """The largest of all grades; None if none is known."""
        return float(np.nanmax(self.grades)) if self.n_known else None

    @property
    def errors(self) -> Errors:
        """Of the predictions."""
        return compare(self.reference, self.predicted)


def _batches(
    cells: Sequence[Cell], potentials: Sequence[Potential]
) -> Iterator[tuple[PairTable, list[Cell]]]:
    """Tables of several structures each, of a bounded size.

    Raises:
        StructureError: Two atoms at one place, or farther away than a search can go.
    """
    cutoff = max((p.cutoff for p in potentials), default=0.0)
    for batch in in_chunks(cells, None):
        yield join([_table(cell, cutoff) for cell in batch]), batch


def _table(cell: Cell, cutoff: float) -> PairTable:
    try:
        return compute_images(cell, cutoff).table
    except ValueError as error:
        raise StructureError(f"{cell.meta.get('source', 'a structure')}: {error}") from error


def _predict(
    potentials: Sequence[Potential],
    table: PairTable,
    cells: Sequence[Cell],
    precision: Precision,
    device: str,
) -> Properties:
    ready = ready_potentials(potentials, table.names, precision=precision, device=device)
    try:
        result = ready.evaluate(table)
    except TableError as error:
        source = cells[error.structure].meta.get("source", "a structure")
        raise StructureError(f"{source}: {error.what}") from error
    volume = np.array([cell.volume if cell.has_volume else np.nan for cell in cells])
    return Properties(
        n_atoms=np.array([cell.size for cell in cells]),
        energy=result.energy,
        forces=-result.gradient,
        stress=stress_from_strain_derivative(result.strain_derivative, volume),
        charges=np.zeros(0) if result.charges is None else result.charges,
    )
