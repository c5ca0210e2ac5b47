"""Descriptors of all structures of a set, each process those of its share."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import pi

import numpy as np

from miniff.kernel import Cell, compute_images
from miniff.ml import Dataset, Processes, learn_cauldron, stored_dataset
from miniff.ml_util._charge_use import ChargeUse, SeenCharges
from miniff.ml_util._deals import Deal, deal_evenly, pairs_of
from miniff.ml_util._estimate import (
    PROGRAM,
    REFERENCES,
    STRUCTURE,
    Census,
    Demand,
    count,
    of_step,
)
from miniff.ml_util._progress import Reporter
from miniff.potentials import FunctionPotential

__all__ = ["Learning", "refuse_crowds"]

FILES = ("found", "made", "damaged")
"""What may be told of a file in the cache."""
ATOMS_OF_PART = 4096
"""At most so many are looked at together, or one structure."""
MOST_NEIGHBORS = 4000
"""Functions of pairs of neighbours would need the square of it."""


@dataclass(frozen=True)
class Learning:
    """Computes descriptors, or finds them in files.

    Attributes:
        functions: Of each species.
        processes: Each computes those of its share.
        cache: A folder for files with them; None to have them in memory.
        charges: What is done with charges, if anything.
        files: What became of how many files of this process.
    """

    functions: Mapping[str, Sequence[FunctionPotential]]
    processes: Processes
    cache: str | None = None
    charges: ChargeUse | None = None
    files: Counter[str] = field(default_factory=Counter)

    @property
    def cutoff(self) -> float:
        """The longest (length)."""
        return max(f.cutoff for own in self.functions.values() for f in own)

    def announce(self, found: Mapping[str, Census], reporter: Reporter) -> None:
        """What is about to be computed, for how many atoms with how many neighbours.

        Args:
            found: What :meth:`counted` gave.
            reporter: Is told.
        """
        seen = ", and the charge" if isinstance(self.charges, SeenCharges) else ""
        for name, members in sorted(self.functions.items()):
            cutoff = f"{self.cutoff:.4g} angstrom"
            reporter.info(f"{name}: {len(members)} descriptors up to {cutoff}{seen}")
        total = sum(found.values(), Census())
        how = "computing them" if self.cache is None else f"they are in {self.cache} or computed"
        reporter.info(
            f"{how}, for {total.n_atoms:.0f} atoms with {total.n_pairs / total.n_atoms:.0f} "
            "neighbours each in the mean"
        )

    def counted(self, groups: Mapping[str, Sequence[Cell]]) -> dict[str, Census]:
        """What groups of structures take; all processes must call it."""
        return self.processes.from_first(
            lambda: {n: count(own, self.functions, self.cutoff) for n, own in groups.items()}
        )

    def demand(
        self,
        groups: Mapping[str, Sequence[Cell]],
        found: Mapping[str, Census],
        n_models: int,
    ) -> Demand:
        """The memory of a process that learns sets, and then goes through them.

        Args:
            groups: Sets of structures; of those for training ``rest`` has the ones of which only
                energies are used.
            found: What :meth:`counted` gave for them.
            n_models: So many are trained side by side.
        """
        own = {name: census.share(self.processes.size) for name, census in found.items()}
        neighbors = sum(census.neighbors for name, census in own.items() if name != "rest")
        is_cached = self.cache is not None
        n_atoms = sum(census.n_atoms for census in found.values())
        return Demand(
            {
                "the program": PROGRAM,
                "structures": STRUCTURE * n_atoms,
                "neighbours": 0.0 if is_cached else neighbors,
                "descriptors": 0.0 if is_cached else sum(c.descriptors for c in own.values()),
                "references": REFERENCES * n_atoms / self.processes.size,
                "networks at work": of_step(own["train"], ATOMS_OF_PART, n_models),
                **self._of_charges(groups),
            }
        )

    def _of_charges(self, groups: Mapping[str, Sequence[Cell]]) -> dict[str, float]:
        """The memory of what is done with charges."""
        if self.charges is None:
            return {}
        total = 0.0
        for name, cells in groups.items():
            sizes = np.array([cell.size for cell in cells], np.int64)
            total += self.charges.bytes_for(sizes, derivatives=name != "rest")
        return {"charges": total / self.processes.size}

    def of(self, cells: Sequence[Cell], *, derivatives: bool = True) -> list[tuple[Dataset, Deal]]:
        """Of structures, part by part."""
        size, rank = self.processes.size, self.processes.rank
        is_shared = size > 1
        work = pairs_of(cells, self.cutoff, self.processes) if is_shared else np.zeros(len(cells))
        sizes = np.array([cell.size for cell in cells], np.int64)
        learned, rest = [], list(cells)
        for deal in deal_evenly(work, sizes, ATOMS_OF_PART, size):
            part, rest = rest[: len(deal.owner)], rest[len(deal.owner) :]
            own = [part[s] for s in deal.structures(rank)]
            dataset = self._dataset(own, derivatives=derivatives)
            if self.charges is not None:
                dataset = self.charges.attached(dataset, own, derivatives=derivatives)
            learned.append((dataset, deal))
        return learned

    def _dataset(self, cells: Sequence[Cell], *, derivatives: bool) -> Dataset:
        if self.cache is None:
            images = [compute_images(cell, self.cutoff) for cell in cells]
            return learn_cauldron(images, self.functions, derivatives=derivatives)
        return stored_dataset(
            self.cache,
            cells,
            self.functions,
            derivatives=derivatives,
            tell=lambda what: self.files.update([what]),
        )

    def report(self, reporter: Reporter) -> None:
        """What became of the files of all processes."""
        if self.cache is None:
            return
        own = np.array([self.files[what] for what in FILES], float)
        found, made, damaged = self.processes.sum(own).astype(int).tolist()
        n = found + made + damaged
        reporter.info(f"{self.cache}: {found} of {n} files of descriptors were there")
        if damaged:
            reporter.warning(
                f"{self.cache}: {damaged} of {n} files were damaged and have been made anew"
            )


def refuse_crowds(cells: Sequence[Cell], cutoff: float) -> None:
    """An atom must not have too many neighbours in a crystal.

    Raises:
        ValueError: There is a structure so dense, or a cutoff so long.
    """
    for cell in cells:
        if all(cell.pbc) and cell.has_volume:
            expected = cell.size / cell.volume * 4 / 3 * pi * cutoff**3
            if expected > MOST_NEIGHBORS:
                raise ValueError(
                    f"descriptors reach {cutoff:g} angstrom, within which an atom of "
                    f"{cell.meta.get('source', 'a structure')} has about {expected:.0f} neighbours "
                    f"but must have less than {MOST_NEIGHBORS}: 4 to 7 angstrom are usual"
                )
