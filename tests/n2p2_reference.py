"""n2p2's energy from its files, slowly and on its own: types 2, 3 and 9, cutoff types 1 and 2.

Written from the description of the formats, with nothing of miniff in it.
"""

from itertools import pairwise, product

import numpy as np

ATOMIC_NUMBERS = {"H": 1, "C": 6, "O": 8, "Si": 14, "S": 16, "Cu": 29}
ACTIVATIONS = {
    "l": lambda x: x,
    "t": np.tanh,
    "s": lambda x: 1 / (1 + np.exp(-x)),
    "p": lambda x: np.log1p(np.exp(x)),
    "r": lambda x: np.maximum(x, 0),
    "g": lambda x: np.exp(-x * x / 2),
    "c": np.cos,
    "S": lambda x: 1 - 1 / (1 + np.exp(-x)),
    "e": lambda x: np.exp(-x),
    "h": lambda x: x * x,
}


def words_of(path):
    lines = [line.split("#")[0].split() for line in path.read_text().splitlines()]
    return [line for line in lines if line]


def cutoff_function(kind, r, rc):
    inside = {1: (np.cos(np.pi * r / rc) + 1) / 2, 2: np.tanh(1 - r / rc) ** 3}[kind]
    return np.where(r < rc, inside, 0.0)


class Neighbors:
    """Of one atom: vectors to all atoms within rc, images too, and their names."""

    def __init__(self, i, vectors, positions, names):
        images = np.array(list(product(range(-3, 4), repeat=3)))
        moves = np.zeros((1, 3)) if vectors is None else images @ vectors
        d = (positions[None] + moves[:, None] - positions[i]).reshape(-1, 3)
        self.names = np.array(list(names) * len(moves))
        self.d, self.r = d, np.linalg.norm(d, axis=1)

    def within(self, rc):
        kept = (self.r > 1e-9) & (self.r < rc)
        return self.d[kept], self.r[kept], self.names[kept]


def value(words, kind, neighbors):
    """One symmetry function `El type ...` of an atom."""
    number = int(words[1])
    if number == 2:
        eta, rs, rc = map(float, words[3:6])
        _, r, names = neighbors.within(rc)
        r = r[names == words[2]]
        return np.sum(np.exp(-eta * (r - rs) ** 2) * cutoff_function(kind, r, rc))
    eta, lam, zeta, rc = map(float, words[4:8])
    rs = float(words[8]) if len(words) > 8 else 0.0
    d, r, names = neighbors.within(rc)
    j, k = np.triu_indices(len(r), 1)
    first, second = words[2:4]
    wanted = (names[j] == first) & (names[k] == second)
    wanted |= (names[j] == second) & (names[k] == first)
    j, k = j[wanted], k[wanted]
    legs = [r[j], r[k], np.linalg.norm(d[j] - d[k], axis=1)][: 3 if number == 3 else 2]
    cosine = np.einsum("px,px->p", d[j], d[k]) / (r[j] * r[k])
    terms = 2 ** (1 - zeta) * np.maximum(1 + lam * cosine, 0) ** zeta
    for leg in legs:
        terms = terms * np.exp(-eta * (leg - rs) ** 2) * cutoff_function(kind, leg, rc)
    return terms.sum()


def place(words, elements):
    """What functions of an element are sorted by."""
    at = sorted(elements.index(name) for name in words[2 : 3 if words[1] == "2" else 4])
    if words[1] == "2":
        eta, rs, rc = map(float, words[3:6])
        return (2, rc, eta, rs, *at)
    eta, lam, zeta, rc = map(float, words[4:8])
    rs = float(words[8]) if len(words) > 8 else 0.0
    return (int(words[1]), rc, eta, rs, zeta, lam, *at)


def energy(folder, vectors, positions, names):
    """Of a structure, in the units of the folder."""
    lines = words_of(folder / "input.nn")
    one = {line[0]: line[1:] for line in lines}
    elements = sorted(one["elements"], key=ATOMIC_NUMBERS.__getitem__)
    lists = {
        name: sorted(
            (w[1:] for w in lines if w[:2] == ["symfunction_short", name]),
            key=lambda words: place(words, elements),
        )
        for name in elements
    }
    scaling = words_of(folder / "scaling.data")
    conv = float(one.get("conv_energy", ["1"])[0])
    total = len(names) * float(one.get("mean_energy", ["0"])[0])
    sites = {w[1]: float(w[2]) for w in lines if w[0] == "atom_energy"}
    letters = {w[1]: w[2:] for w in lines if w[0] == "element_activation_short"}
    for i, name in enumerate(names):
        near = Neighbors(i, vectors, positions, names)
        g = [value(w, int(one["cutoff_type"][0]), near) for w in lists[name]]
        rows = np.array([w[2:6] for w in scaling if w[0] == str(elements.index(name) + 1)], float)
        x = scaled(np.array(g), rows, one)
        weights = np.array([w[0] for w in words_of(weight_path(folder, name))], float)
        x = network(x, weights, one, letters.get(name, one["global_activation_short"]))
        total += x / conv + sites.get(name, 0.0)
    return total


def weight_path(folder, name):
    return folder / f"weights.{ATOMIC_NUMBERS[name]:03d}.data"


def scaled(g, rows, one):
    low, high = (
        float(one.get(f"scale_{end}_short", [d])[0]) for end, d in (("min", 0), ("max", 1))
    )
    least, largest, mean, sigma = rows.T
    if "scale_symmetry_functions_sigma" in one:
        return low + (high - low) * (g - mean) / sigma
    centred = "center_symmetry_functions" in one
    if "scale_symmetry_functions" in one:
        return low + (high - low) * (g - (mean if centred else least)) / (largest - least)
    return g - mean if centred else g


def network(x, weights, one, letters):
    widths = [len(x), *map(int, one["global_nodes_short"]), 1]
    at = 0
    for (n_in, n_out), letter in zip(pairwise(widths), letters, strict=True):
        w = weights[at : at + n_in * n_out].reshape(n_in, n_out)
        b = weights[at + n_in * n_out : at + (n_in + 1) * n_out]
        at += (n_in + 1) * n_out
        x = ACTIVATIONS[letter]((x @ w + b) / (n_in if "normalize_nodes" in one else 1))
    assert at == len(weights)
    return float(x[0])
