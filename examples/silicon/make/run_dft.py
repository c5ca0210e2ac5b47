"""Compute energies, forces and stress of a list of structures with Quantum ESPRESSO.

Every structure gets a folder of its own; finished ones are skipped, so that the command can be
stopped and repeated. Only the standard library, numpy and ASE are needed, and ``pw.x``.

    python run_dft.py run structures.xyz --folder runs --pseudo /usr/share/espresso/pseudo
    python run_dft.py collect structures.xyz --folder runs --output ..
"""

import argparse
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, Ry

RESULT = "result.xyz"
LARGEST_FORCE = 15.0  # eV/angstrom
TEST_FRACTION = 0.15
VACUUM = 0.45  # 1/angstrom; shorter reciprocal vectors (cells above 14 angstrom) mean a slab
PSEUDO = "Si.pbe-rrkj.UPF"


@dataclass(frozen=True)
class Settings:
    """What is the same in all calculations; energies in Ry, as the input of pw.x has them."""

    cutoff: float = 27.0
    density_cutoff: float = 88.0  # the fastest Fourier grid; costs 1e-6 eV
    kinetic_centre: float = 24.0  # ecfixed
    kinetic_width: float = 2.0  # q2sigma
    kinetic_height: float = 30.0  # qcutz; 0 is the plain kinetic energy
    smearing: float = 0.02
    k_spacing: float = 0.34  # 1/angstrom, 2 pi included
    k_shift: int = 1
    scf_threshold: float = 4e-9
    command: str = "pw.x"


def k_grid(atoms: Atoms, settings: Settings) -> list[int]:
    """Three numbers of k-points and three shifts, as pw.x wants them.

    |b| / spacing rounded up; a single unshifted one along cells so long that they hold vacuum.
    """
    lengths = 2 * np.pi * atoms.cell.reciprocal().lengths()
    crystal = lengths > VACUUM
    numbers = np.where(crystal, np.ceil(lengths / settings.k_spacing), 1)
    return [int(x) for x in (*numbers, *(settings.k_shift * crystal))]


def pw_input(atoms: Atoms, settings: Settings, pseudo_folder: Path) -> str:
    """Text of the input file of pw.x."""
    s = settings
    cell = "\n".join(" ".join(f"{x:.12f}" for x in v) for v in atoms.cell.array)
    positions = "\n".join("Si " + " ".join(f"{x:.12f}" for x in v) for v in atoms.positions)
    return f"""&control
  calculation = 'scf', prefix = 'si', outdir = './scratch', pseudo_dir = '{pseudo_folder}',
  tprnfor = .true., tstress = .true., disk_io = 'none', verbosity = 'low',
/
&system
  ibrav = 0, nat = {len(atoms)}, ntyp = 1,
  ecutwfc = {s.cutoff}, ecutrho = {s.density_cutoff},
  ecfixed = {s.kinetic_centre}, qcutz = {s.kinetic_height}, q2sigma = {s.kinetic_width},
  occupations = 'smearing', smearing = 'gaussian', degauss = {s.smearing},
/
&electrons
  conv_thr = {s.scf_threshold}, mixing_beta = 0.7, electron_maxstep = 80,
/
ATOMIC_SPECIES
Si 28.0855 {PSEUDO}
CELL_PARAMETERS angstrom
{cell}
ATOMIC_POSITIONS angstrom
{positions}
K_POINTS automatic
{" ".join(map(str, k_grid(atoms, s)))}
"""


def parse_output(text: str, atoms: Atoms) -> Atoms:
    """Structure with the energy, forces and stress of a finished calculation.

    The energy is the one printed after ``!``: with smearing this is the free energy, of which the
    forces and the stress are derivatives. The stress has ASE's sign, dE/dstrain / volume, the
    opposite of the printed one.
    """
    if "convergence has been achieved" not in text or "JOB DONE" not in text:
        raise ValueError("the calculation did not converge")
    energy = float(re.findall(r"^!\s+total energy\s+=\s+(\S+) Ry", text, re.M)[-1]) * Ry
    rows = re.findall(r"atom\s+\d+ type\s+\d+\s+force =\s+(\S+)\s+(\S+)\s+(\S+)", text)
    forces = np.array(rows[: len(atoms)], dtype=float) * Ry / Bohr
    block = re.findall(r"total\s+stress.*\n((?:.*\n){3})", text)[-1]
    stress = -np.array([line.split()[:3] for line in block.splitlines()], dtype=float)
    result = atoms.copy()
    result.calc = SinglePointCalculator(
        result,
        energy=energy,
        forces=forces,
        stress=full_3x3_to_voigt_6_stress(stress * Ry / Bohr**3),
    )
    return result


def run_one(atoms: Atoms, folder: Path, settings: Settings, pseudo_folder: Path) -> str:
    """Calculate one structure in its folder unless done before; says how it went."""
    if (folder / RESULT).exists():
        return "done before"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pw.in").write_text(pw_input(atoms, settings, pseudo_folder))
    start = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = ["nice", "-n", "19", settings.command, "-in", "pw.in"]
    with open(folder / "pw.out", "w") as output:
        subprocess.run(
            command, check=False, cwd=folder, stdout=output, stderr=output, env=environment
        )
    seconds = time.monotonic() - start
    try:
        result = parse_output((folder / "pw.out").read_text(), atoms)
    except ValueError as problem:
        return f"left out, {problem} ({seconds:.1f} s)"
    result.info["seconds"] = round(seconds, 1)
    ase.io.write(folder / "partial.xyz", result)
    os.replace(folder / "partial.xyz", folder / RESULT)
    return f"{seconds:.1f} s"


def run_all(structures: list[Atoms], folder: Path, settings: Settings, pseudo_folder: Path) -> None:
    """Calculate all structures, two at a time."""

    def task(atoms: Atoms) -> str:
        name = atoms.info["name"]
        return f"{name}: {run_one(atoms, folder / name, settings, pseudo_folder)}"

    with ThreadPoolExecutor(2) as pool:
        for line in pool.map(task, structures):
            print(line, flush=True)


def finished(structures: list[Atoms], folder: Path) -> list[Atoms]:
    """Results of the structures that have one, without those of very large forces."""
    result = []
    for atoms in structures:
        path = folder / atoms.info["name"] / RESULT
        if not path.exists():
            print(f"{atoms.info['name']}: not there")
            continue
        done = ase.io.read(path)
        largest = np.linalg.norm(done.get_forces(), axis=1).max()
        if largest > LARGEST_FORCE:
            print(f"{atoms.info['name']}: left out, a force of {largest:.1f} eV/angstrom")
            continue
        result.append(done)
    return result


def chosen_for_test(structures: list[Atoms]) -> set[str]:
    """Names of the test set: one at random out of each 7 neighbours in the list of a group.

    Groups list their structures by size and amplitude, so every kind is drawn from.
    """
    rng = np.random.default_rng(0)
    result = set()
    for group in sorted({atoms.info["group"] for atoms in structures}):
        names = [atoms.info["name"] for atoms in structures if atoms.info["group"] == group]
        for block in np.array_split(names, max(1, round(len(names) * TEST_FRACTION))):
            result.add(str(rng.choice(block)))
    return result


def rounded(atoms: Atoms) -> Atoms:
    """Copy with the digits that mean something, ready for a file."""
    result = atoms.copy()
    result.info = {key: atoms.info[key] for key in ("group", "name")}
    result.calc = SinglePointCalculator(
        result,
        energy=round(atoms.get_potential_energy(), 6),
        forces=atoms.get_forces().round(6),
        stress=atoms.get_stress().round(8),
    )
    return result


def collect(structures: list[Atoms], folder: Path, output: Path) -> None:
    """Write what is finished to ``train.xyz`` and ``test.xyz``, ordered by name."""
    structures = sorted(structures, key=lambda atoms: atoms.info["name"])
    results = [rounded(atoms) for atoms in finished(structures, folder)]
    chosen = chosen_for_test(results)
    for name, in_test in (("train.xyz", False), ("test.xyz", True)):
        part = [atoms for atoms in results if (atoms.info["name"] in chosen) == in_test]
        temporary = output / f".{name}"
        ase.io.write(temporary, part, format="extxyz")
        os.replace(temporary, output / name)
        print(f"{name}: {len(part)} structures")


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["run", "collect"])
    parser.add_argument("structures", type=Path, help="extended XYZ file, from structures.py")
    parser.add_argument("--folder", type=Path, required=True, help="where calculations are kept")
    parser.add_argument("--pseudo", type=Path, help=f"run: folder that has {PSEUDO}")
    parser.add_argument("--output", type=Path, help="collect: folder to write to")
    arguments = parser.parse_args()
    structures = ase.io.read(arguments.structures, ":")
    folder = arguments.folder.resolve()
    if arguments.action == "run":
        run_all(structures, folder, Settings(), arguments.pseudo.resolve())
    else:
        collect(structures, folder, arguments.output)


if __name__ == "__main__":
    main()
