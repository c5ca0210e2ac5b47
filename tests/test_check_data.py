"""Data sets that are sound, and the same spoiled in one way: each is found, and nothing else is."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from silicon import DIAMOND
from sound_data import all_of, changed, forces, kinds, own, silicon, stress, with_labels

from miniff.kernel import Cell, Finding, check_data
from miniff.kernel import eval as evaluate
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._work import steps_between
from miniff.potentials import lj_potential_family
from miniff.units import factor

GPA = factor("GPa")
HARTREE, BOHR = factor("Hartree"), factor("bohr")


def test_sound_data_have_no_findings() -> None:
    """Of a potential's own labels nothing looks wrong, and the slopes are those of a gradient."""
    checkup = check_data({"data": silicon()})
    assert checkup.findings == ()
    (said,) = checkup.seen
    slopes = [float(slope) for slope in re.findall(r"([\d.]+) ± [\d.]+ times", said)]
    assert slopes == pytest.approx([1.0, 1.0], abs=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_long_steps_accuse_nobody(seed: int) -> None:
    """Exact labels of tiny cells whose strains are too large for the rule of the ends."""
    rng, pair = np.random.default_rng(seed), lj_potential_family(epsilon=0.2, sigma=1.8, a=1.5)
    sites, cells = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]), []
    for _ in range(26):
        vectors = rng.uniform(3.4, 4.0) * (np.eye(3) + rng.normal(scale=0.02, size=(3, 3)))
        cell = Cell(vectors, sites + rng.normal(scale=0.02, size=(4, 3)), ["Ar"] * 4)
        found = evaluate(pair, cell)
        cells.append(changed(cell, energy=found.energy, forces=found.forces, stress=found.stress))
    assert not {name for name in kinds(cells) if name.startswith(("sign", "unit"))}


@pytest.mark.parametrize("label", ["forces", "stress"])
@pytest.mark.parametrize("wrong", [2.46, -2.46])
def test_a_factor_that_no_unit_explains_is_told(label: str, wrong: float) -> None:
    """Where steps are short, so that only the labels can be wrong."""
    cells = [changed(cell, **{label: own(cell, label) / wrong}) for cell in silicon()]
    found = kinds(cells)
    (kind,) = (name for name in found if label in name)
    seen = re.search(r"changes by (-?[\d.]+)", found[kind].sentence)
    assert seen is not None
    assert float(seen[1]) == pytest.approx(wrong, rel=0.05)


def some_of(change: Callable[[Cell], Cell], *numbers: int) -> Callable[[], list[Cell]]:
    return lambda: [change(c) if k in numbers else c for k, c in enumerate(silicon())]


def energy(scale: float, shift: float = 0.0) -> Callable[[Cell], Cell]:
    return lambda cell: changed(cell, energy=float(own(cell, "energy")) * scale + shift * cell.size)


def close(cell: Cell) -> Cell:
    positions = cell.cartesian()
    positions[1] = positions[0] + [0.3, 0, 0]
    coordinates = cell.transform_from_cartesian(positions)
    return Cell(cell.vectors, coordinates, cell.values, cell.meta, pbc=cell.pbc)


def in_atomic_units(cell: Cell) -> Cell:
    meta = {
        **cell.meta,
        "energy": float(own(cell, "energy")) / HARTREE,
        "forces": own(cell, "forces") * BOHR / HARTREE,
        "stress": own(cell, "stress") * BOHR**3 / HARTREE,
    }
    return Cell(cell.vectors / BOHR, cell.coordinates, cell.values, meta, pbc=cell.pbc)


def other_file(change: Callable[[Cell], Cell]) -> list[Cell]:
    """Every third structure is in a file of its own, changed."""
    moved = [changed(c, source=str(c.meta["source"]).replace("train", "b")) for c in silicon()]
    return [change(moved[k]) if k % 3 == 0 else c for k, c in enumerate(silicon())]


def shear_of_vasp(cell: Cell) -> Cell:
    return changed(cell, stress=own(cell, "stress")[[0, 1, 2, 5, 3, 4]])


def net(cell: Cell) -> Cell:
    return changed(cell, forces=own(cell, "forces") + np.array([0.1, 0, 0]))


SPOILED = {
    "forces negated": (all_of(forces(-1)), "error", "sign of forces", "train.xyz look like grad"),
    "forces in Ha/bohr": (
        all_of(forces(BOHR / HARTREE)),
        "error",
        "unit of forces",
        "as if the forces were in Hartree/bohr",
    ),
    "energies in Ha": (
        all_of(energy(1 / HARTREE)),
        "error",
        "unit of forces",
        "as if the energies were in Hartree",
    ),
    "stress negated": (
        all_of(stress(-1)),
        "error",
        "sign of stress",
        "the opposite sign, positive under compression",
    ),
    "stress in GPa": (all_of(stress(1 / GPA)), "error", "unit of stress", "as if it were in GPa"),
    "stress in kbar, negated": (
        all_of(stress(-10 / GPA)),
        "error",
        "unit of stress",
        "as if it were in kbar, and positive under compression",
    ),
    "virial": (
        all_of(lambda c: stress(c.volume)(c)),
        "error",
        "unit of stress",
        "as if it were a virial, in eV, which is the stress times the volume, or as if it w",
    ),
    "shear in VASP's order": (
        all_of(shear_of_vasp),
        "warning",
        "order of shear",
        "with the energies in the order xy yz xz",
    ),
    "one file in Ha": (
        lambda: other_file(energy(1 / HARTREE)),
        "error",
        "unit of energy",
        r"energies in b\.xyz are typically .* in train\.xyz .* as if they were in Hartree",
    ),
    "one file of total energies": (
        lambda: other_file(energy(1, -107.0)),
        "warning",
        "offset of energies",
        "as total energies do beside cohesive ones",
    ),
    "one energy in Ha": (
        some_of(energy(1 / HARTREE), 7),
        "warning",
        "energy against neighbours",
        r"the energy of train\.xyz, structure 7 .* eV in all\) too high .* it would do in Hartree",
    ),
    "some energies in Ha": (
        some_of(energy(1 / HARTREE), *range(0, 60, 6)),
        "error",
        "unit of energy",
        "10 structures have energies that would go with the others",
    ),
    "an energy off": (
        some_of(energy(1, 0.3), 20),
        "warning",
        "energy against neighbours",
        r"structure 20 .* is (29\d|30\d) meV/atom \(2\.[34]\d? eV in all\) too high for the forces",
    ),
    "atoms too close": (
        some_of(close, 4),
        "error",
        "atoms too close",
        r"atoms 0 and 1 .* Si-Si, of train\.xyz, structure 4 .* are 0\.3 angstrom apart",
    ),
    "bohr": (all_of(in_atomic_units), "error", "unit of length", "as if they were in bohr"),
    "one file in bohr": (
        lambda: other_file(in_atomic_units),
        "error",
        "unit of length",
        r"in b\.xyz is typically 1\.[89]\d of .* as if they were in bohr",
    ),
    "forces that are zero": (
        some_of(forces(0), 43, 45),
        "warning",
        "forces of zero",
        "all forces are exactly 0 in 2 of 60 structures",
    ),
    "a large force": (
        some_of(forces(40), 41),
        "warning",
        "large forces",
        r"the force on atom \d .* of train\.xyz, structure 41 .* where 95 % of the structures",
    ),
    "net forces": (all_of(net), "warning", "net forces", "by up to 0.8 eV/angstrom in train"),
    "missing stress": (
        some_of(lambda c: changed(c, stress=None), 2, 9),
        "note",
        "missing",
        "2 of 60 structures have no stress",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_spoiled_data_are_found(name: str) -> None:
    """What is wrong is named, with where it is and what to do."""
    spoil, severity, kind, sentence = SPOILED[name]
    found = kinds(spoil())
    assert kind in found, list(found)
    assert found[kind].severity == severity
    assert re.search(sentence, found[kind].sentence), found[kind].sentence
    graver = {k for k, one in found.items() if one.severity == "error"} - {kind}
    assert graver <= {"unit of forces", "unit of stress", "unit of energy"}
    wholly_sound = {"order of shear", "offset of stress", "missing", "net forces"}
    assert found.keys() == {kind} or kind not in wholly_sound


def test_dimer_that_is_pulled_apart_is_no_other_unit() -> None:
    """Two atoms may be as far from each other as one likes."""
    pulled = [Cell(np.eye(3), [[0, 0, 0], [r, 0, 0]], ["C"] * 2, pbc=False) for r in (2.5, 3, 4)]
    assert "unit of length" not in kinds(pulled)


def test_one_wrong_structure_does_not_convict_all() -> None:
    """A single force field of another size leaves the slopes of the file where they are."""
    found = kinds(some_of(forces(40), 41)())
    assert not {"sign of forces", "unit of forces"} & found.keys()
    assert found["large forces"].where == ("train.xyz, structure 41 (counted from 0)",)


def test_offset_of_stress_is_measured() -> None:
    """A pressure added to all stresses comes back with its sign, in GPa."""
    added = all_of(lambda c: changed(c, stress=own(c, "stress") + 0.02 * (np.arange(6) < 3)))()
    found = kinds(added)["offset of stress"]
    size = re.search(r"lies ([-+\d.]+) GPa beside", found.sentence)
    assert size is not None
    assert float(size[1]) == pytest.approx(0.02 / GPA, rel=0.1)
    assert found.severity == "note"
    assert "as cut-off plane waves leave it" in found.sentence


def test_large_offset_of_stress_is_not_said_to_be_of_plane_waves() -> None:
    """It is a mistake."""
    added = all_of(lambda c: changed(c, stress=own(c, "stress") + 0.1 * (np.arange(6) < 3)))()
    found = kinds(added)["offset of stress"]
    assert found.severity == "warning"
    assert "far more than cut-off plane waves leave: look at the sign and unit" in found.sentence


def test_work_is_the_energy_difference_to_third_order() -> None:
    """Half the step, an eighth of the difference between work and energy."""
    rng = np.random.default_rng(0)
    move, strain = rng.normal(size=(8, 3)), rng.normal(size=(3, 3))
    off = []
    for size in (0.008, 0.004):
        ends = []
        for sign in (-1, 1):
            vectors = 5.43 * (np.eye(3) + sign * size * strain)
            coordinates = DIAMOND + 0.01 + sign * size * move / 5.43
            coordinates[0] += 0.03
            ends.append(with_labels(Cell(vectors, coordinates, ["Si"] * 8)))
        steps = steps_between(Survey.of({"ends": ends}))
        assert len(steps) == 1
        off.append(float(steps.of_forces[0] + steps.of_stress[0] - steps.energy[0]))
        assert abs(off[-1]) < 0.05 * steps.gross[0]
    assert off[0] / off[1] == pytest.approx(8, rel=0.1)


def test_work_ignores_how_molecules_are_turned() -> None:
    """A molecule that is turned and moved on the way has done the same work."""
    rng = np.random.default_rng(1)
    start = rng.normal(size=(5, 3)) * 2
    end = start + rng.normal(scale=0.05, size=(5, 3))
    pull = [rng.normal(size=(5, 3)) for _ in range(2)]
    pull = [f - f.mean(axis=0) for f in pull]
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    works = []
    for q, shift in ((np.eye(3), 0.0), (turn, 3.0)):
        ends = [
            Cell(np.eye(3), x, ["C"] * 5, {"energy": 0.0, "forces": f}, pbc=False)
            for x, f in ((start, pull[0]), (end @ q + shift, pull[1] @ q))
        ]
        works.append(float(steps_between(Survey.of({"x": ends})).of_forces[0]))
    assert works[0] != 0
    assert works[0] == pytest.approx(works[1], rel=1e-9)


def test_atoms_at_one_place_are_an_error() -> None:
    """No neighbour list can be made; all the rest is looked at all the same."""
    broken = Cell(np.eye(3) * 5, [[0, 0, 0], [0, 0, 0]], ["Si", "Si"], {"energy": -1.0})
    found = kinds([*silicon(), broken])
    assert found["structure"].severity == "error"
    assert "nothing can be learned from it" in found["structure"].sentence


def test_nothing_to_look_at_is_refused(as_installed: None) -> None:
    with pytest.raises(ValueError, match="`sets` have no structure to look at"):
        check_data({"data": []})
    with pytest.raises(ValueError, match="severity"):
        Finding("fatal", "x", "y")  # type: ignore[arg-type]
