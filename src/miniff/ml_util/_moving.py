"""What the workflows that move atoms have in common: their settings, and what they read."""

from typing import Literal

from miniff.ml_util._data_files import SetFiles
from miniff.ml_util._material import Material, read_material_to_move
from miniff.ml_util._progress import Level
from miniff.ml_util._settings import DeviceName, set_threads
from miniff.ml_util._types import Count, Seed

__all__ = ["MovingWorkflow"]


class MovingWorkflow:
    """Moves the atoms of structures by the forces of potentials."""

    def __init__(
        self,
        *,
        seed: Seed = 0,
        dtype: Literal["float64"] = "float64",
        device: DeviceName = "cpu",
        threads: Count | None = None,
        log: Level = "info",
    ) -> None:
        """Settings of the run.

        Args:
            seed: Of all that is drawn by chance, as the velocities of dynamics are.
            dtype: Type of all numbers.
            device: Where energies and forces are computed: ``cpu``; ``cuda`` or another device of
                torch; or ``auto``, a graphics processor if there is one that can, else ``cpu``.
            threads: Of the core and of torch; as many as the environment says by default.
            log: What to tell: the least important kind of message.
        """
        set_threads(threads)
        self.seed = seed
        self.log = log
        self.device = device

    def _read(self, fn_cells: SetFiles, potentials: str, ignore_missing_species: bool) -> Material:
        return read_material_to_move(
            fn_cells,
            potentials,
            ignore_missing_species=ignore_missing_species,
            seed=self.seed,
            device=self.device,
        )
