"""A fixed sequence of operations on a CUDA device, recorded once and started as one.

A CUDA graph has buffers of its own: numbers are copied into the one it reads, and out of the one it
writes. See https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["WARM_UP", "Recorder", "Replay", "Run"]

WARM_UP = 3
"""Calls before the first recording, in which libraries make themselves ready, as torch's manual has
it. Their results are used like all others. Before later ones it takes a call, in which a step finds
what it has to know of its list."""

Numbers = Float64[Tensor, " _"]

Step = Callable[[Numbers], Numbers]
"""What is recorded: from numbers on a device to others there, without waiting for any."""

Run = Callable[[Numbers], Numbers]
"""The same from the host to the host."""


class Recorder:
    """Makes steps run: as recordings on a CUDA device, operation by operation elsewhere.

    Attributes:
        device: Where.
        n_before: So many calls of a step come before its recording.
    """

    def __init__(self, device: torch.device, cuda: Any = None) -> None:
        """Has recorded nothing yet.

        Args:
            device: Where steps run.
            cuda: What has the streams and graphs; ``torch.cuda`` on a CUDA device by default.
        """
        if cuda is None and device.type == "cuda":
            cuda = torch.cuda
        self.device, self.n_before = device, WARM_UP
        self._cuda = cuda
        self._stream: Any = None if cuda is None else cuda.Stream(device)

    def run(self, step: Step, n_numbers: int) -> Run:
        """What runs a step of so many numbers; a recording has its memory while it lives."""
        if self._cuda is None:
            return lambda numbers: step(numbers.to(self.device)).cpu()
        return Replay(step, n_numbers, self)

    def by_itself(self, step: Callable[[], Numbers]) -> Numbers:
        """The result of a step whose operations are started one by one, on the host.

        On the stream that is recorded, since libraries make themselves ready for a stream.
        """
        if self._cuda is None:
            return step().cpu()
        with self._cuda.device(self.device):
            current = self._cuda.current_stream(self.device)
            self._stream.wait_stream(current)
            with self._cuda.stream(self._stream):
                found = step().cpu()
            current.wait_stream(self._stream)
        return found

    def record(self, step: Callable[[], Numbers]) -> tuple[Any, Numbers] | None:
        """A graph and the buffer it writes; None, with a warning, where there can be none.

        Raises:
            torch.cuda.OutOfMemoryError: Too little memory for it.
        """
        if self._cuda is None:
            return None
        graph = self._cuda.CUDAGraph()
        try:
            with self._cuda.device(self.device):
                current = self._cuda.current_stream(self.device)
                # The outer one, since torch leaves its own stream current if a recording breaks.
                with self._cuda.stream(current), self._cuda.graph(graph, stream=self._stream):
                    found = step()
        except RuntimeError as error:
            first = error.__context__ or error  # the end of a recording that broke raises again
            if isinstance(first, torch.cuda.OutOfMemoryError):
                raise first from None
            self._refuse(first)
            return None
        self.n_before = 1
        return graph, found

    def _refuse(self, error: BaseException) -> None:
        self._cuda = None
        reason = str(error).strip().split("\n")[0]
        warnings.warn(
            f"steps on {self.device} cannot be recorded as a CUDA graph, so that their operations "
            f"are started one by one, which is slower for small structures: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )


class Replay:
    """One step that is recorded after some calls, and replayed from then on."""

    def __init__(self, step: Step, n_numbers: int, recorder: Recorder) -> None:
        self._step, self._recorder = step, recorder
        self._given = torch.zeros(n_numbers, dtype=torch.float64, device=recorder.device)
        self._n_calls = 0
        self._recorded: tuple[Any, Tensor] | None = None

    def __call__(self, numbers: Numbers) -> Numbers:
        """The result for numbers of the host, which waits for it."""
        self._given.copy_(numbers)
        if self._recorded is None and self._n_calls >= self._recorder.n_before:
            self._recorded = self._recorder.record(self._of_given)
        self._n_calls += 1
        if self._recorded is None:
            return self._recorder.by_itself(self._of_given)
        graph, found = self._recorded
        graph.replay()
        return found.to("cpu", copy=True)

    def _of_given(self) -> Numbers:
        return self._step(self._given)
