"""Which descriptors: those of the recipe, of a list, or of a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from miniff._neighbors import PairTable
from miniff.ml._auto_recipe import N_FUNCTIONS, auto_behler_descriptors, auto_cutoff
from miniff.ml._files import load_potentials
from miniff.ml._plain import (
    PLAIN_SUFFIXES,
    function_from_plain,
    plain_of,
    read_plain,
    write_plain,
)
from miniff.ml._potential import NNPotential
from miniff.ml._recipe import default_behler_descriptors
from miniff.potentials import FunctionPotential

__all__ = [
    "DescriptorChoice",
    "DescriptorPlan",
    "descriptor_problems",
    "load_descriptors",
    "plan_descriptors",
    "save_descriptors",
]

Recipe = Literal["auto", "default"]
RECIPES: tuple[Recipe, ...] = ("auto", "default")

DescriptorChoice = str | Path | Mapping[str, Sequence[object]]
"""``"auto"``, ``"default"``, a file, or for each species a list of potentials, plain data and the
names of recipes."""

Problem = tuple[tuple[str, ...], str]
"""The way to a place within a choice, and what is wrong there."""


@dataclass(frozen=True)
class DescriptorPlan:
    """What was asked for, before any structure is seen.

    Attributes:
        chosen: For each species, functions and names of recipes for all of theirs.
        recipe_for_rest: The recipe for other species, or None.
    """

    chosen: Mapping[str, tuple[FunctionPotential | Recipe, ...]]
    recipe_for_rest: Recipe | None

    @property
    def recipes(self) -> list[Recipe]:
        """Those that are used; they need a cutoff."""
        named = [i for items in self.chosen.values() for i in items if isinstance(i, str)]
        return [recipe for recipe in RECIPES if recipe in (self.recipe_for_rest, *named)]

    @property
    def cutoff(self) -> float:
        """The largest of the functions that are named (length)."""
        named = [f for items in self.chosen.values() for f in items if not isinstance(f, str)]
        return max((f.cutoff for f in named), default=0.0)

    def functions(
        self,
        tables: Sequence[PairTable],
        cutoff: float,
        *,
        is_limit: bool = False,
        n_functions: int = N_FUNCTIONS,
    ) -> dict[str, list[FunctionPotential]]:
        """The descriptors of each species.

        Args:
            tables: Neighbours in the training set; recipes look at them.
            cutoff: Of the recipes' functions (length).
            is_limit: Whether ``auto`` may choose a shorter one.
            n_functions: What :func:`auto_behler_descriptors` takes.
        """
        made: dict[Recipe, dict[str, list[FunctionPotential]]] = {}
        if "default" in self.recipes:
            made["default"] = default_behler_descriptors(tables, cutoff)
        if "auto" in self.recipes:
            own = auto_cutoff(tables, cutoff) if is_limit else cutoff
            made["auto"] = auto_behler_descriptors(tables, own, n_functions)
        found = dict(made[self.recipe_for_rest]) if self.recipe_for_rest else {}
        for name, items in self.chosen.items():
            found[name] = []
            for item in items:
                if not isinstance(item, str):
                    found[name].append(item)
                elif name in made[item]:
                    found[name] += made[item][name]
                else:
                    raise ValueError(
                        f"descriptors are wanted for {name} but there is no atom of it"
                    )
        return found

    def as_plain(self) -> str | dict[str, list[object]]:
        """The same as plain data."""
        if self.recipe_for_rest:
            return self.recipe_for_rest
        return {
            name: [item if isinstance(item, str) else plain_of(item) for item in items]
            for name, items in self.chosen.items()
        }


def plan_descriptors(choice: DescriptorChoice) -> DescriptorPlan:
    """What a choice asks for.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: All that is wrong with it, a line each.
    """
    for recipe in RECIPES:
        if isinstance(choice, str) and choice == recipe:
            return DescriptorPlan({}, recipe_for_rest=recipe)
    if not isinstance(choice, str | Path | Mapping):
        raise TypeError(
            f"`descriptors` is {type(choice).__name__} but must be a mapping from species to "
            "lists of descriptors, a file, 'auto' or 'default'"
        )
    if not isinstance(choice, Mapping):
        functions = load_descriptors(choice)
        return DescriptorPlan({n: tuple(f) for n, f in functions.items()}, recipe_for_rest=None)
    problems = descriptor_problems(choice)
    if problems:
        raise ValueError("\n".join(f"descriptors.{'.'.join(at)}: {what}" for at, what in problems))
    chosen = {
        name: tuple(_named_recipe(item) or function_from_plain(item) for item in items)
        for name, items in choice.items()
    }
    return DescriptorPlan(chosen, recipe_for_rest=None)


def _named_recipe(item: object) -> Recipe | None:
    return next((recipe for recipe in RECIPES if item == recipe), None)


def descriptor_problems(choice: Mapping[str, object]) -> list[Problem]:
    """What is wrong with a choice that is a mapping; items of lists are counted from 0."""
    problems: list[Problem] = []
    if not choice:
        problems.append(((), "no species is given"))
    for name, items in choice.items():
        if not isinstance(items, list | tuple):
            what = f"it is {items!r} but must be a list of descriptors"
            problems.append(((name,), what))
        elif not items:
            problems.append(((name,), "no descriptor is given"))
        else:
            found = [((name, str(i)), _problem(name, item)) for i, item in enumerate(items)]
            problems += [(at, what) for at, what in found if what]
    return problems


def _problem(name: str, item: object) -> str:
    if _named_recipe(item):
        return ""
    try:
        function = function_from_plain(item)
    except ValueError as error:
        return str(error)
    is_other = bool(function.species) and function.species[0] != name
    return f"{function} is not a descriptor of {name}" if is_other else ""


def load_descriptors(path: str | Path) -> dict[str, list[FunctionPotential]]:
    """The descriptors in a file: JSON or YAML, or those of the networks in a potential file.

    Args:
        path: ``.json``, ``.yml`` and ``.yaml`` hold species -> list of family, tag, parameters, as
            :func:`save_descriptors` writes them; any other file is one of potentials.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: All that is wrong with the file, a line each.
    """
    if Path(path).suffix not in PLAIN_SUFFIXES:
        return _of_networks(path)
    content = read_plain(Path(path))
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a mapping of species to lists of descriptors")
    problems = descriptor_problems(content)
    problems += [
        ((name, str(i)), "a recipe is not a descriptor")
        for name, items in content.items()
        if isinstance(items, list)
        for i, item in enumerate(items)
        if _named_recipe(item)
    ]
    if problems:
        raise ValueError("\n".join(f"{path}: {'.'.join(at)}: {what}" for at, what in problems))
    return {name: [function_from_plain(item) for item in content[name]] for name in content}


def _of_networks(path: str | Path) -> dict[str, list[FunctionPotential]]:
    networks = [p for p in load_potentials(path) if isinstance(p, NNPotential)]
    names = [str(network.tag) for network in networks]
    if not networks:
        raise ValueError(f"{path} holds no networks whose descriptors could be used")
    if len(set(names)) < len(names):
        raise ValueError(
            f"{path} holds networks for {', '.join(names)} but must hold one for each species"
        )
    return {name: list(n.descriptors) for name, n in zip(names, networks, strict=True)}


def save_descriptors(
    path: str | Path, descriptors: Mapping[str, Sequence[FunctionPotential]]
) -> None:
    """Writes descriptors to a JSON or YAML file, every digit of every number.

    Args:
        path: Ends in ``.json``, ``.yml`` or ``.yaml``.
        descriptors: For each species.

    Raises:
        ValueError: A file name with another ending.
    """
    plain = {name: [plain_of(f) for f in functions] for name, functions in descriptors.items()}
    suffix = Path(path).suffix
    if suffix not in PLAIN_SUFFIXES:
        raise ValueError(f"`path` is {path} but must end in one of {', '.join(PLAIN_SUFFIXES)}")
    write_plain(Path(path), plain)
