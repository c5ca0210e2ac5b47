"""The benchmarks compare like with like; no test looks at how long anything took."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from typer.testing import CliRunner

from benchmarks import measure, saved
from benchmarks.__main__ import app
from benchmarks.compare import compare
from benchmarks.device_work import STRUCTURES, Traffic
from benchmarks.device_work import measure as measure_work
from benchmarks.measure import Outcome, Request, Result, median_of, per_atom, time_calls
from benchmarks.peers import Answer, Method, Peer, Task, Unsuitable, known_peers
from benchmarks.peers.miniff import cell as cell_of
from benchmarks.structures import EXAMPLES, SHORTEST_CONTACT, water
from benchmarks.training_profile import shares_of
from benchmarks.training_work import Copies
from benchmarks.workloads import WORKLOADS, Case, build_case
from miniff import kernel
from miniff.kernel import Cell
from miniff.ml import Mean, NNPotential, load_n2p2, save_potentials
from miniff.ml_util import behler_nn
from miniff.potentials import behler2_descriptor_family
from miniff.units import factor

ROOT = Path(__file__).resolve().parents[1]


def test_command_measures_and_finds_ase_in_agreement(tmp_path: Path) -> None:
    """64 atoms of argon: the file is complete, and ASE's energy and forces are miniff's."""
    file = tmp_path / "result.json"
    options = "--workloads lj --sizes 64 --peers miniff,ase --repeats 1 --seconds 0 --clock cpu"
    command = [sys.executable, "-m", "benchmarks", *options.split(), "--json", str(file)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Lennard-Jones" in ended.stdout
    assert "processor time" in ended.stdout
    written = json.loads(file.read_text())
    assert (written["threads"], written["clock"]) == (1, "cpu")
    assert set(written["versions"]) == {"miniff", "ase"}
    ours, theirs = written["results"]
    assert (ours["peer"], theirs["peer"]) == ("miniff", "ase")
    for row in (ours, theirs):
        assert row["status"] == "measured"
        assert (row["workload"], row["size"], row["n_atoms"]) == ("lj", 64, 64)
        assert row["calls"] >= 1
        assert row["microseconds_per_atom"] > 0
        assert row["memory_kb_per_atom"] >= 0
    assert ours["ratio"] == 1
    assert theirs["ratio"] == theirs["microseconds_per_atom"] / ours["microseconds_per_atom"]
    assert theirs["compared_with"] == "miniff"
    assert theirs["difference"] < 1e-12


def outcome(peer: str, *, time: float = 1.0, energy: float = -2.0, shift: float = 0.0) -> Outcome:
    """As if measured: two atoms, one force."""
    request = Request(peer, "lj", 64, 1, 0.0, None)
    forces = np.array([[0, 0, 0], [0, 0, 4 + shift]], float)
    result = Result("measured", "", 2, time, 1, 1.0)
    return Outcome(request, result, Answer(energy, forces))


def peers(tolerance: float | None = 1e-6) -> dict[str, Peer]:
    """miniff and one more."""

    def peer(name: str, tolerance: float | None) -> Peer:
        return Peer(name, (), name, {"lj": Method(unsuitable, tolerance=tolerance)})

    return {"miniff": peer("miniff", 1e-6), "other": peer("Other", tolerance)}


def unsuitable(case: Case) -> Task:
    raise Unsuitable(f"no {case.workload.name} here")


@pytest.mark.parametrize(
    "theirs",
    [
        outcome("other", energy=-2.00001),
        outcome("other", shift=0.00001),
        outcome("other", energy=np.nan),
        outcome("other", shift=np.nan),
        replace(outcome("other"), answer=Answer(-2.0, np.zeros((3, 3)))),
    ],
)
def test_other_numbers_are_refused(theirs: Outcome) -> None:
    """Their time is not shown, and the message says by how much they are off."""
    _, row = compare([outcome("miniff"), theirs], peers())
    assert row.outcome.result.status == "differs"
    assert row.outcome.result.microseconds_per_atom is None
    assert row.ratio is None
    assert "from miniff, at most 1e-06 is allowed" in row.outcome.result.message


def test_difference_is_relative_and_may_be_larger_in_single_precision() -> None:
    """Of energy and of each column, whichever is worse."""
    found = [outcome("miniff"), outcome("other", energy=-2.000004, shift=0.00002)]
    _, row = compare(found, peers(tolerance=1e-4))
    assert row.outcome.result.status == "measured"
    assert row.difference == pytest.approx(5e-6)


def test_another_function_is_not_compared() -> None:
    """Its time is shown all the same; it is nobody's reference either."""
    found = [outcome("other", energy=7.0, time=3.0), outcome("miniff", time=2.0)]
    other, ours = compare(found, peers(tolerance=None))
    assert other.outcome.result.status == "measured"
    assert (other.difference, ours.difference) == (None, None)
    assert (other.ratio, ours.ratio) == (1.5, 1.0)


def test_without_miniff_the_first_answer_is_the_reference() -> None:
    """Then there is a difference but no ratio."""
    absent = replace(outcome("miniff"), result=Result("not installed"), answer=None)
    first, second = outcome("other"), outcome("another", shift=1e-9)
    known = peers() | {"another": replace(peers()["other"], name="Another")}
    _, a, b = compare([absent, first, second], known)
    assert (a.reference, b.reference) == (None, "Other")
    assert b.difference == pytest.approx(2.5e-10)
    assert (a.ratio, b.ratio) == (None, None)


def test_time_per_atom_is_the_median() -> None:
    """One slow call of three changes nothing; 2 ms for 4 atoms are 500 microseconds each."""
    assert per_atom([0.002, 0.001, 9.0], 4) == pytest.approx(500)


def test_rounds_give_their_median() -> None:
    """A round that failed stands for all."""
    rounds = [outcome("miniff", time=time) for time in (7.0, 1.0, 2.0)]
    assert median_of(rounds).result.microseconds_per_atom == 2.0
    failed = replace(rounds[0], result=Result("failed"), answer=None)
    assert median_of([rounds[0], failed]) is failed


def test_calls_go_on_until_both_minima_are_reached() -> None:
    """Copies of the positions are taken in turn."""
    given: list[float] = []
    task = Task(lambda positions: given.append(positions[0, 0]), unsuitable)
    copies = np.arange(3.0)[:, None, None] * np.ones((1, 1, 3))
    ticks = iter(np.arange(100) * 0.25)
    durations = time_calls(task, copies, repeats=2, seconds=1.0, clock=lambda: next(ticks))
    assert durations == [0.25] * 4
    assert given == [0, 1, 2, 0]
    assert len(time_calls(task, copies, repeats=3, seconds=0.0, clock=lambda: 0.0)) == 3


@pytest.mark.parametrize(
    ("modules", "status", "message"),
    [
        (("no_such_module",), "not installed", "No module named 'no_such_module'"),
        ((), "not possible", "no lj here"),
    ],
)
def test_what_cannot_run_gets_a_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    modules: tuple[str, ...],
    status: str,
    message: str,
) -> None:
    """A missing program or an impossible case ends no run."""
    peer = Peer("X", modules, "x", {"lj": Method(unsuitable)})
    monkeypatch.setattr(measure, "known_peers", lambda: {"x": peer})
    request = Request("x", "lj", 64, 1, 0.0, None)
    measure.work(request, tmp_path)
    read = measure.read_outcome(request, tmp_path)
    assert (read.result.status, read.result.message, read.answer) == (status, message, None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--peers gromacs", "`peers` has 'gromacs' but knows miniff, ase"),
        ("--workloads dft", "`workloads` has 'dft' but knows sw, lj"),
        ("--sizes 100", "`sizes` has 100 but must be 8 n^3: 64, 512, 4096"),
    ],
)
def test_unknown_names_and_sizes_are_refused(options: str, sentence: str) -> None:
    """With what would do."""
    result = CliRunner().invoke(app, options.split(), env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert sentence in result.output


def test_every_workload_is_done_by_miniff() -> None:
    """And no peer does work that is not there."""
    known = known_peers()
    assert set(known["miniff"].methods) == set(WORKLOADS)
    assert all(set(peer.methods) <= set(WORKLOADS) for peer in known.values())


@pytest.mark.parametrize(
    ("name", "neighbours"), [("g4-forces", 46), ("water-100", 100), ("water-220", 220)]
)
def test_structures_have_the_stated_number_of_neighbours(name: str, neighbours: int) -> None:
    """Counted with scipy, to a percent or two."""
    case = build_case(name, 512)
    tree = cKDTree(case.structure.positions, boxsize=case.structure.box)
    n_pairs = tree.count_neighbors(tree, case.workload.cutoff) - case.structure.n_atoms
    assert n_pairs / case.structure.n_atoms == pytest.approx(neighbours, rel=0.02)


def test_water_has_whole_molecules_that_do_not_clash() -> None:
    """Two bonds of 0.9572 angstrom each, and no other contact below the limit."""
    structure = water(64)
    tree = cKDTree(structure.positions, boxsize=structure.box)
    close = tree.query_pairs(SHORTEST_CONTACT, output_type="ndarray")
    assert (close[:, 0] // 3 == close[:, 1] // 3).all()
    bonds = tree.query_pairs(0.9573, output_type="ndarray")
    assert len(bonds) == 2 * structure.n_atoms // 3


def test_water_has_27_and_30_functions() -> None:
    """None of them twice."""
    functions = WORKLOADS["water-100"].functions
    assert len(set(functions)) == 57
    assert sum(f.tag.startswith("H-") for f in functions) == 27


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_potentials_are_those_that_n2p2_publishes(name: str, shared_data: Path) -> None:
    """The energy per atom of the copies is the one that n2p2's own tests expect."""
    case = build_case(f"n2p2-{name}", 1)
    task = known_peers()["miniff"].methods[f"n2p2-{name}"].prepare(case)
    found = task.read(task.run(case.structure.positions))
    folder = shared_data / "n2p2" / "predict" / EXAMPLES[name].folder
    expected = json.loads((folder / "expected.json").read_text())
    assert found.energy == pytest.approx(
        expected["energy"] * factor(EXAMPLES[name].energy_unit), rel=1e-9
    )
    assert case.workload.cutoff == pytest.approx(task_cutoff(name), abs=1e-4)
    assert len(build_case(f"n2p2-{name}", 8 * case.structure.n_atoms).structure.symbols) == (
        8 * case.structure.n_atoms
    )


def task_cutoff(name: str) -> float:
    of = EXAMPLES[name]
    units = {"length_unit": of.length_unit, "energy_unit": of.energy_unit}
    return max(p.cutoff for p in load_n2p2(of.path, **units))


def test_absent_example_potentials_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row says that they are not there."""
    monkeypatch.setattr("benchmarks.structures.DATA", Path("/nowhere"))
    with pytest.raises(Unsuitable, match="n2p2's example H2O_RPBE-D3 is not at /nowhere"):
        build_case("n2p2-H2O", 64)


def test_operations_and_bytes_are_those_counted_by_hand() -> None:
    """A product, a sum over it, and no view; a number that is repeated is read once."""
    x = torch.ones(3, 4, dtype=torch.float64)
    with Traffic() as traffic:
        (x.T * x[0, 0].expand(4, 3)).sum()
    assert traffic.n_operations == 2
    assert traffic.n_bytes == 8 * (12 + 1 + 12 + 12 + 1)


@pytest.mark.parametrize("name", STRUCTURES)
def test_work_of_a_device_is_in_proportion_to_atoms(name: str) -> None:
    """Bytes for an atom do not grow with atoms."""
    few, many = (measure_work(name, n, 1) for n in (64, 512))
    assert min(few.n_operations, few.by_torch, few.by_core) > 0
    assert 0 < many.bytes_moved < 1.5 * few.bytes_moved


def test_a_profile_is_of_the_epochs_alone() -> None:
    """What a training does once, before and after them, is not in it."""
    x = torch.eye(3)

    def run(n_epochs: int) -> None:
        for _ in range(3):
            x.exp()
        for _ in range(2 * n_epochs):
            x @ x

    shares = shares_of(run, 5)
    assert shares["aten::exp"].count == 0
    assert shares["aten::mm"].count == 2
    assert shares["aten::mm"].device == 0


def test_saved_potentials_are_timed_beside_a_member(tmp_path: Path) -> None:
    """What is timed is the energy of `kernel.eval`, at the positions of each call."""
    functions = [
        behler2_descriptor_family("Si-Si", a=4.0, eta=eta, r_sphere=0.0) for eta in (0.1, 0.5, 2.0)
    ]
    torch.manual_seed(0)
    networks = Mean([behler_nn(3, 4), behler_nn(3, 4)])
    potentials = [NNPotential(networks, functions, "Si")]
    save_potentials(tmp_path / "p.pt", potentials)
    case = build_case("g5-network", 64)
    Cell.save(cell_of(case, case.structure.positions), tmp_path / "si.xyz")
    for options, n_rows in (([], 3), (["--structure", str(tmp_path / "si.xyz")], 2)):
        arguments = [str(tmp_path / "p.pt"), "--atoms", "64", "--repeats", "1", *options]
        said = CliRunner().invoke(saved.app, arguments).output
        assert re.search(r"as saved, committee of 2, 3 descriptors, \d+ neighbours", said)
        assert len(re.findall(r"│ +\d+\.\d +│ +\d+\.\d +│", said)) == n_rows
    cell = cell_of(case, case.structure.positions)
    double, single = saved.calls_of(potentials, cell)
    moved = saved.copies_of(cell)[1]
    expected = kernel.eval(potentials, cell_of(case, moved)).energy
    assert double(moved).energy[0] == pytest.approx(expected, rel=1e-12)
    assert single(moved).energy[0] == pytest.approx(expected, rel=1e-5)


def test_copies_are_counted_both_ways() -> None:
    """What was fetched is on the host, with all its parts; another type is no copy."""
    place = torch.device("cpu")
    with Copies() as copies:
        there = torch.ones(4, 3).to(place).to(torch.float64)
        here = (2 * there).cpu()
        here[0].cpu()
        here[1].detach().cpu()
        there[0].cpu()
        torch.tensor([1.0], device=place)
    assert (copies.to_device, copies.to_host) == (2, 2)
