"""The numbers of the page as rows of text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from miniff.presentation._quantities import QUANTITIES
from miniff.presentation._report._content import Coverage, ReportedSet
from miniff.presentation._units import printed, size_of
from miniff.units import three_digits

__all__ = [
    "Kinds",
    "Table",
    "by_group",
    "by_species",
    "coverage_table",
    "error_table",
    "headline",
    "held_out",
    "worst_by_energy",
    "worst_by_forces",
]

N_WORST = 8
SHEAR = (3, 4, 5)
NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """Rows of text under heads.

    Attributes:
        heads: Of the columns.
        rows: Of the table.
        n_words: So many columns are words, the others numbers.
        spans: Heads above the heads, each with how many columns are below it.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_words: int = 1
    spans: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, eq=False)
class Kinds:
    """Errors of groups or species.

    Attributes:
        table: All of them.
        names: Of the groups or species.
        values: Mean absolute errors by quantity and set, in the units of errors.
    """

    table: Table
    names: Sequence[str]
    values: dict[str, dict[str, list[float]]]


def error_table(sets: Sequence[ReportedSet]) -> Table:
    """Mean absolute and root mean square errors of each set, and how many numbers there are."""
    columns: list[tuple[str, str, Callable[[ReportedSet], ndarray]]] = [
        ("energy", "energy", lambda s: s.energy_errors),
        ("forces", "forces", lambda s: s.force_errors),
        ("stress", "stress", _stress_errors),
        ("shear stress", "stress", lambda s: _stress_errors(s)[:, SHEAR]),
        ("charges", "charges", lambda s: s.charge_errors),
    ]
    shown = [c for c in columns if any((~np.isnan(c[2](s))).any() for s in sets)]
    heads = ["set", "structures", "atoms"]
    heads += [f"{title} ({_unit(quantity)})" for title, quantity, _ in shown]
    rows = [
        [s.name, _count(len(s.cells)), _count(len(s.structure))]
        + [_both(of(s), quantity) for _, quantity, of in shown]
        for s in sets
    ]
    return Table(heads, rows)


def held_out(sets: Sequence[ReportedSet]) -> ReportedSet:
    """The set that tells most about unseen structures."""
    by_name = {s.name: s for s in sets}
    return next((by_name[n] for n in ("test", "validation") if n in by_name), sets[0])


def headline(sets: Sequence[ReportedSet], made: str) -> str:
    """How good, in one sentence with what one would be off by without any knowledge."""
    told = held_out(sets)
    trained = next((s for s in sets if s.name == "train"), None)
    parts, without = [], []
    for title, quantity, off, values in (
        ("energy", "energy", told.energy_errors, np.asarray(told.reference.energy_per_atom)),
        ("forces", "forces", told.force_errors, np.asarray(told.reference.forces)),
        ("charges", "charges", told.charge_errors, np.asarray(told.reference.charges)),
    ):
        if (~np.isnan(off)).any():
            parts.append(f"{_digits(np.nanmean(np.abs(off)), quantity)} in the {title}")
            spread = _rms(values) if quantity == "forces" else np.nanstd(values)
            without.append(f"{_digits(spread, quantity)}")
    if not parts:
        return f"{made}: there is no reference to compare with."
    learned = (
        f" learned from {_count(len(trained.cells))} structures ({_count(len(trained.structure))} "
        "atoms);"
        if trained is not None and trained is not told
        else ":"
    )
    where = {
        "train": "on the structures that it learned from, no others were set aside",
        "validation": "on the validation set, which chose among the networks",
        "test": "on the test set",
    }.get(told.name, f"on {told.name}")
    size = f"{_count(len(told.cells))} structures"
    return (
        f"{made}{learned} mean absolute errors are {' and '.join(parts)} {where} ({size}), "
        f"where references spread by {' and '.join(without)}."
    )


def worst_by_energy(sets: Sequence[ReportedSet]) -> Table:
    """Structures with the largest errors in the energy per atom."""
    found = [
        (abs(off), s, number, off)
        for s in sets
        for number, off in enumerate(s.energy_errors.tolist())
        if not np.isnan(off)
    ]
    found.sort(key=lambda row: -row[0])
    rows = [
        [
            s.titles[number],
            s.name,
            s.groups[number] or NOTHING,
            str(s.cells[number].size),
            _signed(off, "energy"),
        ]
        for _, s, number, off in found[:N_WORST]
    ]
    return Table(["structure", "set", "group", "atoms", f"error ({_unit('energy')})"], rows, 3)


def worst_by_forces(sets: Sequence[ReportedSet]) -> Table:
    """Atoms with the largest errors of the force, one of each structure."""
    found = []
    for s in sets:
        lengths = np.linalg.norm(s.force_errors, axis=1)
        order = np.argsort(-np.nan_to_num(lengths, nan=-1.0), kind="stable")
        _, first = np.unique(s.structure[order], return_index=True)
        own = [int(order[k]) for k in np.sort(first)[:N_WORST]]
        found += [(float(lengths[a]), s, a) for a in own if not np.isnan(lengths[a])]
    found.sort(key=lambda row: -row[0])
    unit = _unit("forces")
    rows = [
        [
            s.titles[int(s.structure[a])],
            s.name,
            s.groups[int(s.structure[a])] or NOTHING,
            f"{s.atom[a]}, {s.species[a]}",
            _number(off / _size("forces"), "forces"),
            _number(float(np.linalg.norm(s.reference.forces[a])) / _size("forces"), "forces"),
        ]
        for off, s, a in found[:N_WORST]
    ]
    heads = ["structure", "set", "group", "atom", f"length of the error ({unit})"]
    return Table([*heads, f"of the force ({unit})"], rows, 4)


def by_group(sets: Sequence[ReportedSet]) -> Kinds | None:
    """Errors of each group of structures; None where structures say none."""
    names = sorted({group for s in sets for group in s.groups})
    if names in ([], [""]):
        return None
    energy = {s.name: _means(np.abs(s.energy_errors), s.groups, names) for s in sets}
    forces = {
        s.name: _means(np.abs(s.force_errors), [s.groups[k] for k in s.structure], names)
        for s in sets
    }
    counts = {s.name: [s.groups.count(name) for name in names] for s in sets}
    heads = ["group"]
    for _ in sets:
        heads += ["structures", f"energy ({_unit('energy')})", f"forces ({_unit('forces')})"]
    values = {"energy": _scaled(energy, "energy"), "forces": _scaled(forces, "forces")}
    rows = []
    for k, name in enumerate(names):
        row = [name or "(none)"]
        for s in sets:
            row += [str(counts[s.name][k]) if counts[s.name][k] else NOTHING]
            row += [_or_nothing(values[q][s.name][k], q) for q in ("energy", "forces")]
        rows.append(row)
    table = Table(heads, rows, spans=_spans(sets))
    return Kinds(table, [name or "(none)" for name in names], values)


def by_species(sets: Sequence[ReportedSet]) -> Kinds | None:
    """Errors of the forces on atoms of each species; None where there are no forces."""
    if not any((~np.isnan(s.force_errors)).any() for s in sets):
        return None
    names = sorted({str(name) for s in sets for name in np.unique(s.species)})
    forces = {s.name: _means(np.abs(s.force_errors), s.species.tolist(), names) for s in sets}
    values = {"forces": _scaled(forces, "forces")}
    sizes = {s.name: _means(np.square(s.reference.forces), s.species.tolist(), names) for s in sets}
    heads = ["element"]
    for _ in sets:
        heads += ["atoms", f"MAE of forces ({_unit('forces')})", f"RMS ({_unit('forces')})"]
    rows = []
    for k, name in enumerate(names):
        row = [name]
        for s in sets:
            rms = float(np.sqrt(sizes[s.name][k])) / _size("forces")
            row += [_count(int((s.species == name).sum()))]
            row += [_or_nothing(x, "forces") for x in (values["forces"][s.name][k], rms)]
        rows.append(row)
    return Kinds(Table(heads, rows, spans=_spans(sets)), names, values)


def coverage_table(coverage: Sequence[Coverage]) -> Table | None:
    """Atoms outside of the training set, by species and set."""
    parts = [part for part in ("validation", "test") if any(part in c.n_atoms for c in coverage)]
    if not parts:
        return None
    heads = ["element", "descriptors"]
    heads += [f"{part}: atoms outside of the training set" for part in parts]
    rows = [
        [c.species, str(len(c.descriptors)), *(_outside(c, part) for part in parts)]
        for c in coverage
    ]
    return Table(heads, rows)


def _spans(sets: Sequence[ReportedSet]) -> list[tuple[str, int]]:
    """Three columns for each set, behind the first."""
    return [("", 1), *((s.name, 3) for s in sets)]


def _outside(c: Coverage, part: str) -> str:
    if not c.n_atoms.get(part):
        return NOTHING
    share = c.n_outside[part] / c.n_atoms[part]
    return f"{_count(c.n_outside[part])} of {_count(c.n_atoms[part])} ({share:.1%})"


def _means(values: ndarray, kinds: Sequence[str], names: Sequence[str]) -> list[float]:
    """Means of the rows of each kind, over what is known; nan where nothing is."""
    of = np.searchsorted(names, kinds)
    rows = values.reshape(len(of), -1)
    known = ~np.isnan(rows)
    sums = np.bincount(of, np.where(known, rows, 0.0).sum(axis=1), minlength=len(names))
    counts = np.bincount(of, known.sum(axis=1), minlength=len(names))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return [float(mean) for mean in means]


def _scaled(values: dict[str, list[float]], quantity: str) -> dict[str, list[float]]:
    return {name: [v / _size(quantity) for v in own] for name, own in values.items()}


def _stress_errors(s: ReportedSet) -> ndarray:
    off: ndarray = np.asarray(s.predicted.stress) - np.asarray(s.reference.stress)
    return off


def _rms(values: ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(values))))


def _size(quantity: str) -> float:
    what = QUANTITIES[quantity]  # type: ignore[index]
    return size_of(what.error_unit, what.kind)


def _unit(quantity: str) -> str:
    what = QUANTITIES[quantity]  # type: ignore[index]
    return f"{printed(what.error_unit)}{what.per}"


def _digits(value: float, quantity: str) -> str:
    return f"{_number(float(value) / _size(quantity), quantity)} {_unit(quantity)}"


def _signed(value: float, quantity: str) -> str:
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else ""
    return sign + _number(abs(value) / _size(quantity), quantity)


def _both(errors: ndarray, quantity: str) -> str:
    known = errors[~np.isnan(errors)]
    if not len(known):
        return NOTHING
    numbers = (np.abs(known).mean(), np.sqrt(np.square(known).mean()))
    return " / ".join(_number(float(n) / _size(quantity), quantity) for n in numbers)


def _or_nothing(value: float, quantity: str) -> str:
    return NOTHING if np.isnan(value) else _number(value, quantity)


def _number(value: float, quantity: str) -> str:
    """Three digits of an error, and no powers of ten where nothing is left but rounding."""
    smallest = 10.0 ** -(QUANTITIES[quantity].decimals + 1)  # type: ignore[index]
    if 0 < value < smallest:
        return f"< {three_digits(smallest)}"
    return three_digits(value)


def _count(n: int) -> str:
    return f"{n:,}".replace(",", "\N{THIN SPACE}")
