"""vesin: the search alone, as miniff calls it."""

import numpy as np
from numpy import ndarray

from benchmarks.peers import Answer, Method, Peer, Task
from benchmarks.workloads import Case


def pairs(case: Case) -> Task:
    """All directed pairs and their shifts."""
    from vesin import NeighborList

    search = NeighborList(cutoff=case.workload.cutoff, full_list=True, n_threads=1)
    box = np.diag(case.structure.box)

    def count(found: list[ndarray]) -> Answer:
        centres = found[0][:, 0].astype(np.int64)
        each = np.bincount(centres, minlength=case.structure.n_atoms)[:, None].astype(float)
        return Answer(each.sum(), each)

    return Task(lambda positions: search.compute(positions, box, True, "PS"), count)


PEER = Peer("vesin", ("vesin",), "vesin", {"pairs": Method(pairs, note="call alone")})
