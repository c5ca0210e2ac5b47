"""``miniff init``: a job file that fits given data."""

from collections.abc import Sequence
from math import floor
from typing import TYPE_CHECKING, Annotated

import typer

from miniff._commands._common import (
    EnergyUnit,
    LengthUnit,
    Overwrite,
    Units,
    console,
    is_without_units,
    kind_of,
    load_cells,
    one_sentence,
    refuse_existing,
    units_of,
)

if TYPE_CHECKING:
    from miniff.kernel import Cell

__all__ = ["init"]

LABELS = ("energy", "forces", "stress")
ENOUGH_FOR_TEST, ENOUGH_FOR_VALIDATION = 20, 5
MOST_GROUPS = 8
COMMENTS_FROM = 34


def init(
    data: Annotated[
        list[str], typer.Argument(metavar="DATA...", help="Files of structures, or patterns.")
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="YML", help="Name of the job file.")
    ] = "jobs.yml",
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="DATA", help="Files for the test, which training never sees."),
    ] = None,
    overwrite: Overwrite = False,
    length_unit: LengthUnit = None,
    energy_unit: EnergyUnit = None,
) -> None:
    """Write a commented job file that fits these data and runs as it is."""
    from miniff.kernel._doctor import unread_labels

    with one_sentence():
        refuse_existing(output, overwrite)
        units = units_of(length_unit, energy_unit)
        given = [*data, *(test or [])]
        needy = {path: is_without_units(path) for path in given}
        if units != (None, None) and not any(needy.values()):
            raise ValueError("--length-unit and --energy-unit are said but no file needs them")
        cells = [cell for path in data for cell in _cells(path, units, needy[path])]
        others = [cell for path in test or [] for cell in _cells(path, units, needy[path])]
        has = [name for name in LABELS if any(c.meta.get(name) is not None for c in cells)]
        unread = unread_labels([*cells, *others])
        if not has:
            raise ValueError(
                f"{', '.join(data)}: no structure has an energy, forces or a stress: there is "
                f"{'; '.join(['nothing to learn from', *unread])}"
            )
        entries = [_entry(path, units if needy[path] else (None, None)) for path in data]
        tests = [_entry(path, units if needy[path] else (None, None)) for path in test or []]
        _write(output, _job(entries, cells, tests, others, output))
        show = console()
        for sentence in unread:
            show.print(f"warning: {sentence}")
        show.print(f"wrote {output}: it fits {len(cells)} structures; run it with")
        show.print(f"  python -m miniff {output}")


def _cells(path: str, units: Units, needs_units: bool) -> "list[Cell]":
    if kind_of(path) != "structures":
        raise ValueError(f"{path} holds potentials but must hold structures")
    return load_cells(path, units if needs_units else (None, None))


def _write(output: str, text: str) -> None:
    from miniff.io import atomic_write

    with atomic_write(output) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _entry(path: str, units: Units) -> object:
    """What stands for a file in a job."""
    length, energy = units
    if length is None:
        return path
    return {"files": path, "length_unit": length, "energy_unit": energy}


def _yaml(value: object) -> str:
    """A value on one line of YAML."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _line(indent: int, key: str, value: object, comment: str = "") -> str:
    said = f"{' ' * indent}{key}: {_yaml(value)}"
    return f"{said:<{COMMENTS_FROM}}# {comment}" if comment else said


def _job(
    entries: Sequence[object],
    cells: "Sequence[Cell]",
    tests: Sequence[object],
    others: "Sequence[Cell]",
    output: str,
) -> str:
    lines = [*_head(cells, output), "", "fit:", "  init:"]
    lines.append(_line(4, "seed", 1, "the same seed gives the same numbers"))
    lines += ["  prepare:", _line(4, "fn_cells", _one_or_all(entries))]
    lines += _sets(len(cells), with_test=not tests)
    lines += [
        _line(4, "quality", "default", "fast for a first look, high for the best that it can"),
        f"{'    # cutoff: 6.0':<{COMMENTS_FROM}}# angstrom; chosen from the data by default",
        *_groups(cells),
        "  run:",
        _line(4, "save", "potentials.pt", "what `miniff eval` and test-direct read"),
    ]
    if tests:
        lines += [
            "",
            f"test-direct:{'':<{COMMENTS_FROM - 12}}# on {len(others)} structures of their own",
            "  prepare:",
            _line(4, "fn_cells", _one_or_all(tests)),
            _line(4, "potentials", "potentials.pt"),
        ]
    return "\n".join(lines) + "\n"


def _one_or_all(entries: Sequence[object]) -> object:
    return entries[0] if len(entries) == 1 else list(entries)


def _head(cells: "Sequence[Cell]", output: str) -> list[str]:
    """What the data are."""
    species = ", ".join(sorted({name for cell in cells for name in cell.values}))
    n_atoms = sum(cell.size for cell in cells)
    lines = [
        f"# A fit of {len(cells)} structures with {n_atoms} atoms of {species}.",
    ]
    for name in LABELS:
        n = sum(cell.meta.get(name) is not None for cell in cells)
        if n < len(cells):
            which = "No structure has" if n == 0 else f"Only {n} of them have"
            lines.append(f"# {which} {'an energy' if name == 'energy' else name}.")
    lines += [
        "#",
        f"# Run it in this folder:   python -m miniff {output}",
        f"# See every key there is:   python -m miniff -v {output}",
    ]
    return lines


def _sets(n: int, *, with_test: bool) -> list[str]:
    """Structures set aside, as far as there are enough."""
    lines = []
    if with_test and n >= ENOUGH_FOR_TEST:
        kept = max(1, floor(0.1 * n + 0.5))
        comment = f"{kept} structures that training never sees: quote their errors"
        lines.append(_line(4, "test_set", 0.1, comment))
    if n >= ENOUGH_FOR_VALIDATION:
        lines.append(_line(4, "validation_set", 0.1, "decides which networks on the way are kept"))
    else:
        lines.append(_line(4, "validation_set", 0, "too few structures to set any aside"))
    return lines


def _groups(cells: "Sequence[Cell]") -> list[str]:
    """Groups to weigh, where structures belong to some."""
    from collections import Counter

    from miniff.kernel._meta import group_of

    groups = Counter(group for cell in cells if (group := group_of(cell.meta)))
    if not groups:
        return []
    named = groups.most_common(MOST_GROUPS)
    some = ", ".join(f"{name} ({n})" for name, n in named)
    more = f" and {len(groups) - len(named)} more" if len(groups) > len(named) else ""
    first = {named[0][0]: 0.5}
    return [
        f"    # Groups of structures can weigh more or less: {some}{more}",
        f"    # group_weights: {_yaml(first)}",
    ]
