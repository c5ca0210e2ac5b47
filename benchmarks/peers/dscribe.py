"""DScribe: values of its ACSF, which has one function more (the sum of fc) than is asked for."""

from typing import Any

from numpy import ndarray

from benchmarks.peers import Answer, Method, Peer, Task
from benchmarks.workloads import Angular, Case, Radial


def values(case: Case) -> Task:
    from ase import Atoms
    from dscribe.descriptors import ACSF

    structure, functions = case.structure, case.workload.functions
    angular = [f for f in functions if isinstance(f, Angular)]
    kind = "g4_params" if angular[0].narrow else "g5_params"
    acsf = ACSF(
        r_cut=case.workload.cutoff,
        g2_params=[(f.eta, f.r_sphere) for f in functions if isinstance(f, Radial)],
        species=sorted(set(structure.symbols)),
        periodic=True,
        **{kind: [(f.eta, f.zeta, f.lam) for f in angular]},
    )
    atoms = Atoms(structure.symbols, structure.positions, cell=structure.box, pbc=True)

    def run(positions: ndarray) -> Any:
        atoms.positions[:] = positions
        return acsf.create(atoms)

    return Task(run, lambda found: Answer(found[:, 1:].sum(), found[:, 1:]))


METHOD = Method(values, "finds neighbours in each call")
PEER = Peer(
    "DScribe", ("dscribe.descriptors",), "dscribe", {f"g{n}-values": METHOD for n in (4, 5)}
)
