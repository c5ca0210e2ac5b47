"""A data set, or a list of potentials, at one look."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from miniff.kernel import Cell, batch_rdf, compute_images
from miniff.potentials import Potential
from miniff.presentation._charges import charges_by_species, draw_charges
from miniff.presentation._descriptors import plot_descriptors_2
from miniff.presentation._potential import plot_potential_2
from miniff.presentation._style import GREY, LINES, MARKERS, PALETTE, look, new_axes

__all__ = ["plot_data_set", "plot_potentials"]

PANEL = 2.4
"""Inches."""
COLORS = PALETTE[:6]

FARTHEST, SMOOTHED, N_POINTS = 6.0, 0.05, 241
"""Distances are drawn up to here, by Gaussians of this width (length)."""
MOST_STRUCTURES = 60
"""For distances, so many are taken, evenly."""
MOST_FUNCTIONS = 10
"""More curves in a panel could not be told apart."""
MOST_PANELS, MOST_ENTRIES, LONGEST_ENTRY = 9, 6, 14


def plot_data_set(cells: Sequence[Cell]) -> Figure:
    """Energies over volumes, sizes of forces, charges, and distances, whatever there is.

    Of the energies per atom, what a constant of each species explains (least squares) is taken
    away.

    Args:
        cells: Structures in eV and angstrom.

    Raises:
        ValueError: No structure.
    """
    if not cells:
        raise ValueError("`cells` has no structure to draw")
    panels: list[Callable[[Axes], None]] = []
    with_energy = [cell for cell in cells if cell.meta.get("energy") is not None]
    if with_energy:
        panels.append(lambda ax: _draw_energies(ax, with_energy))
    with_forces = [cell for cell in cells if cell.meta.get("forces") is not None]
    if with_forces:
        panels.append(lambda ax: _draw_forces(ax, with_forces))
    charges = charges_by_species(cells)
    if charges:
        panels.append(lambda ax: draw_charges(ax, charges))
    panels.append(lambda ax: _draw_distances(ax, cells))
    axes = _axes(len(panels))
    for panel, draw in zip(axes, panels, strict=True):
        with look(panel) as ax:
            draw(ax)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(handlelength=1.4)
    return _figure_of(axes)


def _axes(columns: int, rows: int = 1) -> list[Axes]:
    return new_axes(columns, rows, width=columns * PANEL, height=rows * PANEL)


def _figure_of(axes: Sequence[Axes]) -> Figure:
    figure = axes[0].figure
    assert isinstance(figure, Figure)
    return figure


def _draw_energies(ax: Axes, cells: Sequence[Cell]) -> None:
    """Over volumes where all structures repeat in all directions; else how often each occurs."""
    energies = 1e3 * _without_constants(cells)
    what = "relative energy (meV/atom)"
    if not all(all(cell.pbc) for cell in cells):
        ax.hist(energies, bins=40, color=COLORS[0])
        ax.set(xlabel=what, ylabel="structures")
        return
    volumes = np.array([cell.volume / cell.size for cell in cells])
    for k, (name, color, chosen) in enumerate(_by_composition(cells)):
        ax.scatter(
            volumes[chosen],
            energies[chosen],
            s=8,
            lw=0,
            alpha=0.7,
            color=color,
            marker=MARKERS[k % len(MARKERS)],
            label=name,
        )
    ax.set(xlabel="volume per atom (Å³)", ylabel=what)


def _without_constants(cells: Sequence[Cell]) -> ndarray:
    """Energies per atom less what constants of the species explain."""
    names = sorted({name for cell in cells for name in cell.values})
    shares = np.array([[cell.values.count(n) / cell.size for n in names] for cell in cells])
    energies = np.array([float(np.asarray(c.meta["energy"])) / c.size for c in cells])
    rest: ndarray = energies - shares @ np.linalg.lstsq(shares, energies, rcond=None)[0]
    return rest


def _by_composition(cells: Sequence[Cell]) -> list[tuple[str | None, str, ndarray]]:
    """Label, colour and places of the structures of each composition; the rarest in one."""
    kinds = [_composition(cell) for cell in cells]
    ranked = [kind for kind, _ in Counter(kinds).most_common()]
    if len(ranked) == 1:
        return [(None, COLORS[0], np.arange(len(cells)))]
    shown, others = ranked[: len(COLORS)], ranked[len(COLORS) :]
    found: list[tuple[str | None, str, ndarray]] = [
        (kind, color, np.array([k == kind for k in kinds]))
        for kind, color in zip(shown, COLORS, strict=False)
    ]
    if others:
        found.append((f"{len(others)} others", GREY, np.array([k in others for k in kinds])))
    return found


def _composition(cell: Cell) -> str:
    """Shares of the species in whole numbers."""
    counts = dict(sorted(Counter(cell.values).items()))
    divisor = np.gcd.reduce(list(counts.values()))
    return "".join(name + ("" if n == divisor else str(n // divisor)) for name, n in counts.items())


def _draw_forces(ax: Axes, cells: Sequence[Cell]) -> None:
    names = sorted({name for cell in cells for name in cell.values})
    sizes: dict[str, list[float]] = {name: [] for name in names}
    for cell in cells:
        lengths = np.linalg.norm(np.asarray(cell.meta["forces"], float), axis=1)
        for name, length in zip(cell.values, lengths, strict=True):
            sizes[name].append(float(length))
    largest = max(max(values) for values in sizes.values()) or 1.0
    edges = np.linspace(0, largest, 50).tolist()
    for k, name in enumerate(names):
        color, dashes = COLORS[k % len(COLORS)], LINES[k % len(LINES)]
        ax.hist(sizes[name], edges, histtype="step", label=name, lw=1.2, color=color, ls=dashes)
    ax.set(xlabel="size of the force (eV/Å)", ylabel="atoms", yscale="log")


def _draw_distances(ax: Axes, cells: Sequence[Cell]) -> None:
    step = max(len(cells) // MOST_STRUCTURES, 1)
    images = [compute_images(cell, FARTHEST + 7 * SMOOTHED) for cell in cells[::step]]
    r = np.linspace(0.4, FARTHEST, N_POINTS)
    for k, (pair, values) in enumerate(batch_rdf(images, r, SMOOTHED).items()):
        color, dashes = PALETTE[k % len(PALETTE)], LINES[k % len(LINES)]
        ax.plot(r, 4 * np.pi * r**2 * values, label=pair, color=color, ls=dashes)
    ax.set(xlabel="distance (Å)", ylabel="neighbours per Å", xlim=(0, FARTHEST), ylim=(0, None))


def plot_potentials(potentials: Sequence[Potential]) -> Figure | None:
    """What depends on one distance: radial descriptors of networks, and pair potentials.

    Of many descriptors in a panel some are drawn, evenly; None where there is nothing to draw.
    """
    descriptors = {
        str(one.tag): _some(list(one.descriptors))
        for whole in potentials
        for one in getattr(whole, "charge_networks", [whole])
        if hasattr(one, "descriptors")
    }
    pairs = [one for one in potentials if _is_pair(one)]
    panels = _panels(descriptors)[:MOST_PANELS]
    n = len(panels) + bool(pairs)
    if not n:
        return None
    columns = min(n, 3)
    free = _axes(columns, -(-n // columns))
    figure = _figure_of(free)
    for centre, functions in panels:
        ax = free.pop(0)
        plot_descriptors_2({centre: functions}, axes=[ax])
        _keep_short_legend(ax)
    if pairs:
        ax = free.pop(0)
        for one in pairs:
            plot_potential_2(one, label=one.tag or "all species", ax=ax)
        _bound(ax)
    for ax in free:
        ax.remove()
    return figure


def _keep_short_legend(ax: Axes) -> None:
    """One that would hide the curves is taken away."""
    legend = ax.get_legend()
    entries = [text.get_text() for text in legend.get_texts()] if legend is not None else []
    longest = max(map(len, entries), default=0)
    if legend is not None and (len(entries) > MOST_ENTRIES or longest > LONGEST_ENTRY):
        legend.remove()


def _is_pair(potential: Potential) -> bool:
    family = getattr(potential, "family", None)
    return bool(getattr(family, "is_pair_sum", False))


def _panels(
    descriptors: Mapping[str, Sequence[Potential]],
) -> list[tuple[str, list[Potential]]]:
    """Radial descriptors by centre and neighbour."""
    found: dict[tuple[str, ...], list[Potential]] = {}
    for centre, functions in descriptors.items():
        for function in functions:
            if _is_pair(function):
                found.setdefault((centre, *function.species[1:]), []).append(function)
    return [(key[0], functions) for key, functions in found.items()]


def _some(functions: list[Potential]) -> list[Potential]:
    """So many of each pair of species as can be told apart."""
    kept: list[Potential] = []
    for _, own in _panels({"": functions}):
        step = -(-len(own) // MOST_FUNCTIONS)
        kept += own[::step]
    return kept


def _bound(ax: Axes) -> None:
    """Repulsion at short distances must not hide the well."""
    curves = [np.asarray(line.get_ydata(), float) for line in ax.lines]
    lowest = min(float(np.nanmin(curve)) for curve in curves)
    if lowest < 0:
        ax.set_ylim(1.3 * lowest, -3 * lowest)
