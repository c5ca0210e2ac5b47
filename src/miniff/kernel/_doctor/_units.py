"""Units that wrong factors between energies, forces and stresses may come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

__all__ = ["Reading", "factor", "readings_of", "unit_explaining", "unit_of_energy"]

CLOSE = 0.1
"""Relative difference to a known factor."""
FEWEST_ERRORS, N_ERRORS, ROUNDED = 20.0, 4.0, 2e-3
"""An expected energy that is so many times its error tells a unit; energies agree with it within so
many errors, and within a relative difference of constants."""
ENERGIES = ("eV", "meV", "kcal/mol", "kJ/mol", "Ry", "Hartree")
ATOMIC = ("Ry", "Hartree")
"""Units of energy that bohr goes with."""
BOTH_ATOMIC = tuple(f"{name}/bohr" for name in ATOMIC)
STRESSES = ("GPa", "kbar", "MPa", "bar")
LENGTHS = ("angstrom", "bohr")
PER_ATOM = "eV per atom"
OF_OWN_ENERGY = tuple(f"{name}/angstrom^3" for name in ENERGIES if name != "eV")
"""Units of stress that nobody uses but with that energy."""
RIGHT = ("eV", "eV/angstrom", "eV/angstrom^3")


def factor(unit: str) -> float:
    """Size of a unit in electronvolt and angstrom."""
    # Imported here: SciPy, which has the constants, takes half as long to load as the rest.
    from miniff import units

    if unit == "bar":
        return units.factor("kbar") / 1e3
    energy, _, length = unit.rpartition("/")  # kcal/mol/bohr
    if energy and length in LENGTHS:
        return units.factor(energy) / units.factor(length)
    return units.factor(unit)


def unit_of_energy(size: float, tolerance: float = CLOSE) -> str | None:
    """The unit of energy that is so many electronvolts, roughly; the nearest of several."""
    off = {name: abs(size / factor(name) - 1) for name in ENERGIES if name != "eV"}
    name = min(off, key=lambda name: off[name])
    return name if off[name] < tolerance else None


def unit_explaining(energy: float, expected: float, error: float) -> str | None:
    """The unit in which an energy is what others lead one to expect.

    Args:
        energy: As it is given.
        expected: In electronvolts.
        error: Typical, of what is expected. Where it is not small beside that, any energy would be
            right in some unit, and none is told.
    """
    if not energy or abs(expected) < FEWEST_ERRORS * error:
        return None
    return unit_of_energy(expected / energy, N_ERRORS * error / abs(expected) + ROUNDED)


@dataclass(frozen=True)
class Measured:
    """A ratio of energy differences to works, its sign aside.

    Attributes:
        ratio: Of energies to works.
        tolerance: Relative.
    """

    ratio: float
    tolerance: float

    def off(self, expected: float) -> float:
        """How far from what is expected, in tolerances."""
        return abs(self.ratio / expected - 1) / self.tolerance


@dataclass(frozen=True)
class Reading:
    """Units that labels may be in.

    Attributes:
        energy, forces, stress: Names; those of forces and stress are None where nothing is known.
    """

    energy: str
    forces: str | None
    stress: str | None

    @property
    def of_forces(self) -> str:
        """What is wrong with energies and forces, as a clause; empty if nothing is."""
        said = []
        if self.energy == PER_ATOM:
            said.append("the energies were per atom and not of the whole structure")
        elif self.energy != RIGHT[0]:
            said.append(f"the energies were in {self.energy}")
        if self.forces not in (None, RIGHT[1]):
            said.append(f"the forces {'' if said else 'were '}in {self.forces}")
        return " and ".join(said)

    @property
    def of_stress(self) -> str:
        """The same of the stress."""
        if self.stress in (None, RIGHT[2]):
            return ""
        if self.stress == "virial":
            return "it were a virial, in eV, which is the stress times the volume"
        return f"it were in {self.stress}"

    @property
    def oddity(self) -> int:
        """How many choices someone made that are not ours; units that belong together are one."""
        energy = self.energy != RIGHT[0]
        forces = self.forces not in (None, RIGHT[1]) and self.forces not in _companions(self.energy)
        stress = self.stress not in (None, RIGHT[2]) and self.stress not in _companions(self.energy)
        return int(energy) + int(forces) + int(stress)


def _companions(energy: str) -> tuple[str, ...]:
    """Units of forces and stress that go with one of the energy."""
    if energy == PER_ATOM:
        return ()
    own = (f"{energy}/angstrom", f"{energy}/angstrom^3")
    return (*own, f"{energy}/bohr", f"{energy}/bohr^3") if energy in ATOMIC else own


def readings_of(
    forces: tuple[float, float] | None,
    stress: tuple[float, float] | None,
    volume: float,
    size: float,
) -> list[Reading]:
    """The simplest units that explain the slopes, nearest first.

    Args:
        forces: Slope of energies over works of the forces, and its tolerance, relative.
        stress: The same for the stress.
        volume: Typical of a structure (length^3).
        size: Typical number of its atoms.
    """
    of_forces = None if forces is None else Measured(*forces)
    of_stress = None if stress is None else Measured(*stress)
    found: list[tuple[int, float, Reading]] = []
    for (energy, e), (f_name, f), (s_name, s) in product(
        _energies(size), _forces(of_forces), _stresses(of_stress, volume)
    ):
        if not _is_usual(energy, f_name, s_name):
            continue
        off = [m.off(x / e) for m, x in ((of_forces, f), (of_stress, s)) if m is not None]
        if max(off) < 1:
            reading = Reading(energy, f_name, s_name)
            found.append((reading.oddity, sum(off), reading))
    least = min((oddity for oddity, _, _ in found), default=0)
    simplest = sorted((off, k) for k, (oddity, off, _) in enumerate(found) if oddity == least)
    return [found[k][2] for _, k in simplest]


def _is_usual(energy: str, forces: str | None, stress: str | None) -> bool:
    """Whether someone may have such units side by side."""
    own = _companions(energy)
    if stress in OF_OWN_ENERGY and stress not in own:
        return False
    are_both_odd = energy != RIGHT[0] and forces not in (None, RIGHT[1], *own)
    return not are_both_odd or (energy in ATOMIC and str(forces).endswith(BOTH_ATOMIC))


def _energies(size: float) -> list[tuple[str, float]]:
    per_atom = [(PER_ATOM, size)] if size > 1 else []
    return [(name, factor(name)) for name in ENERGIES] + per_atom


def _forces(measured: Measured | None) -> Sequence[tuple[str | None, float]]:
    if measured is None:
        return [(None, 1.0)]
    names = [f"{energy}/{length}" for energy in ENERGIES for length in LENGTHS]
    return [(name, factor(name)) for name in names]


def _stresses(measured: Measured | None, volume: float) -> Sequence[tuple[str | None, float]]:
    return [(None, 1.0)] if measured is None else list(_all_stresses(volume))


def _all_stresses(volume: float) -> Iterator[tuple[str | None, float]]:
    bohr = factor("bohr")
    yield from ((name, factor(name)) for name in STRESSES)
    yield from ((f"{name}/angstrom^3", factor(name)) for name in ENERGIES)
    yield from ((f"{name}/bohr^3", factor(name) / bohr**3) for name in ("eV", *ATOMIC))
    yield "virial", 1 / volume
