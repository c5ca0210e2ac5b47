"""Jobs of `charge-fit`, and of `fit` with charges, and structures for them."""

import charged_networks as charged
from charged_networks import structure

from miniff import kernel, ml
from miniff.kernel import Cell

DESCRIPTORS = {name: [ml.plain_of(f) for f in own] for name, own in charged.DESCRIPTORS.items()}
INIT = {"log": "warning", "memory_gb": 8.0, "threads": 1}


def write(name, cells, **more):
    """Structures with energies and forces of some charges, which the file calls ``q``."""
    labelled = []
    for cell, found in cells:
        meta = {**cell.meta, "q": found.charges, "energy": found.energy, "forces": found.forces}
        meta |= {"stress": found.stress} if any(cell.pbc) else {}
        labelled.append(Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc))
    Cell.save(labelled, name)
    return [cell for cell, _ in cells]


def evaluated(own, kinds, n):
    """Structures of a potential."""
    cells = [
        structure(
            kind, n=5 + seed % 3, total=float(seed % 2 if kind == "molecule" else 0), seed=seed
        )
        for seed in range(n)
        for kind in kinds
    ]
    return [(cell, kernel.eval(own, cell)) for cell in cells]


def charge_fit(rule, **more):
    """The section, with more keys of `prepare`, or `n_epochs`."""
    run = {"n_epochs": more.pop("n_epochs", 15), "save": "charges.pt"}
    prepare = {
        "fn_cells": "data.xyz",
        "charges_key": "q",
        "rule": rule,
        "descriptors": DESCRIPTORS,
        "validation_set": 0.2,
        **more,
    }
    return {"init": INIT, "prepare": prepare, "run": run}


def fit(**more):
    """The section, with more keys of `prepare`; `run` for those of `run`."""
    run = {"n_epochs": more.pop("n_epochs", 5), **more.pop("run", {})}
    prepare = {
        "fn_cells": "data.xyz",
        "charges_key": "q",
        "descriptors": DESCRIPTORS,
        "validation_set": 0.2,
        "n_models": 1,
        **more,
    }
    return {"init": INIT, "prepare": prepare, "run": run}
