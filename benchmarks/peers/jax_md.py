"""JAX-MD, compiled, in double precision, on a list that is made once."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.peers import Answer, Method, Peer, Task, Unsuitable
from benchmarks.workloads import ARGON, SILICON, SKIN, Case


def task(case: Case, make: Callable[[Any, Any], tuple[Any, Any]]) -> Task:
    """Energy and forces by differentiation."""
    import jax
    from jax_md import space

    box = case.structure.box
    if box.min() < 2 * case.reused_cutoff:
        raise Unsuitable("nearest images only, and the box is shorter than two cutoffs")
    displacement, _ = space.periodic(box)
    neighbor_fn, energy_fn = make(displacement, box)
    neighbors = neighbor_fn.allocate(case.structure.positions)
    evaluate = jax.jit(jax.value_and_grad(lambda x, list_: energy_fn(x, neighbor=list_)))

    def run(positions: ndarray) -> Any:
        return jax.block_until_ready(evaluate(positions, neighbors))

    def read(result: Any) -> Answer:
        return Answer(float(result[0]), -np.asarray(result[1]))

    return Task(run, read)


def stillinger_weber(case: Case) -> Task:
    from jax_md import energy

    s = SILICON
    numbers = {"sigma": s.sigma, "A": s.gauge_a, "B": s.gauge_b, "lam": s.lam, "gamma": s.gamma}
    numbers |= {"epsilon": s.epsilon, "cutoff": s.cutoff, "dr_threshold": SKIN}
    make = energy.stillinger_weber_neighbor_list
    return task(case, lambda displacement, box: make(displacement, box, **numbers))


def lennard_jones(case: Case) -> Task:
    """Its switching function is put so close to the cutoff that it does nothing."""
    from jax import numpy as jnp
    from jax_md import energy

    cutoff = ARGON.cutoff / ARGON.sigma
    numbers = {"sigma": ARGON.sigma, "epsilon": ARGON.epsilon, "dr_threshold": SKIN}
    numbers |= {"r_cutoff": cutoff, "r_onset": cutoff * (1 - 1e-9)}
    exact = {name: jnp.array(number) for name, number in numbers.items()}  # else rounded to single
    make = energy.lennard_jones_neighbor_list
    return task(case, lambda displacement, box: make(displacement, box, **exact))


METHODS = {"sw": Method(stillinger_weber), "lj": Method(lennard_jones)}
PEER = Peer("JAX-MD", ("jax", "jax_md"), "jax-md", METHODS)
