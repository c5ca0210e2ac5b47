"""One measurement: a peer, a workload and a size, in a process of its own on one core.

`measure` starts that process and reads what it leaves; `python -m benchmarks.measure` is it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Literal

import numpy as np
from numpy import ndarray

from benchmarks.peers import Answer, Task, Unsuitable, known_peers
from benchmarks.workloads import build_case

__all__ = [
    "Clock",
    "Outcome",
    "Request",
    "Result",
    "Status",
    "measure",
    "median_of",
    "per_atom",
    "time_calls",
]

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
}

Clock = Literal["wall", "cpu"]
CLOCKS: dict[Clock, Callable[[], float]] = {"wall": perf_counter, "cpu": process_time}

Status = Literal["measured", "not installed", "not possible", "failed", "too slow", "differs"]


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        peer: Name of the adapter.
        workload: Name of the workload.
        size: Number of atoms, or near it.
        repeats: Timed calls, at least.
        seconds: Time spent in them, at least.
        core: Number of the core to run on; None to run on any.
        clock: What time is: that on the wall, or that of this process on its processor.
    """

    peer: str
    workload: str
    size: int
    repeats: int
    seconds: float
    core: int | None
    clock: Clock = "wall"


@dataclass(frozen=True)
class Result:
    """What came of it; numbers are None unless it was measured.

    Attributes:
        status: ``measured``, or why it was not.
        message: More about that.
        n_atoms: Of the structure.
        microseconds_per_atom: Median, of one evaluation or one step.
        calls: How many were timed.
        memory_kb_per_atom: Peak beyond what the process had before set-up (1000 bytes).
    """

    status: Status
    message: str = ""
    n_atoms: int | None = None
    microseconds_per_atom: float | None = None
    calls: int | None = None
    memory_kb_per_atom: float | None = None


@dataclass(frozen=True)
class Outcome:
    """A result with the answer to compare, where there is one."""

    request: Request
    result: Result
    answer: Answer | None = None


def measure(request: Request, timeout: float) -> Outcome:
    """Runs the measurement in a fresh process."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.measure", folder, json.dumps(asdict(request))]
        try:
            ended = subprocess.run(
                command,
                env=os.environ | ONE_THREAD,
                cwd=Path(__file__).parents[1],
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(request, Result("too slow", f"more than {timeout:g} s"))
        if ended.returncode != 0:
            return Outcome(request, Result("failed", f"ended with code {ended.returncode}"))
        return read_outcome(request, Path(folder))


def median_of(rounds: Sequence[Outcome]) -> Outcome:
    """Of the same measurement made several times; the first one that was none stands for all."""
    times, kilobytes = [], []
    for outcome in rounds:
        result = outcome.result
        if result.microseconds_per_atom is None or result.memory_kb_per_atom is None:
            return outcome
        times.append(result.microseconds_per_atom)
        kilobytes.append(result.memory_kb_per_atom)
    result = replace(
        rounds[0].result,
        microseconds_per_atom=median(times),
        memory_kb_per_atom=median(kilobytes),
    )
    return replace(rounds[0], result=result)


def read_outcome(request: Request, folder: Path) -> Outcome:
    """From the files of `work`."""
    result = Result(**json.loads((folder / "result.json").read_text()))
    if not (folder / "answer.npz").exists():
        return Outcome(request, result)
    with np.load(folder / "answer.npz") as file:
        return Outcome(request, result, Answer(float(file["energy"]), file["per_atom"]))


def work(request: Request, folder: Path) -> None:
    """Measures in this process and leaves files in a folder."""
    if request.core is not None:
        os.sched_setaffinity(0, {request.core})
    try:
        result, answer = measure_here(request)
        np.savez(folder / "answer.npz", energy=answer.energy, per_atom=answer.per_atom)
    except ModuleNotFoundError as error:
        result = Result("not installed", str(error))
    except Unsuitable as error:
        result = Result("not possible", str(error))
    except Exception as error:  # a peer may raise anything
        said = str(error).strip().splitlines() or [""]
        result = Result("failed", f"{type(error).__name__}: {said[0]}")
    (folder / "result.json").write_text(json.dumps(asdict(result)))


def measure_here(request: Request) -> tuple[Result, Answer]:
    """Imports, set-up, one call to warm up and to answer, then the timed ones."""
    peer = known_peers()[request.peer]
    for module in peer.modules:
        import_module(module)
    case = build_case(request.workload, request.size)
    reset_peak()
    before = peak_memory()
    task = peer.methods[request.workload].prepare(case)
    answer = task.read(task.run(case.copies[0]))
    clock = CLOCKS[request.clock]
    durations = time_calls(task, case.copies, request.repeats, request.seconds, clock)
    grown = peak_memory() - before
    n_atoms = case.structure.n_atoms
    result = Result(
        status="measured",
        n_atoms=n_atoms,
        microseconds_per_atom=per_atom(durations, n_atoms * task.times),
        calls=len(durations),
        memory_kb_per_atom=grown / 1000 / n_atoms,
    )
    return result, answer


def time_calls(
    task: Task,
    copies: ndarray,
    repeats: int,
    seconds: float,
    clock: Callable[[], float] = perf_counter,
) -> list[float]:
    """Durations of calls that go through the copies in turn, until both minima are reached."""
    durations: list[float] = []
    while len(durations) < repeats or sum(durations) < seconds:
        positions = copies[len(durations) % len(copies)]
        start = clock()
        task.run(positions)
        durations.append(clock() - start)
    return durations


def per_atom(durations: Sequence[float], count: int) -> float:
    """The median of durations in seconds, as microseconds for each of so many atoms."""
    return 1e6 * median(durations) / count


def reset_peak() -> None:
    """From here on the peak is that of what follows, where the system can do that (Linux)."""
    with suppress(OSError):  # elsewhere the peak of the imports counts as the start
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Largest resident memory so far (bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent had
        (line,) = (row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


if __name__ == "__main__":
    work(Request(**json.loads(sys.argv[2])), Path(sys.argv[1]))
