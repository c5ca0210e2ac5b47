"""Lines of ``input.nn`` by their keywords: what predictions depend on, and what is passed over."""

from pathlib import Path

from miniff._checks import unknown_name
from miniff.io._potential_text import Line, PotentialFileError, split_lines

__all__ = ["Keywords"]

PREDICTION = (
    "atom_energy",
    "center_symmetry_functions",
    "conv_energy",
    "conv_length",
    "cutoff_type",
    "element_activation_short",
    "element_hidden_layers_short",
    "element_nodes_short",
    "elements",
    "global_activation_short",
    "global_hidden_layers_short",
    "global_nodes_short",
    "mean_energy",
    "nnp_gen",
    "nnp_type",
    "normalize_nodes",
    "number_of_elements",
    "scale_max_short",
    "scale_min_short",
    "scale_symmetry_functions",
    "scale_symmetry_functions_sigma",
    "symfunction_short",
)
"""Keywords that are read."""

TRAINING = (
    "calculate_forces",
    "charge_fraction",
    "energy_fraction",
    "energy_threshold",
    "epochs",
    "fitting_unit",
    "force_fraction",
    "force_weight",
    "jacobian_mode",
    "main_error_metric",
    "memorize_symfunc_results",
    "mix_all_points",
    "nguyen_widrow_weights_charge",
    "nguyen_widrow_weights_short",
    "normalize_data_set",
    "optmode_short_energy",
    "optmode_short_force",
    "parallel_mode",
    "points_in_memory",
    "precondition_weights",
    "random_number_type",
    "random_seed",
    "remove_atom_energies",
    "repeated_energy_update",
    "runner_mode",
    "scalefactorf",
    "short_energy_error_threshold",
    "short_energy_fraction",
    "short_energy_group",
    "short_force_error_threshold",
    "short_force_fraction",
    "short_force_group",
    "test_fraction",
    "update_strategy",
    "updater_type",
    "use_old_scaling",
    "use_old_weights_charge",
    "use_old_weights_short",
    "use_short_forces",
    "use_short_nn",
    "weights_max",
    "weights_min",
)
TRAINING_FAMILIES = (
    "gradient_",
    "kalman_",
    "rmse_threshold",
    "selection_mode",
    "task_batch_size_",
    "write_",
)
"""Keywords, and beginnings of keywords, that change no prediction: they are passed over."""

REPEATED = (
    "atom_energy",
    "element_activation_short",
    "element_hidden_layers_short",
    "element_nodes_short",
    "symfunction_short",
)


class Keywords:
    """Lines by their first word."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[str, list[Line]] = {}
        for line in split_lines(path, marks="#!"):
            self._lines.setdefault(line.words[0], []).append(line)
        for name, lines in self._lines.items():
            if name not in PREDICTION and not _is_of_training(name):
                what = unknown_name("keyword", name, PREDICTION)
                raise lines[0].refuse(f"{what}. Take the line out if it changes no prediction")
            if len(lines) > 1 and name in PREDICTION and name not in REPEATED:
                raise lines[1].refuse(f"`{name}` is given twice, first in line {lines[0].number}")

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    def all(self, name: str, n: int) -> list[Line]:
        """Its lines, with at least `n` words each after the keyword."""
        lines = self._lines.get(name, [])
        for line in lines:
            if len(line.words) <= n:
                raise line.refuse(f"`{name}` has {len(line.words) - 1} values but must have {n}")
        return lines

    def one(self, name: str, n: int = 1) -> Line:
        """Its only line."""
        lines = self.all(name, n)
        if not lines:
            raise PotentialFileError(f"{self.path}: there is no `{name}`")
        return lines[0]

    def number(self, name: str, default: float) -> float:
        """Its value, or a default where it is not given."""
        return self.one(name).number_at(1, name) if name in self else default


def _is_of_training(name: str) -> bool:
    return name in TRAINING or name.startswith(TRAINING_FAMILIES)
