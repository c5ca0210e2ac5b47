"""Data sets and potentials in a few rows of text."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray

from miniff._charges import IN_TOTAL, GivenCharges
from miniff.kernel import Cell, compute_images
from miniff.kernel._meta import GROUP_KEYS, group_of
from miniff.ml import (
    Affine,
    ChargedNetwork,
    ChargePotential,
    Equilibrate,
    Mean,
    NNPotential,
    load_provenance,
)
from miniff.potentials import FunctionPotential, Potential
from miniff.units import factor

__all__ = [
    "charge_rows",
    "composition_of",
    "data_set_rows",
    "formula_rows",
    "group_rows",
    "network_rows",
    "provenance_rows",
    "shortest_distances",
]

Row = tuple[str, ...]

LABELS = ("energy", "forces", "stress")
OWN_KEYS = {*LABELS, "charges", *IN_TOTAL, "source", *GROUP_KEYS}
NEAR = 4.0
"""Shortest distances are looked for up to here (angstrom)."""
MOST = 6
"""Kinds of a thing that are listed before `...`."""
MEV, GPA = 1e3, 1 / factor("GPa")


def data_set_rows(cells: Sequence[Cell]) -> list[Row]:
    """What a data set has, and what a reader of it should know."""
    sizes = np.array([cell.size for cell in cells])
    species = Counter(name for cell in cells for name in cell.values)
    rows: list[Row] = [
        (
            "structures",
            f"{len(cells)}, of {_range(sizes, '{:d}')} atoms; {sizes.sum()} atoms in all",
        ),
        ("species", ", ".join(f"{name} {n}" for name, n in sorted(species.items()))),
        ("compositions", _listed(Counter(map(composition_of, cells)))),
        ("repeating", _listed(Counter(map(_directions, cells)))),
    ]
    volumes = np.array([cell.volume / cell.size for cell in cells if all(cell.pbc)])
    if len(volumes):
        rows.append(("volume", f"{_range(volumes, '{:.2f}')} Å³ per atom"))
    found = shortest_distances(cells)
    if found:
        rows.append(("shortest", ", ".join(f"{pair} {r:.2f}" for pair, r in found.items()) + " Å"))
    rows += _label_rows(cells)
    rest = Counter(key for cell in cells for key in cell.meta if key not in OWN_KEYS)
    if rest:
        rows.append(("also", _listed(rest)))
    return rows


def _label_rows(cells: Sequence[Cell]) -> list[Row]:
    has = {name: [c for c in cells if c.meta.get(name) is not None] for name in LABELS}
    rows: list[Row] = [(name, _known(own, len(cells))) for name, own in has.items()]
    if has["energy"]:
        values = np.array([float(_array(c, "energy")) / c.size for c in has["energy"]])
        rows[0] = ("energy", f"{rows[0][1]}; {_range(values, '{:.4f}')} eV/atom")
    if has["forces"]:
        forces = [_array(c, "forces") for c in has["forces"]]
        each = np.concatenate(forces)
        net = max(float(np.abs(f.sum(axis=0)).max()) for f in forces)
        rows[1] = (
            "forces",
            f"{rows[1][1]}; root mean square {np.sqrt(np.mean(each**2)):.3f}, largest "
            f"{np.linalg.norm(each, axis=1).max():.3f} eV/Å; net force up to {net:.2g} eV/Å",
        )
    if has["stress"]:
        pressure = np.array([-_array(c, "stress")[:3].mean() * GPA for c in has["stress"]])
        rows[2] = ("stress", f"{rows[2][1]}; pressure {_range(pressure, '{:.2f}')} GPa")
    return rows + _charge_rows(cells)


def _charge_rows(cells: Sequence[Cell]) -> list[Row]:
    """Nothing where structures say nothing of charges."""
    rows: list[Row] = []
    own = [cell for cell in cells if cell.meta.get("charges") is not None]
    if own:
        found: dict[str, list[float]] = {}
        for cell in own:
            for name, charge in zip(cell.values, _array(cell, "charges").ravel(), strict=True):
                found.setdefault(name, []).append(float(charge))
        ranges = [f"{n} {_range(np.array(q), '{:.3f}')}" for n, q in sorted(found.items())]
        rows.append(("charges", f"{_known(own, len(cells))}; {', '.join(ranges)} e"))
    totals = np.array([GivenCharges.from_meta(c.meta, c.size).total for c in cells]) + 0.0
    if totals.any():
        rows.append(("total charge", f"{_range(totals, '{:g}')} e"))
    return rows


def _array(cell: Cell, name: str) -> ndarray:
    return np.asarray(cell.meta[name], float)


def _known(own: Sequence[Cell], n: int) -> str:
    if len(own) == n:
        return "all structures"
    return f"{len(own)} of {n} structures" if own else "none"


def _range(values: ndarray, form: str) -> str:
    low, high = form.format(values.min()), form.format(values.max())
    return low if low == high else f"{low} to {high}"


def _listed(counts: Counter[str]) -> str:
    named = [f"{name} ({n})" for name, n in counts.most_common(MOST)]
    return ", ".join(named + (["..."] if len(counts) > MOST else []))


def composition_of(cell: Cell) -> str:
    """As a chemical formula, elements in alphabetical order."""
    counts = sorted(Counter(cell.values).items())
    return " ".join(name if n == 1 else f"{name}{n}" for name, n in counts) or "nothing"


def _directions(cell: Cell) -> str:
    n = sum(cell.pbc)
    return {0: "in no direction", 3: "in all directions"}.get(n, f"in {n} directions")


def shortest_distances(cells: Sequence[Cell]) -> dict[str, float]:
    """Of each pair of species, where it is below 4 angstrom."""
    found: dict[str, float] = {}
    for cell in cells:
        table = compute_images(cell, NEAR).table
        n = len(table.names)
        shortest = np.full(n * n, np.inf)
        pairs = table.species[table.centre] * n + table.species[table.other]
        np.minimum.at(shortest, pairs, np.linalg.norm(table.vectors, axis=1))
        for place in np.flatnonzero(np.isfinite(shortest)):
            pair = "-".join(sorted((table.names[place // n], table.names[place % n])))
            found[pair] = min(found.get(pair, np.inf), float(shortest[place]))
    return dict(sorted(found.items()))


def group_rows(cells: Sequence[Cell]) -> list[Row]:
    """A row for each group of structures; none where structures say none."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(group_of(cell.meta), []).append(cell)
    if set(groups) == {""}:
        return []
    return [_group_row(name or "(none)", own) for name, own in sorted(groups.items())]


def _group_row(name: str, cells: Sequence[Cell]) -> Row:
    energies = [
        float(_array(c, "energy")) / c.size for c in cells if c.meta.get("energy") is not None
    ]
    forces = [
        float(np.linalg.norm(_array(c, "forces"), axis=1).max())
        for c in cells
        if c.meta.get("forces") is not None
    ]
    return (
        name,
        str(len(cells)),
        str(sum(cell.size for cell in cells)),
        f"{min(energies):.4f}" if energies else "",
        f"{max(energies):.4f}" if energies else "",
        f"{max(forces):.3f}" if forces else "",
    )


def network_rows(potentials: Iterable[Potential]) -> list[Row]:
    """A row for each network."""
    rows = []
    for one in potentials:
        if isinstance(one, NNPotential):
            rows.append(_network_row(one, str(one.tag)))
        elif isinstance(one, ChargePotential):
            given = "χ" if isinstance(one.rule, Equilibrate) else "charge"
            rows += [_network_row(n, f"{n.tag}: {given}") for n in one.charge_networks]
            rows += [_network_row(n, f"{n.tag}: energy") for n in one.energy_networks]
    return rows


def charge_rows(potentials: Iterable[Potential]) -> list[Row]:
    """How learned charges are made, and what they do to each other."""
    rows: list[Row] = []
    for one in potentials:
        if not isinstance(one, ChargePotential):
            continue
        rows.append(("rule", repr(one.rule)))
        if isinstance(one.rule, Equilibrate):
            rows.append(("hardness", f"{_of_species(one.rule.hardness)} eV/e²"))
        widths = one.coulomb.widths
        rows.append(("widths", f"{_of_species(widths)} Å" if widths else "points"))
        rows.append(("cutoff of the sum", f"{one.coulomb.a:.3f} Å, where structures repeat"))
        rows.append(("accuracy", f"{one.coulomb.accuracy:g}"))
        charged = "allowed, with a uniform background" if one.coulomb.background else "refused"
        rows.append(("charged crystals", charged))
    return rows


def _of_species(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in sorted(numbers.items()))


def _network_row(potential: NNPotential | ChargedNetwork, title: str) -> Row:
    members = potential.members()
    families = Counter(d.family.name for d in potential.descriptors)
    listed = ", ".join(f"{n} {name}" for name, n in families.items())
    (first, *_) = members
    n_numbers = sum(p.numel() for p in first.network.parameters())
    return (
        title,
        f"{len(potential.descriptors)}: {listed}",
        f"{potential.cutoff:.3f}",
        layout_of(first),
        str(n_numbers),
        str(len(members)),
        _training_set(potential),
    )


def _training_set(potential: NNPotential | ChargedNetwork) -> str:
    """What is known of it."""
    if isinstance(potential, NNPotential) and potential.moments is not None:
        return f"{potential.moments.n_atoms} atoms"
    return "unknown" if potential.ranges is None else "ranges"


def layout_of(potential: NNPotential | ChargedNetwork) -> str:
    """Numbers of nodes, and activations."""
    from torch import nn

    n_inputs = len(potential.descriptors) + isinstance(potential, ChargedNetwork)
    widths, between = [n_inputs], []
    for layer in potential.network.modules():
        if isinstance(layer, nn.Linear):
            widths.append(layer.out_features)
        elif not isinstance(layer, nn.Sequential | nn.ModuleList | Affine | Mean):
            between.append(type(layer).__name__.lower())
    kinds = dict.fromkeys(between)
    return "-".join(map(str, widths)) + (f" {', '.join(kinds)}" if kinds else "")


def formula_rows(potentials: Iterable[Potential]) -> list[Row]:
    """A row for each potential that is a formula."""
    return [
        (
            one.family.name,
            one.tag or "all",
            f"{one.cutoff:.3f}" if one.cutoff else "",
            ", ".join(f"{name} {_short(value)}" for name, value in one.parameters.items()),
        )
        for one in potentials
        if isinstance(one, FunctionPotential)
    ]


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return f"({len(np.ravel(np.asarray(value)))} numbers)"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def provenance_rows(file: str) -> list[Row]:
    """What a potential file says of its origin."""
    if Path(file).suffix != ".pt":
        return []
    return [(name, _plain(value)) for name, value in load_provenance(file).items()]


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(own)}" for name, own in value.items())
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."
