"""What workflows leave behind: numbers as JSON, plots, and structures with predictions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from torch import Tensor

from miniff.io import atomic_write, check_extxyz, write_extxyz
from miniff.kernel import Cell
from miniff.ml import Dataset, Prediction
from miniff.ml_util._errors import Properties
from miniff.ml_util._progress import EpochRecord

__all__ = [
    "predicted_properties",
    "reference_properties",
    "refuse_unwritable",
    "write_json",
    "write_learning_curve",
    "write_parities",
    "write_predictions",
    "write_report",
]


def reference_properties(dataset: Dataset) -> Properties:
    """The references of a data set, nan where there is none."""
    reference = dataset.per_cell_dataset
    charges = None if dataset.charges is None else dataset.charges.reference
    n_atoms = _numpy(dataset.n_atoms()[:, 0]).round().astype(np.int64)
    return _properties(n_atoms, reference.energy, reference.gradient, reference.stress, charges)


def predicted_properties(
    n_atoms: Int64[ndarray, " n_structures"], prediction: Prediction
) -> Properties:
    """A prediction for structures of so many atoms, in the same form."""
    own = prediction.energy, prediction.gradient, prediction.stress, prediction.charges
    return _properties(n_atoms, *own)


def _properties(
    n_atoms: Int64[ndarray, " n_structures"],
    energy: Tensor,
    gradient: Tensor | None,
    stress: Tensor | None,
    charges: Tensor | None,
) -> Properties:
    unknown = np.full((n_atoms.sum(), 3), np.nan), np.full((len(n_atoms), 6), np.nan)
    return Properties(
        n_atoms=n_atoms,
        energy=_numpy(energy[:, 0]),
        forces=unknown[0] if gradient is None else -_numpy(gradient),
        stress=unknown[1] if stress is None else _numpy(stress),
        charges=np.zeros(0) if charges is None else _numpy(charges),
    )


def _numpy(tensor: Tensor) -> ndarray:
    found: ndarray = tensor.detach().cpu().numpy()
    return found


def write_report(
    name: str,
    errors: Mapping[str, object],
    wall_time_s: float,
    provenance: Mapping[str, object],
    records: Sequence[EpochRecord] = (),
) -> None:
    """Writes `<name>.json`: errors in eV/atom, eV/angstrom and eV/angstrom^3, and their origin.

    Records of epochs follow, if there are any, one on a line.
    """
    report = {"errors": errors, "wall_time_s": round(wall_time_s, 3), **provenance}
    write_json(name, report, records)


def write_json(
    name: str, report: Mapping[str, object], records: Sequence[EpochRecord] = ()
) -> None:
    """Writes `<name>.json`, with records of epochs at the end if there are any."""
    text = json.dumps(report, indent=2)
    if records:
        lines = ",\n".join(f"    {json.dumps(record.as_plain())}" for record in records)
        text = text.removesuffix("\n}") + f',\n  "records": [\n{lines}\n  ]\n}}'
    with atomic_write(f"{name}.json") as temporary:
        temporary.write_text(text + "\n")


def write_learning_curve(name: str, records: Sequence[EpochRecord]) -> None:
    """Draws `<name>-convergence.png`."""
    from miniff.presentation import plot_convergence

    axes = plot_convergence(records)
    save_figure(axes[0].figure, f"{name}-convergence.png")


def write_parities(
    name: str, reference: Mapping[str, Properties], predicted: Mapping[str, Properties]
) -> None:
    """Draws `<name>-parity.png`; it says so if there is no reference at all."""
    from miniff.presentation import new_axes, plot_parities

    if any(_is_known(properties) for properties in reference.values()):
        axes = plot_parities(reference, predicted)
    else:
        axes = new_axes(height=0.6)
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "no reference to compare with", ha="center", va="center")
    save_figure(axes[0].figure, f"{name}-parity.png")


def _is_known(properties: Properties) -> bool:
    values = (properties.energy, properties.forces, properties.stress, properties.charges)
    return any(not np.isnan(each).all() for each in values)


def save_figure(figure: object, path: str) -> None:
    """Writes a figure, whole or not at all."""
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def write_predictions(
    path: str,
    cells: Sequence[Cell],
    predicted: Properties,
    spread: Properties | None,
    extrapolation: Float64[ndarray, " n_atoms"],
) -> None:
    """Structures as extended XYZ, predictions as ``*_pred`` beside the untouched references.

    How far the members of a committee differ is ``energy_std`` and ``forces_std``; how far each
    atom is outside of the training set ``extrapolation``, where it is known of any.
    """
    first = np.cumsum([0, *predicted.n_atoms])
    structures = []
    for s, cell in enumerate(cells):
        stress = predicted.stress[s]
        info: dict[str, object] = {"energy_pred": float(predicted.energy[s])}
        if not np.isnan(stress).any():
            info["stress_pred"] = stress
        own = slice(first[s], first[s + 1])
        known = cell.to_structure()
        arrays = {**known.arrays, "forces_pred": predicted.forces[own]}
        if not np.isnan(predicted.charges[own]).any():
            arrays["charges_pred"] = predicted.charges[own]
        if spread is not None:
            info["energy_std"] = float(spread.energy[s])
            arrays["forces_std"] = spread.forces[own]
        if not np.isnan(extrapolation).all():
            arrays["extrapolation"] = extrapolation[own]
        structures.append(replace(known, info={**known.info, **info}, arrays=arrays))
    write_extxyz(path, structures)


def refuse_unwritable(cells: Sequence[Cell]) -> None:
    """Finds what :func:`write_predictions` could not write, before anything is predicted.

    Raises:
        StructureError: Species or data that extended XYZ cannot hold; the message names both.
    """
    check_extxyz([cell.to_structure() for cell in cells])
