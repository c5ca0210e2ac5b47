"""The loop of all dynamics: steps, who looks at them, and how a run goes on that was killed."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

import numpy as np
import torch
from ase import units

from miniff._checks import check_at_least
from miniff.dyn._guard import Guard
from miniff.dyn._integrator import Integrator
from miniff.dyn._record import Record, Sink, open_sinks
from miniff.dyn._state import State
from miniff.ml._checkpoint import Checkpoint, Progress

__all__ = ["Observe", "Watch", "run"]

Observe = Callable[[State], None]
UNITS = {
    "timestep": (units.fs, "fs"),
    "relaxation_time": (units.fs, "fs"),
    "period": (units.fs, "fs"),
    "temperature": (1.0, "K"),
    "pressure": (units.GPa, "GPa"),
}
"""In which choices of runs are told."""
CHUNK_S = 0.5
"""Seconds between two looks at the clock and at the keyboard, about."""


@dataclass(frozen=True)
class Watch:
    """Who looks at a run.

    Attributes:
        observe: Called with the state at the beginning and after every so many steps.
        every: How many steps lie between two calls.
        record: What goes to files.
        guard: Looks for atoms outside of the training set.
    """

    observe: Observe | None
    every: int
    record: Record | None
    guard: Guard

    def __post_init__(self) -> None:
        check_at_least("every", self.every, 1)


def run(
    make: Callable[[], Integrator],
    n_steps: int,
    watch: Watch,
    identity: Callable[[], Mapping[str, object]],
) -> State:
    """Makes steps up to a number of them, from the checkpoint if there is one.

    Args:
        make: The integrator where it begins.
        n_steps: How many steps.
        watch: Who looks.
        identity: What decides the numbers of the run, as plain data, to be compared with that
            of the checkpoint.

    Raises:
        ValueError: A checkpoint of another run, or one that is beyond the end.
        FloatingPointError: Something explodes: the step and an atom are named.
    """
    check_at_least("n_steps", n_steps, 0)
    record = watch.record
    checkpoint = None
    if record is not None and record.checkpoint is not None:
        path = Path(record.checkpoint)
        checkpoint = Checkpoint(path, identity(), record.checkpoint_s, units=UNITS)
    memory = checkpoint.load() if checkpoint is not None else None
    integrator = make()
    lengths: dict[str, int] = {}
    if memory is not None:
        integrator.remember(_arrays(memory["integrator"]))
        watch.guard.go_on(integrator.step)
        lengths = {str(name): int(n) for name, n in _arrays(memory["lengths"]).items()}
        if integrator.step > n_steps:
            raise ValueError(
                f"`n_steps` is {n_steps} but the run that {checkpoint and checkpoint.path} is of "
                f"has made {integrator.step} steps: ask for more to go on, or delete it to start "
                "anew"
            )
    sinks = {} if record is None else open_sinks(record, lengths)
    try:
        return _Loop(integrator, n_steps, watch, sinks, checkpoint).run(is_new=memory is None)
    finally:
        for sink in sinks.values():
            sink.close()


@dataclass(frozen=True)
class _Loop:
    integrator: Integrator
    n_steps: int
    watch: Watch
    sinks: Mapping[str, Sink]
    checkpoint: Checkpoint | None

    def run(self, *, is_new: bool) -> State:
        integrator, checkpoint = self.integrator, self.checkpoint
        if is_new:
            integrator.look()
            self._look()
        chunk = 1
        with _asked_to_stop() as asked:
            while integrator.step < self.n_steps:
                begun, n = monotonic(), min(chunk, self._until_next())
                integrator.advance(n)
                chunk = max(1, int(n * CHUNK_S / max(monotonic() - begun, 1e-6)))
                self._look()
                if checkpoint is not None and (checkpoint.is_due() or asked):
                    self._save(checkpoint)
                if asked:
                    raise KeyboardInterrupt
        if checkpoint is not None:
            self._save(checkpoint)
        return integrator.state()

    def _until_next(self) -> int:
        """Steps to the next look, or to the end."""
        step = self.integrator.step
        looks = [self.watch.every] if self.watch.observe is not None else []
        looks += [self.watch.record.every] if self.watch.record is not None else []
        return min([every - step % every for every in looks] + [self.n_steps - step])

    def _look(self) -> None:
        step, watch = self.integrator.step, self.watch
        is_observed = watch.observe is not None and step % watch.every == 0
        is_recorded = watch.record is not None and step % watch.record.every == 0
        if not (is_observed or is_recorded):
            return
        state = self.integrator.state()
        if is_recorded:
            for sink in self.sinks.values():
                sink.write(state)
        if watch.observe is not None and is_observed:
            watch.observe(state)

    def _save(self, checkpoint: Checkpoint) -> None:
        for sink in self.sinks.values():
            sink.sync()
        checkpoint.save(
            {
                "integrator": _tensors(self.integrator.memory()),
                "lengths": {name: sink.length() for name, sink in self.sinks.items()},
            },
            Progress(self.integrator.step, self.n_steps, "steps"),
        )


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that Ctrl-C puts something into, once; a second time it stops at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals are not for other threads
        return

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _tensors(value: Any) -> Any:
    """The same with tensors for arrays, which files of torch hold without running code."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, Mapping):
        return {name: _tensors(inner) for name, inner in value.items()}
    return [_tensors(inner) for inner in value] if isinstance(value, list) else value


def _arrays(value: Any) -> Any:
    """What :func:`_tensors` was given."""
    if isinstance(value, torch.Tensor):
        return value.numpy()
    if isinstance(value, Mapping):
        return {name: _arrays(inner) for name, inner in value.items()}
    return [_arrays(inner) for inner in value] if isinstance(value, list) else value
