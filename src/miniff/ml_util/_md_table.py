"""What the table of a run of molecular dynamics says."""

import numpy as np

__all__ = ["averages", "largest_extrapolation"]


def largest_extrapolation(path: str) -> float | None:
    """Of the frames in a table; None where it is not known."""
    column = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))["extrapolation"]
    return None if np.isnan(column).all() else float(np.nanmax(column))


def averages(path: str) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation over the second half of the columns of a table."""
    table = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))
    kept = table[len(table) // 2 :]
    names = ("potential_energy_eV", "temperature_K", "pressure_GPa", "volume_A3")
    return {
        name: (float(kept[name].mean()), float(kept[name].std()))
        for name in names
        if np.isfinite(kept[name]).all()
    }
