"""``input.nn`` of n2p2 and RuNNer: what a prediction depends on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from miniff._checks import unknown_name
from miniff.io._n2p2_functions import SymmetryFunction, function_from_line, order_of
from miniff.io._n2p2_keywords import Keywords
from miniff.io._potential_text import Line, PotentialFileError

__all__ = [
    "ACTIVATION_LETTERS",
    "NORMALIZATION",
    "N2p2Settings",
    "Scaling",
    "Topology",
    "read_settings",
]

ACTIVATION_LETTERS = "ltsprgcSeh"
"""Identity, tanh, logistic, softplus, ReLU, Gaussian, cosine, 1 - logistic, exp(-x), x^2."""

LARGEST_CUTOFF_TYPE = 8

WITHOUT_CHARGES = {"nnp_type": ("2G-HDNNP", "2G", "2", "0"), "nnp_gen": ("2", "2G")}
NORMALIZATION = ("mean_energy", "conv_energy", "conv_length")


@dataclass(frozen=True)
class Topology:
    """A network without its numbers.

    Attributes:
        nodes: Of the hidden layers.
        activations: Letters, of the hidden layers and the output.
    """

    nodes: tuple[int, ...]
    activations: tuple[str, ...]


@dataclass(frozen=True)
class Scaling:
    """How functions become inputs of networks.

    Attributes:
        divisor: ``range`` (largest minus least), ``sigma``, or nothing.
        centred: Whether the mean is taken away, in place of the least where there is a divisor.
        low: What the least (or the mean) becomes, where there is a divisor.
        high: What the largest becomes.
    """

    divisor: str = ""
    centred: bool = False
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class N2p2Settings:
    """What ``input.nn`` says, in the units of the file.

    Attributes:
        path: The file.
        elements: Sorted by atomic number.
        functions: Of each element, in the order in which scaling data and weights count them.
        topologies: Of each element; more than one where keywords have two readings.
        cutoff_type: n2p2's number.
        cutoff_alpha: The cutoff function is 1 below this fraction of the cutoff.
        scaling: Of the functions.
        normalize_nodes: Whether sums are divided by the number of nodes they come from.
        atom_energies: Added for each atom (energy).
        mean_energy: Added for each atom (energy).
        conv_energy: Outputs of networks are energies times this.
        conv_length: Lengths of the training are lengths times this; predictions know nothing of it.
    """

    path: Path
    elements: tuple[str, ...]
    functions: Mapping[str, tuple[SymmetryFunction, ...]]
    topologies: Mapping[str, tuple[Topology, ...]]
    cutoff_type: int
    cutoff_alpha: float
    scaling: Scaling
    normalize_nodes: bool = False
    atom_energies: Mapping[str, float] | None = None
    mean_energy: float = 0.0
    conv_energy: float = 1.0
    conv_length: float = 1.0

    @property
    def normalization(self) -> tuple[float, float, float]:
        """Mean energy, and the factors of energy and length."""
        return self.mean_energy, self.conv_energy, self.conv_length


def read_settings(path: str | Path) -> N2p2Settings:
    """What ``input.nn`` says.

    Raises:
        PotentialFileError: An unknown keyword, or values that cannot be used; with file and line.
    """
    keywords = Keywords(Path(path))
    for name, allowed in WITHOUT_CHARGES.items():
        if name in keywords and (line := keywords.one(name)).words[1] not in allowed:
            raise line.refuse(
                f"`{name}` is {line.words[1]} but must be one of {', '.join(allowed)}: networks "
                "with charges are not read"
            )
    elements = _elements(keywords)
    places = {name: place for place, name in enumerate(elements)}
    alpha = keywords.one("cutoff_type")
    number = alpha.count_at(1, "cutoff_type", 0)
    if number > LARGEST_CUTOFF_TYPE:
        raise alpha.refuse(f"`cutoff_type` is {number} but must be in [0, {LARGEST_CUTOFF_TYPE}]")
    given = [name for name in NORMALIZATION if name in keywords]
    if given and len(given) < len(NORMALIZATION):
        absent = [name for name in NORMALIZATION if name not in keywords]
        raise keywords.one(given[0]).refuse(f"`{given[0]}` is given without {', '.join(absent)}")
    return N2p2Settings(
        path=Path(path),
        elements=elements,
        functions=_functions(keywords, places),
        topologies=_topologies(keywords, elements),
        cutoff_type=number,
        cutoff_alpha=alpha.number_at(2, "alpha") if len(alpha.words) > 2 else 0.0,
        scaling=_scaling(keywords),
        normalize_nodes="normalize_nodes" in keywords,
        atom_energies=_atom_energies(keywords, elements),
        mean_energy=keywords.number("mean_energy", 0.0),
        conv_energy=_positive(keywords, "conv_energy"),
        conv_length=_positive(keywords, "conv_length"),
    )


def _positive(keywords: Keywords, name: str) -> float:
    return keywords.one(name).positive_at(1, name) if name in keywords else 1.0


def _elements(keywords: Keywords) -> tuple[str, ...]:
    from ase.data import atomic_numbers

    line = keywords.one("elements")
    names = line.words[1:]
    for name in names:
        if not atomic_numbers.get(name, 0):
            raise line.refuse(f"`{name}` is no chemical element")
    if len(set(names)) < len(names):
        raise line.refuse("an element is named twice")
    if "number_of_elements" in keywords:
        count = keywords.one("number_of_elements")
        if count.count_at(1, "number_of_elements", 1) != len(names):
            raise count.refuse(
                f"`number_of_elements` is {count.words[1]} but `elements` names {len(names)}"
            )
    return tuple(sorted(names, key=atomic_numbers.__getitem__))


def _functions(
    keywords: Keywords, places: Mapping[str, int]
) -> dict[str, tuple[SymmetryFunction, ...]]:
    lines = keywords.all("symfunction_short", 2)
    found = [function_from_line(line, places) for line in lines]
    functions = {
        name: tuple(
            sorted((f for f in found if f.centre == name), key=lambda f: order_of(f, places))
        )
        for name in places
    }
    for name, own in functions.items():
        if not own:
            raise PotentialFileError(f"{keywords.path}: there is no symmetry function of {name}")
    return functions


def _scaling(keywords: Keywords) -> Scaling:
    by_range = "scale_symmetry_functions" in keywords
    centred = "center_symmetry_functions" in keywords
    by_sigma = "scale_symmetry_functions_sigma" in keywords
    if by_sigma and (by_range or centred):
        raise keywords.one("scale_symmetry_functions_sigma", 0).refuse(
            "`scale_symmetry_functions_sigma` is given beside scale_symmetry_functions or "
            "center_symmetry_functions, but must stand alone"
        )
    if not (by_range or by_sigma):
        return Scaling(centred=centred)
    low, high = keywords.number("scale_min_short", 0.0), keywords.number("scale_max_short", 1.0)
    return Scaling("sigma" if by_sigma else "range", centred or by_sigma, low, high)


def _atom_energies(keywords: Keywords, elements: Iterable[str]) -> dict[str, float]:
    energies = dict.fromkeys(elements, 0.0)
    given: set[str] = set()
    for line in keywords.all("atom_energy", 2):
        name = line.words[1]
        _demand_element(line, energies)
        if name in given:
            raise line.refuse(f"`atom_energy` of {name} is given twice")
        given.add(name)
        energies[name] = line.number_at(2, "atom_energy")
    return energies


def _demand_element(line: Line, known: Iterable[str]) -> str:
    if line.words[1] not in known:
        raise line.refuse(unknown_name("element of `elements`", line.words[1], known))
    return line.words[1]


def _topologies(keywords: Keywords, elements: tuple[str, ...]) -> dict[str, tuple[Topology, ...]]:
    n_layers = dict.fromkeys(elements, 0)
    nodes: dict[str, list[tuple[int, ...]]] = {name: [] for name in elements}
    letters: dict[str, tuple[str, ...]] = {}
    n_global = 0
    if "global_hidden_layers_short" in keywords:
        line = keywords.one("global_hidden_layers_short")
        n_global = line.count_at(1, "global_hidden_layers_short", 1)
        n_layers = dict.fromkeys(elements, n_global)
    for line in keywords.all("element_hidden_layers_short", 2):
        name = _demand_element(line, elements)
        n_layers[name] = line.count_at(2, "element_hidden_layers_short", 1)
    if "global_nodes_short" in keywords:
        line = keywords.one("global_nodes_short", n_global)
        nodes = {name: [_counts(line, 1)] if n_layers[name] == n_global else [] for name in nodes}
    if "global_activation_short" in keywords:
        line = keywords.one("global_activation_short", n_global + 1)
        letters = {n: _letters(line, 1) for n in elements if n_layers[n] == n_global}
    for line in keywords.all("element_nodes_short", 2):
        name = _demand_element(line, elements)
        nodes[name] = _element_nodes(line, n_layers[name], nodes[name])
    for line in keywords.all("element_activation_short", 2):
        name = _demand_element(line, elements)
        if line.words[2].isdigit():
            raise line.refuse("activations of single nodes are not read")
        letters[name] = _letters(line, 2)
    found = {}
    for name in elements:
        fitting = [own for own in dict.fromkeys(nodes[name]) if len(own) == n_layers[name]]
        if not fitting or len(letters.get(name, ())) != n_layers[name] + 1:
            raise PotentialFileError(
                f"{keywords.path}: the network of {name} must have {n_layers[name]} numbers of "
                f"hidden nodes and {n_layers[name] + 1} activations, the last one for the output"
            )
        found[name] = tuple(Topology(own, letters[name]) for own in fitting)
    return found


def _counts(line: Line, first: int) -> tuple[int, ...]:
    places = range(first, len(line.words))
    return tuple(line.count_at(place, line.words[0], 1) for place in places)


def _letters(line: Line, first: int) -> tuple[str, ...]:
    for letter in line.words[first:]:
        if letter not in ACTIVATION_LETTERS or len(letter) != 1:
            raise line.refuse(unknown_name("activation", letter, ACTIVATION_LETTERS))
    return line.words[first:]


def _element_nodes(
    line: Line, n_layers: int, known: list[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    """All that a line ``element_nodes_short`` may mean; the number of weights decides.

    n2p2 2.3.0 takes the nodes of all hidden layers, of which it leaves the last as it was; RuNNer
    and older n2p2 take a layer and its nodes.
    """
    counts = _counts(line, 2)
    found = []
    if len(counts) == n_layers:
        found += [counts, *((*counts[:-1], own[-1]) for own in known if len(own) == n_layers)]
    if len(counts) == 2 and counts[0] <= n_layers:
        place, n = counts[0] - 1, counts[1]
        found += [(*own[:place], n, *own[place + 1 :]) for own in known if len(own) == n_layers]
    if not found:
        raise line.refuse(
            f"`element_nodes_short` must give the nodes of {n_layers} hidden layers, or one layer "
            "and its nodes"
        )
    return found
