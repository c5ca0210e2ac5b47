"""Potentials and descriptors as plain data that people write: family, tag, parameters.

    {family: Behler type 2, tag: Si-Si, a: 4.5, eta: 0.1}

A family has the name that potential files use, or the short one of its factory in
:mod:`miniff.potentials`: ``behler2`` for ``behler2_descriptor_family``, ``lj`` for
``lj_potential_family``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

import miniff.potentials as all_potentials
from miniff._checks import unknown_name
from miniff.io import atomic_write
from miniff.io._text import parse_json, read_text
from miniff.io._yaml import read_yaml
from miniff.potentials import (
    ChargeFamily,
    FixedChargePotential,
    FunctionPotential,
    LocalPotentialFamily,
    Potential,
    charge_families,
    known_families,
)

__all__ = [
    "PLAIN_SUFFIXES",
    "families",
    "function_from_plain",
    "plain_of",
    "plain_or_name",
    "potential_from_plain",
    "read_plain",
    "write_plain",
]

PLAIN_SUFFIXES = (".json", ".yaml", ".yml")


def families() -> dict[str, LocalPotentialFamily | ChargeFamily]:
    """What files can hold, by long and short names."""
    by_name: dict[str, LocalPotentialFamily | ChargeFamily] = {**known_families, **charge_families}
    known = list(by_name.values())
    short = {}
    for name in all_potentials.__all__:
        kind = name.removesuffix("_family").removesuffix("_descriptor").removesuffix("_potential")
        if name.endswith("_family") and any(getattr(all_potentials, name) is f for f in known):
            short[kind] = getattr(all_potentials, name)
    return {**short, **by_name}


def potential_from_plain(data: object) -> FunctionPotential | FixedChargePotential:
    """The potential that plain data stand for; one that is made already is taken as it is.

    Raises:
        ValueError: No such family, or parameters that it does not take.
    """
    if isinstance(data, FunctionPotential | FixedChargePotential):
        return data
    if isinstance(data, Potential):
        raise TypeError(
            f"{data} cannot be a descriptor or a baseline: only families of the compiled core can"
        )
    if not isinstance(data, Mapping) or not isinstance(data.get("family"), str):
        raise ValueError(
            f"it is {data!r:.80} but must be a mapping with a `family` and its parameters"
        )
    rest = {name: value for name, value in data.items() if name not in ("family", "tag")}
    name, tag, known = data["family"], data.get("tag"), families()
    if name not in known:
        raise ValueError(unknown_name("family", name, known))
    if tag is not None and not isinstance(tag, str):
        raise ValueError(f"`tag` is {tag!r} but must be text")
    try:
        return known[name](tag, **rest)
    except TypeError as error:
        raise ValueError(str(error)) from None


def function_from_plain(data: object) -> FunctionPotential:
    """The same, where it must be a formula of the compiled core, as descriptors are.

    Raises:
        ValueError: As :func:`potential_from_plain`, or a potential of charges.
    """
    potential = potential_from_plain(data)
    if not isinstance(potential, FunctionPotential):
        raise ValueError(f"{potential} cannot be a descriptor: it is of long range")
    return potential


def plain_of(potential: FunctionPotential | FixedChargePotential) -> dict[str, object]:
    """The plain data that stand for a potential."""
    tag = {} if potential.tag is None else {"tag": potential.tag}
    parameters = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in potential.parameters.items()
        if value != {}
    }
    return {"family": potential.family.name, **tag, **parameters}


def plain_or_name(potential: Potential) -> object:
    """The plain data that stand for a potential; its name where there are none."""
    if isinstance(potential, FunctionPotential | FixedChargePotential):
        return plain_of(potential)
    return repr(potential)


def read_plain(path: Path) -> object:
    """What a JSON or YAML file holds.

    Raises:
        ValueError: A file that is neither, or that gives a key twice.
    """
    if path.suffix == ".json":
        return parse_json(path, read_text(path), object_pairs_hook=_unique)
    return read_yaml(path, "a file of potentials").content


def write_plain(path: Path, plain: object) -> None:
    """Writes plain data as JSON or YAML, by the name's ending, every digit of every number."""
    text = (
        json.dumps(plain, indent=1) + "\n"
        if path.suffix == ".json"
        else yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, width=100)
    )
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, object]:
    content: dict[str, object] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"`{name}` is given twice")
        content[name] = value
    return content
