"""Units that a wrong factor may come from."""

__all__ = ["factor", "unit_of_energy", "unit_of_forces", "unit_of_stress"]

CLOSE = 0.1
"""Relative difference to a known factor."""
ENERGIES = ("Hartree", "Ry", "kcal/mol", "kJ/mol", "meV")
FORCES = ("Hartree/bohr", "Ry/bohr", "meV/angstrom")
STRESSES = ("GPa", "kbar", "MPa")


def factor(unit: str) -> float:
    """Size of a unit in electronvolt and angstrom."""
    # Imported here: SciPy, which has the constants, takes half as long to load as the rest.
    from miniff import units

    return units.factor(unit)


def unit_of_energy(size: float) -> str | None:
    """The unit of energy that is so many electronvolts, roughly."""
    return _nearest(size, {name: factor(name) for name in ENERGIES})


def unit_of_forces(slope: float) -> str | None:
    """What explains that energy differences are so many times the work of the forces."""
    bohr = factor("bohr")
    known = {f"the forces were in {name}": factor(name) for name in FORCES}
    known |= {f"the energies were in {name}": 1 / factor(name) for name in ENERGIES}
    known |= {f"the forces were in {n}/angstrom": factor(n) for n in ENERGIES if n != "meV"}
    known["the forces were in eV/bohr"] = 1 / bohr
    return _nearest(slope, known)


def unit_of_stress(slope: float, volume: float) -> str | None:
    """What explains that energy differences are so many times the work of the stress.

    Args:
        slope: That many times.
        volume: Typical of a structure (length^3).
    """
    bohr = factor("bohr")
    known = {f"it were in {name}": factor(name) for name in STRESSES}
    known["it were in bar"] = factor("kbar") / 1e3
    known["it were in Hartree/bohr^3"] = factor("Hartree") / bohr**3
    known["it were in Ry/bohr^3"] = factor("Ry") / bohr**3
    known |= {f"the energies were in {name}": 1 / factor(name) for name in ENERGIES}
    virial = {"it were a virial, in eV, which is the stress times the volume": 1 / volume}
    found = [_nearest(slope, known), _nearest(slope, virial)]
    return ", or as if ".join(name for name in found if name is not None) or None


def _nearest(size: float, known: dict[str, float]) -> str | None:
    """The name of the factor that is close; the first of several."""
    off = {name: abs(size / own - 1) for name, own in known.items()}
    name = min(off, key=lambda name: off[name])
    return name if off[name] < CLOSE else None
