"""matscipy: its calculators find the neighbours in each call; neighbour search."""

from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.peers import Answer, Method, Peer, Task
from benchmarks.workloads import ARGON, SILICON, Case

NOTE = "finds neighbours in each call"


def with_calculator(case: Case, calculator: Any) -> Task:
    """Energy and forces through ASE's interface."""
    from ase import Atoms

    structure = case.structure
    atoms = Atoms(structure.symbols, structure.positions, cell=structure.box, pbc=True)

    def run(positions: ndarray) -> dict[str, Any]:
        atoms.positions[:] = positions
        calculator.calculate(atoms, ["energy", "forces"], ["positions"])
        results: dict[str, Any] = calculator.results
        return results

    return Task(run, lambda results: Answer(results["energy"], results["forces"]))


def stillinger_weber(case: Case) -> Task:
    from matscipy.calculators.manybody import Manybody
    from matscipy.calculators.manybody.explicit_forms import StillingerWeber

    s = SILICON
    scale = {"el": "Si", "epsilon": s.epsilon, "sigma": s.sigma, "a": s.a}
    gauge = {"A": s.gauge_a, "B": s.gauge_b, "p": s.p}
    angle = {"lambda1": s.lam, "gamma": s.gamma, "costheta0": -s.cos_theta0}
    return with_calculator(case, Manybody(**StillingerWeber(scale | gauge | angle)))


def lennard_jones(case: Case) -> Task:
    from matscipy.calculators.pair_potential import LennardJonesCut, PairPotential

    pair = LennardJonesCut(ARGON.epsilon, ARGON.sigma, ARGON.cutoff)
    pair.offset = 0.0  # cut, not shifted
    return with_calculator(case, PairPotential({(18, 18): pair}))


def pairs(case: Case) -> Task:
    """All directed pairs and their shifts."""
    from matscipy.neighbours import neighbour_list as search

    box, cutoff = np.diag(case.structure.box), case.workload.cutoff

    def run(positions: ndarray) -> Any:
        return search("ijS", positions=positions, cell=box, pbc=[True] * 3, cutoff=cutoff)

    def count(found: Any) -> Answer:
        each = np.bincount(found[0], minlength=case.structure.n_atoms)[:, None].astype(float)
        return Answer(each.sum(), each)

    return Task(run, count)


PEER = Peer(
    "matscipy",
    ("matscipy.calculators.manybody", "matscipy.calculators.pair_potential"),
    "matscipy",
    {
        "sw": Method(stillinger_weber, NOTE),
        "lj": Method(lennard_jones, NOTE),
        "pairs": Method(pairs),
    },
)
